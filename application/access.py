"""Who may call: API keys are judged here, and calls and refused keys are counted.

A caller with a wrong key learns nothing, and has to wait after some of them.
"""

import hmac
from collections.abc import Sequence
from typing import Final

import attrs

from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe, Vault
from application.rate_limit import Allowance, Strikes, TokenBuckets
from domain.access import (
    LOCAL,
    ApiKey,
    Caller,
    prefix_of,
)
from domain.errors import TooMany, Unauthorized
from domain.events import Event

_NO_KEY: Final = "an API key is needed: send it as X-API-Key or as a bearer token"
_BAD_KEY: Final = "this API key is unknown, revoked or expired"
_EMPTY_KEY: Final = "the API key is empty: is the variable set that should hold it?"


@attrs.frozen(kw_only=True)
class AccessPolicy:
    """What callers may do. With *open_without_keys* they may do everything while there is no key.

    ``rate`` is calls a second for each key, ``burst`` calls at once; ``daily_recipients`` holds for
    keys that have no number of their own; ``strikes`` are refused keys a minute, of one address,
    and of one prefix where that is counted.
    """

    open_without_keys: bool = False
    rate: int = 50
    burst: int = 100
    daily_recipients: int = 10_000
    strikes: int = 20


class Access:
    """Recognises the caller of every call from outside."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        rules: AccessPolicy,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._rules = rules
        self._observe = observe
        self._buckets = TokenBuckets(rate=rules.rate, burst=rules.burst, clock=clock)
        self._strikes = Strikes(most=rules.strikes, clock=clock)
        self._strikes_of_key = Strikes(most=rules.strikes, clock=clock)
        self._dummy = bytes(len(vault.fingerprints("")[0]))

    def authenticate(self, token: str | None, *, remote: str, by_prefix: bool = False) -> Caller:
        """The caller with *token* at the address *remote*; a key that is given is always checked.

        With *by_prefix* refused keys are counted by their prefix too, for logins that anybody tries
        from many addresses.

        Unauthorized without a usable key, unless all is open; TooMany after too many bad ones. A
        good key is accepted from any address: good and bad callers may share one.
        """
        if token is None:
            return self._without_key()
        now = self._clock.now()
        prefix = prefix_of(token)
        key = None if prefix is None else self._store.read_latest(lambda tx: tx.keys.find(prefix))
        matches = self._matches(token, key)
        if key is None or not matches or not key.usable(now):
            wrong = _BAD_KEY if token else _EMPTY_KEY
            raise self._refused(wrong, prefix, remote=remote, by_prefix=by_prefix)
        if not self._vault.is_current(key.digest):
            self._carry_over(key, self._vault.fingerprints(token)[0])
        return self.holder_of(key)

    def holder_of(self, key: ApiKey) -> Caller:
        """The caller who has shown this key."""
        return Caller(
            key_id=key.id,
            prefix=key.prefix,
            scopes=key.scopes,
            accounts=key.accounts,
            daily_recipients=key.daily_recipients or self._rules.daily_recipients,
            rewrites_from=key.rewrites_from,
        )

    def is_open(self) -> bool:
        """Whether callers on this machine need no key now."""
        # An expired key still closes the gate: it must not open by the mere passing of time.
        return self._rules.open_without_keys and all(key.revoked_at for key in self._keys())

    def take_turn(self, caller: Caller) -> Allowance | None:
        """Count one call of this caller; None for one without limits."""
        return None if caller.key_id is None else self._buckets.take(caller.key_id)

    def has_usable_key(self) -> bool:
        """Whether there is a key that could be used now."""
        now = self._clock.now()
        return any(key.usable(now) for key in self._keys())

    def _keys(self) -> Sequence[ApiKey]:
        return self._store.read_latest(lambda tx: tx.keys.all())

    def _without_key(self) -> Caller:
        if self.is_open():
            return LOCAL
        raise Unauthorized(_NO_KEY)

    def _matches(self, token: str, key: ApiKey | None) -> bool:
        """In constant time, whether there is such a key or not, and whichever secret made it."""
        stored = self._dummy if key is None else key.digest
        found = [
            hmac.compare_digest(stored, fingerprint)
            for fingerprint in self._vault.fingerprints(token)
        ]
        return any(found)

    def _refused(
        self, wrong: str, prefix: str | None, *, remote: str, by_prefix: bool
    ) -> Unauthorized | TooMany:
        wait = self._strikes.add(remote)
        if wait is not None:
            return TooMany("too many refused API keys from this address", retry_after=wait)
        if by_prefix and prefix is not None:
            wait = self._strikes_of_key.add(prefix)
        if wait is not None:
            return TooMany("too many refused API keys that begin like this one", retry_after=wait)
        fields = {"key": prefix or "malformed", "remote": remote}
        self._observe(Event(name="key_refused", fields=fields))
        return Unauthorized(wrong)

    def _carry_over(self, key: ApiKey, digest: bytes) -> None:
        def work(tx: Transaction) -> None:
            stored = tx.keys.find(key.prefix)
            if stored is not None and stored.digest == key.digest:
                tx.keys.save(attrs.evolve(stored, digest=digest))

        self._store.post(work)  # not waited for: if it is lost, the next call does it

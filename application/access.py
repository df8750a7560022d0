"""Who may call: API keys are made, judged, taken back and carried over to a new SECRET_KEY.

A key is shown once and then known only by its prefix and a fingerprint. Whoever asks with a wrong
one learns nothing, and after some of them has to wait.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Observe, Vault
from application.rate_limit import Allowance, Strikes, TokenBuckets
from domain.access import (
    LOCAL,
    PREFIX_LENGTH,
    ApiKey,
    AuditEntry,
    Caller,
    Scope,
    prefix_of,
    token_of,
)
from domain.account.account import Account
from domain.errors import Conflict, NotFound, SecretUnreadable, TooMany, Unauthorized
from domain.events import Event

_TRIES: Final = 5  # for a prefix that nobody has
_NO_KEY: Final = "an API key is needed: send it as X-API-Key or as a bearer token"
_BAD_KEY: Final = "this API key is unknown, revoked or expired"


@attrs.frozen(kw_only=True)
class AccessRules:
    """What callers may do. With *open_without_keys* anybody may do all while there is no key.

    ``rate`` is calls a second for each key, ``burst`` calls at once; ``daily_recipients`` holds for
    keys that have no number of their own; ``strikes`` are refused keys of one address a minute.
    """

    open_without_keys: bool = False
    rate: int = 50
    burst: int = 100
    daily_recipients: int = 10_000
    strikes: int = 20


@attrs.frozen(kw_only=True)
class KeyWish:
    """A key as its owner wants it: *accounts* None is every account, *lifetime* None no end."""

    name: str
    scopes: frozenset[Scope]
    accounts: frozenset[int] | None = None
    lifetime: timedelta | None = None
    daily_recipients: int | None = None


@attrs.frozen(kw_only=True)
class Rotation:
    """What a change of SECRET_KEY has carried over, and what still needs the old one.

    ``unreadable`` are accounts whose password no key at hand opens; ``waiting`` are keys that carry
    themselves over when they are next used.
    """

    resealed: int
    unreadable: tuple[Account, ...]
    waiting: tuple[ApiKey, ...]


class Access:
    """The use cases about keys, and the door that every call from outside goes through."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        vault: Vault,
        rules: AccessRules,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._rules = rules
        self._observe = observe
        self._buckets = TokenBuckets(rate=rules.rate, burst=rules.burst, clock=clock)
        self._strikes = Strikes(most=rules.strikes, clock=clock)
        self._dummy = bytes(len(vault.fingerprints("")[0]))

    # -- the door -----------------------------------------------------------------------------

    def authenticate(self, token: str | None, *, remote: str) -> Caller:
        """Who asks with *token* from the address *remote*; a key that is given is always judged.

        Unauthorized without a usable key, unless all is open; TooMany after too many bad ones. A
        good key is let in from any address: many callers may share one with somebody bad.
        """
        if token is None:
            return self._without_key()
        now = self._clock.now()
        prefix = prefix_of(token)
        key = None if prefix is None else self._store.read_latest(lambda tx: tx.keys.find(prefix))
        matches = self._matches(token, key)
        if key is None or not matches or not key.usable(now):
            raise self._refused(prefix, remote=remote)
        if not self._vault.is_current(key.digest):
            self._carry_over(key, self._vault.fingerprints(token)[0])
        return Caller(
            key_id=key.id,
            prefix=key.prefix,
            scopes=key.scopes,
            accounts=key.accounts,
            daily_recipients=key.daily_recipients or self._rules.daily_recipients,
        )

    def is_open(self) -> bool:
        """Whether anybody on this machine may call without a key now."""
        # An expired key still closes the door: it must not open by the mere passing of time.
        return self._rules.open_without_keys and all(key.revoked_at for key in self.keys())

    def take_turn(self, caller: Caller) -> Allowance | None:
        """Count one call of this caller; None for one without limits."""
        return None if caller.key_id is None else self._buckets.take(caller.key_id)

    def has_usable_key(self) -> bool:
        """Whether anybody could call with a key now."""
        now = self._clock.now()
        return any(key.usable(now) for key in self.keys())

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

    def _refused(self, prefix: str | None, *, remote: str) -> Unauthorized | TooMany:
        wait = self._strikes.add(remote)
        if wait is not None:
            return TooMany("too many refused API keys from this address", retry_after=wait)
        fields = {"key": prefix or "malformed", "remote": remote}
        self._observe(Event(name="key_refused", level="warning", fields=fields))
        return Unauthorized(_BAD_KEY)

    def _carry_over(self, key: ApiKey, digest: bytes) -> None:
        def work(tx: Transaction) -> None:
            stored = tx.keys.find(key.prefix)
            if stored is not None and stored.digest == key.digest:
                tx.keys.save(attrs.evolve(stored, digest=digest))

        self._store.post(work)  # nobody waits for it: if it is lost, the next call does it

    # -- keys ---------------------------------------------------------------------------------

    def create(self, wish: KeyWish, *, caller: Caller = LOCAL) -> tuple[ApiKey, str]:
        """A new key and its text, which is never shown again. NotFound for an account."""
        caller.require(Scope.ADMIN)
        now = self._clock.now()
        secret = bytes.fromhex(self._entropy.token() + self._entropy.token())

        def work(tx: Transaction) -> tuple[ApiKey, str]:
            for account_id in sorted(wish.accounts or ()):
                tx.accounts.get(account_id)
            prefix = self._free_prefix(tx)
            token = token_of(prefix, secret)
            key = tx.keys.add(
                ApiKey(
                    name=wish.name.strip(),
                    prefix=prefix,
                    digest=self._vault.fingerprints(token)[0],
                    scopes=wish.scopes,
                    accounts=wish.accounts,
                    daily_recipients=wish.daily_recipients,
                    created_at=now,
                    expires_at=None if wish.lifetime is None else now + wish.lifetime,
                )
            )
            tx.audit.add(_key_entry(caller, "key_created", key, at=now))
            return key, token

        key, token = self._store.write(work)
        self._tell("key_created", key)
        return key, token

    def keys(self) -> Sequence[ApiKey]:
        """All keys there ever were, by id."""
        return self._store.read_latest(lambda tx: tx.keys.all())

    def revoke(self, prefix: str, *, caller: Caller = LOCAL) -> ApiKey:
        """Take it back, in force from the next call on. NotFound; Conflict if it was before."""
        caller.require(Scope.ADMIN)
        now = self._clock.now()

        def work(tx: Transaction) -> ApiKey:
            key = tx.keys.find(prefix)
            if key is None:
                raise NotFound("there is no API key with this prefix")
            if key.revoked_at is not None:
                raise Conflict(f"the API key {prefix} was revoked before")
            key = attrs.evolve(key, revoked_at=now)
            tx.keys.save(key)
            tx.audit.add(_key_entry(caller, "key_revoked", key, at=now))
            return key

        key = self._store.write(work)
        self._tell("key_revoked", key)
        return key

    def rotate_secret(self, *, caller: Caller = LOCAL) -> Rotation:
        """Seal every SMTP password with the newest SECRET_KEY, whichever of them sealed it."""
        caller.require(Scope.ADMIN)
        now = self._clock.now()

        def work(tx: Transaction) -> Rotation:
            sealed = [a for a in tx.accounts.all() if a.sealed_password is not None]
            unreadable = tuple(account for account in sealed if not self._resealed(tx, account))
            rotation = Rotation(
                resealed=len(sealed) - len(unreadable),
                unreadable=unreadable,
                waiting=tuple(key for key in tx.keys.all() if self._waits(key)),
            )
            entry = caller.did(
                "secret_rotated",
                "SECRET_KEY",
                at=now,
                resealed=rotation.resealed,
                unreadable=len(unreadable),
            )
            tx.audit.add(entry)
            return rotation

        return self._store.write(work)

    def _resealed(self, tx: Transaction, account: Account) -> bool:
        assert account.sealed_password is not None
        context = f"account:{account.id}"
        try:
            password = self._vault.open(account.sealed_password, context=context)
        except SecretUnreadable:
            return False
        # the version stays: open sessions are as good as before
        sealed = self._vault.seal(password, context=context)
        tx.accounts.save(attrs.evolve(account, sealed_password=sealed))
        return True

    def _waits(self, key: ApiKey) -> bool:
        return key.usable(self._clock.now()) and not self._vault.is_current(key.digest)

    def _free_prefix(self, tx: Transaction) -> str:
        for _ in range(_TRIES):
            prefix = self._entropy.token()[-PREFIX_LENGTH:]
            if tx.keys.find(prefix) is None:
                return prefix
        raise Conflict("no free prefix was found for the API key: try again")

    def _tell(self, name: str, key: ApiKey) -> None:
        self._observe(Event(name=name, fields={"key": key.prefix, "name": key.name}))

    # -- the trail ----------------------------------------------------------------------------

    def audit(self, *, limit: int) -> Sequence[AuditEntry]:
        """The last *limit* entries, newest first."""
        return self._store.read(lambda tx: tx.audit.latest(limit=limit))


def _key_entry(caller: Caller, action: str, key: ApiKey, *, at: datetime) -> AuditEntry:
    return caller.did(
        action, f"key {key.prefix}", at=at, name=key.name, scopes=",".join(sorted(key.scopes))
    )

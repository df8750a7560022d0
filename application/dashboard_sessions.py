"""Logins of the dashboard: an administrator's API key is shown once, a browser keeps a secret.

The secret is of use for the pages only, ends after some hours, and ends with the key.
"""

from typing import Final

from application.access import Access
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Observe, Vault
from application.rate_limit import Allowance, TokenBuckets
from domain.access import LOCAL, ApiKey, Caller, Scope
from domain.dashboard_session import LIFETIME, DashboardSession
from domain.errors import Unauthorized
from domain.events import Event

_ENDED: Final = "nobody is logged in here, or the login has ended"
_LONGEST: Final = 200  # characters of a secret that is looked for; ours have 64
RATE: Final = 50  # pages a second of all browsers that are logged in by one key
BURST: Final = 200


class DashboardSessions:
    """Who looks at the dashboard."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        vault: Vault,
        access: Access,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._access = access
        self._observe = observe
        self._buckets = TokenBuckets(rate=RATE, burst=BURST, clock=clock)

    def log_in(self, token: str, *, remote: str) -> str:
        """The secret of a new login by the API key *token*, from the address *remote*.

        Unauthorized, TooMany as `Access.authenticate`; Forbidden for a key without the scope admin.
        """
        caller = self._access.authenticate(token, remote=remote, by_prefix=True)
        caller.require(Scope.ADMIN)
        secret = self._entropy.token() + self._entropy.token()
        now = self._clock.now()
        session = DashboardSession(
            digest=self._vault.fingerprints(secret)[0],
            key_prefix=caller.prefix,
            created_at=now,
            expires_at=now + LIFETIME,
        )

        def work(tx: Transaction) -> None:
            tx.dashboard_sessions.add(session)
            tx.audit.add(caller.did("logged_in", "dashboard", at=now))

        self._store.write(work)
        self._observe(Event(name="logged_in", fields={"key": caller.prefix, "remote": remote}))
        return secret

    def visitor(self, secret: str | None) -> Caller:
        """Who has this secret. While the API needs no key, everybody is the owner.

        Unauthorized where the login has ended, or the key was revoked, has expired or is no
        administrator's.
        """
        if secret is None or len(secret) > _LONGEST:
            if self._access.is_open():
                return LOCAL
            raise Unauthorized(_ENDED)
        digests = self._vault.fingerprints(secret)

        def work(tx: Transaction) -> tuple[DashboardSession, ApiKey | None] | None:
            for digest in digests:
                session = tx.dashboard_sessions.find(digest)
                if session is not None:
                    return session, tx.keys.find(session.key_prefix)
            return None

        found = self._store.read_latest(work)
        now = self._clock.now()
        if found is None:
            return self.visitor(None)
        session, key = found
        if not session.usable(now) or key is None or not key.usable(now):
            return self.visitor(None)
        caller = self._access.holder_of(key)
        if not caller.is_admin:
            raise Unauthorized(_ENDED)
        return caller

    def take_turn(self, caller: Caller) -> Allowance | None:
        """Count one page; the calls that are made with the key itself are counted elsewhere."""
        return None if caller.key_id is None else self._buckets.take(caller.key_id)

    def log_out(self, secret: str) -> None:
        """End a login, if it is one."""

        def work(tx: Transaction) -> None:
            for digest in self._vault.fingerprints(secret):
                tx.dashboard_sessions.remove(digest)

        self._store.write(work)

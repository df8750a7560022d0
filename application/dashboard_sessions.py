"""Logins of the dashboard: an administrator's API key is shown once, a browser keeps a secret.

The secret is of use for the pages only, ends after some hours, and ends with the key.
"""

from datetime import datetime, timedelta
from typing import Final

from application.access import Access
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Observe, Vault
from application.rate_limit import Allowance, TokenBuckets
from application.refused_logins import RefusedLogins
from domain.access import LOCAL, NOBODY, ApiKey, AuditEntry, Caller, Scope
from domain.dashboard_session import LIFETIME, DashboardSession
from domain.errors import Forbidden, SecretUnreadable, Unauthorized
from domain.events import Event

_ENDED: Final = "nobody is logged in here, or the login has ended"
_LONGEST: Final = 200  # characters of a secret that is looked for; ours have 64
RATE: Final = 50  # pages a second of all browsers that are logged in by one key
BURST: Final = 200
SHOWN_WITHIN: Final = timedelta(minutes=5)


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
        self._refused = RefusedLogins(clock)
        self._buckets = TokenBuckets(rate=RATE, burst=BURST, clock=clock)

    def log_in(self, token: str, *, remote: str) -> str:
        """The secret of a new login by the API key *token*, from the address *remote*.

        Unauthorized, TooMany as `Access.authenticate`; Forbidden for a key without the scope admin.
        """
        try:
            caller = self._access.authenticate(token, remote=remote, by_prefix=True)
        except Unauthorized as error:
            self._record_refused(NOBODY, remote, str(error))
            raise
        try:
            caller.require(Scope.ADMIN)
        except Forbidden as error:
            self._record_refused(caller.prefix, remote, str(error))
            raise
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
        now = self._clock.now()

        def work(tx: Transaction) -> None:
            for digest in self._vault.fingerprints(secret):
                session = tx.dashboard_sessions.find(digest)
                if session is None:
                    continue
                tx.dashboard_sessions.remove(digest)
                tx.audit.add(
                    AuditEntry(
                        at=now, actor=session.key_prefix, action="logged_out", subject="dashboard"
                    )
                )

        self._store.write(work)

    def seal_once(self, text: str, *, login: str | None) -> str:
        """*text* as only this login can have it opened, within `SHOWN_WITHIN`."""
        until = self._clock.now() + SHOWN_WITHIN
        sealed = self._vault.seal(f"{until.isoformat()} {text}", context=self._once(login))
        return sealed.hex()

    def open_once(self, sealed: str, *, login: str | None) -> str | None:
        """What was sealed for this login; None if it was not, or too long ago."""
        try:
            opened = self._vault.open(bytes.fromhex(sealed), context=self._once(login))
        except (SecretUnreadable, ValueError):
            return None
        until, _, text = opened.partition(" ")
        return text if self._clock.now() < datetime.fromisoformat(until) else None

    def _once(self, login: str | None) -> str:
        return f"shown once:{self._vault.fingerprints(login or '')[0].hex()}"

    def _record_refused(self, actor: str, remote: str, reason: str) -> None:
        """In the audit, as far as there is room. Of the key that was presented nothing is kept."""
        if not self._refused.wanted(remote):
            return
        entry = AuditEntry(
            at=self._clock.now(),
            actor=actor,
            action="login_refused",
            subject="dashboard",
            detail={"address": remote, "reason": reason},
        )
        self._store.write(lambda tx: tx.audit.add(entry))

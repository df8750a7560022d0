"""A sender whose mail servers are in memory: it plays a `Script` without sockets or waiting."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from adapters.fakes.mail_server import MailServer
from adapters.fakes.script import (
    QUIT,
    RSET,
    UNASKED,
    Answer,
    Fault,
    Playback,
    Rule,
    Script,
)
from adapters.fakes.smtp_session import Accepted, FakeSession
from application.ports.oauth import Tokens
from application.ports.system import Vault
from domain.account.account import Account
from domain.account.verification import Step
from domain.address import Address
from domain.outcome.handoff import Envelope, Handoff, LargeParts, Parcel
from domain.outcome.notifications import proves_refusal, refuses_dsn, refuses_dsn_of_some
from domain.outcome.session import calls_for_another, refuses_announcement

__all__ = [
    "QUIT",
    "RSET",
    "UNASKED",
    "Accepted",
    "Answer",
    "FakeSender",
    "Fault",
    "Playback",
    "Rule",
    "Script",
]


def _nothing() -> Parcel | None:
    return None


class FakeSender:
    """A `Sender` whose every mail server follows one Script, or one for each account.

    ``accepted`` holds what was taken, in order; ``attempts`` counts the sends. Give it a vault and
    passwords are opened and checked as a real server would; *tokens* are those of OAuth.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        vault: Vault | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self.accepted: list[Accepted] = []
        self.attempts = 0
        self._vault = vault
        self._access_tokens = tokens
        self._lock = threading.RLock()
        self._default = MailServer(script or Script())
        self._servers: dict[int, MailServer] = {}
        self._idle: dict[tuple[int, int], list[FakeSession]] = {}
        self._without_dsn: set[tuple[int, int]] = set()

    def play(self, script: Script, *, account_id: int | None = None) -> None:
        """From now on follow *script*, for one account or for all that have none of their own."""
        with self._lock:
            if account_id is None:
                self._default = MailServer(script)
            else:
                self._servers[account_id] = MailServer(script)

    @contextmanager
    def converse(self, account: Account) -> Iterator["_Conversation"]:
        """One attempt after the other."""
        yield _Conversation(self, account)

    def send(
        self,
        account: Account,
        envelope: Envelope,
        octets: bytes,
        *,
        before_dot: Callable[[], bool],
        then: Callable[[], Parcel | None] = _nothing,
        parts: LargeParts | None = None,
    ) -> Handoff:
        """One attempt. *then* is asked where the account announces the next email."""
        parcel = Parcel(envelope, octets, parts)
        with self._lock:
            self.attempts += 1
        handoff = self._over_any_session(account, parcel, before_dot, then)
        refused = handoff if refuses_dsn(handoff) else None
        if refused is not None:
            self._without_dsn.add((account.id, account.version))
            handoff = self._over_any_session(account, parcel, before_dot, then)
            if not proves_refusal(handoff, refused):
                self._without_dsn.discard((account.id, account.version))
        elif refuses_dsn_of_some(handoff):
            self._without_dsn.add((account.id, account.version))
        return handoff

    def _over_any_session(
        self,
        account: Account,
        parcel: Parcel,
        before_dot: Callable[[], bool],
        then: Callable[[], Parcel | None],
    ) -> Handoff:
        session = self._take_idle(account, parcel)
        if session is None:
            return self._over_a_new_session(account, parcel, before_dot, then)
        was_announced = session.transaction.announced == parcel
        delivered = session.transaction.delivered
        handoff = self._over(session, parcel, before_dot, then)
        if refuses_dsn(handoff):
            return handoff
        if was_announced and refuses_announcement(handoff, announced=True):
            again = self._over_a_new_session(account, parcel, before_dot, then)
            return attrs.evolve(again, announcement_refused=True)
        if calls_for_another(handoff, delivered=delivered):
            self.retire(account.id)
            return self._over_a_new_session(account, parcel, before_dot, then)
        return handoff

    def probe(self, account: Account) -> Handoff:
        """Connect, TLS, AUTH, QUIT."""
        return attrs.evolve(self._new_session(account).open(), usable=False)

    def verify(self, account: Account, *, recipient: Address) -> tuple[Step, ...]:
        """Connect, TLS, AUTH, MAIL, RCPT, RSET, QUIT."""
        return self._new_session(account).verify(recipient)

    def retire(self, account_id: int) -> None:
        """Close the account's idle connections."""
        with self._lock:
            self._idle = {key: idle for key, idle in self._idle.items() if key[0] != account_id}

    def abort(self) -> None:
        """Nothing is ever under way here; idle connections are dropped."""
        self.close()

    def tend(self) -> None:
        """Connections here never grow old."""

    def drop_idle(self) -> None:
        """Close everything that is idle."""
        self.close()

    def close(self) -> None:
        """Close everything that is idle."""
        with self._lock:
            self._idle = {}

    def _server(self, account: Account) -> MailServer:
        with self._lock:
            return self._servers.get(account.id, self._default)

    def _new_session(self, account: Account) -> FakeSession:
        return FakeSession(account, self._server(account), self._vault, self._access_tokens)

    def _take_idle(self, account: Account, parcel: Parcel) -> FakeSession | None:
        with self._lock:
            idle = self._idle.get((account.id, account.version), [])
            while idle:
                session = idle.pop()
                if session.server is self._server(account) and session.renew(parcel):
                    return session
        return None

    def _over_a_new_session(
        self,
        account: Account,
        parcel: Parcel,
        before_dot: Callable[[], bool],
        then: Callable[[], Parcel | None],
    ) -> Handoff:
        session = self._new_session(account)
        handoff = session.open()
        return self._over(session, parcel, before_dot, then) if handoff.usable else handoff

    def _over(
        self,
        session: FakeSession,
        parcel: Parcel,
        before_dot: Callable[[], bool],
        then: Callable[[], Parcel | None],
    ) -> Handoff:
        account = session.account
        session.transaction.use_dsn((account.id, account.version) not in self._without_dsn)
        handoff = session.hand_off(
            parcel, before_dot=before_dot, then=then if account.announce_next else _nothing
        )
        with self._lock:
            if handoff.usable:
                self._idle.setdefault((account.id, account.version), []).append(session)
            if session.taken is not None:
                self.accepted.append(session.taken)
        announced = session.transaction.announced is not None
        refused = announced and refuses_announcement(handoff, announced=False)
        return attrs.evolve(handoff, announcement_refused=True) if refused else handoff


@attrs.frozen
class _Conversation:
    _sender: FakeSender
    _account: Account

    def send(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        still: Callable[[], bool] = lambda: True,
        then: Callable[[], Parcel | None] = _nothing,
    ) -> Handoff:
        account, envelope, octets = self._account, parcel.envelope, parcel.octets

        def allowed() -> bool:
            return before_dot() and still()

        more: dict[str, Any] = {"then": then} if account.announce_next else {}
        if parcel.parts is not None:
            more["parts"] = parcel.parts
        return self._sender.send(account, envelope, octets, before_dot=allowed, **more)

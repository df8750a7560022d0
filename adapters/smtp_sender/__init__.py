"""Hands messages to mail servers over sockets of our own, and reports how far each one got.

smtplib's own dialogue cannot be used for it: it raises the same error wherever a connection is
lost, waits for each read instead of for a deadline, reads replies without limit or rigour, tries
one password three times and rewrites addresses. See `session.py` for the dialogue, and
`adapters/smtplib_sender.py` for what can be left to smtplib.
"""

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import attrs

from adapters.smtp_sender.addresses import KnownAddresses
from adapters.smtp_sender.pool import Pool, PoolPolicy
from adapters.smtp_sender.session import Session
from adapters.smtp_sender.terms import Terms
from application.ports.network import Resolver
from application.ports.oauth import NoTokens, Tokens
from application.ports.system import Clock, Vault
from application.sending import CancelToken, CancelTokens, DsnRefusals
from domain.account.account import Account
from domain.account.verification import Step
from domain.address import Address
from domain.dialogue.timeouts import VERIFY_S, Timeouts
from domain.outcome.handoff import Handoff, Parcel, Problem, Stage
from domain.outcome.notifications import proves_refusal, refuses_dsn, refuses_dsn_of_some
from domain.outcome.session import ends_session, out_of_step, refuses_announcement, same_refusal

__all__ = ["PoolPolicy", "SmtpSender"]

MISTAKEN_S: Final = 60.0
MOST_MISTAKES: Final = 1000
_AFTER_ENVELOPE: Final = frozenset({Stage.DATA, Stage.BODY, Stage.DOT})


class SmtpSender:
    """The `Sender` of production. Safe from many threads; each send uses a session of its own.

    *ssl_context* is called once, when TLS is first needed. *clock* must run: deadlines are its
    monotonic time. Without *ehlo_hostname* the address of this end of the connection is said.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        clock: Clock,
        resolver: Resolver,
        tokens: Tokens | None = None,
        ehlo_hostname: str | None = None,
        timeouts: Timeouts | None = None,
        pool: PoolPolicy | None = None,
        ssl_context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._clock = clock
        self._make_context = ssl_context
        self._context: ssl.SSLContext | None = None
        self._terms = Terms(
            vault=vault,
            tokens=tokens or NoTokens(),
            monotonic=clock.monotonic,
            ehlo_hostname=ehlo_hostname,
            timeouts=timeouts or Timeouts(),
            ssl_context=self._tls,
            resolver=resolver,
            addresses=KnownAddresses(clock.monotonic),
        )
        self._pool = Pool(pool or PoolPolicy(), monotonic=clock.monotonic)
        self._cancel_tokens = _CancelTokens()
        self._memory = _Memory(clock.monotonic)

    @contextmanager
    def converse(self, account: Account) -> Iterator["_Conversation"]:
        """One message after the other over one session; it is pooled at the end."""
        cancel_token = self._cancel_tokens.add()
        conversation = _Conversation(
            account,
            terms=self._terms,
            pool=self._pool,
            cancel_token=cancel_token,
            memory=self._memory,
        )
        try:
            yield conversation
        finally:
            self._cancel_tokens.discard(cancel_token)
            conversation.end()

    def probe(self, account: Account) -> Handoff:
        """Connect, TLS, AUTH on a connection of its own, then QUIT."""
        cancel_token = self._cancel_tokens.add()
        session = Session(account, terms=self._terms)
        try:
            handoff = session.open(cancel_token)
        finally:
            cancel_token.watch(None)
            session.quit()
            self._cancel_tokens.discard(cancel_token)
        return attrs.evolve(handoff, usable=False)

    def verify(self, account: Account, *, recipient: Address) -> tuple[Step, ...]:
        """Connect, TLS, AUTH, MAIL, RCPT on a connection of its own, then RSET and QUIT."""
        cancel_token = self._cancel_tokens.add()
        terms = attrs.evolve(self._terms, timeouts=self._terms.timeouts.at_most(VERIFY_S))
        session = Session(account, terms=terms)
        try:
            handoff = session.open(cancel_token)
            if session.usable:
                session.verify(recipient)
            steps = tuple(session.heard)
        finally:
            cancel_token.watch(None)
            session.quit()
            self._cancel_tokens.discard(cancel_token)
        failed = Step.of(handoff)
        return steps if failed.ok or not _all_well(steps) else (*steps, failed)

    def retire(self, account_id: int) -> None:
        """Close the account's idle connections; those in use are closed when they come back."""
        self._pool.retire(account_id)

    def abort(self) -> None:
        """Drop every connection that has not passed the final dot; their sends end as STOPPED."""
        self._cancel_tokens.stop()
        self._pool.empty()

    def tend(self) -> None:
        """Close the connections that have idled for too long."""
        self._pool.tend()

    def drop_idle(self) -> None:
        """Close every idle connection; the next send opens one of its own."""
        self._pool.empty()

    def close(self) -> None:
        """Close everything that is idle; sends under way end by themselves."""
        self._pool.close()

    def _tls(self) -> ssl.SSLContext:
        with self._cancel_tokens.lock:  # an attempt has begun: it is this process's
            if self._context is None:
                context = self._make_context()
                context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
                self._context = context
            return self._context


class _CancelTokens(CancelTokens):
    """Those of this process: after a fork the lock and the attempts are the parent's."""

    def __init__(self) -> None:
        super().__init__()
        self._pid = os.getpid()

    def add(self) -> CancelToken:
        """One for a conversation that begins."""
        if self._pid != os.getpid():
            CancelTokens.__init__(self)
            self._pid = os.getpid()
        return super().add()


def _all_well(steps: tuple[Step, ...]) -> bool:
    return all(step.ok for step in steps)


@attrs.frozen
class _Permission:
    """Who is asked before the final dot, and once more in the last moment."""

    before_dot: Callable[[], bool]
    still: Callable[[], bool]


class _Memory:
    """What this process has learned of servers, by account and version. Safe from many threads."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._unannounced: set[tuple[int, int]] = set()
        self._mistaken: dict[tuple[object, ...], float] = {}
        self.dsn_refusals = DsnRefusals(monotonic)

    def breaks_on_announcing(self, account: Account) -> bool:
        """Whether its server was seen to break on it."""
        return (account.id, account.version) in self._unannounced

    def announced_in_vain(self, account: Account) -> None:
        """Every message waits for the reply to the one before it from now on."""
        self._unannounced.add((account.id, account.version))

    def was_mistaken(self, account: Account, handoff: Handoff) -> bool:
        """Whether a fresh connection lately heard the same refusal: it is not the session's end."""
        until = self._mistaken.get(_refusal(account, handoff), 0.0)
        return self._monotonic() < until

    def mistook(self, account: Account, handoff: Handoff) -> None:
        """A fresh connection heard this too."""
        if len(self._mistaken) >= MOST_MISTAKES:
            self._mistaken.clear()
        self._mistaken[_refusal(account, handoff)] = self._monotonic() + MISTAKEN_S


def _refusal(account: Account, handoff: Handoff) -> tuple[object, ...]:
    reply = handoff.reply
    assert reply is not None, "a refusal is a reply"
    return account.id, account.version, handoff.stage, reply.code, reply.enhanced


class _Conversation:
    """The Conversation port: it holds one session from message to message."""

    def __init__(
        self,
        account: Account,
        *,
        terms: Terms,
        pool: Pool,
        cancel_token: CancelToken,
        memory: _Memory,
    ) -> None:
        self._account = account
        self._terms = terms
        self._pool = pool
        self._cancel_token = cancel_token
        self._memory = memory
        self._session: Session | None = None
        self._epoch = 0
        self._announcement_refused = False
        self._dsn = not memory.dsn_refusals.lately(account)

    def send(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        still: Callable[[], bool] = lambda: True,
        then: Callable[[], Parcel | None] = lambda: None,
    ) -> Handoff:
        """One attempt, as the port describes it. What *before_dot* raises is passed on."""
        cancel_token = self._cancel_token
        cancel_token.renew()
        self._announcement_refused = False
        permission = _Permission(before_dot, still)
        try:
            handoff = self._over_a_used_session(parcel, then, permission, cancel_token)
            if handoff is None:
                handoff = self._over_a_new_session(parcel, then, permission, cancel_token)
            # of one recipient that was accepted there is nothing more to ask
            if handoff.dsn and (handoff.stage is not Stage.DOT or len(handoff.recipients) > 1):
                handoff = self._if_need_be_without_dsn(
                    handoff, parcel, then, permission, cancel_token
                )
        finally:
            session = self._session
            if session is not None and not self._pool.keeps(session, epoch=self._epoch):
                self.end()
        if self._announcement_refused:
            return attrs.evolve(handoff, announcement_refused=True)
        return handoff

    def end(self) -> None:
        """Give the session back; one to which something was announced is dropped."""
        session, self._session = self._session, None
        self._cancel_token.watch(None)  # it is no longer ours to interrupt
        if session is not None:
            self._pool.put(session, epoch=self._epoch)

    def _if_need_be_without_dsn(
        self,
        handoff: Handoff,
        parcel: Parcel,
        then: Callable[[], Parcel | None],
        permission: "_Permission",
        cancel_token: CancelToken,
    ) -> Handoff:
        """The same hand-off; or another one, where the parameters of DSN may have been refused."""
        if refuses_dsn_of_some(handoff):
            self._memory.dsn_refusals.add(self._account)
            self._use_dsn(False)
        if not refuses_dsn(handoff):
            return handoff
        if self._session is not None and not self._session.usable:
            self._drop(self._session)
        self._use_dsn(False)
        without = self._over_a_used_session(parcel, then, permission, cancel_token)
        if without is None:
            without = self._over_a_new_session(parcel, then, permission, cancel_token)
        if proves_refusal(without, handoff):
            self._memory.dsn_refusals.add(self._account)
        else:
            self._use_dsn(True)
        return without

    def _use_dsn(self, wanted: bool) -> None:
        """For the rest of this conversation."""
        self._dsn = wanted
        if self._session is not None:
            self._session.transaction.use_dsn(wanted)

    def _over_a_used_session(
        self,
        parcel: Parcel,
        then: Callable[[], Parcel | None],
        permission: "_Permission",
        cancel_token: CancelToken,
    ) -> Handoff | None:
        """None if there is no session left that still works: nothing was accepted then."""
        while (
            not cancel_token.stopped and (session := self._session or self._take_idle()) is not None
        ):
            announced = session.transaction.announced is parcel
            if not session.renew(parcel):
                self.end()
                continue
            delivered = session.transaction.delivered
            handoff = self._hand_off(session, parcel, then, permission, cancel_token)
            if handoff.accepted or refuses_dsn(handoff):
                return handoff
            if announced and refuses_announcement(handoff, announced=True):
                self._memory.announced_in_vain(self._account)
                self._announcement_refused = True
                self._drop(session)
                return self._over_a_new_session(parcel, then, permission, cancel_token)
            if handoff.stage is Stage.MAIL and handoff.problem is Problem.CLOSED:
                # closed while it was idle, and we only found out by writing to it
                self.end()
                continue
            if out_of_step(handoff):
                self._drop(session)
                return self._over_a_new_session(parcel, then, permission, cancel_token)
            if ends_session(handoff, delivered=delivered) and not self._memory.was_mistaken(
                self._account, handoff
            ):
                self._drop(session)
                return self._instead_of(handoff, delivered, parcel, then, permission, cancel_token)
            return handoff
        return None

    def _instead_of(
        self,
        ended: Handoff,
        delivered: int,
        parcel: Parcel,
        then: Callable[[], Parcel | None],
        permission: "_Permission",
        cancel_token: CancelToken,
    ) -> Handoff:
        """The same message over a fresh connection, which tells what the refusal was about."""
        handoff = self._over_a_new_session(parcel, then, permission, cancel_token)
        if same_refusal(handoff, ended):
            self._memory.mistook(self._account, handoff)
        elif handoff.stage in _AFTER_ENVELOPE:
            self._pool.ended(self._account.id, messages=delivered)
        return handoff

    def _drop(self, session: Session) -> None:
        """It is of no further use, whatever it may think."""
        session.usable = False
        self.end()

    def _over_a_new_session(
        self,
        parcel: Parcel,
        then: Callable[[], Parcel | None],
        permission: "_Permission",
        cancel_token: CancelToken,
    ) -> Handoff:
        session = Session(self._account, terms=self._terms)
        self._keep_session(session)
        handoff = session.open(cancel_token)
        if session.usable:
            if not self._dsn:
                session.transaction.use_dsn(False)
            handoff = self._hand_off(session, parcel, then, permission, cancel_token)
        return handoff

    def _hand_off(
        self,
        session: Session,
        parcel: Parcel,
        then: Callable[[], Parcel | None],
        permission: "_Permission",
        cancel_token: CancelToken,
    ) -> Handoff:
        may_announce = (
            self._account.announce_next
            and not self._memory.breaks_on_announcing(self._account)
            and self._pool.lasts(session)
        )
        handoff = session.hand_off(
            parcel,
            before_dot=permission.before_dot,
            still=permission.still,
            cancel_token=cancel_token,
            then=then if may_announce else None,
        )
        if session.transaction.announced is not None and refuses_announcement(
            handoff, announced=False
        ):
            self._memory.announced_in_vain(self._account)
            self._announcement_refused = True
        return handoff

    def _take_idle(self) -> Session | None:
        session = self._pool.take(self._account)
        if session is not None:
            self._keep_session(session)
            self._cancel_token.watch(session.interrupt)
            if not self._dsn:
                session.transaction.use_dsn(False)
        return session

    def _keep_session(self, session: Session) -> None:
        self._session = session
        self._epoch = self._pool.epoch(session.account_id)

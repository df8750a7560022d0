"""Hands messages to mail servers over sockets of our own, and reports how far each one got.

smtplib cannot be used for it: it raises the same error wherever a connection is lost, waits for
each read instead of for a deadline, reads replies without limit or rigour, tries one password
three times and rewrites addresses. See `session.py` for the dialogue.
"""

import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from adapters.smtp_sender.pool import Pool, PoolPolicy
from adapters.smtp_sender.resolve import IP, Resolver
from adapters.smtp_sender.session import Session, Terms, Timeouts
from adapters.smtp_sender.wire import Brake
from application.ports import Clock, Vault
from domain.account import Account
from domain.handoff import Handoff, Parcel, Problem, Stage

__all__ = ["PoolPolicy", "SmtpSender", "Timeouts"]


def _everyone(_: IP) -> bool:
    return True


class SmtpSender:
    """The `Sender` of production. Safe from many threads; each send uses a session of its own.

    *allow* judges every address a host name stands for before any is connected to. *ssl_context*
    is called once, when TLS is first needed. *clock* must run: deadlines are its monotonic time.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        clock: Clock,
        ehlo_hostname: str,
        timeouts: Timeouts | None = None,
        pool: PoolPolicy | None = None,
        ssl_context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        allow: Callable[[IP], bool] = _everyone,
    ) -> None:
        self._clock = clock
        self._make_context = ssl_context
        self._context: ssl.SSLContext | None = None
        self._terms = Terms(
            vault=vault,
            monotonic=clock.monotonic,
            ehlo_hostname=ehlo_hostname,
            timeouts=timeouts or Timeouts(),
            ssl_context=self._tls,
            resolver=Resolver(allow=allow),
        )
        self._pool = Pool(pool or PoolPolicy(), monotonic=clock.monotonic)
        self._brakes = _Brakes()
        self._lockstep: set[tuple[int, int]] = set()

    @contextmanager
    def converse(self, account: Account) -> Iterator["_Conversation"]:
        """One message after the other over one session; it is pooled at the end."""
        brake = self._brakes.add()
        conversation = _Conversation(
            account,
            terms=self._terms,
            pool=self._pool,
            brake=brake,
            lockstep=self._lockstep,
        )
        try:
            yield conversation
        finally:
            self._brakes.discard(brake)
            conversation.end()

    def probe(self, account: Account) -> Handoff:
        """Connect, TLS, AUTH on a connection of its own, then QUIT."""
        brake = self._brakes.add()
        session = Session(account, terms=self._terms)
        try:
            handoff = session.open(brake)
        finally:
            brake.watch(None)
            session.quit()
            self._brakes.discard(brake)
        return attrs.evolve(handoff, usable=False)

    def retire(self, account_id: int) -> None:
        """Close the account's idle connections; those in use are closed when they come back."""
        self._pool.retire(account_id)

    def abort(self) -> None:
        """Drop every connection that has not passed the final dot; their sends end as STOPPED."""
        self._brakes.stop()
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
        with self._brakes.lock:  # an attempt has begun: it is this process's
            if self._context is None:
                context = self._make_context()
                context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
                self._context = context
            return self._context


class _Brakes:
    """Those of the conversations and probes, so that `abort` finds them. Safe from many threads."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self.lock = threading.Lock()
        self._all: set[Brake] = set()

    def add(self) -> Brake:
        """One for a conversation that begins."""
        if self._pid != os.getpid():  # the lock and the attempts are the parent's
            self._start()
        brake = Brake()
        with self.lock:
            self._all.add(brake)
        return brake

    def discard(self, brake: Brake) -> None:
        """It is over."""
        with self.lock:
            self._all.discard(brake)

    def stop(self) -> None:
        """Stop every attempt that has not passed the final dot."""
        with self.lock:
            brakes = list(self._all)
        for brake in brakes:
            brake.stop()


class _Conversation:
    """The Conversation port: it holds one session from message to message.

    *lockstep* are the accounts, with their versions, whose server was seen to lose an envelope
    that came with the dot: there every message waits for the reply to the one before it.
    """

    def __init__(
        self,
        account: Account,
        *,
        terms: Terms,
        pool: Pool,
        brake: Brake,
        lockstep: set[tuple[int, int]],
    ) -> None:
        self._account = account
        self._terms = terms
        self._pool = pool
        self._brake = brake
        self._lockstep = lockstep
        self._name = (account.id, account.version)
        self._session: Session | None = None
        self._epoch = 0

    def send(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        then: Callable[[], Parcel | None] = lambda: None,
    ) -> Handoff:
        """One attempt, as the port describes it. What *before_dot* raises is passed on."""
        brake = self._brake
        brake.renew()
        try:
            handoff = self._over_a_used_session(parcel, then, before_dot, brake)
            if handoff is None:
                handoff = self._over_a_new_session(parcel, then, before_dot, brake)
        finally:
            self._let_go(brake)
        return handoff

    def end(self) -> None:
        """Give the session back; one to which something was announced is dropped."""
        session, self._session = self._session, None
        if session is not None:
            self._pool.put(session, epoch=self._epoch)

    def _over_a_used_session(
        self,
        parcel: Parcel,
        then: Callable[[], Parcel | None],
        before_dot: Callable[[], bool],
        brake: Brake,
    ) -> Handoff | None:
        """None if there is no session left that still works: nothing was accepted then."""
        while not brake.stopped and self._take():
            session = self._session
            assert session is not None
            announced = session.has_announced(parcel)
            if not session.renew(parcel, brake):
                self.end()
                continue
            handoff = self._hand_off(session, parcel, then, before_dot, brake)
            if handoff.stage is Stage.MAIL and handoff.problem is Problem.CLOSED:
                # closed while it was idle, and we only found out by writing to it
                self.end()
                continue
            if announced and handoff.stage is Stage.MAIL and handoff.problem is Problem.TIMEOUT:
                # it may have thrown away what came with the dot: never again to this server
                self._lockstep.add(self._name)
                self.end()
                continue
            return handoff
        return None

    def _over_a_new_session(
        self,
        parcel: Parcel,
        then: Callable[[], Parcel | None],
        before_dot: Callable[[], bool],
        brake: Brake,
    ) -> Handoff:
        session = Session(self._account, terms=self._terms)
        self._hold(session)
        handoff = session.open(brake)
        if session.usable:
            handoff = self._hand_off(session, parcel, then, before_dot, brake)
        return handoff

    def _hand_off(
        self,
        session: Session,
        parcel: Parcel,
        then: Callable[[], Parcel | None],
        before_dot: Callable[[], bool],
        brake: Brake,
    ) -> Handoff:
        if self._name in self._lockstep or not self._pool.lasts(session):
            return session.hand_off(parcel, before_dot=before_dot, brake=brake)
        return session.hand_off(parcel, before_dot=before_dot, brake=brake, then=then)

    def _take(self) -> bool:
        """Whether there is a session: the one in hand, or an idle one."""
        if self._session is None and (idle := self._pool.take(self._account)) is not None:
            self._hold(idle)
        return self._session is not None

    def _hold(self, session: Session) -> None:
        self._session = session
        self._epoch = self._pool.epoch(session.account_id)

    def _let_go(self, brake: Brake) -> None:
        """The attempt is over: the session stays in hand only if the next message may use it."""
        brake.watch(None)  # it is no longer ours to interrupt
        if self._session is not None and not self._pool.keeps(self._session, epoch=self._epoch):
            self.end()

"""Idle sessions, kept for the next message of the same account and configuration.

A session leaves the pool when it is taken and comes back when its transaction is over, so no two
threads ever hold the same one.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import attrs

from adapters.smtp_sender.session import Session
from domain.account.account import Account
from domain.outcome.session import learned_limit

SWEEP_S: Final = 1.0


@attrs.frozen(kw_only=True)
class PoolPolicy:
    """When a connection is not used again. Ages in seconds."""

    max_messages: int = 100
    max_age_s: float = 300.0
    max_idle_s: float = 60.0


@attrs.frozen
class _Idle:
    session: Session
    since: float


class Pool:
    """The idle sessions of one process. Safe from many threads."""

    def __init__(self, policy: PoolPolicy, *, monotonic: Callable[[], float]) -> None:
        self._policy = policy
        self._monotonic = monotonic
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: dict[int, list[_Idle]] = {}
        self._versions: dict[int, int] = {}
        self._epochs: dict[int, int] = {}
        self._ends: dict[int, deque[int]] = {}
        self._learned: dict[int, int] = {}  # most messages a connection, by account
        self._next_sweep = 0.0

    def take(self, account: Account) -> Session | None:
        """A session of exactly this configuration; the one used last, so that spare ones age."""
        self._leave_the_parents_alone()
        self._sweep()
        with self._lock:
            newest = max(account.version, self._versions.get(account.id, 0))
            if newest != self._versions.get(account.id):
                self._ends.pop(account.id, None)  # it may be another server
                self._learned.pop(account.id, None)
            self._versions[account.id] = newest
            waiting = self._idle.get(account.id, [])
            stale = [idle.session for idle in waiting if idle.session.version < newest]
            waiting[:] = [idle for idle in waiting if idle.session.version == newest]
            found = waiting.pop() if waiting and newest == account.version else None
        _close(stale)
        return found.session if found else None

    def epoch(self, account_id: int) -> int:
        """Changes with every `retire`: a session opened before it does not come back."""
        with self._lock:
            return self._epochs.get(account_id, 0)

    def put(self, session: Session, *, epoch: int) -> None:
        """Keep it for the next message, or close it if it has done enough."""
        self._leave_the_parents_alone()
        now = self._monotonic()
        with self._lock:
            keep = session.idle and self.keeps(session, epoch=epoch)
            if keep:
                self._idle.setdefault(session.account_id, []).append(_Idle(session, now))
        if not keep:
            session.close()
        self._sweep()

    def keeps(self, session: Session, *, epoch: int) -> bool:
        """Whether it is still good for a message of its account. Takes no lock: a change that comes
        at the same time counts when it is asked again.
        """
        account_id = session.account_id
        return (
            session.usable
            and not self._closed
            and not self._spent(session, self._monotonic())
            and session.version >= self._versions.get(account_id, 0)
            and epoch == self._epochs.get(account_id, 0)
        )

    def lasts(self, session: Session) -> bool:
        """Whether it will still be good after one more message."""
        return not self._spent(session, self._monotonic(), messages=1)

    def ended(self, account_id: int, *, messages: int) -> None:
        """The server wanted a new connection after so many messages.

        After two equal counts connections of this process are closed before they are refused.
        """
        with self._lock:
            ends = self._ends.setdefault(account_id, deque(maxlen=2))
            ends.append(messages)
            limit = learned_limit(ends)
            if limit is None:
                self._learned.pop(account_id, None)
            else:
                self._learned[account_id] = min(limit, self._policy.max_messages)

    def retire(self, account_id: int) -> None:
        """Close the account's idle sessions, and those in use when they come back."""
        self._leave_the_parents_alone()
        with self._lock:
            self._epochs[account_id] = self._epochs.get(account_id, 0) + 1
            idle = self._idle.pop(account_id, [])
        _close(each.session for each in idle)

    def empty(self) -> None:
        """Close all that is idle."""
        self._leave_the_parents_alone()
        with self._lock:
            idle = [each.session for waiting in self._idle.values() for each in waiting]
            self._idle.clear()
        _close(idle)

    def close(self) -> None:
        """Close all that is idle and keep nothing from now on."""
        self._closed = True
        self.empty()

    def _sweep(self) -> None:
        if self._monotonic() >= self._next_sweep:
            self.tend()

    def tend(self) -> None:
        """Close what has been idle for too long, of any account."""
        self._leave_the_parents_alone()
        now = self._monotonic()
        with self._lock:
            self._next_sweep = now + SWEEP_S
            expired = []
            for waiting in self._idle.values():
                expired += [idle.session for idle in waiting if self._expired(idle, now)]
                waiting[:] = [idle for idle in waiting if not self._expired(idle, now)]
        _close(expired)

    def _expired(self, idle: _Idle, now: float) -> bool:
        return now - idle.since >= self._policy.max_idle_s or self._spent(idle.session, now)

    def _spent(self, session: Session, now: float, *, messages: int = 0) -> bool:
        """Whether it has done enough, or will have after so many more messages."""
        policy = self._policy
        most = self._learned.get(session.account_id, policy.max_messages)
        return (
            session.transaction.delivered + messages >= most
            or now - session.opened_at >= policy.max_age_s
        )

    def _leave_the_parents_alone(self) -> None:
        """After a fork the sessions, and perhaps a held lock, are the parent's."""
        if self._pid == os.getpid():
            return
        inherited = [each.session for waiting in self._idle.values() for each in waiting]
        self._start()
        for session in inherited:
            session.abandon()


def _close(sessions: Iterable[Session]) -> None:
    for session in sessions:
        session.close()

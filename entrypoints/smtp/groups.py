"""Messages that come at once are stored together: by one thread, with one read and one work.

A message alone costs a thread that wakes twice, and some statements whose number does not depend on
how many messages there are: over 8 connections half of its processor time.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from entrypoints.runtime.workers import Workers
from entrypoints.smtp.intake import Came, Login, SmtpIntake
from entrypoints.smtp.reply import Reply

MOST: Final = 50  # messages of a group: an answer does not wait for more
# After a group of several those who have got their answers send their next messages. Without this
# wait half of the groups have one message, and a message costs a third more. 1 ms is the least that
# an event loop waits.
COALESCE_S: Final = 0.001
PATIENCE_S: Final = 0.1  # a group that takes longer keeps the next one waiting no more
SMALL: Final = 64 * 1024  # octets: a larger message takes so long that it keeps no other waiting

Answer: TypeAlias = Login | Reply | Sequence[Reply]
Answered: TypeAlias = Callable[[Reply], object]


class MessageGroups:
    """Gathers messages of all connections. For one event loop."""

    def __init__(self, intake: SmtpIntake, workers: Workers[Answer]) -> None:
        self._intake = intake
        self._workers = workers
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Came, Answered]] = deque()
        self._expected = 1  # messages of the next group
        self._number = 0  # of the last group
        self._busy = False
        self._planned: asyncio.Handle | None = None

    def take(self, came: Came, answered: Answered) -> None:
        """Have a message stored; *answered* is called with its reply, from the loop."""
        if len(came.message.octets) > SMALL:
            self._start([(came, answered)])
            return
        self._waiting.append((came, answered))
        if len(self._waiting) == self._expected and self._planned is not None:
            self._planned.cancel()
            self._planned = None
        self._plan()

    def _plan(self) -> None:
        """Begin the next group: at the end of this turn of the loop, or when more have come."""
        if self._busy or self._planned is not None or not self._waiting:
            return
        if len(self._waiting) >= self._expected:
            self._planned = self._loop.call_soon(self._begin)
        else:
            self._planned = self._loop.call_later(COALESCE_S, self._begin)

    def _begin(self) -> None:
        group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        self._planned, self._busy = None, True
        self._number += 1
        free = partial(self._free, self._number, len(group))
        late = self._loop.call_later(PATIENCE_S, free)
        answer = self._start(group)
        answer.add_done_callback(lambda _: late.cancel())
        answer.add_done_callback(lambda _: free())

    def _free(self, number: int, size: int) -> None:
        """Let the next group begin, once for each."""
        if self._busy and number == self._number:
            self._busy = False
            self._expected = min(MOST, size + len(self._waiting))
            self._plan()

    def _start(self, group: Sequence[tuple[Came, Answered]]) -> "asyncio.Future[Answer]":
        messages = [came for came, _ in group]
        answer = self._workers.do(lambda: self._intake.take(messages))

        def tell(done: "asyncio.Future[Answer]") -> None:
            replies = done.result()
            assert not isinstance(replies, Login)
            if isinstance(replies, Reply):  # a bug ate them
                replies = [replies] * len(group)
            for (_, answered), became in zip(group, replies, strict=True):
                self._loop.call_soon(answered, became)

        answer.add_done_callback(tell)
        return answer

"""How many calls of one key run at once, and how many that only read."""

import asyncio
from collections import deque
from typing import Final

PATIENCE_S: Final = 0.02  # a read waits so long for turns that do not end


class Places:
    """At most *most* calls of each key; others wait for *wait_s* at most. For one event loop.

    A key is whatever was presented, right or wrong: a wrong one has places of its own.
    """

    def __init__(self, *, most: int, wait_s: float) -> None:
        self._most = most
        self._wait_s = wait_s
        self._running: dict[bytes, int] = {}
        self._waiting: dict[bytes, deque[asyncio.Future[None]]] = {}

    async def take(self, key: bytes) -> bool:
        """Whether there was a place in time. Give it back with `leave`."""
        running = self._running.get(key, 0)
        if running < self._most:
            self._running[key] = running + 1
            return True
        passed = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(passed)
        try:
            await asyncio.wait({passed}, timeout=self._wait_s)
        except asyncio.CancelledError:
            self._give_up(key, passed)
            raise
        if passed.done():
            return True
        self._give_up(key, passed)
        return False

    def leave(self, key: bytes) -> None:
        """Give a place back: the one that has waited longest gets it."""
        waiting = self._waiting.get(key)
        if waiting:
            waiting.popleft().set_result(None)
            if not waiting:
                del self._waiting[key]
        elif self._running[key] > 1:
            self._running[key] -= 1
        else:
            del self._running[key]

    @property
    def idle(self) -> bool:
        """Whether no key is in use."""
        return not self._running and not self._waiting

    def _give_up(self, key: bytes, passed: asyncio.Future[None]) -> None:
        if passed.done():
            self.leave(key)
            return
        waiting = self._waiting[key]
        waiting.remove(passed)
        if not waiting:
            del self._waiting[key]


class Turns:
    """At most *most* at a time, in the order of arrival; None for no bound. For one event loop.

    The interpreter's lock is not fair: where many read from a file at once, one of them may wait
    for many answers of the others. Turns that do not end, because of a cold disk, hold nobody up:
    when none has ended for PATIENCE_S another one is lent beside them.
    """

    def __init__(self, most: int | None) -> None:
        self._free = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._passed = 0  # how many turns were given to waiters
        self._looking = False

    def try_take(self) -> bool:
        """Whether there was a turn at once."""
        if self._free is None:
            return True
        if self._free <= 0 or self._waiting:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        """Wait for a turn."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if not self._looking:
            self._look_later()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give a turn back."""
        if self._free is None:
            return
        if self._free < 0 or not self._pass_on():
            self._free += 1

    def _pass_on(self) -> bool:
        """Whether a waiter that is still there was given the turn."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._passed += 1
                turn.set_result(None)
                return True
        return False

    def _look_later(self) -> None:
        self._looking = True
        asyncio.get_running_loop().call_later(PATIENCE_S, self._look, self._passed)

    def _look(self, passed: int) -> None:
        self._looking = False
        if not self._waiting:
            return
        if passed == self._passed:
            assert self._free is not None
            self._free -= self._pass_on()
        if self._waiting:
            self._look_later()

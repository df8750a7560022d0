"""Worker threads of an event loop, with one hand-over to a thread and one back for each work."""

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger("email_service.server")

T = TypeVar("T")


class Workers(Generic[T]):
    """Worker threads of an event loop. *failed* is the answer in the place of one that a bug ate;
    *begin* is called by each thread first.
    """

    def __init__(
        self,
        count: int,
        *,
        name: str,
        failed: Callable[[], T],
        begin: Callable[[], object] = lambda: None,
    ) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed = failed
        self._begin = begin
        self._asked: queue.SimpleQueue[tuple[asyncio.Future[T], Callable[[], T]] | None]
        self._asked = queue.SimpleQueue()
        self._done: deque[tuple[asyncio.Future[T], T]] = deque()
        self._told = False
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Call it in the event loop that they work for."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Start no more work; work in progress may finish. From any thread."""
        for _ in self._threads:
            self._asked.put(None)

    def do(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Run *work* in a thread and return its result."""
        assert self._loop is not None
        future: asyncio.Future[T] = self._loop.create_future()
        self._asked.put((future, work))
        return future

    def _run(self) -> None:
        self._begin()
        while (asked := self._asked.get()) is not None:
            future, work = asked
            try:
                answer = work()
            except BaseException:  # a bug in the work must not end the thread
                log.exception("a request could not be answered")
                answer = self._failed()
            self._done.append((future, answer))
            del asked, future, work, answer  # an idle thread keeps no request alive
            if not self._told:
                self._told = True
                self._tell()

    def _tell(self) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._hand_back)
        except RuntimeError:  # the loop has ended, so nothing awaits the result
            return

    def _hand_back(self) -> None:
        self._told = False  # first: a thread that finishes from now on notifies again
        while self._done:
            future, answer = self._done.popleft()
            if not future.done():
                future.set_result(answer)

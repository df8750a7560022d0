"""Threads that do one kind of work beside delivery, again and again until the process stops."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Final

from application.ports.system import Observe
from domain.errors import StoreUnavailable
from domain.events import Event as Happened

JOIN_S: Final = 2.0  # a thread may wait for a server: it is not waited for


class BackgroundThreads:
    """Runs *work* in so many threads; each looks again at once while there was something to do,
    else after *pause_s*. An error is told as the event *failed*
        and ends nothing.
    """

    def __init__(
        self,
        work: Callable[[], bool],
        *,
        name: str,
        failed: str,
        number: int,
        pause_s: float,
        observe: Observe,
    ) -> None:
        self._work = work
        self._name = name
        self._failed = failed
        self._number = number
        self._pause_s = pause_s
        self._observe = observe
        self._stopping = Event()
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Start them, once."""
        if self._threads:
            return
        for number in range(self._number):
            thread = Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(JOIN_S / self._number)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._worked():
                self._stopping.wait(self._pause_s)

    def _worked(self) -> bool:
        try:
            return self._work()
        except StoreUnavailable as error:
            self._tell("store_unavailable", error)
        except Exception as error:  # a bug must not end the thread
            self._tell(self._failed, error)
        return False

    def _tell(self, name: str, error: Exception) -> None:
        fields = {"error": type(error).__name__, "text": str(error)}
        self._observe(Happened(name=name, fields=fields))

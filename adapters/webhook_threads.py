"""The threads that tell webhooks: one decides, and one for each lane makes the calls.

They are threads of their own, so that no delivery and no request waits for a receiver.
"""

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final

from application.ports.system import Clock, Observe
from application.webhooks.endpoint import Endpoint
from application.webhooks.outbox import Outbox
from domain.errors import StoreUnavailable
from domain.events import Event as Happened

AFTER_FAILURE_S: Final = 1.0


class WebhookThreads:
    """Tells webhooks until it is stopped. Start once, stop once."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        clock: Clock,
        observe: Observe,
        begin_worker: Callable[[], object] = lambda: None,
    ) -> None:
        """*begin_worker* is called by each lane's thread before it does anything."""
        self._outbox = outbox
        self._clock = clock
        self._observe = observe
        self._begin_worker = begin_worker
        self._stopping = Event()
        self._main = Thread(target=self._run, name="webhooks", daemon=True)
        self._lanes: set[Thread] = set()
        self._lock = Lock()
        self._started = False
        self._patience = 0.0  # how long calls that are being made may go on after the stop

    def start(self) -> None:
        """Begin. Safe to call again."""
        with self._lock:
            if self._started or self._stopping.is_set():
                return
            self._started = True
        self._main.start()

    def ask_to_stop(self) -> None:
        """Begin no more calls."""
        self._outbox.stop()
        self._stopping.set()

    def stop(self, *, timeout: float) -> None:
        """Wait for calls that are being made, at most *timeout* seconds, and store what they came
        to. What is cut off is told again by the next process.
        """
        self._patience = timeout
        self.ask_to_stop()
        if self._started:
            self._main.join(timeout + AFTER_FAILURE_S)

    def _run(self) -> None:
        self._begin_worker()
        while not self._stopping.is_set():
            try:
                pause = self._outbox.turn()
                for endpoint in self._outbox.open_lanes():
                    self._start_lane(endpoint)
            except StoreUnavailable as error:
                pause = self._failed(Happened(name="store_unavailable", fields=_said(error)))
            except Exception as error:  # a bug must not end the thread
                pause = self._failed(Happened(name="webhooks_failed", fields=_said(error)))
            self._stopping.wait(pause)
        self._finish()

    def _finish(self) -> None:
        deadline = self._clock.monotonic() + self._patience
        for lane in list(self._lanes):
            lane.join(max(0.0, deadline - self._clock.monotonic()))
        try:
            self._outbox.finish()
        except StoreUnavailable as error:
            self._failed(Happened(name="store_unavailable", fields=_said(error)))

    def _start_lane(self, endpoint: Endpoint) -> None:
        lane = Thread(target=self._lane, args=(endpoint,), name="webhook", daemon=True)
        with self._lock:
            self._lanes = {one for one in self._lanes if one.is_alive()}
            self._lanes.add(lane)
            lane.start()

    def _lane(self, endpoint: Endpoint) -> None:
        self._begin_worker()
        self._outbox.run_lane(endpoint)

    def _failed(self, event: Happened) -> float:
        self._observe(event)
        return AFTER_FAILURE_S


def _said(error: Exception) -> dict[str, str | int | float | None]:
    return {"error": type(error).__name__, "text": str(error)}

"""The calls of one webhook that are to be made and that are being made. Safe from many threads.

Each lane is a thread that takes calls, one after the other, and gives back what they came to.
"""

from collections import deque
from collections.abc import Iterable
from threading import Lock
from typing import Final, TypeAlias

from application.webhooks.calls import Job
from domain.webhook.delivery import WebhookAttempt

LANES: Final = 4  # calls at once
MadeCall: TypeAlias = tuple[Job, WebhookAttempt]


class Lanes:
    """Gives out calls, at most `LANES` at once."""

    def __init__(self) -> None:
        self.called_at: float | None = None  # when a call was taken last
        self._lock = Lock()
        self._fresh: deque[Job] = deque()
        self._retries: deque[Job] = deque()
        self._retry_next = True
        self._running: dict[int, float] = {}  # since when, by the event
        self._opened = 0
        self._silent = False  # the last call got no answer
        self._closed = False
        self._ended: list[MadeCall] = []

    @property
    def fresh(self) -> int:
        """How many events of the feed wait to be taken."""
        return len(self._fresh)

    @property
    def retries(self) -> int:
        """How many deliveries that have waited are to be taken."""
        return len(self._retries)

    @property
    def opened(self) -> int:
        """How many lanes there are."""
        return self._opened

    @property
    def ended(self) -> int:
        """How many calls have ended and were not collected yet."""
        return len(self._ended)

    @property
    def busy(self) -> bool:
        """Whether a call is to be made, or is being made."""
        return bool(self._fresh or self._retries or self._running)

    def add(self, jobs: Iterable[Job]) -> None:
        """Calls that are to be made."""
        with self._lock:
            for job in jobs:
                self._queue_of(job).append(job)

    def known(self) -> set[int]:
        """The events whose call is to be made, is being made, or was not collected yet."""
        with self._lock:
            known = {job.event_id for job in (*self._fresh, *self._retries)}
            return known | self._running.keys() | {job.event_id for job, _ in self._ended}

    def collect(self, *, begun_by: float) -> tuple[list[MadeCall], set[int]]:
        """The calls that have ended since the last time, and the events of those that still run
        and had begun by then (of the monotonic clock).
        """
        with self._lock:
            ended, self._ended = self._ended, []
            return ended, {event for event, since in self._running.items() if since <= begun_by}

    def open(self) -> bool:
        """Count one more lane, if there is a call for it. A webhook that gives no answers has one
        lane.
        """
        with self._lock:
            waiting = len(self._fresh) + len(self._retries)
            if self._closed or not waiting or self._opened >= (1 if self._silent else LANES):
                return False
            if self._opened - len(self._running) >= waiting:
                return False  # those that were opened have not taken theirs yet
            self._opened += 1
            return True

    def end(self) -> None:
        """Count one lane less."""
        with self._lock:
            self._opened -= 1

    def take(self, *, monotonic: float) -> Job | None:
        """The next call, of the feed and of the deliveries in turn; None: the lane ends."""
        with self._lock:
            if self._closed or (self._silent and self._opened > 1):
                return None
            queues = (
                (self._retries, self._fresh) if self._retry_next else (self._fresh, self._retries)
            )
            for queue in queues:
                if queue:
                    job = queue.popleft()
                    self._retry_next = queue is self._fresh
                    self._running[job.event_id] = self.called_at = monotonic
                    return job
            return None

    def give_back(self, job: Job, attempt: WebhookAttempt | None) -> None:
        """What a call came to; None: nothing was sent, and it is taken again first."""
        with self._lock:
            self._running.pop(job.event_id, None)
            if attempt is None:
                self._queue_of(job).appendleft(job)
                return
            self._silent = attempt.outcome.status is None
            # it wants no more calls, and is disabled once that is written
            self._closed |= attempt.outcome.gone and job.event_id > 0
            self._ended.append((job, attempt))

    def close(self) -> None:
        """Give out no more calls."""
        with self._lock:
            self._closed = True

    def _queue_of(self, job: Job) -> deque[Job]:
        return self._retries if job.position is None else self._fresh

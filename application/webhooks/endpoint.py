"""One webhook at work in this process: how far it was told, and what is to be stored of its calls.

The events of the feed stand in a window, in their order. The position of the webhook moves behind
an event once it was received or is stored as a delivery: also one whose call has lasted for a
while, so that it holds up no other.
"""

from collections import deque
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

import attrs

from application.webhooks.calls import Job
from application.webhooks.lanes import Lanes, MadeCall
from domain.event.event import Position
from domain.webhook.delivery import Delivery, WebhookAttempt, next_delivery
from domain.webhook.webhook import Webhook

PARK_AFTER_S: Final = 1.0
# By then a parked call has ended, or the process that made it.
PARKED: Final = timedelta(seconds=60)


@attrs.frozen(kw_only=True)
class Progress:
    """What is to be stored of a webhook: what its calls came to, and how far it was told."""

    webhook_id: int
    was: Position
    to: Position
    attempts: tuple[WebhookAttempt, ...]
    put: tuple[Delivery, ...]
    dropped: frozenset[int]
    given_up: tuple[int, ...]

    @property
    def is_urgent(self) -> bool:
        """Whether there is more than a position."""
        return bool(self.attempts or self.put or self.dropped)


class Endpoint:
    """The calls of one webhook. Of the thread that decides alone, but for its `lanes`."""

    def __init__(self, webhook: Webhook) -> None:
        self.webhook = webhook
        self.lanes = Lanes()
        self.position = webhook.position  # as it is stored
        self.tail = webhook.position  # behind what was read of the feed
        self.waiting = 0  # how many deliveries there were when that was read last
        self._window: deque[Job] = deque()
        self._settled: set[int] = set()  # of the window: received, or stored as deliveries
        self._stored: set[int] = set()  # of these, those whose call still runs
        self._unwritten: list[MadeCall] = []
        self._lost: set[int] = set()  # deliveries of events that are kept no longer

    @property
    def window(self) -> int:
        """How many events of the feed are between its position and its tail."""
        return len(self._window)

    @property
    def unwritten(self) -> int:
        """How many calls have ended and are not written yet."""
        return len(self._unwritten) + self.lanes.ended

    def unknown(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Those of which no call is to be made, is being made or waits to be written."""
        known = self.lanes.known() | {job.event_id for job, _ in self._unwritten} | self._lost
        return [one for one in deliveries if one.event_id not in known]

    def add_fresh(self, jobs: Collection[Job], tail: Position) -> None:
        """Calls for events of the feed, up to *tail*."""
        self._window.extend(jobs)
        self.tail = tail
        self.lanes.add(jobs)

    def add_retries(self, jobs: Iterable[Job], *, lost: Iterable[int] = ()) -> None:
        """Calls for deliveries that are due; of those *lost* there is no event any more."""
        self._lost.update(lost)
        self.lanes.add(jobs)

    def progress(self, *, now: datetime, monotonic: float, jitter: float) -> Progress:
        """What is to be stored now; the same again, and more, until it was `written`."""
        ended, slow = self.lanes.collect(begun_by=monotonic - PARK_AFTER_S)
        self._unwritten += ended
        put: dict[int, Delivery] = {}
        dropped, given_up = set(self._lost), []
        for job, attempt in self._unwritten:
            again = None
            if not attempt.outcome.succeeded:
                again = next_delivery(attempt, jitter=jitter)
                if again is None and job.event_id > 0:
                    given_up.append(job.event_id)
            if again is not None:
                put[job.event_id] = again
            elif job.position is None or job.event_id in self._stored:
                dropped.add(job.event_id)
        to, parked = self._reach(slow)
        put |= {job.event_id: self._parked(job, now) for job in parked}
        return Progress(
            webhook_id=self.webhook.id,
            was=self.position,
            to=to,
            attempts=tuple(attempt for _, attempt in self._unwritten),
            put=tuple(put.values()),
            dropped=frozenset(dropped - put.keys()),
            given_up=tuple(given_up),
        )

    def written(self, progress: Progress) -> None:
        """The *progress* is stored."""
        ended = {job.event_id for job, _ in self._unwritten}
        self._settled |= ended
        self._stored -= ended
        parked = {one.event_id for one in progress.put} - ended
        self._settled |= parked
        self._stored |= parked
        self._lost -= progress.dropped
        self._unwritten = []
        self.position = progress.to
        while self._window and self._window[0].event_id in self._settled:
            self._window.popleft()
        self._settled &= {job.event_id for job in self._window}

    def _reach(self, slow: Collection[int]) -> tuple[Position, list[Job]]:
        """How far the position can move, and the *slow* calls to store as deliveries for that."""
        settled = self._settled | {job.event_id for job, _ in self._unwritten}
        parked: list[Job] = []
        before = self.position
        for job in self._window:
            if job.event_id not in settled:
                if job.event_id not in slow:
                    return before, parked
                parked.append(job)
            before = job.position or before
        return self.tail, parked

    def _parked(self, job: Job, now: datetime) -> Delivery:
        return Delivery(
            webhook_id=self.webhook.id,
            event_id=job.event_id,
            tries=job.number - 1,
            next_at=now + PARKED,
        )

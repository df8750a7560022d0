"""Which calls are to be made for a webhook: of the feed behind its position, and of deliveries."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from application.event_feed import EventFeed
from application.ports.store import Store
from application.ports.system import Clock
from application.webhooks.calls import Job, job_of, job_of_test
from application.webhooks.endpoint import Endpoint
from domain.access import Caller
from domain.webhook.delivery import Delivery
from domain.webhook.webhook import Webhook

WINDOW: Final = 200  # events of the feed that are read ahead of a position
LOW: Final = 50  # read more below it
# As many deliveries may wait for a webhook: then no more of the feed is read for it. What it was
# not told stays among the events.
MOST_WAITING: Final = 1000
PROBE_EVERY_S: Final = 300.0
_FAR: Final = timedelta(days=365)


class FanOut:
    """Reads what webhooks are to be told. An event is read where clients read it, so none is told
    before its commit.
    """

    def __init__(self, *, store: Store, clock: Clock, feed: EventFeed) -> None:
        self._store = store
        self._clock = clock
        self._feed = feed

    def refill(self, endpoint: Endpoint) -> None:
        """Add calls to *endpoint* if few are left."""
        lanes = endpoint.lanes
        if lanes.retries < LOW:
            self._add_retries(endpoint, endpoint.unknown(self._due(endpoint)))
        if lanes.fresh < LOW and endpoint.window < WINDOW and endpoint.waiting < MOST_WAITING:
            page = self._feed.page(
                endpoint.tail,
                types=endpoint.webhook.event_types,
                limit=WINDOW - endpoint.window,
                caller=_reader(endpoint.webhook),
            )
            endpoint.add_fresh([job_of(shown) for shown in page.events], page.next)

    def _due(self, endpoint: Endpoint) -> Sequence[Delivery]:
        webhook_id, now = endpoint.webhook.id, self._clock.now()
        endpoint.waiting, due = self._store.read_latest(
            lambda tx: (
                tx.webhooks.waiting(webhook_id),
                tx.webhooks.due(webhook_id, now=now, limit=2 * LOW),
            )
        )
        full = endpoint.waiting >= MOST_WAITING
        if full and not due and not endpoint.lanes.busy and self._may_probe(endpoint):
            return self._store.read_latest(
                lambda tx: tx.webhooks.due(webhook_id, now=now + _FAR, limit=1)
            )
        return due

    def _may_probe(self, endpoint: Endpoint) -> bool:
        """Whether one that is called no more may be called to see whether it answers again."""
        last = endpoint.lanes.called_at
        return last is None or self._clock.monotonic() - last >= PROBE_EVERY_S

    def _add_retries(self, endpoint: Endpoint, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        webhook = endpoint.webhook
        wanted = [one.event_id for one in deliveries if not one.is_test]
        found = {shown[0].id: shown for shown in self._feed.of_ids(wanted, caller=_reader(webhook))}
        jobs: list[Job] = []
        lost: list[int] = []
        for one in deliveries:
            if one.is_test:
                jobs.append(job_of_test(one.event_id, webhook, at=self._clock.now()))
            elif one.event_id in found:
                jobs.append(job_of(found[one.event_id], number=one.tries + 1, waited=True))
            else:
                lost.append(one.event_id)
        endpoint.add_retries(jobs, lost=lost)


def _reader(webhook: Webhook) -> Caller:
    """Who reads the feed for this webhook: an admin of its accounts."""
    return Caller(accounts=webhook.accounts)

"""How webhooks are told: one process reads the feed for each of them and stores how far it came.

Whoever holds the lease does it. That keeps double work away and is no more than that: a position
moves only from where this process knows it to be, and only behind events that were received or wait
as deliveries. So two processes at work tell some events twice, and none is missed.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from application.event_feed import EventFeed
from application.ports.store import Store
from application.ports.system import Clock, Entropy, Observe
from application.webhooks.calls import WebhookCalls
from application.webhooks.endpoint import Endpoint
from application.webhooks.fan_out import FanOut
from application.webhooks.progress_writer import ProgressWriter
from application.webhooks.work_lease import WorkLease
from domain.account.network import NetworkPolicy
from domain.webhook.webhook import Webhook

LEASE_NAME: Final = "webhooks"
LOAD_EVERY_S: Final = 1.0
EXTRA_LANES: Final = 16  # beside one for each webhook
IDLE_S: Final = 0.5
BUSY_S: Final = 0.05


class Outbox:
    """Decides which webhooks are told by this process. Used by one thread, but for `run_lane`,
    which each lane's thread runs.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        lease: WorkLease,
        fan_out: FanOut,
        calls: WebhookCalls,
        writer: ProgressWriter,
    ) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease
        self._fan_out = fan_out
        self._calls = calls
        self._writer = writer
        self._endpoints: dict[int, Endpoint] = {}
        self._load_at = 0.0
        self._webhooks: Sequence[Webhook] = ()
        self._stopping = False

    def continue_as(self, holder: str) -> None:
        """Go on in the name of the process that has started this one to make its calls."""
        self._lease.hold_as(holder)

    def turn(self) -> float:
        """Do what is to be done now; the seconds until it is to be called again."""
        self._load()
        if not self._lead():
            self._close(self._writer.write([*self._endpoints.values()]))
            self._close([*self._endpoints.values()])
            return LOAD_EVERY_S
        self._follow()
        self._close(self._writer.write_if_due([*self._endpoints.values()]))
        for endpoint in self._endpoints.values():
            self._fan_out.refill(endpoint)
        busy = any(one.lanes.busy or one.unwritten for one in self._endpoints.values())
        return BUSY_S if busy else IDLE_S

    def open_lanes(self) -> list[Endpoint]:
        """For each lane that is to be run now, its endpoint.

        Each endpoint has one whatever the others do; the extra lanes of all are bounded.
        """
        endpoints = self._endpoints.values()
        opened = [one for one in endpoints if not one.lanes.opened and one.lanes.open()]
        extra = sum(max(0, one.lanes.opened - 1) for one in endpoints)
        for endpoint in endpoints:
            while extra < EXTRA_LANES and endpoint.lanes.opened and endpoint.lanes.open():
                opened.append(endpoint)
                extra += 1
        return opened

    def run_lane(self, endpoint: Endpoint) -> None:
        """Make the calls of *endpoint*, one after the other, until there are none."""
        lanes = endpoint.lanes
        try:
            while (job := lanes.take(monotonic=self._clock.monotonic())) is not None:
                attempt = self._calls.make(endpoint.webhook, job, may_call=self.may_call)
                lanes.give_back(job, attempt)
                if attempt is None:
                    return
        finally:
            lanes.end()

    def may_call(self) -> bool:
        """Whether this process may make calls now."""
        return not self._stopping and self._lease.held

    def stop(self) -> None:
        """Begin no more calls. Safe from any thread."""
        self._stopping = True

    def finish(self) -> None:
        """Store what calls have come to, and let another process go on."""
        self._close(self._writer.write([*self._endpoints.values()]))
        self._close([*self._endpoints.values()])
        self._lease.release()

    def _load(self) -> None:
        now = self._clock.monotonic()
        if now < self._load_at:
            return
        found = self._store.read_latest(lambda tx: tx.webhooks.all())
        self._webhooks = [webhook for webhook in found if webhook.active]
        self._load_at = now + LOAD_EVERY_S

    def _lead(self) -> bool:
        if not self._webhooks:
            self._lease.release()
            return False
        if self._lease.ask():
            self._load_at = 0.0
        return self.may_call()

    def _follow(self) -> None:
        """Have an endpoint for each webhook, as it is stored."""
        stored = {webhook.id: webhook for webhook in self._webhooks}
        for webhook_id in self._endpoints.keys() - stored.keys():
            self._endpoints.pop(webhook_id).lanes.close()
        for webhook_id, webhook in stored.items():
            endpoint = self._endpoints.get(webhook_id)
            if endpoint is None or endpoint.webhook.types != webhook.types:
                self._replace(webhook)
            else:
                endpoint.webhook = webhook

    def _replace(self, webhook: Webhook) -> None:
        old = self._endpoints.pop(webhook.id, None)
        if old is not None:
            old.lanes.close()
            webhook = attrs.evolve(webhook, position=old.position)
        self._endpoints[webhook.id] = Endpoint(webhook)

    def _close(self, endpoints: Iterable[Endpoint]) -> None:
        """Make no more calls of them. They are read again, if their webhooks are still active."""
        for endpoint in endpoints:
            self._load_at = 0.0
            self._endpoints.pop(endpoint.webhook.id, endpoint).lanes.close()


def new_outbox(
    *,
    store: Store,
    clock: Clock,
    entropy: Entropy,
    feed: EventFeed,
    calls: WebhookCalls,
    network: NetworkPolicy,
    observe: Observe,
) -> Outbox:
    """The outbox of this process, with its parts."""
    return Outbox(
        store=store,
        clock=clock,
        lease=WorkLease(LEASE_NAME, store=store, clock=clock, entropy=entropy),
        fan_out=FanOut(store=store, clock=clock, feed=feed),
        calls=calls,
        writer=ProgressWriter(
            store=store, clock=clock, entropy=entropy, network=network, observe=observe
        ),
    )

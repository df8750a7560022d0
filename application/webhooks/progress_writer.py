"""Stores what calls of webhooks came to, and how far each webhook was told."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Final, TypeAlias

from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Observe
from application.webhooks.endpoint import Endpoint, Progress
from domain.account.network import NetworkPolicy
from domain.account.web_url import web_url
from domain.errors import InvalidInput, NotFound
from domain.event.event import OtherEvent, WebhookFacts
from domain.event.types import EventType
from domain.events import Event
from domain.webhook.delivery import after_attempt, ends_outage
from domain.webhook.webhook import DisabledReason, Webhook

ATTEMPTS_KEPT: Final = 1000
WRITE_AFTER_S: Final = 0.25
WRITE_MANY: Final = 100
POSITION_AFTER_S: Final = 5.0
Fields: TypeAlias = dict[str, str | int | float | None]


class ProgressWriter:
    """Writes the progress of many webhooks in one transaction."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        network: NetworkPolicy,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._network = network
        self._observe = observe
        self._write_at = self._position_at = 0.0

    def write_if_due(self, endpoints: Collection[Endpoint]) -> Sequence[Endpoint]:
        """`write` if the last time was a while ago or much has ended since; positions rarely."""
        now = self._clock.monotonic()
        unwritten = sum(endpoint.unwritten for endpoint in endpoints)
        if unwritten < WRITE_MANY and now < self._write_at:
            return []
        return self.write(endpoints, positions=now >= self._position_at)

    def write(
        self, endpoints: Collection[Endpoint], *, positions: bool = True
    ) -> Sequence[Endpoint]:
        """Store what is new of *endpoints*; those that are to be read again before more calls.

        These are gone, disabled, or another process told them too. Without *positions* a webhook
        whose position alone has moved is not written.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        progresses = {
            endpoint: endpoint.progress(now=now, monotonic=monotonic, jitter=self._entropy.jitter())
            for endpoint in sorted(endpoints, key=lambda one: one.webhook.id)
        }
        wanted = {
            endpoint: progress
            for endpoint, progress in progresses.items()
            if progress.is_urgent or (positions and progress.to != progress.was)
        }
        self._write_at = monotonic + WRITE_AFTER_S
        if positions:
            self._position_at = monotonic + POSITION_AFTER_S
        if not wanted:
            return []
        stored = self._store.write(partial(self._store_all, progresses=[*wanted.values()]))
        lost: list[Endpoint] = []
        for (endpoint, progress), webhook in zip(wanted.items(), stored, strict=True):
            endpoint.written(progress)
            self._tell_operator(progress, webhook)
            if webhook is None or not webhook.active:
                lost.append(endpoint)
        return lost

    def _tell_operator(self, progress: Progress, webhook: Webhook | None) -> None:
        for event_id in progress.given_up:
            gave_up: Fields = {"webhook": progress.webhook_id, "event_id": event_id}
            self._observe(Event(name="webhook_gave_up", fields=gave_up))
        if webhook is None or webhook.disabled in (None, DisabledReason.REQUEST):
            return
        disabled: Fields = {"webhook": webhook.id, "reason": str(webhook.disabled)}
        self._observe(Event(name="webhook_disabled", fields=disabled))

    def _store_all(
        self, tx: Transaction, *, progresses: Sequence[Progress]
    ) -> Sequence[Webhook | None]:
        """Each webhook as it is then; None for one that is gone or that was told elsewhere too."""
        return [self._store_one(tx, one) for one in progresses]

    def _store_one(self, tx: Transaction, progress: Progress) -> Webhook | None:
        now = self._clock.now()
        try:
            was = tx.webhooks.lock(progress.webhook_id)
        except NotFound:
            return None
        webhook, outage = was, False
        for attempt in progress.attempts:
            if webhook.active:
                outage |= ends_outage(webhook, attempt)
                webhook = after_attempt(webhook, attempt)
        ours = progress.to == progress.was or tx.webhooks.advance(
            was.id, was=progress.was, to=progress.to
        )
        tx.webhooks.put_deliveries(progress.put)
        tx.webhooks.drop_deliveries(was.id, sorted(progress.dropped))
        tx.webhooks.add_attempts(progress.attempts, keep=ATTEMPTS_KEPT)
        if outage:
            tx.webhooks.hasten(was.id, now=now)
        if webhook != was:
            tx.webhooks.save(webhook)
        if was.active and not webhook.active:
            tx.events.tell(self._disabled(webhook))
        return webhook if ours else None

    def _disabled(self, webhook: Webhook) -> OtherEvent:
        facts = WebhookFacts(
            webhook_id=webhook.id, host=self._host(webhook), reason=str(webhook.disabled)
        )
        return OtherEvent(
            type=EventType.WEBHOOK_DISABLED, at=self._clock.now(), account_id=None, facts=facts
        )

    def _host(self, webhook: Webhook) -> str:
        try:
            return web_url(webhook.url, network=self._network).host
        except InvalidInput:  # the settings forbid it since
            return ""

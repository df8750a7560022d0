"""Webhooks and leases, in memory."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import attrs

from adapters.fakes.memory_tables import Journal, Tables
from domain.event.event import Position
from domain.webhook.delivery import Delivery, Outcome, WebhookAttempt
from domain.webhook.webhook import Webhook, no_webhook


class MemoryWebhooks:
    """The WebhookRepository port on dictionaries."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, webhook: Webhook) -> Webhook:
        """One row."""
        webhook = attrs.evolve(webhook, id=self._journal.next_id(self._tables, "webhook"))
        self._journal.put(self._tables.webhooks, webhook.id, webhook)
        return webhook

    def get(self, webhook_id: int) -> Webhook:
        """By id."""
        webhook = self._tables.webhooks.get(webhook_id)
        if webhook is None:
            raise no_webhook(webhook_id)
        return webhook

    def lock(self, webhook_id: int) -> Webhook:
        """The same: works run one after the other."""
        return self.get(webhook_id)

    def all(self) -> Sequence[Webhook]:
        """By id."""
        return [self._tables.webhooks[n] for n in sorted(self._tables.webhooks)]

    def save(self, webhook: Webhook) -> None:
        """With the position and the time of creation that are stored."""
        stored = self.get(webhook.id)
        kept = attrs.evolve(webhook, position=stored.position, created_at=stored.created_at)
        self._journal.put(self._tables.webhooks, webhook.id, kept)

    def advance(self, webhook_id: int, *, was: Position, to: Position) -> bool:
        """Only from where it was."""
        stored = self._tables.webhooks.get(webhook_id)
        if stored is None or stored.position != was:
            return False
        self._journal.put(self._tables.webhooks, webhook_id, attrs.evolve(stored, position=to))
        return True

    def remove(self, webhook_id: int) -> None:
        """With its deliveries and attempts."""
        self.get(webhook_id)
        self._journal.remove(self._tables.webhooks, webhook_id)
        for place in [place for place in self._tables.deliveries if place[0] == webhook_id]:
            self._journal.remove(self._tables.deliveries, place)
        for attempt in self._attempts(webhook_id):
            self._journal.remove(self._tables.webhook_attempts, attempt.id)

    def put_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """NotFound for a webhook that is not there."""
        for one in deliveries:
            self.get(one.webhook_id)
            self._journal.put(self._tables.deliveries, (one.webhook_id, one.event_id), one)

    def drop_deliveries(self, webhook_id: int, event_ids: Collection[int]) -> None:
        """Those that are there."""
        for place in [(webhook_id, event_id) for event_id in event_ids]:
            if place in self._tables.deliveries:
                self._journal.remove(self._tables.deliveries, place)

    def due(self, webhook_id: int, *, now: datetime, limit: int) -> Sequence[Delivery]:
        """By their time, then by their event."""
        due = [one for one in self._waiting(webhook_id) if one.next_at <= now]
        return sorted(due, key=lambda one: (one.next_at, one.event_id))[:limit]

    def waiting(self, webhook_id: int) -> int:
        """All of them."""
        return len(self._waiting(webhook_id))

    def hasten(self, webhook_id: int, *, now: datetime) -> None:
        """Those that are due later."""
        for one in self._waiting(webhook_id):
            if one.next_at > now:
                self.put_deliveries([attrs.evolve(one, next_at=now)])

    def add_attempts(self, attempts: Iterable[WebhookAttempt], *, keep: int) -> None:
        """By id; the oldest go."""
        for attempt in attempts:
            self.get(attempt.webhook_id)
            number = self._journal.next_id(self._tables, "webhook_attempt")
            outcome = Outcome(status=attempt.outcome.status, problem=attempt.outcome.problem)
            stored = attrs.evolve(attempt, id=number, outcome=outcome)
            self._journal.put(self._tables.webhook_attempts, number, stored)
            for old in self._attempts(attempt.webhook_id)[:-keep]:
                self._journal.remove(self._tables.webhook_attempts, old.id)

    def attempts(
        self, webhook_id: int, *, before: int | None = None, limit: int
    ) -> Sequence[WebhookAttempt]:
        """The last first."""
        found = [one for one in self._attempts(webhook_id) if before is None or one.id < before]
        return found[::-1][:limit]

    def _waiting(self, webhook_id: int) -> list[Delivery]:
        return [one for one in self._tables.deliveries.values() if one.webhook_id == webhook_id]

    def _attempts(self, webhook_id: int) -> list[WebhookAttempt]:
        attempts = self._tables.webhook_attempts
        return [attempts[n] for n in sorted(attempts) if attempts[n].webhook_id == webhook_id]


class MemoryLeases:
    """The LeaseRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def take(self, name: str, holder: str, *, now: datetime, until: datetime) -> bool:
        """If it is free, ours, or from a clock that was wrong."""
        other, ends = self._tables.leases.get(name, (holder, now))
        if other != holder and now < ends <= until:
            return False
        self._journal.put(self._tables.leases, name, (holder, until))
        return True

    def release(self, name: str, holder: str) -> None:
        """If it is ours."""
        if name in self._tables.leases and self._tables.leases[name][0] == holder:
            self._journal.remove(self._tables.leases, name)

"""The repositories of webhooks, of what waits for them, and of the leases of one process's work."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from domain.event.event import Position
from domain.webhook.delivery import Delivery, WebhookAttempt
from domain.webhook.webhook import Webhook


class WebhookRepository(Protocol):
    """Webhooks with the events that wait for them and the attempts that were made."""

    def add(self, webhook: Webhook) -> Webhook:
        """Store it and return it with its id (from 1, rising)."""
        ...

    def get(self, webhook_id: int) -> Webhook:
        """NotFound if it is not there."""
        ...

    def lock(self, webhook_id: int) -> Webhook:
        """The same, and until this work ends no other one changes it."""
        ...

    def all(self) -> Sequence[Webhook]:
        """All of them, by id."""
        ...

    def save(self, webhook: Webhook) -> None:
        """Write all but its position. This work must have locked it."""
        ...

    def advance(self, webhook_id: int, *, was: Position, to: Position) -> bool:
        """Move its position; False, and nothing is written, if it is not where it *was*."""
        ...

    def remove(self, webhook_id: int) -> None:
        """Remove it with all that belongs to it. NotFound."""
        ...

    def put_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Store them, each in the place of one of the same webhook and event."""
        ...

    def drop_deliveries(self, webhook_id: int, event_ids: Collection[int]) -> None:
        """Remove them. No error for those that are not there."""
        ...

    def due(self, webhook_id: int, *, now: datetime, limit: int) -> Sequence[Delivery]:
        """Up to *limit* that are due by *now*, the first first."""
        ...

    def waiting(self, webhook_id: int) -> int:
        """How many deliveries wait for this webhook."""
        ...

    def hasten(self, webhook_id: int, *, now: datetime) -> None:
        """Make all that waits for it due *now*."""
        ...

    def add_attempts(self, attempts: Iterable[WebhookAttempt], *, keep: int) -> None:
        """Append them; of each of their webhooks the last *keep* stay."""
        ...

    def attempts(
        self, webhook_id: int, *, before: int | None = None, limit: int
    ) -> Sequence[WebhookAttempt]:
        """Up to *limit* of one webhook with ids below *before*, the last first."""
        ...


class LeaseRepository(Protocol):
    """Who does a work that one process does for all. By the wall clock: it keeps double work away,
    and is no proof that there is none.
    """

    def take(self, name: str, holder: str, *, now: datetime, until: datetime) -> bool:
        """Hold the lease *until* then; False if another holder has it.

        A lease that ends later than one taken now would is from a clock that was wrong, and free.
        """
        ...

    def release(self, name: str, holder: str) -> None:
        """Give it up. No error if another one holds it."""
        ...

"""The repository of events: written with what they tell, read by clients behind a position."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from domain.email.lifecycle import Email
from domain.event.event import (
    EVERY_EVENT,
    EmailEvent,
    EventFilter,
    EventPage,
    OtherEvent,
    Position,
    StoredEvent,
)
from domain.event.types import EventType


class EventLog(Protocol):
    """Events, each stored in the work of the change that it tells.

    A store keeps those of the types that it was made for, and leaves out the others.
    """

    def tell_email(self, event_type: EventType, email: Email) -> None:
        """Store that this has become of *email*, as `domain.event.event.facts_of` has it.

        It happened at the time of the email's last change.
        """
        ...

    def tell_reported(self, event: EmailEvent) -> None:
        """Store an event that a report has told."""
        ...

    def tell(self, event: OtherEvent) -> None:
        """Store an event that is not of an email."""
        ...

    def page(self, after: Position, asked: EventFilter = EVERY_EVENT, *, limit: int) -> EventPage:
        """Up to *limit* events behind *after*, in an order that never changes.

        Whoever goes on from the page's position gets every event once, whatever is committed at the
        same time: an event that is visible comes before all those that are not yet. With a filter
        the page may end before *limit* events are found, even without any, so that its cost has a
        bound. Of a position that another store has given (before a copy) the event is what counts.
        """
        ...

    def oldest_behind(self, after: Position, asked: EventFilter = EVERY_EVENT) -> datetime | None:
        """When the first event behind *after* happened, also one that no page shows yet because
        somebody else's transaction holds it back. With a filter it looks no further than a page.
        """
        ...

    def end(self) -> Position:
        """The position behind all events that a page can show now."""
        ...

    def of_ids(self, event_ids: Collection[int]) -> Sequence[StoredEvent]:
        """Those of these ids that are there, by id."""
        ...

    def between(
        self, first: int, last: int, asked: EventFilter = EVERY_EVENT
    ) -> Sequence[StoredEvent]:
        """Those with ids from *first* to *last*, by id. The caller keeps the range small."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Of the *limit* oldest remove those that happened before; how many that was."""
        ...

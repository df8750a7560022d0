"""The events, in memory."""

from collections.abc import Collection, Sequence
from datetime import datetime

from adapters.fakes.memory_tables import Journal, Tables
from domain.email.lifecycle import Email
from domain.event.event import (
    BEGINNING,
    EVERY_EVENT,
    EmailEvent,
    EventFilter,
    EventPage,
    OtherEvent,
    Position,
    StoredEvent,
    facts_of,
)
from domain.event.types import EventType


class MemoryEvents:
    """The EventLog port on a dictionary: works run one after the other."""

    def __init__(self, tables: Tables, journal: Journal, kept: Collection[EventType]) -> None:
        self._tables = tables
        self._journal = journal
        self._kept = kept

    def tell_email(self, event_type: EventType, email: Email) -> None:
        """One row."""
        if event_type not in self._kept:
            return
        self._put(
            StoredEvent(
                position=self._position(),
                type=event_type,
                at=email.updated_at,
                email_id=email.id,
                account_id=email.account_id,
                key_id=email.key_id,
                facts=facts_of(email),
            )
        )

    def tell_reported(self, event: EmailEvent) -> None:
        """One row."""
        if event.type not in self._kept:
            return
        self._put(
            StoredEvent(
                position=self._position(),
                type=event.type,
                at=event.at,
                email_id=event.email_id,
                account_id=event.account_id,
                key_id=event.key_id,
                facts=event.facts,
            )
        )

    def tell(self, event: OtherEvent) -> None:
        """One row."""
        if event.type not in self._kept:
            return
        self._put(
            StoredEvent(
                position=self._position(),
                type=event.type,
                at=event.at,
                email_id=None,
                account_id=event.account_id,
                key_id=None,
                facts=event.facts,
            )
        )

    def page(self, after: Position, asked: EventFilter = EVERY_EVENT, *, limit: int) -> EventPage:
        """By their ids."""
        behind = [self._tables.events[n] for n in sorted(self._tables.events) if n > after.id]
        found = [event for event in behind if asked.passes(event)][:limit]
        if len(found) == limit:
            return EventPage(found, found[-1].position)
        return EventPage(found, behind[-1].position if behind else after)

    def oldest_behind(self, after: Position, asked: EventFilter = EVERY_EVENT) -> datetime | None:
        """The first of a page."""
        found = self.page(after, asked, limit=1).events
        return found[0].at if found else None

    def end(self) -> Position:
        """The highest id."""
        events = self._tables.events
        return events[max(events)].position if events else BEGINNING

    def of_ids(self, event_ids: Collection[int]) -> Sequence[StoredEvent]:
        """By id."""
        return [self._tables.events[n] for n in sorted(event_ids) if n in self._tables.events]

    def between(
        self, first: int, last: int, asked: EventFilter = EVERY_EVENT
    ) -> Sequence[StoredEvent]:
        """By id."""
        events = self._tables.events
        found = [events[n] for n in sorted(events) if first <= n <= last]
        return [event for event in found if asked.passes(event)]

    def prune(self, *, before: datetime, limit: int) -> int:
        """The oldest by their ids."""
        oldest = sorted(self._tables.events)[:limit]
        old = [event_id for event_id in oldest if self._tables.events[event_id].at < before]
        for event_id in old:
            self._journal.remove(self._tables.events, event_id)
        return len(old)

    def _position(self) -> Position:
        return Position(0, self._journal.next_id(self._tables, "event"))

    def _put(self, event: StoredEvent) -> None:
        self._journal.put(self._tables.events, event.id, event)

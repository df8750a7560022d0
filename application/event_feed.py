"""What clients read of the events: page by page, from a position on."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import attrs

from application.ports.store import StoreReader, Transaction
from application.redaction import redact_event
from domain.access import LOCAL, Caller, Scope
from domain.email.labels import NO_LABELS, Labels
from domain.event.event import BEGINNING, EventFilter, Position, StoredEvent
from domain.event.types import EventType

Shown: TypeAlias = tuple[StoredEvent, Labels]  # an event with the labels of its email


@attrs.frozen
class FeedPage:
    """Events with the labels of their emails, and the position to go on from."""

    events: Sequence[Shown]
    next: Position


class EventFeed:
    """The reader's use case."""

    def __init__(self, *, store: StoreReader) -> None:
        self._store = store

    def page(
        self,
        after: Position = BEGINNING,
        *,
        types: Collection[EventType] | None = None,
        email_id: int | None = None,
        limit: int,
        caller: Caller = LOCAL,
    ) -> FeedPage:
        """Up to *limit* events that this caller may see; Forbidden. See `EventLog.page`.

        Without admin those of its own emails, with it those of its SMTP configurations.
        """
        caller.require(Scope.READ)
        asked = EventFilter(
            types=types,
            email_id=email_id,
            key_id=caller.owned_by,
            accounts=caller.accounts if caller.is_admin else None,
        )

        def work(tx: Transaction) -> FeedPage:
            page = tx.events.page(after, asked, limit=limit)
            return FeedPage(_shown(tx, page.events, caller), page.next)

        return self._store.read(work)

    def of_ids(self, event_ids: Collection[int], *, caller: Caller = LOCAL) -> Sequence[Shown]:
        """Those of these ids that are there and that this caller, an admin, may see, by id."""
        caller.require(Scope.ADMIN)
        visible = EventFilter(accounts=caller.accounts)

        def work(tx: Transaction) -> Sequence[Shown]:
            found = [event for event in tx.events.of_ids(event_ids) if visible.passes(event)]
            return _shown(tx, found, caller)

        return self._store.read(work)


def _shown(tx: Transaction, events: Sequence[StoredEvent], caller: Caller) -> Sequence[Shown]:
    labels = _labels_of(tx, events)
    return [
        (event, labels.get(event.email_id or 0, NO_LABELS))
        for event in _as_shown(tx, events, caller)
    ]


def _labels_of(tx: Transaction, events: Sequence[StoredEvent]) -> Mapping[int, Labels]:
    return tx.labels.of_all(_emails_of(events))


def _as_shown(
    tx: Transaction, events: Sequence[StoredEvent], caller: Caller
) -> Sequence[StoredEvent]:
    if caller.is_admin and caller.accounts is None:
        return events
    attempts = tx.attempts.of_all(_emails_of(events))
    return [redact_event(event, attempts.get(event.email_id or 0, ()), caller) for event in events]


def _emails_of(events: Sequence[StoredEvent]) -> Sequence[int]:
    return sorted({event.email_id for event in events if event.email_id is not None})

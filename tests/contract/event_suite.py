"""What every store must do with events: a part of `StoreContract`."""

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs
import pytest

from application.ports.store import Store, Transaction
from domain.account.limits import Window
from domain.email.lifecycle import Email
from domain.email.recipient import RecipientStatus
from domain.event.event import (
    BEGINNING,
    EVERY_EVENT,
    AccountFacts,
    EventFilter,
    EventPage,
    OtherEvent,
    Position,
    QueueFacts,
    StoredEvent,
    SuppressionFacts,
    facts_of,
)
from domain.event.types import EventType
from domain.outcome.handoff import Reply
from domain.suppression import SuppressionReason
from tests.builders import NOW, a_recipient, an_email, at, recipients, seconds
from tests.running import wait_until

SENT = EventType.EMAIL_SENT
FAILED = EventType.EMAIL_FAILED
PAUSED = OtherEvent(
    type=EventType.ACCOUNT_PAUSED,
    at=at(3),
    account_id=4,
    facts=AccountFacts(name='ma"in', reason="quota", text="ünï\0", until=at(60)),
)
LEARNED = OtherEvent(
    type=EventType.ACCOUNT_LEARNED_LIMIT,
    at=at(3),
    account_id=4,
    facts=AccountFacts(name="main", window=Window.DAY, least=1, most=2),
)
LISTED = OtherEvent(
    type=EventType.SUPPRESSION_CREATED,
    at=at(3),
    account_id=None,
    facts=SuppressionFacts(
        address="ünï@example.org",
        scope="*",
        reason=SuppressionReason.HARD_BOUNCE,
        email_id=9,
        expires_at=at(60),
    ),
)
UNLISTED = OtherEvent(
    type=EventType.SUPPRESSION_DELETED,
    at=at(3),
    account_id=4,
    facts=SuppressionFacts(
        address="a@example.org", scope="account:4", reason=SuppressionReason.MANUAL
    ),
)
GROWING = OtherEvent(
    type=EventType.QUEUE_GROWING,
    at=at(900),
    account_id=None,
    facts=QueueFacts(waiting=900, before=400, since=at(3), oldest=seconds(600)),
)
ODD = Reply(250, 'he said "ok" \\ \x07\0 ü \U0001f600')


class EventContract:
    """The suite of the EventLog port."""

    @pytest.mark.parametrize(
        "email",
        [
            an_email(id=9, account_id=4, key_id=7, attempt_no=2, updated_at=at(5)),
            an_email(id=9, recipients=(a_recipient("ünï@example.org", reply=ODD, reason="r"),)),
            an_email(id=9, recipients=(a_recipient(reply=Reply(550, "x" * 1024)),)),
            an_email(id=9, recipients=recipients(3, reply=ODD, status=RecipientStatus.ACCEPTED)),
            an_email(id=9, recipients=recipients(200), reason_code="expired"),
        ],
    )
    def test_an_event_of_an_email_comes_back_as_the_domain_tells_it(
        self, store: Store, email: Email
    ) -> None:
        tell(store, email)

        (event,) = page(store).events
        assert event == StoredEvent(
            position=event.position,
            type=SENT,
            at=email.updated_at,
            email_id=9,
            account_id=email.account_id,
            key_id=email.key_id,
            facts=facts_of(email),
        )

    @pytest.mark.parametrize("told", [PAUSED, LEARNED, LISTED, UNLISTED, GROWING])
    def test_an_event_that_is_not_of_an_email_comes_back_as_it_was_told(
        self, store: Store, told: OtherEvent
    ) -> None:
        write(store, lambda tx: tx.events.tell(told))

        (event,) = page(store).events
        assert (event.type, event.at, event.account_id) == (told.type, told.at, told.account_id)
        assert (event.email_id, event.key_id, event.facts) == (None, None, told.facts)

    def test_pages_give_every_event_once_in_one_order(self, store: Store) -> None:
        for n in range(1, 8):
            tell(store, an_email(id=n))

        first = page(store, limit=3)
        second = page(store, after=first.next, limit=3)
        third = page(store, after=second.next, limit=3)

        assert [emails_of(one) for one in (first, second, third)] == [[1, 2, 3], [4, 5, 6], [7]]
        assert first.events[-1].position == first.next
        assert emails_of(page(store, after=third.next)) == []

    def test_an_empty_page_gives_a_position_behind_which_the_next_event_comes(
        self, store: Store
    ) -> None:
        empty = page(store)
        assert empty == EventPage([], BEGINNING)
        tell(store, an_email(id=1))
        behind = page(store, after=page(store, after=empty.next).next)
        tell(store, an_email(id=2))

        assert emails_of(behind) == []
        assert emails_of(page(store, after=behind.next)) == [2]

    def test_several_events_of_one_work_are_told_in_their_order(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.events.tell_email(FAILED, an_email(id=1))
            tx.events.tell_email(EventType.EMAIL_SUPPRESSED, an_email(id=1))
            tx.events.tell(PAUSED)
            tx.events.tell(attrs.evolve(PAUSED, account_id=5))
            tx.events.tell_email(FAILED, an_email(id=1))

        write(store, work, events=5)

        assert [event.type for event in page(store).events] == [
            FAILED,
            EventType.EMAIL_SUPPRESSED,
            PAUSED.type,
            PAUSED.type,
            FAILED,
        ]

    def test_what_a_failed_work_told_is_told_to_nobody(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.events.tell_email(SENT, an_email(id=1))
            raise LookupError

        with pytest.raises(LookupError):
            store.write(work)
        tell(store, an_email(id=2))

        assert emails_of(page(store)) == [2]

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            (EVERY_EVENT, [1, 2, 3, 4]),
            (EventFilter(types=(FAILED,)), [2, 4]),
            (EventFilter(types=(FAILED, SENT)), [1, 2, 3, 4]),
            (EventFilter(types=()), []),
            (EventFilter(email_id=3), [3]),
            (EventFilter(email_id=3, types=(FAILED,)), []),
            (EventFilter(key_id=7), [1, 2]),
            (EventFilter(accounts=(4, 5)), [2, 3]),
            (EventFilter(accounts=()), []),
            (EventFilter(key_id=7, accounts=(4,)), [2]),
            (EventFilter(email_id=2, key_id=7), [2]),
            (EventFilter(email_id=3, key_id=7), []),
        ],
    )
    def test_a_filter_leaves_only_what_was_asked_for(
        self, store: Store, asked: EventFilter, found: Sequence[int]
    ) -> None:
        tell(store, an_email(id=1, key_id=7, account_id=3))
        tell(store, an_email(id=2, key_id=7, account_id=4), FAILED)
        tell(store, an_email(id=3, account_id=5))
        tell(store, an_email(id=4, key_id=8), FAILED)

        assert emails_of(page(store, asked=asked)) == found
        assert walked(store, asked) == found

    def test_it_tells_when_the_first_event_behind_a_position_happened(self, store: Store) -> None:
        for n in (1, 2, 3):
            tell(store, an_email(id=n, updated_at=at(n)), FAILED if n == 3 else SENT)
        failed = EventFilter(types=(FAILED,))
        last = page(store).next

        def oldest(after: Position, asked: EventFilter = EVERY_EVENT) -> datetime | None:
            return store.read(lambda tx: tx.events.oldest_behind(after, asked))

        assert [oldest(BEGINNING), oldest(BEGINNING, failed), oldest(last)] == [at(1), at(3), None]

    def test_a_filter_that_finds_nothing_goes_on_behind_what_it_has_passed_over(
        self, store: Store
    ) -> None:
        for n in range(1, 4):
            tell(store, an_email(id=n))

        asked = EventFilter(types=(FAILED,))
        empty = page(store, asked=asked)
        assert (list(empty.events), empty.next.id) == ([], page(store).events[-1].id)
        tell(store, an_email(id=9), FAILED)

        assert emails_of(page(store, after=empty.next, asked=asked)) == [9]

    def test_events_are_pruned_from_the_oldest_on(self, store: Store) -> None:
        for n in range(1, 6):
            tell(store, an_email(id=n, updated_at=at(n)))

        removed = [store.write(lambda tx: tx.events.prune(before=at(4), limit=2)) for _ in range(3)]

        assert removed == [2, 1, 0]
        assert emails_of(page(store)) == [4, 5]

    def test_a_reader_goes_on_behind_an_event_that_was_removed(self, store: Store) -> None:
        for n in range(1, 4):
            tell(store, an_email(id=n, updated_at=at(n)))
        behind = page(store, limit=2).next
        store.write(lambda tx: tx.events.prune(before=at(3), limit=10))

        assert emails_of(page(store, after=behind)) == [3]

    def test_no_event_gets_the_id_of_one_that_was_removed(self, store: Store) -> None:
        tell(store, an_email(id=1))
        (old,) = page(store).events
        store.write(lambda tx: tx.events.prune(before=NOW + seconds(1), limit=10))
        tell(store, an_email(id=2))

        (new,) = page(store).events
        assert new.id > old.id
        assert emails_of(page(store, after=old.position)) == [2]

    def test_a_position_of_another_store_stands_behind_the_event_with_its_id(
        self, store: Store
    ) -> None:
        for n in range(1, 4):
            tell(store, an_email(id=n))
        second = page(store).events[1]

        for commit in (0, 2**62):
            elsewhere = Position(commit, second.id)
            assert emails_of(page(store, after=elsewhere)) == [3]


def tell(store: Store, email: Email, event_type: EventType = SENT) -> None:
    write(store, lambda tx: tx.events.tell_email(event_type, email))


def write(store: Store, work: Callable[[Transaction], None], *, events: int = 1) -> None:
    """Run *work* and wait until its events are visible.

    On a server of several databases any older transaction holds them back for a while.
    """
    before = len(page(store, limit=1000).events)
    store.write(work)
    wait_until(lambda: len(page(store, limit=1000).events) == before + events)


def page(
    store: Store,
    *,
    after: Position = BEGINNING,
    asked: EventFilter = EVERY_EVENT,
    limit: int = 100,
) -> EventPage:
    return store.read(lambda tx: tx.events.page(after, asked, limit=limit))


def emails_of(found: EventPage) -> list[int | None]:
    return [event.email_id for event in found.events]


def walked(store: Store, asked: EventFilter) -> list[int | None]:
    """The emails of all pages of one event each."""
    found: list[int | None] = []
    at_last = page(store, asked=EVERY_EVENT).next
    position = BEGINNING
    for _ in range(20):
        one = page(store, after=position, asked=asked, limit=1)
        found += emails_of(one)
        if not one.events or one.next == at_last:
            break
        position = one.next
    return found

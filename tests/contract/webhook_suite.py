"""What every store must do with webhooks and leases: a part of `StoreContract`."""

from collections.abc import Sequence
from datetime import timedelta

import attrs
import pytest

from application.ports.store import Store
from domain.errors import NotFound
from domain.event.event import BEGINNING, EventFilter, OtherEvent, Position, WebhookFacts
from domain.event.types import EventType
from domain.webhook.delivery import Delivery, Outcome
from domain.webhook.webhook import DisabledReason, Webhook
from tests.builders import NOW, a_webhook, a_webhook_attempt, an_email, at
from tests.contract.event_suite import page, write

DISABLED = OtherEvent(
    account_id=None,
    type=EventType.WEBHOOK_DISABLED,
    at=at(3),
    facts=WebhookFacts(webhook_id=4, host="example.org", reason="gone"),
)


class WebhookContract:
    """The suite of the WebhookRepository and the LeaseRepository."""

    def test_a_webhook_comes_back_as_it_was_added(self, store: Store) -> None:
        first = added(store)
        second = added(
            store,
            types=frozenset({"email.sent", "*"}),
            accounts=frozenset({3, 1}),
            sealed_old=b"\0old",
            old_until=at(5),
            disabled=DisabledReason.GONE,
            disabled_at=at(6),
            failing_since=at(4),
            position=Position(7, 9),
        )

        assert (first.id, second.id) == (1, 2)
        assert store.read(lambda tx: tx.webhooks.all()) == [first, second]
        assert store.read(lambda tx: tx.webhooks.get(2)) == second
        assert store.write(lambda tx: tx.webhooks.lock(2)) == second

    def test_a_webhook_that_is_not_there_is_not_found(self, store: Store) -> None:
        for call in ("get", "lock", "remove"):
            with pytest.raises(NotFound, match="no webhook 7"):
                store.write(lambda tx, call=call: getattr(tx.webhooks, call)(7))
        with pytest.raises(NotFound):
            store.write(lambda tx: tx.webhooks.save(a_webhook(id=7)))

    def test_all_but_the_position_and_the_creation_is_saved(self, store: Store) -> None:
        webhook = added(store, position=Position(1, 2))
        changed = attrs.evolve(
            webhook,
            url="https://example.com/other",
            types=frozenset({"email.failed"}),
            sealed_secret=b"new",
            sealed_old=b"old",
            old_until=at(9),
            disabled=DisabledReason.FAILING,
            disabled_at=at(8),
            failing_since=at(7),
            updated_at=at(6),
        )
        store.write(lambda tx: tx.webhooks.save(attrs.evolve(changed, position=Position(5, 5))))

        assert store.read(lambda tx: tx.webhooks.get(webhook.id)) == changed

    def test_a_position_moves_only_from_where_it_is(self, store: Store) -> None:
        webhook = added(store)
        there = Position(3, 4)

        assert store.write(lambda tx: tx.webhooks.advance(webhook.id, was=BEGINNING, to=there))
        assert not store.write(
            lambda tx: tx.webhooks.advance(webhook.id, was=BEGINNING, to=Position(9, 9))
        )
        assert not store.write(lambda tx: tx.webhooks.advance(9, was=BEGINNING, to=there))
        assert store.read(lambda tx: tx.webhooks.get(webhook.id)).position == there

    def test_what_is_due_comes_in_the_order_of_its_time(self, store: Store) -> None:
        first, second = added(store), added(store)
        put(store, a_delivery(first, 1, after=5), a_delivery(first, 2, after=1))
        put(store, a_delivery(first, 3, after=6), a_delivery(second, 4, after=0))

        assert due(store, first, until=5) == [2, 1]
        assert due(store, first, until=9, limit=1) == [2]
        assert store.read(lambda tx: tx.webhooks.waiting(first.id)) == 3

    def test_a_delivery_takes_the_place_of_the_one_before(self, store: Store) -> None:
        webhook = added(store)
        put(store, a_delivery(webhook, 1, after=1))
        put(store, a_delivery(webhook, 1, after=2, tries=3))

        found = store.read(lambda tx: tx.webhooks.due(webhook.id, now=at(9), limit=9))
        assert found == [a_delivery(webhook, 1, after=2, tries=3)]

    def test_what_is_dropped_waits_no_longer(self, store: Store) -> None:
        first, second = added(store), added(store)
        put(store, *[a_delivery(one, n, after=0) for one in (first, second) for n in (-1, 2, 3)])
        store.write(lambda tx: tx.webhooks.drop_deliveries(first.id, [-1, 3, 9]))

        assert due(store, first, until=9) == [2]
        assert due(store, second, until=9) == [-1, 2, 3]

    def test_what_is_hastened_is_due_at_once(self, store: Store) -> None:
        first, second = added(store), added(store)
        put(store, a_delivery(first, 1, after=1), a_delivery(first, 2, after=50))
        put(store, a_delivery(second, 3, after=50))
        store.write(lambda tx: tx.webhooks.hasten(first.id, now=at(2)))

        found = store.read(lambda tx: tx.webhooks.due(first.id, now=at(2), limit=9))
        assert [(one.event_id, one.next_at) for one in found] == [(1, at(1)), (2, at(2))]
        assert due(store, second, until=2) == []

    def test_the_last_attempts_of_each_webhook_are_kept(self, store: Store) -> None:
        first, second = added(store), added(store)
        attempt(store, first, 1, status=500)
        attempt(store, second, 2, problem="timeout")
        attempt(store, first, 3, 4, status=204)

        shown = store.read(lambda tx: tx.webhooks.attempts(first.id, limit=9))
        assert [(one.event_id, one.outcome.status, one.number) for one in shown] == [
            (4, 204, 2),
            (3, 204, 2),
        ]
        assert (shown[0].at, shown[0].duration) == (at(1), timedelta(milliseconds=12))
        older = store.read(lambda tx: tx.webhooks.attempts(first.id, before=shown[0].id, limit=9))
        assert older == shown[1:]
        (other,) = store.read(lambda tx: tx.webhooks.attempts(second.id, limit=9))
        assert other.outcome == Outcome(problem="timeout")

    def test_a_webhook_goes_with_all_that_is_its(self, store: Store) -> None:
        first, second = added(store), added(store)
        for webhook in (first, second):
            put(store, a_delivery(webhook, 1, after=0))
            attempt(store, webhook, 1, status=500)
        store.write(lambda tx: tx.webhooks.remove(first.id))

        assert store.read(lambda tx: tx.webhooks.all()) == [second]
        assert due(store, first, until=9) == []
        assert store.read(lambda tx: tx.webhooks.attempts(first.id, limit=9)) == []
        assert due(store, second, until=9) == [1]
        assert added(store).id == 3

    def test_nothing_is_stored_for_a_webhook_that_is_gone(self, store: Store) -> None:
        with pytest.raises(Exception, match=r"(?i)foreign key|no webhook"):
            put(store, a_delivery(a_webhook(id=7), 1, after=0))
        with pytest.raises(Exception, match=r"(?i)foreign key|no webhook"):
            attempt(store, a_webhook(id=7), 1, status=200)

    # -- leases ---------------------------------------------------------------------------------

    def test_a_lease_has_one_holder_until_it_ends(self, store: Store) -> None:
        assert take(store, "a", after=0)
        assert take(store, "a", after=5)
        assert not take(store, "b", after=14)
        assert take(store, "b", after=15)
        assert not take(store, "a", after=15)

    def test_a_lease_that_is_given_up_is_free(self, store: Store) -> None:
        assert take(store, "a", after=0)
        store.write(lambda tx: tx.leases.release("webhooks", "b"))
        assert not take(store, "b", after=1)
        store.write(lambda tx: tx.leases.release("webhooks", "a"))
        assert take(store, "b", after=1)

    def test_a_lease_of_a_clock_that_was_ahead_is_free(self, store: Store) -> None:
        assert take(store, "a", after=3600)
        assert take(store, "b", after=0)

    # -- events ---------------------------------------------------------------------------------

    def test_an_event_of_a_webhook_comes_back_as_it_was_told(self, store: Store) -> None:
        write(store, lambda tx: tx.events.tell(DISABLED))

        (event,) = page(store).events
        assert (event.type, event.at, event.facts) == (DISABLED.type, at(3), DISABLED.facts)
        assert (event.email_id, event.account_id, event.key_id) == (None, None, None)

    def test_behind_the_end_comes_what_is_told_later(self, store: Store) -> None:
        assert store.read(lambda tx: tx.events.end()) == BEGINNING
        tell(store, 1, 2)
        end = store.read(lambda tx: tx.events.end())
        assert page(store, after=end).events == []
        tell(store, 3)

        assert [event.email_id for event in page(store, after=end).events] == [3]

    def test_events_are_found_by_their_ids(self, store: Store) -> None:
        tell(store, 1, 2, 3, 4)
        events = page(store).events
        ids = [event.id for event in events]

        found = store.read(lambda tx: tx.events.of_ids([ids[2], ids[0], 10**9]))
        assert found == [events[0], events[2]]
        assert store.read(lambda tx: tx.events.of_ids([])) == []
        assert store.read(lambda tx: tx.events.between(ids[1], ids[2])) == events[1:3]
        asked = EventFilter(types={EventType.EMAIL_FAILED})
        assert store.read(lambda tx: tx.events.between(ids[0], ids[3], asked)) == []


def added(store: Store, **changes: object) -> Webhook:
    return store.write(lambda tx: tx.webhooks.add(a_webhook(**changes)))


def a_delivery(webhook: Webhook, event_id: int, *, after: float, tries: int = 1) -> Delivery:
    return Delivery(webhook_id=webhook.id, event_id=event_id, tries=tries, next_at=at(after))


def put(store: Store, *deliveries: Delivery) -> None:
    store.write(lambda tx: tx.webhooks.put_deliveries(deliveries))


def due(store: Store, webhook: Webhook, *, until: float, limit: int = 9) -> Sequence[int]:
    found = store.read(lambda tx: tx.webhooks.due(webhook.id, now=at(until), limit=limit))
    return [one.event_id for one in found]


def attempt(store: Store, webhook: Webhook, *event_ids: int, **outcome: object) -> None:
    """Made of each event; the last two of a webhook are kept."""
    attempts = [a_webhook_attempt(webhook.id, event_id, **outcome) for event_id in event_ids]
    store.write(lambda tx: tx.webhooks.add_attempts(attempts, keep=2))


def take(store: Store, holder: str, *, after: float) -> bool:
    now = at(after)
    until = now + timedelta(seconds=10)
    return store.write(lambda tx: tx.leases.take("webhooks", holder, now=now, until=until))


def tell(store: Store, *email_ids: int) -> None:
    for email_id in email_ids:
        email = an_email(id=email_id, updated_at=NOW)
        write(store, lambda tx, email=email: tx.events.tell_email(EventType.EMAIL_SENT, email))

"""What every store must remember for watching the service: a part of `StoreContract`."""

import attrs

from application.ports.store import Store
from domain.event.alert import AlertRecord
from domain.event.event import Position
from domain.event.growth import Growth, Look
from domain.suppression import FULL_TIMES
from tests.builders import NOW, at

ADA = "ada@example.org"
TOLD = AlertRecord(account_id=4, reason="auth_failed", event_id=7, at=at(3), email_id=9)


class WatchContract:
    """The suite of the WatchRepository and FullMailboxes ports."""

    def test_the_position_is_the_last_one_that_was_moved_to(self, store: Store) -> None:
        assert store.read(lambda tx: tx.watch.position()) is None
        for position in (Position(1, 2), Position(2**62, 3)):
            store.write(lambda tx, to=position: tx.watch.move(to))

        assert store.read(lambda tx: tx.watch.position()) == Position(2**62, 3)

    def test_the_growth_comes_back_as_it_was_saved(self, store: Store) -> None:
        growth = Growth(looks=(Look(NOW, 1), Look(at(60), 10**9)), told=True)
        assert store.read(lambda tx: tx.watch.growth()) == Growth()

        store.write(lambda tx: tx.watch.save_growth(Growth()))
        store.write(lambda tx: tx.watch.save_growth(growth))

        assert store.read(lambda tx: tx.watch.growth()) == growth

    def test_an_alert_takes_the_place_of_the_one_before_of_its_account_and_reason(
        self, store: Store
    ) -> None:
        others = [
            attrs.evolve(TOLD, account_id=5, event_id=8),
            attrs.evolve(TOLD, account_id=None, event_id=9, email_id=None, problem="ünï"),
            attrs.evolve(TOLD, reason="other", event_id=10),
        ]
        later = attrs.evolve(TOLD, event_id=11, at=at(4), email_id=None, problem="no account")
        put(store, TOLD, *others, later)

        assert last(store, TOLD) == later
        assert [last(store, one) for one in others] == others
        assert store.read(lambda tx: tx.watch.last_alert(6, "other")) is None
        assert store.read(lambda tx: tx.watch.alerts(limit=2)) == [later, others[2]]

    def test_old_alerts_are_pruned(self, store: Store) -> None:
        new = attrs.evolve(TOLD, reason="new", at=at(5))
        put(store, TOLD, attrs.evolve(TOLD, account_id=5), new)

        removed = [
            store.write(lambda tx: tx.watch.prune_alerts(before=at(5), limit=9)) for _ in range(2)
        ]

        assert removed == [2, 0]
        assert store.read(lambda tx: tx.watch.alerts(limit=9)) == [new]

    def test_an_email_counts_once_for_a_full_mailbox_and_only_within_the_time(
        self, store: Store
    ) -> None:
        for email_id, when in ((1, 0), (1, 5), (2, 10)):
            full(store, ADA, email_id, when)
        full(store, "b@example.org", 3, 10)

        assert [count(store, since) for since in (0, 1, 10, 11)] == [2, 1, 1, 0]

    def test_no_more_are_counted_than_are_asked_for(self, store: Store) -> None:
        for email_id in range(1, FULL_TIMES + 3):
            full(store, ADA, email_id, 0)

        assert count(store, 0) == FULL_TIMES

    def test_a_full_mailbox_is_forgotten_and_the_others_stay(self, store: Store) -> None:
        full(store, ADA, 1, 0)
        full(store, "b@example.org", 1, 0)

        store.write(lambda tx: tx.full_mailboxes.forget("b@example.org"))

        assert count(store, 0) == 1
        assert store.read(lambda tx: tx.full_mailboxes.count("b@example.org", since=NOW)) == 0

    def test_what_is_known_of_full_mailboxes_is_pruned(self, store: Store) -> None:
        for email_id, when in ((1, 0), (2, 1), (3, 2)):
            full(store, ADA, email_id, when)

        removed = [
            store.write(lambda tx: tx.full_mailboxes.prune(before=at(2), limit=1)) for _ in range(3)
        ]

        assert (removed, count(store, 0)) == ([1, 1, 0], 1)


def put(store: Store, *records: AlertRecord) -> None:
    for record in records:
        store.write(lambda tx, one=record: tx.watch.put_alert(one))


def last(store: Store, record: AlertRecord) -> AlertRecord | None:
    return store.write(lambda tx: tx.watch.last_alert(record.account_id, record.reason))


def full(store: Store, address: str, email_id: int, when: float) -> None:
    store.write(lambda tx: tx.full_mailboxes.add(address, email_id=email_id, at=at(when)))


def count(store: Store, since: float) -> int:
    return store.read(lambda tx: tx.full_mailboxes.count(ADA, since=at(since)))

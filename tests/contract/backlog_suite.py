"""What every store must tell for a forecast: a part of `StoreContract`."""

from collections.abc import Collection
from datetime import timedelta

import pytest

from adapters.fakes.clock import FakeClock
from application.ports.store import Store
from domain.account.limits import Window, WindowLengths
from domain.email.backlog import WaitingGroup
from domain.email.lifecycle import Email
from domain.email.status import Status
from tests.builders import NOW, an_account, an_email, at, recipients

LENGTHS = WindowLengths()


class BacklogContract:
    """The suite of the Backlog port."""

    def test_groups_tell_how_many_emails_and_recipients_wait(self, store: Store) -> None:
        for number in (1, 2, 3):
            add(store, recipients=recipients(number))
        add(store, priority=1, eligible_at=at(86_400))
        assert groups(store, [0]) == [(0, 1, at(86_400), 1, 1), (0, 3, NOW, 3, 6)]

    def test_groups_are_of_the_queues_that_are_asked_for(self, store: Store) -> None:
        store.write(lambda tx: tx.accounts.add(an_account()))
        add(store)
        add(store, account_id=1, pinned=True)
        assert groups(store, [1]) == [(1, 3, NOW, 1, 1)]
        assert len(groups(store, [0, 1])) == 2
        assert groups(store, []) == []

    def test_what_does_not_wait_is_in_no_group(self, store: Store) -> None:
        add(store, status=Status.CANCELLED)
        assert groups(store, [0]) == []

    @pytest.mark.parametrize("priorities", [(3,), (3, 5), (1, 2, 3, 4, 5)])
    def test_what_is_not_counted_is_in_the_groups_too(
        self, store: Store, priorities: tuple[int, ...]
    ) -> None:
        for number in range(40):
            add(store, priority=priorities[number % len(priorities)], eligible_at=at(-number))
        found = groups(store, [0], most=4)
        assert sum(emails for _, _, _, emails, _ in found) == 40
        lines = [
            sum(emails for _, priority, _, emails, _ in found if priority == each)
            for each in priorities
        ]
        assert max(lines) - min(lines) <= 10

    def test_what_becomes_due_in_a_span_is_counted_for_each_queue(self, store: Store) -> None:
        store.write(lambda tx: tx.accounts.add(an_account()))
        for priority, due in ((1, 0), (2, 1), (3, 10), (5, 10), (3, 11)):
            add(store, priority=priority, eligible_at=at(due))
        add(store, account_id=1, pinned=True, eligible_at=at(5))
        add(store, eligible_at=at(5), status=Status.CANCELLED)

        found = store.read(
            lambda tx: tx.backlog.scheduled([0, 1, 2], after=NOW, until=at(10), most=9)
        )

        assert dict(found) == {0: 3, 1: 1, 2: 0}

    def test_the_place_of_an_email_is_that_of_a_claim(self, store: Store) -> None:
        early, late = add(store, eligible_at=at(-5)), add(store, eligible_at=at(5))
        same = [add(store) for _ in range(3)]
        add(store, priority=1)
        for before, email in enumerate([early, *same, late]):
            place = store.read(lambda tx, e=email: tx.backlog.place(e, 0, most=10))
            assert place.of(5) == before

    def test_a_place_is_told_of_a_line_that_is_too_long_to_count(self, store: Store) -> None:
        emails = [add(store) for _ in range(30)]
        for before, email in enumerate(emails):
            place = store.read(lambda tx, e=email: tx.backlog.place(e, 0, most=4))
            assert abs(place.of(30) - before) <= 1

    def test_charges_are_told_of_each_window(self, store: Store, clock: FakeClock) -> None:
        held = an_email(id=1, account_id=1, attempt_no=1, status=Status.SENDING, instance=7)
        store.write(lambda tx: tx.ledger.reserve([held], units=lambda email: 5))
        assert charged(store, Window.HOUR) == []
        store.write(lambda tx: tx.ledger.charge(1, 1, units=5))
        then = clock.now()
        clock.tick(700)
        assert charged(store, Window.MINUTE) == []
        for window, late in ((Window.HOUR, 10), (Window.DAY, 600)):
            ((moment, units),) = charged(store, window)
            assert units == 5
            assert then <= moment <= then + timedelta(seconds=late)

    def test_without_attempts_it_is_not_known_how_long_one_takes(self, store: Store) -> None:
        assert store.read(lambda tx: tx.backlog.seconds_each(1)) is None


def add(store: Store, **changes: object) -> Email:
    email = an_email(**{"eligible_at": NOW, **changes})
    return store.write(lambda tx: tx.emails.add(email, b"x"))


def groups(
    store: Store, queues: Collection[int], *, most: int = 100
) -> list[tuple[int, int, object, int, int]]:
    found = store.read(lambda tx: tx.backlog.groups(queues, now=NOW, most=most))
    return sorted(map(_row, found))


def _row(group: WaitingGroup) -> tuple[int, int, object, int, int]:
    return (group.queue, group.priority, group.due_at, group.emails, group.recipients)


def charged(store: Store, window: Window) -> list[tuple[object, int]]:
    return list(store.read(lambda tx: tx.backlog.charged(1, LENGTHS))[window])

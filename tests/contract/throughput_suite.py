"""How every store must count what passes through the service: a part of `StoreContract`."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from application.ports.store import Store, Transaction
from domain.email.attempt import Attempt
from domain.email.status import Status
from domain.outcome.verdict import Result
from domain.throughput import BOUNDS, HOUR, Hour, Totals, Via, hour_of
from tests.builders import NOW, an_attempt, an_email, at

THIS = hour_of(NOW)
SECONDS = 3600
PLENTY = 1000


def ended(**changes: Any) -> Attempt:
    """An attempt that took 200 ms and sent its email."""
    took = timedelta(milliseconds=200)
    defaults = {"ended_at": NOW, "duration": took, "result": Result.SENT}
    return an_attempt(**(defaults | changes))


def accept(store: Store, via: Via = Via.API, *, seconds: float = 0) -> None:
    email = an_email(created_at=at(seconds))
    store.write(lambda tx: tx.throughput.accept(email, via=via))


def end(store: Store, status: Status, *, seconds: float = 0) -> None:
    email = an_email(status=status, updated_at=at(seconds))
    store.write(lambda tx: tx.throughput.end(email))


def attempt(store: Store, **changes: Any) -> None:
    store.write(lambda tx: tx.throughput.attempt(ended(**changes)))


def totals(store: Store) -> Totals:
    return store.read(lambda tx: tx.throughput.totals())


def hours(store: Store, since: float = -24 * SECONDS) -> list[Hour]:
    found = store.read(lambda tx: tx.throughput.hours(since=at(since)))
    return [hour for hour in found if hour != Hour(begins=hour.begins)]


def fold(store: Store, *, seconds: float = 0, limit: int = PLENTY) -> int:
    return store.write(lambda tx: tx.throughput.fold(now=at(seconds), limit=limit))


def fill(store: Store) -> None:
    """Something of everything, in two hours."""
    for seconds in (0, 1, -SECONDS):
        accept(store, Via.SMTP, seconds=seconds)
        end(store, Status.FAILED, seconds=seconds)
        attempt(store, ended_at=at(seconds), account_id=3)
    end(store, Status.CANCELLED)


class ThroughputContract:
    """The suite of the ThroughputRepository port."""

    def test_nothing_was_counted_at_first(self, store: Store) -> None:
        assert totals(store) == Totals(
            accepted=dict.fromkeys(Via, 0),
            ended={Status.SENT: 0, Status.FAILED: 0, Status.CANCELLED: 0},
            attempts={},
            durations=(0,) * (len(BOUNDS) + 1),
            handing_off=timedelta(0),
        )
        assert hours(store) == []

    def test_accepted_emails_are_counted_by_the_way_they_came_in(self, store: Store) -> None:
        for via in (Via.API, Via.SMTP, Via.API):
            accept(store, via)

        assert totals(store).accepted == dict.fromkeys(Via, 0) | {Via.API: 2, Via.SMTP: 1}

    def test_ended_emails_are_counted_by_their_status(self, store: Store) -> None:
        for status in (Status.SENT, Status.CANCELLED, Status.SENT):
            end(store, status)

        counted = totals(store).ended
        assert counted == {Status.SENT: 2, Status.CANCELLED: 1, Status.FAILED: 0}

    def test_attempts_are_counted_by_account_and_result(self, store: Store) -> None:
        for account_id, result in ((1, Result.SENT), (2, Result.RETRY), (1, Result.SENT)):
            attempt(store, account_id=account_id, result=result)

        assert totals(store).attempts == {(1, Result.SENT): 2, (2, Result.RETRY): 1}

    @pytest.mark.parametrize(
        ("seconds", "place"), [(0, 0), (0.05, 0), (0.050001, 1), (1, 4), (60, 9), (3600, 10)]
    )
    def test_a_duration_is_counted_under_the_first_bound_that_it_does_not_exceed(
        self, store: Store, seconds: float, place: int
    ) -> None:
        attempt(store, duration=timedelta(seconds=seconds))

        counted = totals(store)
        assert [n for n, number in enumerate(counted.durations) if number] == [place]
        assert counted.handing_off == timedelta(seconds=seconds)

    def test_an_attempt_without_a_duration_is_in_none_of_them(self, store: Store) -> None:
        attempt(store, duration=None, result=Result.WAIT)

        counted = totals(store)
        assert (sum(counted.durations), counted.handing_off) == (0, timedelta(0))
        assert counted.attempts == {(1, Result.WAIT): 1}

    def test_an_hour_has_its_emails_and_not_its_attempts(self, store: Store) -> None:
        fill(store)
        end(store, Status.SENT)

        assert hours(store) == [
            Hour(begins=THIS - HOUR, accepted=1, failed=1),
            Hour(begins=THIS, accepted=2, sent=1, failed=2),
        ]

    def test_hours_before_the_time_that_is_asked_for_are_left_out(self, store: Store) -> None:
        for ago in range(4):
            accept(store, seconds=-ago * SECONDS)
        fold(store)
        since = (THIS - HOUR - NOW).total_seconds()

        assert [hour.begins for hour in hours(store, since)] == [THIS - HOUR, THIS]
        assert [hour.begins for hour in hours(store, since + 1)] == [THIS]

    def test_folding_changes_nothing_that_is_told(self, store: Store) -> None:
        fill(store)
        before = (totals(store), hours(store))

        assert fold(store) > 0
        assert (totals(store), hours(store)) == before
        assert fold(store, seconds=2 * SECONDS) > 0
        assert (totals(store), hours(store)) == before
        assert fold(store, seconds=2 * SECONDS) == 0

    def test_the_hour_that_is_under_way_is_not_folded(self, store: Store) -> None:
        accept(store)

        assert fold(store) == 0
        assert fold(store, seconds=SECONDS) == 1

    def test_an_hour_of_a_clock_that_is_ahead_is_folded_too(self, store: Store) -> None:
        accept(store, seconds=500 * SECONDS)

        assert fold(store) == 1
        assert totals(store).accepted[Via.API] == 1

    def test_no_more_is_folded_than_was_asked_for(self, store: Store) -> None:
        for hour in range(5):
            accept(store, seconds=-hour * SECONDS)

        assert [fold(store, seconds=SECONDS, limit=2) for _ in range(4)] == [2, 2, 1, 0]

    def test_what_is_counted_in_a_folded_hour_is_added_to_it(self, store: Store) -> None:
        for _ in range(2):
            accept(store)
            fold(store, seconds=SECONDS)
            attempt(store)

        assert hours(store) == [Hour(begins=THIS, accepted=2)]
        assert totals(store).attempts == {(1, Result.SENT): 2}

    def test_pruning_forgets_the_hours_and_no_total(self, store: Store) -> None:
        fill(store)
        fold(store, seconds=2 * SECONDS)
        before = totals(store)
        store.write(lambda tx: tx.throughput.prune(before=THIS))

        assert [hour.begins for hour in hours(store)] == [THIS]
        assert totals(store) == before

    def test_an_account_that_is_gone_is_named_though_it_had_no_attempt(self, store: Store) -> None:
        attempt(store, account_id=1)
        for account_id in (1, 2):
            store.write(lambda tx, n=account_id: tx.throughput.keep(n))

        assert totals(store).attempts == {(1, Result.SENT): 1, (2, Result.SENT): 0}

    def test_a_work_that_fails_has_counted_nothing(self, store: Store) -> None:
        def fail(tx: Transaction) -> None:
            tx.throughput.accept(an_email(), via=Via.API)
            tx.throughput.attempt(ended())
            raise ValueError

        futures = [store.post(work) for work in (fail, counting(1), fail, counting(2))]
        for future in futures:
            with suppress(ValueError):
                future.result()

        assert totals(store).attempts == {(1, Result.SENT): 1, (2, Result.SENT): 1}
        assert totals(store).accepted[Via.API] == 0

    def test_a_work_sees_what_it_has_counted(self, store: Store) -> None:
        def work(tx: Transaction) -> tuple[int, int]:
            tx.throughput.accept(an_email(created_at=NOW), via=Via.API)
            (hour,) = tx.throughput.hours(since=THIS)
            return tx.throughput.totals().accepted[Via.API], hour.accepted

        assert store.write(work) == (1, 1)

    def test_a_read_can_count_nothing(self, store: Store) -> None:
        for work in (counting(1), lambda tx: tx.throughput.keep(1)):
            with suppress(RuntimeError):
                store.read(work)

        assert totals(store).attempts == {}


def counting(account_id: int) -> Callable[[Transaction], None]:
    return lambda tx: tx.throughput.attempt(ended(account_id=account_id))

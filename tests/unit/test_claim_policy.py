"""What one claim takes of the candidates: their order, the room of the limits, fairness."""

import attrs
import pytest

from domain.account.limits import Limits, LimitUnit
from domain.email.claim_policy import ANY_ACCOUNT, ClaimPolicy, Due, refuse_unclaimable
from domain.errors import Conflict
from tests.builders import an_account, an_email

ACCOUNT = 7


def a_policy(**changes: object) -> ClaimPolicy:
    limits = changes.pop("limits", Limits(daily=None, hourly=None))
    room = {"limit": 10, "units": 100, "urgent_units": 100, **changes}
    return ClaimPolicy(attrs.evolve(an_account(limits=limits), id=ACCOUNT), **room)


def due(
    email_id: int, *, priority: int = 3, at: int = 0, count: int = 1, queue: int = ACCOUNT
) -> Due:
    return (at, email_id, count, queue, priority)


def chosen(policy: ClaimPolicy, *candidates: Due) -> list[int]:
    policy.choose_most_urgent(lambda priority: sorted(c for c in candidates if c[-1] == priority))
    return list(policy.chosen)


def test_the_most_urgent_come_first_and_of_them_the_longest_due() -> None:
    candidates = (due(1, priority=3), due(2, priority=1, at=9), due(3, priority=1, at=5))

    assert chosen(a_policy(), *candidates) == [3, 2, 1]


def test_choosing_stops_at_the_first_that_does_not_fit() -> None:
    policy = a_policy(limits=Limits(daily=9, unit=LimitUnit.RECIPIENTS), units=3, urgent_units=3)

    assert chosen(policy, due(1, count=2), due(2, count=2), due(3, count=1)) == [1]


def test_the_reserve_is_for_priorities_1_and_2_alone() -> None:
    policy = a_policy(units=2, urgent_units=3)
    candidates = (due(1, priority=2), *(due(n, priority=3) for n in (2, 3)), due(4, priority=1))

    assert chosen(policy, *candidates) == [4, 1]
    assert chosen(a_policy(units=2, urgent_units=3), *candidates[:3]) == [1, 2]


def test_urgent_mail_lowers_the_room_of_other_mail_in_the_same_claim() -> None:
    """Two claims one after the other would take as many."""
    limits = Limits(hourly=50, daily=None, priority_reserve=10)
    policy = a_policy(
        limits=limits, limit=100, units=limits.room({}, urgent=False), urgent_units=limits.room({})
    )
    urgent = [due(n, priority=1) for n in range(10)]
    others = [due(n, priority=3) for n in range(10, 60)]

    assert chosen(policy, *urgent, *others) == list(range(45))


def test_urgent_mail_lowers_the_room_of_the_fair_places_too() -> None:
    policy = a_policy(limit=2, units=2, urgent_units=5)
    assert chosen(policy, due(1, priority=1), due(2, priority=2)) == [1, 2]

    policy.choose_longest_due([due(3, priority=5, at=-9)], more=1)

    assert list(policy.chosen) == [1, 2]


def test_of_those_that_any_account_may_take_no_more_are_chosen_than_are_shared() -> None:
    policy = a_policy(shared=1)

    assert chosen(policy, *(due(n, queue=ANY_ACCOUNT) for n in (1, 2)), due(3)) == [1]


def test_the_longest_due_get_the_fair_places_and_no_email_is_taken_twice() -> None:
    policy = a_policy(limit=1)
    candidates = [due(1, priority=1, at=5), due(2, priority=5, at=1), due(3, priority=4, at=2)]
    assert chosen(policy, *candidates) == [1]
    assert policy.full

    policy.choose_longest_due([candidates[2], candidates[1], candidates[0]], more=1)

    assert list(policy.chosen) == [1, 2]


def test_a_fair_place_skips_an_email_that_does_not_fit() -> None:
    limits = Limits(daily=9, unit=LimitUnit.RECIPIENTS)
    policy = a_policy(limits=limits, limit=0, units=2, urgent_units=2)

    policy.choose_longest_due([due(1, count=3, at=1), due(2, count=2, at=2)], more=1)

    assert list(policy.chosen) == [2]


@pytest.mark.parametrize(("unit", "largest"), [(LimitUnit.RECIPIENTS, 4), (LimitUnit.MESSAGES, 5)])
def test_an_email_that_can_never_fit_is_no_candidate(unit: LimitUnit, largest: int) -> None:
    limits = Limits(daily=5, hourly=None, unit=unit, priority_reserve=20)
    policy = a_policy(limits=limits)

    assert policy.largest(2) >= 5
    assert policy.largest(3) >= largest
    assert (policy.largest(3) == 4) == (unit is LimitUnit.RECIPIENTS)


@pytest.mark.parametrize(
    "changes", [{"priority": 0}, {"priority": 6}, {"pinned": True, "account_id": None}]
)
def test_an_email_that_no_claim_could_take_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Conflict):
        refuse_unclaimable(attrs.evolve(an_email(), **changes))
    refuse_unclaimable(an_email())

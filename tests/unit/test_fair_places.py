"""Some places of every claim go to the longest due, whatever their priority."""

import attrs
import pytest

from domain.email.claim_policy import arranged, fair_places
from domain.email.lifecycle import Email
from tests.builders import a_pinned_email, at


def an_email_of(email_id: int, *, due_s: int = 0) -> Email:
    return attrs.evolve(a_pinned_email(1), id=email_id, eligible_at=at(due_s))


def test_one_place_in_ten_is_fair_however_small_the_claims_are() -> None:
    places = [fair_places(3, before=before, every=10) for before in range(0, 300, 3)]

    assert sum(places) == 30


def test_without_fairness_no_place_is_fair() -> None:
    assert fair_places(50, before=9, every=0) == 0


@pytest.mark.parametrize(("before", "order"), [(0, [1, 2, 9, 3]), (1, [1, 9, 2, 3])])
def test_a_favoured_email_takes_the_fair_place(before: int, order: list[int]) -> None:
    strict = [an_email_of(number) for number in (1, 2, 3)]

    batch = arranged(strict, [an_email_of(9)], before=before, every=3)

    assert [email.id for email in batch] == order


def test_the_email_due_longest_takes_the_fair_place_if_no_other_was_favoured() -> None:
    strict = [an_email_of(1, due_s=30), an_email_of(2, due_s=20), an_email_of(3, due_s=10)]

    batch = arranged(strict, [], before=0, every=3)

    assert [email.id for email in batch] == [1, 2, 3]
    assert [email.id for email in arranged(strict, [], before=1, every=3)] == [1, 3, 2]

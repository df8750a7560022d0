"""The room that limits leave, reserves, and the delays of retries."""

from datetime import timedelta

import pytest

from domain.account.limits import UNLIMITED, Limits, LimitUnit, Window
from domain.email.retry import RetryPolicy

USED = {Window.HOUR: 30, Window.DAY: 495}


def test_the_room_is_what_the_tightest_window_leaves():
    assert Limits(hourly=50, daily=500).room(USED) == 5


def test_a_window_without_a_limit_has_unlimited_room():
    assert Limits(hourly=50, daily=None).room(USED) == 20
    assert Limits(hourly=None, daily=None).room(USED) == UNLIMITED


def test_room_is_never_negative():
    assert Limits(hourly=10, daily=None).room(USED) == 0


@pytest.mark.parametrize(("reserve", "room"), [(0, 20), (10, 15), (11, 14), (90, 0)])
def test_the_reserve_is_kept_from_mail_that_is_not_urgent(reserve, room):
    limits = Limits(hourly=50, daily=None, priority_reserve=reserve)

    assert limits.room(USED, urgent=False) == room
    assert limits.room(USED) == 20


@pytest.mark.parametrize(
    ("limit", "kept"), [(0, 0), (1, 0), (2, 1), (9, 1), (10, 1), (11, 2), (50, 5), (500, 50)]
)
def test_a_reserve_of_10_percent_is_rounded_up_and_leaves_one_for_other_mail(limit, kept):
    limits = Limits(hourly=limit, daily=None, priority_reserve=10)
    assert limits.kept(limit) == kept
    assert limits.room({}, urgent=False) == limit - kept
    assert limits.room({}) == limit


@pytest.mark.parametrize("reserve", [1, 10, 50, 90])
def test_no_reserve_leaves_other_mail_without_any_room(reserve):
    for limit in range(1, 30):
        limits = Limits(hourly=limit, daily=None, priority_reserve=reserve)
        assert limits.room({}, urgent=False) >= 1, limit
        assert limits.smallest(urgent=False) >= 1, limit


def test_an_email_counts_once_or_once_for_each_recipient():
    assert Limits().units(7) == 1
    assert Limits(unit=LimitUnit.RECIPIENTS).units(7) == 7


def test_the_smallest_limit_bounds_any_email():
    assert Limits(hourly=50, daily=500, minute=20).smallest() == 20


def test_the_last_retry_delay_repeats():
    policy = RetryPolicy(delays=(timedelta(seconds=1), timedelta(seconds=5)))

    assert [policy.delay(n, jitter=0).total_seconds() for n in (1, 2, 3, 9)] == [1, 5, 5, 5]


def test_jitter_spreads_a_delay_by_a_fifth():
    policy = RetryPolicy()

    assert policy.delay(1, jitter=1) == timedelta(seconds=72)
    assert policy.delay(1, jitter=-1) == timedelta(seconds=48)

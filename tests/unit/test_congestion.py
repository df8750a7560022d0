"""Pauses, the breaker and the window of connections."""

from datetime import timedelta

import attrs

from domain.congestion import CongestionPolicy, Health, judged
from domain.verdict import AccountEffect
from tests.builders import a_verdict, at

POLICY = CongestionPolicy(jitter=0)
HOUR = timedelta(hours=1)


def judge(health: Health, *, second: float = 0, most: int = 8, **changes: object) -> Health:
    return judged(
        health, a_verdict(reason="why", **changes), now=at(second), policy=POLICY, jitter=0,
        most=most,
    )  # fmt: skip


def test_a_new_account_may_use_every_connection():
    assert Health().connections(8) == 8


def test_congestion_halves_the_connections_down_to_one():
    health, seen = Health(), []
    for _ in range(4):
        health = judge(health, effect=AccountEffect.SLOW)
        seen.append(health.connections(8))

    assert seen == [4, 2, 1, 1]


def test_a_window_of_successes_adds_one_connection():
    health = Health(window=2)
    health = judge(health, effect=AccountEffect.HEALTHY)
    assert health.connections(8) == 2

    health = judge(health, effect=AccountEffect.HEALTHY)
    assert health.connections(8) == 3


def test_a_window_that_has_grown_to_the_limit_is_forgotten():
    health = Health(window=7)
    for _ in range(7):
        health = judge(health, effect=AccountEffect.HEALTHY)

    assert health.untroubled


def test_a_throttle_pauses_for_as_long_as_was_asked():
    health = judge(Health(), effect=AccountEffect.SLOW, pause_for=timedelta(seconds=60))

    assert health.paused(at(59))
    assert not health.paused(at(60))


def test_the_breaker_opens_longer_each_time_and_lets_one_connection_probe():
    health = judge(Health(), effect=AccountEffect.UNREACHABLE)
    assert health.broken(at(4))
    assert not health.broken(at(5))
    assert health.connections(8) == 1

    health = judge(health, effect=AccountEffect.UNREACHABLE, second=5)
    assert health.opens_at(at(6)) == at(20)


def test_connections_that_fail_while_the_breaker_is_open_count_once():
    health = judge(Health(), effect=AccountEffect.UNREACHABLE)
    health = judge(health, effect=AccountEffect.UNREACHABLE, second=1)

    assert health.failures == 1


def test_a_success_closes_the_breaker():
    health = judge(Health(), effect=AccountEffect.UNREACHABLE)
    health = judge(health, effect=AccountEffect.HEALTHY, second=6)

    assert health.failures == 0
    assert health.opens_at(at(6)) == at(6)


def test_a_pause_without_an_end_waits_for_a_person():
    health = judge(Health(), effect=AccountEffect.PAUSE)

    assert health.paused(at(10**7))
    assert health.opens_at(at(0)) is None
    assert not health.resumed().paused(at(0))


def test_a_quota_pause_doubles_until_something_succeeds():
    health, ends = Health(), []
    start = 0.0
    for _ in range(7):
        health = judge(health, effect=AccountEffect.PAUSE, pause_for=HOUR, second=start)
        assert health.pause is not None
        assert health.pause.until is not None
        ends.append((health.pause.until - at(start)) / HOUR)
        start = (health.pause.until - at(0)).total_seconds()

    assert ends == [1, 2, 4, 8, 16, 24, 24]
    well = judge(health, effect=AccountEffect.HEALTHY, second=start)
    assert well.untroubled


def test_replies_of_one_burst_double_nothing():
    once = judge(Health(), effect=AccountEffect.PAUSE, pause_for=HOUR)
    twice = judge(once, effect=AccountEffect.PAUSE, pause_for=HOUR, second=1)

    assert twice.pause == once.pause


def test_a_streak_pauses_only_when_it_is_long_enough():
    health = Health()
    for _ in range(2):
        health = judge(health, effect=AccountEffect.STREAK, after=3)
    assert not health.paused(at(0))

    assert judge(health, effect=AccountEffect.STREAK, after=3).paused(at(0))


def test_a_success_breaks_a_streak():
    health = Health()
    for effect in (AccountEffect.STREAK, AccountEffect.HEALTHY) * 3:
        health = judge(health, effect=effect, after=2)

    assert not health.paused(at(0))


def test_a_paused_account_is_probed_once_an_interval():
    health = Health().halted("auth_failed", now=at(0))
    assert not health.wants_probe(at(3599), HOUR)
    assert health.wants_probe(at(3600), HOUR)
    assert not health.probed(now=at(3600)).wants_probe(at(3601), HOUR)


def test_a_pause_that_ends_by_itself_is_not_probed():
    health = judge(Health(), effect=AccountEffect.PAUSE, pause_for=HOUR)

    assert not health.wants_probe(at(10**6), HOUR)


def test_the_last_reply_outlives_a_success():
    health = judge(Health(), effect=AccountEffect.SLOW, text="421 busy")
    health = attrs.evolve(health, window=None, pause=None)

    assert judge(health, effect=AccountEffect.HEALTHY).last_reply == "421 busy"

"""Pauses, the breaker and the concurrency of an account."""

from datetime import timedelta

import attrs
import pytest

from domain.account.congestion import MANY_FAILURES, Concurrency, CongestionPolicy
from domain.account.health import Health
from domain.account.limits import Window
from domain.account.suspicion import Witness
from domain.account.weighing import Weighed, evidence_of, weighed
from domain.outcome.handoff import Problem, Stage
from domain.outcome.verdict import AccountEffect, Evidence, Limit, Result
from tests.builders import a_handoff, a_reply, a_verdict, an_address, at

POLICY = CongestionPolicy(jitter=0)
HOUR = timedelta(hours=1)


def judge(health: Health, *, second: float = 0, most: int = 8, **changes: object) -> Health:
    """What certain evidence makes of it, whatever email it came with."""
    effect = changes.get("effect")
    result = Result.SENT if effect is AccountEffect.HEALTHY else Result.WAIT
    return weigh(health, None, evidence=Evidence.CERTAIN, second=second, most=most,
                 **{"result": result, **changes}).health  # fmt: skip


def weigh(
    health: Health,
    witness: Witness | None,
    *,
    evidence: Evidence = Evidence.CIRCUMSTANTIAL,
    second: float = 0,
    most: int = 8,
    again: bool = False,
    discredited: bool = False,
    began: float | None = None,
    **changes: object,
) -> Weighed:
    verdict = a_verdict(**{"reason": "why", "result": Result.WAIT, **changes})
    return weighed(
        health, verdict, witness, evidence=evidence, again=again, discredited=discredited,
        now=at(second), policy=POLICY, jitter=0, most=most,
        began=None if began is None else at(began),
    )  # fmt: skip


def the_email(number: int, *recipients: str) -> Witness:
    addresses = recipients or (f"r{number}@example.org",)
    return Witness.of(number, [an_address(text) for text in addresses])


def test_a_new_account_may_use_every_connection():
    assert Health().connections(8) == 8


def test_congestion_halves_the_connections_down_to_one():
    health, seen = Health(), []
    for _ in range(4):
        health = judge(health, effect=AccountEffect.SLOW)
        seen.append(health.connections(8))

    assert seen == [4, 2, 1, 1]


def test_as_many_successes_as_connections_add_one_connection():
    health = Health(concurrency=Concurrency(limit=2))
    health = judge(health, effect=AccountEffect.HEALTHY)
    assert health.connections(8) == 2

    health = judge(health, effect=AccountEffect.HEALTHY)
    assert health.connections(8) == 3


def test_concurrency_that_has_grown_to_the_limit_is_forgotten():
    health = Health(concurrency=Concurrency(limit=7))
    for _ in range(7):
        health = judge(health, effect=AccountEffect.HEALTHY)

    assert health.untroubled


def test_a_rate_limit_pauses_for_as_long_as_the_server_asked():
    health = judge(Health(), effect=AccountEffect.SLOW, pause_for=timedelta(seconds=60))

    assert health.paused(at(59))
    assert not health.paused(at(60))


def test_the_breaker_opens_longer_each_time_and_lets_one_connection_probe():
    health = judge(Health(), effect=AccountEffect.UNREACHABLE)
    assert health.breaker.is_open(at(4))
    assert not health.breaker.is_open(at(5))
    assert health.connections(8) == 1

    health = judge(health, effect=AccountEffect.UNREACHABLE, second=5)
    assert health.opens_at(at(6)) == at(20)


def test_connections_that_fail_while_the_breaker_is_open_count_once():
    health = judge(Health(), effect=AccountEffect.UNREACHABLE)
    health = judge(health, effect=AccountEffect.UNREACHABLE, second=1)

    assert health.breaker.failures == 1


def test_a_success_closes_the_breaker():
    health = judge(Health(), effect=AccountEffect.UNREACHABLE)
    health = judge(health, effect=AccountEffect.HEALTHY, second=6)

    assert health.breaker.failures == 0
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


def test_replies_of_one_burst_do_not_double_the_pause():
    once = judge(Health(), effect=AccountEffect.PAUSE, pause_for=HOUR)
    twice = judge(once, effect=AccountEffect.PAUSE, pause_for=HOUR, second=1)

    assert twice.pause == once.pause


def test_only_a_streak_of_the_full_length_pauses():
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


CURED = frozenset({"auth_failed"})


def test_a_paused_account_is_probed_once_an_interval():
    health = Health().halted("auth_failed", now=at(0))
    assert not health.wants_probe(at(3599), HOUR, cured_by_login=CURED)
    assert health.wants_probe(at(3600), HOUR, cured_by_login=CURED)
    assert not health.probed(now=at(3600)).wants_probe(at(3601), HOUR, cured_by_login=CURED)


def test_a_pause_that_ends_by_itself_is_not_probed():
    health = judge(Health(), effect=AccountEffect.PAUSE, pause_for=HOUR)
    assert health.pause is not None
    cured = {health.pause.reason}

    assert not health.wants_probe(at(10**6), HOUR, cured_by_login=cured)


def test_a_pause_that_no_login_cures_is_not_probed():
    health = Health().halted("sender_refused", now=at(0))

    assert not health.wants_probe(at(10**6), HOUR, cured_by_login=CURED)


def test_the_last_reply_outlives_a_success():
    health = judge(Health(), effect=AccountEffect.SLOW, text="421 busy")
    health = attrs.evolve(health, concurrency=Concurrency(), pause=None)

    assert judge(health, effect=AccountEffect.HEALTHY).last_reply == "421 busy"


# -- one email is no proof ----------------------------------------------------------------------


@pytest.mark.parametrize("effect", [AccountEffect.UNREACHABLE, AccountEffect.SLOW,
                                    AccountEffect.PAUSE])  # fmt: skip
def test_circumstantial_evidence_needs_a_second_witness(effect):
    first = weigh(Health(), the_email(1), effect=effect)
    assert (first.effect, first.aside, first.health.opens_at(at(0))) == ("none", True, at(0))

    second = weigh(first.health, the_email(2), effect=effect)
    assert (second.effect, second.health.opens_at(at(0)) == at(0)) == (effect, False)


@pytest.mark.parametrize(
    "other",
    [
        the_email(1),  # the same again
        the_email(2, "r1@example.org"),  # another one to the same recipient
        the_email(2, "x@example.org", "R1@example.org"),  # and to somebody else
    ],
)
def test_a_witness_is_another_email_to_other_recipients(other):
    health = weigh(Health(), the_email(1), effect=AccountEffect.UNREACHABLE).health

    again = weigh(health, other, effect=AccountEffect.UNREACHABLE)

    assert (again.effect, again.aside) == ("none", True)


def test_a_success_between_two_witnesses_clears_the_account():
    health = weigh(Health(), the_email(1), effect=AccountEffect.UNREACHABLE).health
    health = judge(health, effect=AccountEffect.HEALTHY)

    assert weigh(health, the_email(2), effect=AccountEffect.UNREACHABLE).effect == "none"


def test_witnesses_of_different_faults_do_not_add_up():
    health = weigh(Health(), the_email(1), effect=AccountEffect.PAUSE, reason="quota").health

    assert weigh(health, the_email(2), effect=AccountEffect.PAUSE, reason="spam").effect == "none"


def test_an_email_that_others_have_passed_is_no_witness():
    health = weigh(Health(), the_email(1), effect=AccountEffect.UNREACHABLE).health

    again = weigh(health, the_email(2), effect=AccountEffect.UNREACHABLE, discredited=True)

    assert (again.effect, again.aside, again.health) == ("none", True, health)


def test_certain_evidence_needs_no_second_witness():
    paused = weigh(Health(), the_email(1), effect=AccountEffect.PAUSE, evidence=Evidence.CERTAIN)

    assert paused.effect is AccountEffect.PAUSE


def test_a_streak_counts_distinct_emails_and_never_attempts():
    health = Health()
    for _ in range(9):
        health = weigh(health, the_email(1), effect=AccountEffect.STREAK, after=3).health
    assert not health.paused(at(0))

    for number in (2, 3):
        health = weigh(health, the_email(number), effect=AccountEffect.STREAK, after=3).health
    assert health.paused(at(0))


def test_a_partial_success_is_a_success_of_the_account():
    known = weigh(Health(), the_email(1), effect=AccountEffect.PAUSE).health

    partly = weigh(known, the_email(2), effect=AccountEffect.PAUSE, result=Result.SENT)

    assert (partly.effect, partly.aside, partly.health) == ("healthy", True, Health())


def test_suspect_emails_are_remembered_until_a_success():
    health = Health()
    for number in (1, 2, 3):
        health = weigh(health, the_email(number), effect=AccountEffect.UNREACHABLE).health
    assert health.suspects == {1, 2, 3}

    assert judge(health, effect=AccountEffect.HEALTHY).suspects == frozenset()


def test_a_breaker_opened_by_emails_is_probed_soon_with_other_emails():
    health = weigh(Health(), the_email(0), effect=AccountEffect.UNREACHABLE).health
    waits, now = [], 0.0
    for number in range(1, MANY_FAILURES + 4):
        email = the_email(number)
        health = weigh(health, email, effect=AccountEffect.UNREACHABLE, second=now).health
        waits.append(((health.breaker.until or at(now)) - at(now)).total_seconds())
        now += waits[-1]

    assert waits[:3] == [5, 15, 15]
    assert waits[MANY_FAILURES - 1 :] == [15, 15, 15, 60]


def test_an_email_that_ends_every_session_steps_aside():
    once = weigh(Health(), the_email(1), effect=AccountEffect.RECONNECT)
    twice = weigh(Health(), the_email(1), effect=AccountEffect.RECONNECT, again=True)

    assert (once.aside, twice.aside) == (False, True)


@pytest.mark.parametrize(
    ("handoff", "effect", "evidence"),
    [
        (a_handoff(stage=Stage.BANNER, reply=a_reply(421, "busy")), "unreachable", "certain"),
        (a_handoff(stage=Stage.AUTH, reply=a_reply(535, "no")), "pause", "certain"),
        (a_handoff(stage=Stage.CONNECT, reply=None, problem=Problem.REFUSED), "unreachable",
         "certain"),
        (a_handoff(stage=Stage.RCPT, reply=a_reply(421, "busy")), "unreachable", "circumstantial"),
        (a_handoff(stage=Stage.MAIL, reply=None, problem=Problem.CLOSED), "unreachable",
         "circumstantial"),
        (a_handoff(stage=Stage.MAIL, reply=a_reply(450, "too fast")), "slow", "circumstantial"),
        (a_handoff(stage=Stage.MAIL, reply=a_reply(530, "login first")), "pause", "certain"),
    ],
)  # fmt: skip
def test_a_failure_before_the_mail_command_is_never_blamed_on_an_email(handoff, effect, evidence):
    assert evidence_of(handoff, a_verdict(effect=AccountEffect(effect))) == evidence


# -- what was under way together is one event -----------------------------------------------------


def unknown_outcomes(*spans: tuple[float, float]) -> Health:
    """The window after unknown outcomes: each began and ended at such a second."""
    health = Health()
    for number, (began, ended) in enumerate(spans):
        health = weigh(
            health, the_email(number), effect=AccountEffect.STREAK, after=3, began=began,
            second=ended, result=Result.UNKNOWN, text="",
        ).health  # fmt: skip
    return health


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 1), (0.2, 1.001), (0.4, 1.002), (0.6, 1.003)],  # the server was killed
        [(0, 600), (5, 605), (9, 609), (20, 620)],  # the line was cut: each waits for as long
        [(0, 1), (0.5, 1.1), (5, 6), (5.5, 6.1), (5.6, 6.2)],  # killed twice
    ],
)
def test_outcomes_lost_on_several_connections_at_once_are_one_event(spans):
    assert not unknown_outcomes(*spans).paused(at(700))


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 1), (1, 2), (2, 3)],  # one after the other on one connection
        [(0, 0.01), (0.01, 0.02), (0.02, 0.03)],  # and quickly
        [(0, 1), (0.5, 1), (5, 6), (5.5, 6), (10, 11)],  # killed three times, nothing sent between
    ],
)
def test_outcomes_lost_again_and_again_pause_the_account(spans):
    assert unknown_outcomes(*spans).paused(at(700))


def test_all_emails_of_one_event_are_suspects():
    assert unknown_outcomes((0, 1), (0.5, 1.1)).suspects == {0, 1}


def test_refusals_of_several_emails_at_once_are_not_one_event():
    health = Health()
    for number in range(3):
        health = weigh(
            health, the_email(number), effect=AccountEffect.STREAK, after=3, began=0,
            second=1 + number / 100, result=Result.FAILED,
        ).health  # fmt: skip

    assert health.paused(at(2))


def test_a_server_that_fails_several_connections_at_once_halves_them_once():
    health = Health()
    for number in range(4):
        health = weigh(
            health, None, evidence=Evidence.CERTAIN, effect=AccountEffect.SLOW, began=0,
            second=1 + number / 100,
        ).health  # fmt: skip

    assert health.connections(8) == 4


# -- the server's own limit of connections --------------------------------------------------------


def too_many(health: Health, *, second: float = 0, most: int = 8, **changes: object) -> Health:
    """What a greeting with "too many connections" makes of it."""
    return weigh(
        health, None, evidence=Evidence.CERTAIN, effect=AccountEffect.SLOW, second=second,
        most=most, **{"limit": Limit.CONNECTIONS, "pause_for": timedelta(seconds=60), **changes},
    ).health  # fmt: skip


def test_a_refused_extra_connection_does_not_pause_the_others():
    health = too_many(Health())

    assert (health.connections(8), health.opens_at(at(0))) == (4, at(0))


def test_refusals_of_connections_that_were_opened_together_count_once():
    health = too_many(Health(), began=0, second=1, most=2)
    health = too_many(health, began=0, second=1.1, most=2)

    assert (health.connections(2), health.opens_at(at(2))) == (1, at(2))


def test_a_server_without_room_for_one_connection_is_asked_again_in_seconds_and_then_less_often():
    health, waits, now = Health(concurrency=Concurrency(limit=1)), [], 0.0
    for _ in range(6):
        health = too_many(health, second=now)
        waits.append((health.opens_at(at(now)) - at(now)).total_seconds())
        now += waits[-1]

    assert waits == [5, 10, 20, 40, 60, 60]


def test_a_full_server_is_left_alone_for_as_long_as_it_asks():
    asked = timedelta(minutes=5)
    health = too_many(Health(concurrency=Concurrency(limit=1)), pause_for=asked, wait=asked)

    assert health.opens_at(at(0)) == at(300)


def test_where_a_server_has_refused_connections_is_remembered():
    health = too_many(Health(), most=2)
    for second in range(100):
        assert health.connections(2) == 1, second
        health = judge(health, effect=AccountEffect.HEALTHY, most=2)

    assert health.connections(2) == 2  # it may have more room by now
    assert too_many(health, most=2).connections(2) == 1


def test_connections_that_a_server_has_room_for_are_not_given_up_for_one_too_many():
    health = Health(concurrency=Concurrency(limit=5, ceiling=4))

    assert too_many(health).connections(8) == 4


def test_below_the_refused_number_connections_grow_as_usual():
    health = too_many(too_many(Health()), second=1)
    for _ in range(2):
        health = judge(health, effect=AccountEffect.HEALTHY)

    assert (health.connections(8), health.concurrency.ceiling) == (3, 3)


# -- what is longer, and what a person did, stays ------------------------------------------------


def test_a_short_pause_does_not_end_a_longer_one():
    paused = judge(Health(), effect=AccountEffect.PAUSE)

    later = judge(paused, effect=AccountEffect.SLOW, pause_for=timedelta(seconds=5))

    assert later.pause == paused.pause


def test_a_success_does_not_resume_what_a_person_has_paused():
    paused = Health(concurrency=Concurrency(limit=2)).halted("by_hand", now=at(0))

    assert judge(paused, effect=AccountEffect.HEALTHY).paused(at(9))


def test_a_clock_set_back_makes_no_wait_longer():
    health = judge(Health(), effect=AccountEffect.PAUSE, pause_for=HOUR, second=7200)
    health = judge(health, effect=AccountEffect.UNREACHABLE, second=7200)

    back = health.clock_set_back(at(0))

    assert back.pause is not None
    assert (back.pause.until, back.breaker.until) == (at(3600), at(5))
    assert health.clock_set_back(at(7201)) == health


def test_a_clock_set_back_does_not_merge_two_events():
    health = too_many(unknown_outcomes((7199, 7200)), second=7200)

    back = health.clock_set_back(at(0))

    assert (back.concurrency.narrowed_at, back.suspicions[0].at) == (at(0), at(0))
    assert health.clock_set_back(at(7201)) == health


# -- pace ----------------------------------------------------------------------------------------


def test_a_pace_halves_and_grows_back_by_a_tenth_a_minute():
    health = Health().slowed_down(100, now=at(0))
    assert health.pace is not None
    assert [round(health.pace.now(at(60 * n)) or 0) for n in (0, 1, 2)] == [50, 55, 61]
    assert health.pace.now(at(60 * 8)) is None, "it has grown back"

    slower = health.slowed_down(50, now=at(60))
    assert slower.pace is not None
    assert round(slower.pace.now(at(60)) or 0, 1) == 27.5


def test_refusals_of_one_burst_halve_the_pace_once():
    health = Health().slowed_down(100, now=at(0))

    assert health.slowed_down(100, now=at(1)) == health


def test_a_success_does_not_lift_the_pace():
    health = judge(Health().slowed_down(100, now=at(0)), effect=AccountEffect.HEALTHY)

    assert health.pace is not None


def test_the_number_at_which_a_provider_refused_is_remembered():
    health = Health().learnt(Window.HOUR, 101, now=at(0)).learnt(Window.HOUR, 98, now=at(9))

    [limit] = health.learned
    assert (limit.window.value, limit.least, limit.most, limit.times) == ("hour", 98, 101, 2)

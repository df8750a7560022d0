"""What needs a person."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from application.cluster.silence import Silence
from domain.account.health import Health, LearnedLimit
from domain.account.limits import Limits, LimitUnit, Window
from domain.attention import NeedKind, in_order, of_account, of_failed, of_queue
from domain.email.listing import FailedEmail
from entrypoints.http.dashboard import reasons
from tests.accounts_in_trouble import Troubled, a_quiet_service, a_troubled_service
from tests.builders import NOW, an_account, at
from tests.shipped_rules import RULES

MINUTES = timedelta(minutes=5)


def kinds(service: Troubled) -> list[NeedKind]:
    return [need.kind for need in service.application.attention.needs()]


def an_idle_queue(**changes: Any) -> dict[str, Any]:
    idle = {"waiting": 0, "oldest_due": timedelta(0), "growing": False}
    return {**idle, "active": True, "delivering": True, **changes}


def test_every_trouble_is_told_and_the_most_urgent_first() -> None:
    told = kinds(a_troubled_service())

    expected = set(NeedKind) - {NeedKind.NOBODY_DELIVERS, NeedKind.NO_ACCOUNT}
    assert set(told) == expected
    order = list(NeedKind)
    assert told == sorted(told, key=order.index)


def test_a_service_whose_accounts_send_needs_nobody() -> None:
    service = a_quiet_service()
    service.add("open")
    assert kinds(service) == []


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"active": False}, NeedKind.NO_ACCOUNT),
        ({"growing": True}, NeedKind.QUEUE_GROWING),
        ({"oldest_due": MINUTES, "delivering": False}, NeedKind.NOBODY_DELIVERS),
        ({"oldest_due": MINUTES}, None),
        ({"delivering": False}, None),
    ],
)
def test_the_queue_needs_accounts_and_a_process(
    changes: dict[str, Any], kind: NeedKind | None
) -> None:
    found = [need.kind for need in of_queue(**an_idle_queue(**changes))]
    assert found == ([] if kind is None else [kind])


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(daily=None), True),
        (Limits(daily=481), True),
        (Limits(daily=480), False),
        (Limits(daily=500, unit=LimitUnit.RECIPIENTS), False),
    ],
)
def test_a_learned_limit_needs_somebody_until_the_own_one_is_not_above_it(
    limits: Limits, told: bool
) -> None:
    learned = LearnedLimit(window=Window.DAY, least=480, most=500, times=2, at=NOW)
    account = an_account(limits=limits, health=Health(learned=(learned,)))
    assert bool(of_account(account, waiting=0, now=NOW)) is told


def test_failed_emails_are_told_by_their_most_frequent_reasons() -> None:
    failed = [
        FailedEmail(id=n, account_id=1, reason=reason, at=NOW)
        for n, reason in enumerate(["a", "b", "b", "c", "d", "e", "f", "f", None])
    ]
    told = [(need.reason, need.number) for need in of_failed(failed)]
    assert told[:2] == [("b", 2), ("f", 2)]
    assert len(told) == 5


def test_needs_of_one_kind_stay_in_their_order() -> None:
    accounts = [an_account(id=n, active=False) for n in (1, 2)]
    needs = [need for one in accounts for need in of_account(one, waiting=1, now=NOW)]
    assert [need.account.id for need in in_order(needs) if need.account] == [1, 2]


def test_what_failed_more_than_a_day_ago_needs_nobody() -> None:
    service = a_quiet_service()
    service.add("open")
    service.fail(1, "message_refused")
    assert kinds(service) == [NeedKind.EMAILS_FAILED]
    service.clock.tick(timedelta(hours=23, seconds=1).total_seconds())
    assert kinds(service) == []


def test_that_nobody_delivers_is_told_once_mail_is_late_and_no_process_beats() -> None:
    service = a_quiet_service()
    service.add("open")
    service.wait(1)
    assert kinds(service) == []
    service.clock.tick(120)
    assert kinds(service) == [NeedKind.NOBODY_DELIVERS]

    instance = service.store.write(
        lambda tx: tx.instances.join(host="a", pid=1, now=service.clock.now())
    )
    assert kinds(service) == []
    service.clock.tick(59)
    service.store.write(lambda tx: tx.instances.beat(instance))
    assert kinds(service) == []
    service.clock.tick(60)  # it was killed: its counter stands still for a lease
    assert kinds(service) == [NeedKind.NOBODY_DELIVERS]


def test_mail_that_waits_for_room_needs_no_process() -> None:
    """Under Celery a process that finds nothing to hand off leaves."""
    service = a_quiet_service()
    account_id = service.add("open", limits=Limits(daily=1))
    service.wait(1)
    held = attrs.evolve(service.store.read(lambda tx: tx.emails.get(1)), account_id=account_id)
    service.store.write(lambda tx: tx.ledger.reserve([held], units=lambda _: 1))
    service.clock.tick(600)
    assert kinds(service) == []


def test_a_counter_that_moves_again_breaks_the_silence() -> None:
    clock = FakeClock()
    silence = Silence(clock=clock, lease=timedelta(seconds=60))
    assert silence.broken({1: 5})
    clock.tick(60)
    assert not silence.broken({1: 5})
    assert silence.broken({1: 6})
    assert not silence.broken({})


def test_a_clock_of_the_wall_that_is_set_forward_silences_nobody() -> None:
    clock = FakeClock()
    silence = Silence(clock=clock, lease=timedelta(seconds=60))
    assert silence.broken({1: 5})
    clock.step(3600)
    assert silence.broken({1: 5})


def test_every_reason_that_stops_an_account_has_words() -> None:
    for rule in RULES.rules:
        if rule.effect is not None and rule.effect.value in ("pause", "unreachable", "streak"):
            assert rule.reason in reasons.ACCOUNT_REASONS, rule.reason


def test_a_pause_that_ends_by_itself_comes_last_with_its_end() -> None:
    service = a_quiet_service()
    service.add("quota", health=service.pause("quota_exceeded", until=at(60)))
    (need,) = service.application.attention.needs()
    assert (need.kind, need.until) == (NeedKind.WAITS, at(60))

"""Which changes of an email the use case calls possible."""

from datetime import timedelta

import pytest

from adapters.fakes.script import Fault, Rule
from application.email_changes import Change
from domain.access import Caller, Scope
from domain.email.status import Status
from domain.errors import Forbidden, NotFound
from domain.outcome.handoff import Stage
from domain.retention import RetentionPolicy
from tests.world import World

WAITING = {Change.RESCHEDULE, Change.CANCEL}


@pytest.fixture
def world() -> World:
    made = World(retention=RetentionPolicy(failed=timedelta(hours=1)))
    made.account()
    return made


def possible(world: World, email_id: int, **caller: object) -> dict[Change, str | None]:
    changes = world.application.email_changes
    return dict(changes.possible(email_id, caller=Caller(**caller)))  # type: ignore[arg-type]


def a_failed(world: World) -> int:
    world.play(Rule(Stage.RCPT, "550 5.7.1 not from you"))
    email_id = world.submit()
    world.run()
    assert world.email(email_id).status is Status.FAILED
    return email_id


def test_what_waits_may_be_rescheduled_and_cancelled(world: World) -> None:
    assert possible(world, world.submit()) == dict.fromkeys(WAITING)


def test_what_was_sent_may_not_be_changed(world: World) -> None:
    email_id = world.submit()
    world.run()

    assert possible(world, email_id) == {}


def test_what_failed_may_be_retried(world: World) -> None:
    assert possible(world, a_failed(world)) == {Change.RETRY: None}


def test_of_an_unknown_outcome_a_person_says_whether_it_was_sent(world: World) -> None:
    world.play(Rule(Stage.DOT, Fault.ACCEPT_CLOSE))
    email_id = world.submit(at_most_once=True)
    world.run()

    assert possible(world, email_id) == {Change.RESOLVE_AS_SENT: None, Change.RESEND: None}


def test_why_a_retry_is_impossible_is_told(world: World) -> None:
    email_id = a_failed(world)
    world.clock.tick(2 * 3600)
    world.application.maintenance.sweep()

    why = possible(world, email_id)[Change.RETRY]

    assert why is not None
    assert "was removed" in why


def test_a_question_changes_nothing(world: World) -> None:
    email_id = world.submit()
    before = world.email(email_id)

    possible(world, email_id)

    assert world.email(email_id) == before


def test_only_who_may_change_an_email_is_told(world: World) -> None:
    email_id = world.submit()

    with pytest.raises(NotFound):
        possible(world, email_id, accounts=frozenset({99}))
    with pytest.raises(Forbidden):
        possible(world, email_id, key_id=1, scopes=frozenset({Scope.READ}))

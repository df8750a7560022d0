"""A list says why its rows wait, as the page of each email does."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import attrs
import pytest

from adapters.fakes.sender import Fault, Rule
from domain.access import Caller, Scope
from domain.account.limits import Limits
from domain.email.gates import Gate, waiting_reason
from domain.outcome.handoff import Stage
from tests.world import World

PAGE = 50


def hold_ups(world: World, **who: Any) -> Mapping[int, Gate]:
    queries = world.application.queries
    return queries.hold_ups(queries.emails(limit=PAGE, **who).emails, **who)


def test_every_row_gives_the_reason_of_its_own_page() -> None:
    world = World()
    full = world.account("full", limits=Limits(hourly=1, daily=None)).id
    paused = world.account("paused").id
    inactive = world.account("inactive", active=False).id
    away = world.account("away").id
    slow = world.account("slow").id
    world.application.account_service.pause(paused)
    world.play(Rule(Stage.BANNER, Fault.CLOSE), account_id=away)
    later = world.clock.now() + timedelta(hours=1)
    world.play(Rule(Stage.DOT, "451 4.3.0 later"), account_id=slow)
    for account_id in (full, full, paused, inactive, away, slow):
        world.submit(account_id=account_id)
    world.submit(account_id=full, priority=1)
    world.submit(account_id=full, send_at=later)
    world.run()
    world.submit()
    waiting = world.store.read(lambda tx: tx.emails.page(limit=PAGE)).emails

    told = hold_ups(world)

    pages = {one.id: world.application.queries.email(one.id) for one in waiting}
    assert {email_id: gate.name for email_id, gate in told.items()} == {
        email_id: waiting_reason(view.gates) for email_id, view in pages.items() if view.gates
    }
    assert {gate.name for gate in told.values()} >= {
        "account_paused", "account_inactive", "scheduled", "hour_limit", "retry_delay",
    }  # fmt: skip


def test_an_email_that_does_not_wait_has_none() -> None:
    world = World()
    world.account()
    world.submit()
    world.run()

    assert hold_ups(world) == {}


@pytest.mark.parametrize("limits", [Limits(daily=None, hourly=None), Limits(daily=9, hourly=9)])
def test_mail_for_any_account_waits_for_none_if_there_is_none(limits: Limits) -> None:
    world = World()
    world.account(limits=limits)
    email_id = world.submit()
    assert hold_ups(world)[email_id].name == "in_line"

    world.store.write(lambda tx: tx.accounts.save(attrs.evolve(tx.accounts.get(1), active=False)))

    gates = world.application.queries.email(email_id).gates
    assert hold_ups(world)[email_id].name == waiting_reason(gates) != "in_line"


def test_who_is_no_administrator_reads_no_text_of_a_server() -> None:
    world = World()
    paused = world.account().id
    email_id = world.submit(account_id=paused)
    world.application.account_service.pause(paused, reason="secret")
    reader = Caller(key_id=1, scopes=frozenset({Scope.READ, Scope.SEND}))
    page = world.application.queries.emails(limit=PAGE).emails

    told = world.application.queries.hold_ups(page, caller=reader)

    assert (told[email_id].name, told[email_id].detail) == ("account_paused", "")

"""Delivery over servers that offer DSN, and over those that offer it and refuse its parameters."""

from adapters.fakes.sender import Rule, Script
from domain.account.account import AccountState
from domain.account.limits import Limits, LimitUnit, Window, WindowLengths
from domain.email.recipient import RecipientStatus
from domain.email.status import Status
from domain.message.client_headers import reference_of
from domain.outcome.handoff import Stage
from tests.world import World

OFFERED = (*Script().extensions, "DSN")


def a_world(*rules: Rule, **limits: object) -> World:
    world = World()
    world.account(limits=Limits(daily=None, hourly=None, **limits))
    world.sender.play(Script(rules, extensions=OFFERED))
    return world


def used(world: World) -> int:
    account = world.store.read(lambda tx: tx.accounts.get(1))
    return world.store.read(lambda tx: tx.ledger.used(account.id, WindowLengths()))[Window.HOUR]


def test_a_report_names_the_email_by_its_reference():
    world = a_world()
    email = world.email(world.submit())
    envid = f"ENVID={reference_of(email.message_id)}"
    world.sender.play(
        Script((Rule(Stage.MAIL, "550 5.7.1 heard", parameter=envid),), extensions=OFFERED)
    )

    world.run()

    assert "heard" in (world.email(email.id).error_message or "")


def test_a_refused_parameter_costs_neither_the_email_nor_its_account_anything():
    world = a_world(Rule(Stage.MAIL, "555 5.5.4 unsupported option", parameter="RET="))
    ids = [world.submit() for _ in range(3)]

    world.run()

    account = world.store.read(lambda tx: tx.accounts.get(1))
    emails = [world.email(email_id) for email_id in ids]
    assert [(one.status, one.retry_count, one.attempt_no) for one in emails] == [
        (Status.SENT, 0, 1)
    ] * 3
    assert account.state(world.clock.now()) is AccountState.OPEN
    assert (account.health.streaks, account.health.suspicions) == ((), ())


def test_recipients_refused_for_a_parameter_get_the_email_at_once_and_once():
    world = a_world(
        Rule(Stage.RCPT, "504 5.5.4 HELO", recipient="b@example.org", parameter="ORCPT="),
        unit=LimitUnit.RECIPIENTS,
    )
    email_id = world.submit("a@example.org", "b@example.org", "c@example.org")

    world.run()

    email = world.email(email_id)
    assert (email.status, email.retry_count, email.attempt_no) == (Status.SENT, 0, 2)
    assert {one.status for one in email.recipients} == {RecipientStatus.ACCEPTED}
    assert [tuple(map(str, taken.envelope.recipients)) for taken in world.sender.accepted] == [
        ("a@example.org", "c@example.org"),
        ("b@example.org",),
    ]
    assert used(world) == 3
    account = world.store.read(lambda tx: tx.accounts.get(1))
    assert account.state(world.clock.now()) is AccountState.OPEN

"""Who runs the service is told by email: once, through another account, in plain words."""

from collections.abc import Sequence

import pytest

from adapters.fakes.sender import Rule
from domain.account.health import BY_HAND
from domain.account.limits import Window
from domain.account.oauth import NEEDS_CONSENT
from domain.address import Address
from domain.email.lifecycle import Email
from domain.email.status import Status
from domain.event.alert import AlertRecord, alert_of
from domain.event.event import (
    BEGINNING,
    AccountFacts,
    OtherEvent,
    OtherFacts,
    Position,
    QueueFacts,
    StoredEvent,
    WebhookFacts,
)
from domain.event.types import EventType
from domain.outcome.handoff import Stage
from tests.builders import NOW, at, seconds
from tests.world import World

OPS = Address.parse("ops@example.org")
HOUR = 3600
REFUSED = Rule(Stage.AUTH, "535 5.7.8 wrong password")


def a_world(*names: str, **rules: object) -> World:
    world = World(alert_to=(OPS,), **rules)
    for name in names or ("one", "two"):
        world.account(name)
    return world


def sweep(world: World) -> None:
    world.application.membership.beat()
    world.application.maintenance.sweep()


def pause(world: World, account_id: int = 1, reason: str = "auth_failed", **facts: object) -> None:
    """Store the event of a pause, as if the account had been paused."""
    told = AccountFacts(name="one", reason=reason, **facts)  # type: ignore[arg-type]
    event = OtherEvent(
        type=EventType.ACCOUNT_PAUSED, at=world.clock.now(), account_id=account_id, facts=told
    )
    world.store.write(lambda tx: tx.events.tell(event))


def alerts(world: World) -> list[Email]:
    page = world.store.read(lambda tx: tx.emails.page(limit=500))
    found = [email.id for email in page.emails if email.recipients[0] == OPS]
    return [world.email(email_id) for email_id in sorted(found)]


def records(world: World) -> Sequence[AlertRecord]:
    return world.application.queries.alerts(limit=100)


def message(world: World, email: Email) -> str:
    return world.store.read(lambda tx: tx.emails.octets(email.id)).decode()


def heard(world: World, name: str) -> int:
    return sum(event.name == name for event in world.heard.events)


def test_a_paused_account_is_told_through_another_one() -> None:
    world = a_world()
    world.play(REFUSED, account_id=1)
    world.submit(account_id=1)
    world.run()

    sweep(world)

    [email] = alerts(world)
    assert (email.account_id, email.pinned, email.priority) == (2, True, 1)
    text = message(world, email)
    assert "Subject: Email Service: one is paused" in text
    assert "535 5.7.8 wrong password" in text
    assert "email-service accounts verify 1" in text
    world.run()
    assert world.email(email.id).status is Status.SENT
    assert [one.email_id for one in records(world)] == [email.id]
    assert heard(world, "alert_sent") == 1


def test_without_another_account_nothing_is_sent_and_that_is_said_once() -> None:
    world = a_world("only")
    pause(world)

    for _ in range(3):
        sweep(world)
        world.clock.tick(60)

    assert alerts(world) == []
    [record] = records(world)
    assert (record.email_id, record.problem) == (None, "no other SMTP configuration can send now")
    assert heard(world, "alert_not_sent") == 1


def test_the_next_event_is_sent_if_there_is_another_account_by_then() -> None:
    world = a_world("only")
    pause(world)
    sweep(world)
    world.account("two")
    pause(world)

    sweep(world)

    assert len(alerts(world)) == 1


def test_an_account_and_a_reason_are_told_once_in_an_hour() -> None:
    world = a_world("one", "two", "three")
    for _ in range(3):
        pause(world)
        sweep(world)
        world.clock.tick(60)
    pause(world, reason="quota")
    pause(world, account_id=2)
    sweep(world)
    assert len(alerts(world)) == 3

    world.clock.tick(HOUR)
    pause(world)
    sweep(world)

    assert len(alerts(world)) == 4


def test_any_number_of_processes_send_one_alert() -> None:
    world = a_world()
    others = [World(beside=world, pid=pid, alert_to=(OPS,)) for pid in (2, 3)]
    for one in (world, *others):
        one.application.membership.instance = None  # each believes that it is its part
    pause(world)

    for one in (world, *others):
        one.application.maintenance.sweep()

    assert len(alerts(world)) == 1


def test_an_alert_is_not_lost_or_repeated_by_a_process_that_begins_anew() -> None:
    world = a_world()
    sweep(world)
    pause(world)
    anew = World(beside=world, pid=2, alert_to=(OPS,))
    world.application.membership.leave()
    sweep(anew)
    world.clock.tick(2 * HOUR)

    sweep(World(beside=world, pid=3, alert_to=(OPS,)))

    assert len(alerts(world)) == 1


def test_who_begins_to_look_is_not_told_of_what_is_long_over() -> None:
    world = a_world()
    pause(world)
    world.clock.tick(HOUR + 1)
    pause(world, account_id=2)

    sweep(world)

    assert [one.account_id for one in alerts(world)] == [1]


def test_an_alert_whose_own_account_fails_ends_and_never_loops() -> None:
    world = a_world("one", "two", "three")
    world.play(REFUSED)
    world.submit(account_id=1)

    for _ in range(60):  # half an hour
        world.run()
        sweep(world)
        world.clock.tick(30)

    assert len(alerts(world)) == 2  # of the first two accounts; for the third there is none left
    assert [one.problem is None for one in records(world)].count(True) == 2


def test_while_nothing_is_accepted_the_alert_waits_and_is_not_lost() -> None:
    world = a_world(max_queue_depth=1)
    world.submit()
    pause(world)
    for _ in range(2):
        sweep(world)
    assert (alerts(world), heard(world, "alert_not_sent")) == ([], 1)

    world.run()
    sweep(world)

    assert len(alerts(world)) == 1


def test_an_account_that_cannot_send_now_carries_no_alert() -> None:
    world = a_world("one", "two", "three")
    world.application.account_service.pause(2)
    pause(world)

    sweep(world)

    assert [one.account_id for one in alerts(world)] == [3]


def test_without_an_address_nobody_is_told_and_no_event_is_read() -> None:
    world = World()
    world.account()
    pause(world)

    sweep(world)

    assert world.store.read(lambda tx: tx.watch.position()) is None
    assert records(world) == []


def test_an_alert_is_an_email_of_a_day() -> None:
    world = a_world()
    pause(world)

    sweep(world)

    [email] = alerts(world)
    assert email.expires_at == world.clock.now() + seconds(24 * HOUR)


# -- what is told, in which words ------------------------------------------------------------------


def stored(event_type: EventType, facts: OtherFacts, account_id: int | None = 1) -> StoredEvent:
    return StoredEvent(
        position=Position(0, 1),
        type=event_type,
        at=NOW,
        email_id=None,
        account_id=account_id,
        key_id=None,
        facts=facts,
    )


@pytest.mark.parametrize(
    ("event_type", "facts"),
    [
        (EventType.ACCOUNT_PAUSED, AccountFacts(name="one", reason=BY_HAND)),
        (EventType.ACCOUNT_PAUSED, AccountFacts(name="one", reason=NEEDS_CONSENT)),
        (EventType.ACCOUNT_RESUMED, AccountFacts(name="one", reason="auth_failed")),
        (
            EventType.ACCOUNT_LEARNED_LIMIT,
            AccountFacts(name="one", window=Window.DAY, least=1, most=2),
        ),
        (
            EventType.WEBHOOK_DISABLED,
            WebhookFacts(webhook_id=3, host="example.org", reason="request"),
        ),
    ],
)
def test_what_a_person_did_or_nobody_has_to_mend_is_not_told(
    event_type: EventType, facts: OtherFacts
) -> None:
    assert alert_of(stored(event_type, facts)) is None


@pytest.mark.parametrize(
    ("event_type", "facts", "words"),
    [
        (
            EventType.ACCOUNT_NEEDS_CONSENT,
            AccountFacts(name="one", reason=NEEDS_CONSENT),
            "email-service accounts authorize 1",
        ),
        (
            EventType.ACCOUNT_PAUSED,
            AccountFacts(name="one", reason="quota_exceeded", until=at(HOUR)),
            "It tries again by itself at 2026-01-05 10:00 UTC",
        ),
        (
            EventType.ACCOUNT_PAUSED,
            AccountFacts(name="one", reason="auth_failed"),
            "email-service accounts resume 1",
        ),
        (
            EventType.QUEUE_GROWING,
            QueueFacts(waiting=1200, before=7, since=NOW, oldest=seconds(900)),
            "The oldest that is due has waited for 15 minutes.",
        ),
        (
            EventType.WEBHOOK_DISABLED,
            WebhookFacts(webhook_id=3, host="example.org", reason="failing"),
            'PUT /api/webhooks/3 {"active": true}',
        ),
    ],
)
def test_an_alert_says_what_to_do(event_type: EventType, facts: OtherFacts, words: str) -> None:
    alert = alert_of(stored(event_type, facts))

    assert alert is not None
    assert words in alert.text


def test_each_webhook_has_an_alert_of_its_own_in_an_hour() -> None:
    told = [
        alert_of(
            stored(
                EventType.WEBHOOK_DISABLED,
                WebhookFacts(webhook_id=number, host="example.org", reason="gone"),
                account_id=None,
            )
        )
        for number in (1, 2)
    ]

    assert len({alert.reason for alert in told if alert is not None}) == 2


def test_a_name_or_a_reply_cannot_break_the_lines_of_an_alert() -> None:
    facts = AccountFacts(name="a\r\nBcc: x@example.org", reason="x", text="b\nc" + "y" * 999)

    alert = alert_of(stored(EventType.ACCOUNT_PAUSED, facts))

    assert alert is not None
    assert alert.subject.isprintable()
    assert max(map(len, alert.text.splitlines())) < 300


def test_the_position_is_beyond_what_was_told() -> None:
    world = a_world()
    pause(world)

    sweep(world)

    assert (world.store.read(lambda tx: tx.watch.position()) or BEGINNING) > BEGINNING

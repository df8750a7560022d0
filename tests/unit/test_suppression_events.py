"""What is told of the suppression list: what comes on it, what is removed, who unsubscribes."""

import email as mail
from collections.abc import Sequence
from datetime import timedelta

import pytest

from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.sender import Rule
from application.suppressing import note_full
from application.suppressions import Entry
from domain.address import Address
from domain.email.labels import NO_LABELS
from domain.email.status import Status
from domain.event.event import BEGINNING, EventFilter, StoredEvent, SuppressionFacts
from domain.event.payload import payload_of
from domain.event.types import EventType
from domain.outcome.handoff import Stage
from domain.suppression import SuppressionReason, account_scope
from tests.builders import NOW, at
from tests.world import World

ADA = "ada@example.org"
CREATED, DELETED = EventType.SUPPRESSION_CREATED, EventType.SUPPRESSION_DELETED
DAY_S = 86_400


def a_world() -> World:
    world = World(public_url="https://mail.example.com")
    world.account()
    return world


def told(world: World, *types: EventType) -> Sequence[StoredEvent]:
    wanted = EventFilter(types=types or (CREATED, DELETED, EventType.EMAIL_UNSUBSCRIBED))
    found: list[StoredEvent] = []
    position = BEGINNING
    while True:
        page = world.store.read(
            lambda tx, after=position: tx.events.page(after, wanted, limit=1000)
        )
        found += page.events
        if page.next == position:
            return found
        position = page.next


def an_entry(address: str = ADA, **changes: object) -> Entry:
    return Entry(address=Address.parse(address), **changes)  # type: ignore[arg-type]


def test_an_entry_that_is_made_is_told_once_and_its_removal_too() -> None:
    world = a_world()
    use_cases = world.application.suppressions

    use_cases.put(an_entry(expires_at=at(60)))
    use_cases.put(an_entry(expires_at=at(90)))
    use_cases.remove(Address.parse(ADA))

    assert [(one.type, one.facts) for one in told(world)] == [
        (CREATED, facts(expires_at=at(60))),
        (DELETED, facts(expires_at=at(90))),
    ]


def test_an_entry_is_told_again_after_the_one_before_has_expired() -> None:
    world = a_world()
    world.application.suppressions.put(an_entry(expires_at=at(60)))
    world.clock.tick(60)

    world.application.suppressions.put(an_entry())

    assert [one.facts for one in told(world)] == [facts(expires_at=at(60)), facts()]


def test_the_entry_of_an_account_is_told_as_its_own() -> None:
    world = a_world()

    world.application.suppressions.put(an_entry(scope=account_scope(1)))

    [event] = told(world)
    assert (event.account_id, event.email_id, event.key_id) == (1, None, None)


def test_what_expires_is_not_told() -> None:
    world = a_world()
    world.application.suppressions.put(an_entry(expires_at=at(60)))
    world.clock.tick(61)

    world.application.maintenance.sweep()

    assert [one.type for one in told(world)] == [CREATED]


def test_an_import_tells_each_new_entry_once_and_nothing_the_second_time() -> None:
    world = a_world()
    entries = [an_entry(f"r{n}@example.org") for n in range(1200)]

    world.application.suppressions.import_all([*entries, entries[0]])
    world.application.suppressions.import_all(entries)

    assert len(told(world)) == 1200


def test_a_hard_refusal_tells_whom_it_has_suppressed_in_its_own_commit() -> None:
    world = a_world()
    world.play(Rule(Stage.RCPT, "550 5.1.1 no such user", times=1))
    email_id = world.submit(ADA)

    world.run()

    [event] = told(world)
    assert event.facts == facts(
        reason=SuppressionReason.HARD_BOUNCE,
        email_id=email_id,
        expires_at=world.clock.now() + timedelta(days=180),
    )


def test_who_unsubscribes_is_told_once_besides_the_suppression() -> None:
    world = a_world()
    email_id = world.submit(ADA, topic="news")
    octets = world.store.read(lambda tx: tx.emails.octets(email_id))
    link = str(mail.message_from_bytes(octets)["List-Unsubscribe"]).strip("<>")
    token = link.rpartition("/")[2]

    for _ in range(2):
        world.application.unsubscribe.unsubscribe(token)

    assert [one.type for one in told(world)] == [CREATED, EventType.EMAIL_UNSUBSCRIBED]


def test_the_payload_of_an_entry_has_all_that_is_known_of_it() -> None:
    world = a_world()
    world.application.suppressions.put(an_entry(scope="topic:news", email_id=7, expires_at=at(60)))

    [event] = told(world)
    assert payload_of(event, NO_LABELS)["data"] == {
        "address": ADA,
        "scope": "topic:news",
        "reason": "manual",
        "email_id": 7,
        "expires_at": "2026-01-05T09:01:00.000000Z",
    }


def facts(**changes: object) -> SuppressionFacts:
    values = {"address": ADA, "scope": "*", "reason": SuppressionReason.MANUAL} | changes
    return SuppressionFacts(**values)  # type: ignore[arg-type]


# -- a mailbox that is full ------------------------------------------------------------------------


def refused(world: World, reply: str = "552 5.2.2 mailbox full", stage: Stage = Stage.RCPT) -> int:
    """An email to Ada that is refused once, and delivered at the next attempt."""
    world.play(Rule(stage, reply, times=1))
    email_id = world.submit(ADA)
    world.run()
    return email_id


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DOT])
def test_a_mailbox_that_is_full_for_three_emails_in_a_week_gets_none_for_a_week(
    stage: Stage,
) -> None:
    world = a_world()

    for _ in range(2):
        refused(world, stage=stage)
        assert told(world) == []
        world.clock.tick(3 * DAY_S)
    last = refused(world, stage=stage)

    [event] = told(world)
    assert event.facts == facts(
        reason=SuppressionReason.HARD_BOUNCE,
        email_id=last,
        expires_at=world.clock.now() + timedelta(days=7),
    )
    assert world.email(world.submit(ADA)).reason_code == "suppressed"
    world.clock.tick(7 * DAY_S + 1)
    assert world.email(world.submit(ADA)).status is Status.QUEUED


def test_three_refusals_of_one_email_count_once() -> None:
    world = a_world()
    world.play(Rule(Stage.RCPT, "552 5.2.2 mailbox full", times=3))
    world.submit(ADA)

    for _ in range(4):
        world.run()
        world.clock.tick(3600)

    assert told(world) == []


def test_refusals_that_lie_more_than_a_week_apart_suppress_nobody() -> None:
    world = a_world()

    for _ in range(4):
        refused(world)
        world.clock.tick(4 * DAY_S)

    assert told(world) == []


@pytest.mark.parametrize(
    "reply", ["452 4.2.2 mailbox full", "550 5.7.1 refused", "552 5.3.4 message too large"]
)
def test_only_a_mailbox_that_is_full_for_good_is_counted(reply: str) -> None:
    world = a_world()

    for _ in range(3):
        refused(world, reply)

    assert told(world) == []


def test_a_full_mailbox_can_be_noted_within_another_work_and_counts_anew_afterwards() -> None:
    store = MemoryStore(clock=World().clock)

    noted = [
        store.write(lambda tx, n=n: note_full(tx, ADA, email_id=n, now=NOW)) for n in range(1, 6)
    ]

    assert noted == [False, False, True, False, False]
    assert len(store.read(lambda tx: tx.suppressions.of([ADA]))) == 1

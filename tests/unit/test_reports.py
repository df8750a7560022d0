"""What follows from reports about sent mail."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest

from application.reports import Recorded
from domain.bounce.bounce import Bounce
from domain.bounce.parse import parse_report
from domain.bounce.report import BounceKind, References, Report, ReportedRecipient
from domain.email.labels import NO_LABELS
from domain.email.lifecycle import Email
from domain.email.status import Status
from domain.event.event import BEGINNING, EmailFacts, StoredEvent
from domain.event.payload import payload_of
from domain.event.types import EventType
from domain.message.client_headers import reference_of
from domain.suppression import Suppression, SuppressionReason
from tests.builders import an_address
from tests.shipped_rules import RULES
from tests.world import World

ADA, BOB = "ada@example.org", "bob@example.org"
REPORTED = (EventType.EMAIL_BOUNCED, EventType.EMAIL_COMPLAINED, EventType.EMAIL_DELAYED)


@pytest.fixture
def world() -> World:
    made = World()
    made.account()
    return made


def sent(world: World, *addresses: str) -> Email:
    email_id = world.submit(to=tuple(map(an_address, addresses or (ADA,))))
    world.run()
    email = world.store.read(lambda tx: tx.emails.get(email_id))
    assert email.status is Status.SENT
    return email


def named(email: Email) -> References:
    return References(refs=(reference_of(email.message_id),))


def a_report(references: References, *kinds: tuple[str, BounceKind], **changes: Any) -> Report:
    return Report(
        recipients=tuple(
            ReportedRecipient(recipient=address, status="5.1.1", kind=kind, diagnostic="550 no")
            for address, kind in kinds
        ),
        references=references,
        **changes,
    )


def record(world: World, report: Report, **changes: Any) -> Recorded:
    arguments = {"source": "test", "account_id": None, "report_id": "1"} | changes
    return world.application.reports.record(report, **arguments)


def events(world: World) -> Sequence[StoredEvent]:
    found = world.store.read(lambda tx: tx.events.page(BEGINNING, limit=500)).events
    return [event for event in found if event.type in REPORTED]


def suppressed(world: World) -> Sequence[Suppression]:
    return world.store.read(lambda tx: tx.suppressions.page(limit=100))


def bounces(world: World, email: Email) -> Sequence[Bounce]:
    return world.store.read(lambda tx: tx.bounces.of(email.id))


def test_a_dead_address_is_told_and_suppressed_and_the_status_stays(world: World) -> None:
    email = sent(world)

    recorded = record(world, a_report(named(email), (ADA, BounceKind.HARD)))

    assert (recorded.email, recorded.suppressed) == (email, 1)
    (bounce,) = bounces(world, email)
    assert bounce == recorded.bounces[0]
    assert (bounce.position, bounce.kind, bounce.status) == (0, BounceKind.HARD, "5.1.1")
    (event,) = events(world)
    assert (event.type, event.email_id) == (EventType.EMAIL_BOUNCED, email.id)
    (entry,) = suppressed(world)
    assert (entry.address, entry.reason) == (ADA, SuppressionReason.HARD_BOUNCE)
    assert entry.expires_at is not None
    assert (entry.expires_at - entry.created_at).days == 180
    assert world.store.read(lambda tx: tx.emails.get(email.id)) == email


def test_the_same_report_twice_is_one_event(world: World) -> None:
    email = sent(world)
    report = a_report(named(email), (ADA, BounceKind.HARD))

    record(world, report)
    again = record(world, report, source="other", report_id="2")

    assert (again.email, again.bounces, again.suppressed) == (email, [], 0)
    assert len(events(world)) == 1
    assert len(world.heard.named("email_bounced")) == 1


def test_only_the_recipients_that_a_report_names_are_told(world: World) -> None:
    email = sent(world, ADA, BOB, "eve@example.org")

    record(world, a_report(named(email), (ADA, BounceKind.HARD), (BOB, BounceKind.DELAYED)))

    bounced, delayed = sorted(events(world), key=lambda event: event.type)
    assert [bounced.type, delayed.type] == [EventType.EMAIL_BOUNCED, EventType.EMAIL_DELAYED]
    assert isinstance(bounced.facts, EmailFacts)
    assert [one.address for one in bounced.facts.recipients] == [ADA]
    (told,) = payload_of(bounced, NO_LABELS)["data"]["recipients"]
    assert told["bounce"] == {"kind": "hard", "status": "5.1.1", "text": "550 no"}
    assert [entry.address for entry in suppressed(world)] == [ADA]


def test_a_soft_bounce_suppresses_nobody_until_a_report_calls_the_address_dead(
    world: World,
) -> None:
    email = sent(world)

    record(world, a_report(named(email), (ADA, BounceKind.SOFT)))
    assert suppressed(world) == []
    record(world, a_report(named(email), (ADA, BounceKind.HARD)))
    record(world, a_report(named(email), (ADA, BounceKind.SOFT)))

    assert [entry.address for entry in suppressed(world)] == [ADA]
    assert [event.type for event in events(world)] == [EventType.EMAIL_BOUNCED] * 2
    assert [one.kind for one in bounces(world, email)] == [BounceKind.HARD]


@pytest.mark.parametrize(
    "unknown",
    [
        References(),
        References(refs=("f" * 32,)),
        References(message_ids=("<f@example.com>", "no id", "<@>")),
        References(provider_ids=("0100",)),
    ],
)
def test_a_report_that_names_no_email_of_ours_does_nothing(
    world: World, unknown: References
) -> None:
    sent(world)

    recorded = record(world, a_report(unknown, (ADA, BounceKind.HARD)))

    assert recorded == Recorded()
    assert (events(world), suppressed(world)) == ([], [])


def test_an_address_that_is_no_recipient_is_not_suppressed(world: World) -> None:
    email = sent(world)

    recorded = record(world, a_report(named(email), (BOB, BounceKind.HARD)))

    assert recorded == Recorded()
    assert (events(world), suppressed(world)) == ([], [])


def test_a_message_id_names_an_email_with_its_domain_only(world: World) -> None:
    email = sent(world)
    other = f"<{reference_of(email.message_id)}@elsewhere.example>"

    by_other = record(world, a_report(References(message_ids=(other,)), (ADA, BounceKind.SOFT)))
    by_own = record(
        world, a_report(References(message_ids=(email.message_id,)), (ADA, BounceKind.SOFT))
    )

    assert (by_other.email, by_own.email) == (None, email)


@pytest.mark.parametrize("field", ["refs", "envelope_ids", "tags"])
def test_the_reference_names_an_email_wherever_it_stands(world: World, field: str) -> None:
    email = sent(world)
    references = References(**{field: ("f" * 32, reference_of(email.message_id))})

    report = a_report(references, (ADA.replace("ada", "ADA"), BounceKind.HARD))

    assert record(world, report).email == email


def test_a_short_reference_names_nothing(world: World) -> None:
    email = attrs.evolve(sent(world), id=0, message_id="<1@example.com>")
    world.store.write(lambda tx: tx.emails.add(email, b"x"))

    assert record(world, a_report(References(refs=("1",)), (ADA, BounceKind.HARD))) == Recorded()


def test_a_name_of_a_provider_finds_only_emails_of_its_account(world: World) -> None:
    email = sent(world)
    world.store.write(lambda tx: tx.bounces.name(email.id, attempt_no=9, name="0100-ses"))
    report = a_report(References(provider_ids=("0100-ses",)), (ADA, BounceKind.HARD))

    assert record(world, report, account_id=(email.account_id or 0) + 1) == Recorded()
    assert record(world, report, account_id=email.account_id).email == email


def test_a_complaint_suppresses_for_ever(world: World) -> None:
    email = sent(world, ADA, BOB)

    record(world, a_report(named(email), (BOB, BounceKind.COMPLAINT), is_complaint=True))

    (entry,) = suppressed(world)
    assert (entry.address, entry.reason, entry.expires_at) == (
        BOB,
        SuppressionReason.COMPLAINT,
        None,
    )
    assert [event.type for event in events(world)] == [EventType.EMAIL_COMPLAINED]


def test_a_complaint_without_a_name_is_of_the_only_recipient(world: World) -> None:
    email = sent(world)

    record(world, Report(is_complaint=True, references=named(email)))

    assert [entry.address for entry in suppressed(world)] == [ADA]


@pytest.mark.parametrize("named_one", [(), (("x@example.org", BounceKind.COMPLAINT),)])
def test_a_complaint_that_names_none_of_several_is_an_event_and_no_more(
    world: World, named_one: tuple[tuple[str, BounceKind], ...]
) -> None:
    email = sent(world, ADA, BOB)
    report = a_report(named(email), *named_one, is_complaint=True)

    record(world, report)
    record(world, report)

    assert suppressed(world) == []
    (event,) = events(world)
    assert event.type is EventType.EMAIL_COMPLAINED
    assert payload_of(event, NO_LABELS)["data"]["recipients"] == []


def test_what_was_delivered_or_relayed_tells_nothing(world: World) -> None:
    email = sent(world)

    record(world, a_report(named(email), (ADA, BounceKind.OTHER)))

    assert (events(world), bounces(world, email)) == ([], [])


def test_a_report_from_the_future_is_dated_now(world: World) -> None:
    email = sent(world)
    report = a_report(named(email), (ADA, BounceKind.SOFT))

    record(world, report, at=world.clock.now().replace(year=2100))

    assert [one.at for one in bounces(world, email)] == [world.clock.now()]


# -- the cases of the design, as messages ----------------------------------------------------------


def a_dsn(email: Email, *blocks: str, base64: bool = False) -> Report:
    status = "Reporting-MTA: dns; mx.example.net\n\n" + "\n\n".join(blocks) + "\n"
    encoding = ""
    if base64:
        from base64 import encodebytes

        status, encoding = (
            encodebytes(status.encode()).decode(),
            "Content-Transfer-Encoding: base64\n",
        )
    text = (
        "From: MAILER-DAEMON@mx.example.net\nTo: me@example.com\nSubject: Undelivered Mail\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\n\nIt failed.\n"
        f"--b\nContent-Type: message/delivery-status\n{encoding}\n{status}\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nX-Email-Ref: {reference_of(email.message_id)}\n"
        "--b--\n"
    )
    return parse_report(text.encode(), rules=RULES)


def block(address: str, action: str, status: str, said: str) -> str:
    return (
        f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: smtp; {said}"
    )


FAILED = block(ADA, "failed", "5.1.1", "550 5.1.1 no such user")
DELAYED = block(BOB, "delayed", "4.4.1", "451 4.4.1 later")


@pytest.mark.parametrize("base64", [False, True])
def test_of_a_failure_and_a_delay_one_bounces_and_is_suppressed(world: World, base64: bool) -> None:
    email = sent(world, ADA, BOB)

    for _ in range(2):
        record(world, a_dsn(email, FAILED, DELAYED, base64=base64))

    assert [entry.address for entry in suppressed(world)] == [ADA]
    assert sorted(event.type for event in events(world)) == [
        EventType.EMAIL_BOUNCED,
        EventType.EMAIL_DELAYED,
    ]


def test_a_policy_refusal_bounces_and_suppresses_nobody(world: World) -> None:
    email = sent(world)

    record(world, a_dsn(email, block(ADA, "failed", "5.7.1", "550 5.7.1 blocked by policy")))

    assert suppressed(world) == []
    assert [one.kind for one in bounces(world, email)] == [BounceKind.SOFT]


def a_complaint(email: Email, feedback: str, *, to: str = "") -> Report:
    text = (
        "From: fbl@isp.example\nTo: abuse@example.com\nSubject: complaint\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\n\nAn abuse report.\n"
        f"--b\nContent-Type: message/feedback-report\n\nFeedback-Type: {feedback}\nVersion: 1\n"
        f"User-Agent: x/1\n\n--b\nContent-Type: message/rfc822\n\n{to}"
        f"X-Email-Ref: {reference_of(email.message_id)}\nSubject: Hello\n\nx\n--b--\n"
    )
    return parse_report(text.encode(), rules=RULES)


@pytest.mark.parametrize("feedback", ["not-spam", "virus", "other"])
def test_a_report_that_is_no_complaint_does_nothing(world: World, feedback: str) -> None:
    email = sent(world)

    assert record(world, a_complaint(email, feedback)) == Recorded()
    assert events(world) == []


def test_a_complaint_whose_address_was_removed_is_found_by_the_reference(world: World) -> None:
    email = sent(world)

    record(world, a_complaint(email, "abuse"))

    assert [entry.address for entry in suppressed(world)] == [ADA]


def test_three_emails_that_a_full_mailbox_did_not_take_suppress_its_address(world: World) -> None:
    for number in range(3):
        email = sent(world, "ada@example.org")
        assert list(suppressed(world)) == [], number
        for _ in range(2):  # the same report again counts no further
            record(world, a_dsn(email, block("ada@example.org", "failed", "5.2.2", "full")))

    [suppression] = suppressed(world)
    assert suppression.expires_at == world.clock.now() + timedelta(days=7)

"""Which changes tell which events, and what an event says."""

import json
from typing import Any

import attrs
import pytest

from application.redaction import redact_event
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account
from domain.account.health import Health
from domain.account.limits import Window
from domain.email.labels import NO_LABELS, labels
from domain.email.lifecycle import Email
from domain.email.recipient import RecipientStatus
from domain.email.retry import RetryPolicy
from domain.email.settlement import resolved_as_sent
from domain.email.status import Status
from domain.email.withdrawal import suppress, withdraw
from domain.event.event import (
    AccountFacts,
    EmailFacts,
    Position,
    StoredEvent,
    facts_of,
)
from domain.event.payload import LARGEST_DATA, MOST_LABELS, payload_json, payload_of
from domain.event.telling import told_by, told_of_account
from domain.event.types import EventType
from domain.outcome.handoff import Reply, Stage
from tests.builders import NOW, a_recipient, an_account, an_attempt, an_email, at, recipients

RETRY = RetryPolicy()
READER = Caller(key_id=1, scopes=frozenset({Scope.READ}))
SES_ID = "0100019b1a2b3c4d-11111111-2222-3333-4444-555555555555-000000"


def claimed(email: Email) -> Email:
    return email.claimed(account_id=1, instance=7, now=at(1))


def ended(email: Email, *statuses: RecipientStatus, reason: str = "done") -> Email:
    """The end of an attempt with these recipients."""
    decided = tuple(
        attrs.evolve(recipient, status=status)
        for recipient, status in zip(email.recipients, statuses, strict=True)
    )
    return email.ended(reason, "text", decided, now=at(2))


def waiting(**changes: Any) -> Email:
    return an_email(id=3, **changes)


# -- emails ------------------------------------------------------------------------------------


def test_a_new_email_tells_that_it_was_accepted() -> None:
    assert told_by(None, waiting()) == (EventType.EMAIL_ACCEPTED,)


def test_a_new_email_whose_recipients_are_all_suppressed_tells_its_end_too() -> None:
    email = waiting()
    born = suppress(email, now=NOW)

    assert told_by(None, born) == (
        EventType.EMAIL_ACCEPTED,
        EventType.EMAIL_FAILED,
        EventType.EMAIL_SUPPRESSED,
    )


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ([RecipientStatus.ACCEPTED], EventType.EMAIL_SENT),
        ([RecipientStatus.ACCEPTED, RecipientStatus.REJECTED], EventType.EMAIL_SENT),
        ([RecipientStatus.REJECTED], EventType.EMAIL_FAILED),
        ([RecipientStatus.UNKNOWN, RecipientStatus.REJECTED], EventType.EMAIL_UNKNOWN),
    ],
)
def test_the_end_of_an_email_tells_its_status(
    statuses: list[RecipientStatus], told: EventType
) -> None:
    email = claimed(waiting(recipients=recipients(len(statuses))))

    assert told_by(email, ended(email, *statuses)) == (told,)


def test_a_claim_and_the_mark_before_the_dot_tell_nothing() -> None:
    email = waiting()

    assert told_by(email, claimed(email)) == ()
    assert told_by(claimed(email), claimed(email).committing()) == ()


def test_a_cancelled_email_tells_it() -> None:
    assert told_by(waiting(), waiting().cancelled(now=at(1))) == (EventType.EMAIL_CANCELLED,)


def test_an_expired_email_tells_that_it_failed() -> None:
    assert told_by(waiting(), waiting().expired(now=at(1))) == (EventType.EMAIL_FAILED,)


def test_a_suppressed_email_tells_its_end_and_why() -> None:
    assert told_by(waiting(), suppress(waiting(), now=at(1))) == (
        EventType.EMAIL_FAILED,
        EventType.EMAIL_SUPPRESSED,
    )


def test_suppression_is_told_once_for_an_email() -> None:
    first, second = recipients(2)
    gone = attrs.evolve(first, status=RecipientStatus.SUPPRESSED)
    before = waiting(recipients=(first, second))
    one_gone = before.changed(recipients=(gone, second))

    assert told_by(before, one_gone) == (EventType.EMAIL_SUPPRESSED,)
    assert told_by(one_gone, suppress(one_gone, now=at(1))) == (EventType.EMAIL_FAILED,)


def test_a_withdrawn_email_tells_nothing_before_it_ends() -> None:
    email = claimed(waiting())

    assert told_by(email, withdraw(email)) == ()


def test_only_the_first_retry_is_told() -> None:
    def retried(number: int) -> Email:
        return waiting(status=Status.RETRY, retry_count=number)

    assert told_by(claimed(waiting()), retried(1)) == (EventType.EMAIL_DEFERRED,)
    assert told_by(claimed(retried(1)), retried(2)) == ()


def test_an_email_that_goes_back_uncharged_tells_nothing() -> None:
    email = claimed(waiting(status=Status.RETRY, retry_count=1))

    assert told_by(email, waiting(status=Status.RETRY, retry_count=1)) == ()
    assert told_by(claimed(waiting()), waiting()) == ()


def test_an_unknown_outcome_that_a_person_resolves_tells_that_it_was_sent() -> None:
    email = claimed(waiting()).committing()
    unknown = ended(email, RecipientStatus.UNKNOWN, reason="outcome_unknown")

    assert told_by(email, unknown) == (EventType.EMAIL_UNKNOWN,)
    assert told_by(unknown, resolved_as_sent(unknown, now=at(3))) == (EventType.EMAIL_SENT,)


def test_an_email_that_is_retried_by_hand_tells_its_next_end_again() -> None:
    email = claimed(waiting())
    failed = ended(email, RecipientStatus.REJECTED)
    again = failed.retried(now=at(3), policy=RETRY)

    assert told_by(failed, again) == ()
    assert told_by(again, again.cancelled(now=at(4))) == (EventType.EMAIL_CANCELLED,)


# -- accounts ----------------------------------------------------------------------------------


def told(was: Account, now: Account, *, seconds: float = 5) -> list[EventType]:
    return [event.type for event in told_of_account(was, now, at=at(seconds))]


def with_health(health: Health) -> Account:
    return an_account(id=1, health=health)


OPEN = with_health(Health())
PAUSED = with_health(Health().halted("auth", now=at(0), text="535 no"))


def test_a_pause_and_its_end_are_told() -> None:
    paused, resumed = (
        [*told_of_account(OPEN, PAUSED, at=at(0))],
        [*told_of_account(PAUSED, OPEN, at=at(9))],
    )

    assert [event.type for event in paused] == [EventType.ACCOUNT_PAUSED]
    assert paused[0].facts == AccountFacts(name="main", reason="auth", text="535 no")
    assert [event.type for event in resumed] == [EventType.ACCOUNT_RESUMED]
    assert resumed[0].facts == AccountFacts(name="main", reason="auth")


def test_a_pause_that_goes_on_is_told_once() -> None:
    prolonged = with_health(Health().halted("auth", now=at(4), text="535 still no"))

    assert told(PAUSED, prolonged) == []
    assert told(PAUSED, PAUSED) == []


def test_a_pause_for_another_reason_and_one_after_the_last_was_over_are_told() -> None:
    by_hand = with_health(Health().halted("by_hand", now=at(4)))
    short = with_health(Health().halted("quota", now=at(0), until=at(3)))
    anew = with_health(Health().halted("quota", now=at(5), until=at(8)))

    assert told(PAUSED, by_hand) == [EventType.ACCOUNT_PAUSED]
    assert told(short, anew, seconds=5) == [EventType.ACCOUNT_PAUSED]
    assert told(short, anew, seconds=2) == []


def test_an_account_that_needs_consent_says_so_besides_its_pause() -> None:
    waits = with_health(Health().halted("needs_consent", now=at(0)))

    assert told(OPEN, waits) == [EventType.ACCOUNT_PAUSED, EventType.ACCOUNT_NEEDS_CONSENT]


def test_a_limit_is_told_when_it_is_learned_and_when_it_turns_out_to_be_another() -> None:
    once = with_health(Health().learnt(Window.DAY, 500, now=at(0)))
    same = with_health(once.health.learnt(Window.DAY, 500, now=at(1)))
    lower = with_health(same.health.learnt(Window.DAY, 400, now=at(2)))

    assert told(OPEN, once) == [EventType.ACCOUNT_LEARNED_LIMIT]
    assert told(once, same) == []
    assert told(same, lower) == [EventType.ACCOUNT_LEARNED_LIMIT]


# -- what an event says ------------------------------------------------------------------------


def stored(email: Email, event_type: EventType = EventType.EMAIL_SENT) -> StoredEvent:
    return StoredEvent(
        position=Position(0, 12),
        type=event_type,
        at=email.updated_at,
        email_id=email.id,
        account_id=1,
        key_id=None,
        facts=facts_of(email),
    )


def sent(reply: Reply, number: int = 1) -> Email:
    email = claimed(waiting(recipients=recipients(number)))
    accepted = tuple(
        attrs.evolve(one, status=RecipientStatus.ACCEPTED, reason="accepted", reply=reply)
        for one in email.recipients
    )
    return email.ended("accepted", "", accepted, now=at(2))


def test_an_event_says_what_became_of_an_email() -> None:
    email = sent(Reply.of(250, f"Ok {SES_ID}"))

    assert payload_of(stored(email), labels(["welcome"], {"order": "7"})) == {
        "type": "email.sent",
        "timestamp": f"{at(2):%Y-%m-%dT%H:%M:%S}.000000Z",
        "data": {
            "email_id": 3,
            "status": "sent",
            "reason_code": "accepted",
            "recipients": [
                {
                    "address": "r1@example.org",
                    "status": "accepted",
                    "reason": "accepted",
                    "reply": f"250 Ok {SES_ID}",
                }
            ],
            "recipients_left_out": 0,
            "message_id": "1@example.org",
            "provider_message_id": SES_ID,
            "tags": ["welcome"],
            "metadata": {"order": "7"},
            "labels_left_out": 0,
            "attempt": 1,
        },
    }


def test_an_event_holds_no_content() -> None:
    email = attrs.evolve(sent(Reply.of(250, "Ok")), subject="Confidential")

    assert "Confidential" not in json.dumps(payload_of(stored(email), NO_LABELS))


def octets_of(event: StoredEvent, **given: Any) -> tuple[int, dict[str, Any]]:
    text = payload_json(event, labels(given.get("tags", ()), given.get("metadata", {})))
    data = json.loads(text)["data"]
    return len(compact(data)), data


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("number", [1, 2, 20, 100, 10_000])
@pytest.mark.parametrize("text", ["Ok", "ü" * 1024, "\\" * 1024])
def test_an_event_is_small_however_many_recipients_an_email_has(number: int, text: str) -> None:
    event = stored(sent(Reply(250, text), number))
    largest = {f"{n:040}": "ü" * 500 for n in range(20)}

    for given in ({}, {"tags": [f"{n:064}" for n in range(10)], "metadata": largest}):
        octets, data = octets_of(event, **given)

        assert octets <= LARGEST_DATA
        assert len(data["recipients"]) + data["recipients_left_out"] == number
        labelled = len(data["tags"]) + len(data["metadata"]) + data["labels_left_out"]
        assert labelled == (30 if given else 0)
    assert isinstance(event.facts, EmailFacts)
    assert event.facts.recipients, "the first is always kept"


@pytest.mark.parametrize("text", ["x", "\N{SNOWMAN}", '"', "\1", "\ud800", "</script>", "\u2028"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_text_of_an_event_is_its_json(text: str, number: int) -> None:
    email = sent(Reply(250, f"{text} queued as <{text}1234>"), number or 1)
    event = stored(email)
    if not number:
        event = attrs.evolve(event, facts=attrs.evolve(event.facts, reason_code=None))
    of = labels([f"a{text}", text], {f"k{text}": text})

    written = payload_json(event, of, id=text)

    read = json.loads(written)
    assert written == json.dumps(read, ensure_ascii=False, separators=(",", ":"))
    assert read == {"id": text, **payload_of(event, of)}
    assert read["data"]["tags"] == [f"a{text}", text]
    assert read["data"]["metadata"] == {f"k{text}": text}
    assert read["data"]["recipients"][0]["reply"] == f"250 {text} queued as <{text}1234>"


@pytest.mark.parametrize("character", ["x", "ü", '"', "\1"])
def test_as_many_labels_are_told_as_fit_in_front(character: str) -> None:
    tags = [f"{number}{character * 63}" for number in range(10)]
    metadata = {f"{number}": character * 300 for number in range(9)}
    event = stored(sent(Reply(250, "Ok")))

    _, data = octets_of(event, tags=tags, metadata=metadata)

    told = [*data["tags"], *data["metadata"].items()]
    every = [*tags, *metadata.items()]
    assert told == every[: len(told)]
    size = len(compact(data["tags"])) + len(compact(data["metadata"]))
    following = len(compact(dict([every[len(told)]]))) if len(told) >= len(tags) else 70 * 6
    assert MOST_LABELS - following < size <= MOST_LABELS + len("[]{}")


def test_an_event_of_an_account_says_why_and_until_when() -> None:
    facts = AccountFacts(name="main", reason="quota", text="450 slow down", until=at(60))
    event = attrs.evolve(
        stored(waiting()), type=EventType.ACCOUNT_PAUSED, email_id=None, facts=facts
    )

    data = payload_of(event, NO_LABELS)["data"]

    assert data["smtp_config_id"] == 1
    assert data["until"].endswith("Z")
    assert {key: data[key] for key in ("name", "reason", "text", "limit")} == {
        "name": "main",
        "reason": "quota",
        "text": "450 slow down",
        "limit": None,
    }


def test_an_event_of_a_learned_limit_says_where_the_provider_refused() -> None:
    facts = AccountFacts(name="main", window=Window.DAY, least=400, most=500)
    event = attrs.evolve(
        stored(waiting()), type=EventType.ACCOUNT_LEARNED_LIMIT, email_id=None, facts=facts
    )

    assert payload_of(event, NO_LABELS)["data"]["limit"] == {
        "window": "day",
        "least": 400,
        "most": 500,
    }


def test_a_recipient_without_a_reply_has_none() -> None:
    email = waiting(recipients=(a_recipient(),)).cancelled(now=at(1))

    _, data = octets_of(stored(email, EventType.EMAIL_CANCELLED))

    assert data["recipients"][0]["reply"] is None
    assert data["provider_message_id"] is None


# -- who is told what ----


UNREACHED = an_attempt(email_id=3, attempt_no=1, stage=Stage.CONNECT, ended_at=at(1), reply=None)


def test_without_admin_an_event_does_not_say_why_a_server_was_not_reached() -> None:
    email = waiting(recipients=(a_recipient(reason="connect_timeout"),))
    event = stored(email.changed(attempt_no=1, reason_code="connect_timeout"))

    told = redact_event(event, [UNREACHED], READER)

    assert "connect_timeout" not in json.dumps(payload_of(told, NO_LABELS))
    assert redact_event(event, [UNREACHED], LOCAL) == event


def test_an_event_does_not_hide_what_a_later_attempt_would() -> None:
    event = stored(sent(Reply.of(250, "Ok")))
    later = attrs.evolve(UNREACHED, attempt_no=2)

    assert redact_event(event, [later], READER) == event


def test_a_reply_of_another_accounts_server_is_told_without_its_text() -> None:
    event = stored(sent(Reply.of(250, "Ok at mx.elsewhere.example")))
    elsewhere = attrs.evolve(
        UNREACHED, stage=Stage.DOT, account_id=9, reply=Reply.of(250, "Ok at mx.elsewhere.example")
    )
    limited = Caller(key_id=1, accounts=frozenset({1}))

    data = payload_of(redact_event(event, [elsewhere], limited), NO_LABELS)["data"]

    assert data["recipients"][0]["reply"] == "250"
    assert data["reason_code"] is None

"""What a client gets of an event: `{"type", "timestamp", "data"}`, no content of the email.

Only values that JSON has. Of an email its labels are added as they stand when the event is read:
they never change, unless they are erased.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

from domain.email.labels import Labels
from domain.email.recipient import RecipientStatus
from domain.event.event import (
    AccountFacts,
    EmailFacts,
    QueueFacts,
    StoredEvent,
    SuppressionFacts,
    ToldRecipient,
    WebhookFacts,
)
from domain.outcome.handoff import Reply
from domain.outcome.provider_id import provider_message_id

LARGEST_DATA: Final = 4096  # octets of JSON in UTF-8
MOST_LABELS: Final = 1536  # octets of it for tags and metadata

Data = dict[str, Any]  # a JSON object


def payload_of(event: StoredEvent, labels: Labels) -> Data:
    """The event as one JSON object; *labels* are those of its email."""
    return {
        "type": event.type.value,
        "timestamp": timestamp(event.at),
        "data": data_of(event, labels),
    }


def data_of(event: StoredEvent, labels: Labels) -> Data:
    """What it tells of its email or whatever it is of, at most `LARGEST_DATA` octets of JSON."""
    facts = event.facts
    if isinstance(facts, EmailFacts):
        return _of_email(event, facts, labels)
    if isinstance(facts, AccountFacts):
        return _of_account(event, facts)
    if isinstance(facts, WebhookFacts):
        return {"webhook_id": facts.webhook_id, "host": facts.host, "reason": facts.reason}
    return _of_suppression(facts) if isinstance(facts, SuppressionFacts) else _of_queue(facts)


def timestamp(at: datetime) -> str:
    """The time as RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _of_account(event: StoredEvent, facts: AccountFacts) -> Data:
    return {
        "smtp_config_id": event.account_id,
        "name": facts.name,
        "reason": facts.reason,
        "text": facts.text,
        "until": None if facts.until is None else timestamp(facts.until),
        "limit": None
        if facts.window is None
        else {"window": facts.window.value, "least": facts.least, "most": facts.most},
    }


def _of_suppression(facts: SuppressionFacts) -> Data:
    return {
        "address": facts.address,
        "scope": facts.scope,
        "reason": facts.reason.value,
        "email_id": facts.email_id,
        "expires_at": None if facts.expires_at is None else timestamp(facts.expires_at),
    }


def _of_queue(facts: QueueFacts) -> Data:
    return {
        "waiting": facts.waiting,
        "waiting_before": facts.before,
        "since": timestamp(facts.since),
        "oldest_seconds": int(facts.oldest.total_seconds()),
    }


def _of_email(event: StoredEvent, facts: EmailFacts, labels: Labels) -> Data:
    most = _labels_at_most(labels)
    if most <= MOST_LABELS:
        tags, metadata = list(labels.tags), dict(labels.metadata)
    else:
        tags, metadata = _fitting(labels)
    of_labels = len(labels.tags) + len(labels.metadata)
    data: Data = {
        "email_id": event.email_id,
        "status": facts.status.value,
        "reason_code": facts.reason_code,
        "recipients": [],
        "recipients_left_out": facts.left_out,
        "message_id": facts.message_id,
        "provider_message_id": _provider_message_id(facts.recipients),
        "tags": tags,
        "metadata": metadata,
        "labels_left_out": of_labels - len(tags) - len(metadata),
        "attempt": facts.attempt,
    }
    if len(facts.recipients) == 1 and (not of_labels or most + _one_at_most(facts) <= LARGEST_DATA):
        # most are so: to measure it takes longer than all the rest
        data["recipients"].append(_recipient(facts.recipients[0]))
        return data
    room = LARGEST_DATA - _octets(data) - len(str(len(facts.recipients)))
    for recipient in facts.recipients:
        shown = _recipient(recipient)
        room -= _octets(shown) + len(", ")
        if room < 0:
            break
        data["recipients"].append(shown)
    data["recipients_left_out"] += len(facts.recipients) - len(data["recipients"])
    return data


def _fitting(labels: Labels) -> tuple[list[str], dict[str, str]]:
    """The first tags, then the first metadata, as many as fit."""
    room = MOST_LABELS
    tags: list[str] = []
    metadata: dict[str, str] = {}
    for tag in labels.tags:
        room -= _octets(tag) + len(", ")
        if room < 0:
            return tags, metadata
        tags.append(tag)
    for key, value in labels.metadata:
        room -= _octets(key) + _octets(value) + len(": , ")
        if room < 0:
            break
        metadata[key] = value
    return tags, metadata


def _recipient(recipient: ToldRecipient) -> Data:
    told: Data = {
        "address": recipient.address,
        "status": recipient.status.value,
        "reason": recipient.reason,
        "reply": recipient.reply,
    }
    bounce = recipient.bounce
    if bounce is not None:
        told["bounce"] = {"kind": bounce.kind.value, "status": bounce.status, "text": bounce.text}
    return told


def _provider_message_id(recipients: Sequence[ToldRecipient]) -> str | None:
    """What the server that accepted the message calls it: it replied so to the final dot."""
    for recipient in recipients:
        if recipient.status is RecipientStatus.ACCEPTED and recipient.reply is not None:
            code, _, text = recipient.reply.partition(" ")
            return provider_message_id(Reply(int(code), text)) if code.isdecimal() else None
    return None


def _octets(value: object) -> int:
    return len(_WRITTEN(value).encode("utf-8", "surrogatepass"))


def _labels_at_most(labels: Labels) -> int:
    """So many octets they have at most."""
    return _at_most([*labels.tags, *chain.from_iterable(labels.metadata)]) if labels else 0


def _one_at_most(facts: EmailFacts) -> int:
    """So many octets an email to one recipient has at most, without its labels."""
    (one,) = facts.recipients
    # a part of the reply is told once more, as the name that the server gave it
    texts = [facts.reason_code, facts.message_id, one.address, one.reason, one.reply, one.reply]
    if one.bounce is not None:
        texts += [one.bounce.status, one.bounce.text]
    return _AROUND + _at_most([text for text in texts if text is not None])


def _at_most(texts: Sequence[str]) -> int:
    """So many octets *texts* have at most in a list or an object of JSON."""
    whole = "".join(texts)
    usual = whole.isascii() and whole.isprintable()
    return len(whole) * (_USUAL if usual else _ESCAPED) + len(texts) * _BETWEEN


_WRITTEN: Final = json.JSONEncoder(ensure_ascii=False).encode
_AROUND: Final = 512  # octets of the names of fields, of numbers and of fixed words
_BETWEEN: Final = len('"", ')
_USUAL: Final = 2  # a quotation mark is written with a backslash
_ESCAPED: Final = 6  # \u0001; a character beyond ASCII has four at most

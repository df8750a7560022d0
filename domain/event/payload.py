"""What a client gets of an event: `{"type", "timestamp", "data"}`, no content of the email.

Only values that JSON has. Of an email its labels are added as they stand when the event is read:
they never change, unless they are erased.

An event of an email is written as text at once: a page of the feed has hundreds, and with objects
that are made only to be written it takes a third longer.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring as quoted
from typing import Any, Final

from domain.email.labels import Labels
from domain.email.recipient import RecipientStatus
from domain.event.event import (
    AccountFacts,
    EmailFacts,
    OtherFacts,
    QueueFacts,
    StoredEvent,
    SuppressionFacts,
    ToldBounce,
    ToldRecipient,
    WebhookFacts,
)
from domain.outcome.provider_id import name_in

LARGEST_DATA: Final = 4096  # octets of JSON in UTF-8
MOST_LABELS: Final = 1536  # octets of it for tags and metadata

Data = dict[str, Any]  # a JSON object


def payload_of(event: StoredEvent, labels: Labels) -> Data:
    """The event as one JSON object; *labels* are those of its email."""
    payload: Data = json.loads(payload_json(event, labels))
    return payload


def payload_json(event: StoredEvent, labels: Labels, **before: str) -> str:
    """The text of `payload_of` without blanks; *before* are fields that stand in front.

    Its data has at most `LARGEST_DATA` octets.
    """
    fields = "".join([f'"{name}":{quoted(value)},' for name, value in before.items()])
    facts = event.facts
    if isinstance(facts, EmailFacts):
        data = _of_email(event.email_id, facts, labels)
    else:
        data = _WRITTEN(_of_other(event, facts))
    fields += f'"type":"{event.type._value_}","timestamp":"{timestamp(event.at)}"'
    return f'{{{fields},"data":{data}}}'


def timestamp(at: datetime) -> str:
    """The time as RFC 3339, in UTC."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")[:-_ZONE] + "Z"


def _of_other(event: StoredEvent, facts: OtherFacts) -> Data:
    if isinstance(facts, AccountFacts):
        return _of_account(event, facts)
    if isinstance(facts, WebhookFacts):
        return {"webhook_id": facts.webhook_id, "host": facts.host, "reason": facts.reason}
    return _of_suppression(facts) if isinstance(facts, SuppressionFacts) else _of_queue(facts)


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


# -- of an email, as text ----------------------------------------------------------------------


def _of_email(email_id: int | None, facts: EmailFacts, labels: Labels) -> str:
    """With as many of the recipients, from the first on, as there is room for."""
    reason, name = facts.reason_code, _provider_message_id(facts.recipients)
    before = (
        f'{{"email_id":{_written(email_id)},"status":"{facts.status._value_}"'
        f',"reason_code":{"null" if reason is None else quoted(reason)},"recipients":['
    )
    after = (
        f',"message_id":{quoted(facts.message_id)}'
        f',"provider_message_id":{"null" if name is None else quoted(name)}'
        f'{_labels(labels) if labels else _NONE},"attempt":{facts.attempt}}}'
    )
    recipients = [_recipient(recipient) for recipient in facts.recipients]
    text = f'{before}{",".join(recipients)}],"recipients_left_out":{facts.left_out}{after}'
    if _octets(text) <= LARGEST_DATA:
        return text
    whole = facts.left_out + len(recipients)
    room = LARGEST_DATA - _octets(f'{before}],"recipients_left_out":{whole}{after}')
    kept = 0
    for recipient in recipients:
        room -= _octets(recipient) + len(",")
        if room < 0:
            break
        kept += 1
    shown = ",".join(recipients[:kept])
    return f'{before}{shown}],"recipients_left_out":{whole - kept}{after}'


def _labels(labels: Labels) -> str:
    """The first tags, then the first metadata, as many as fit."""
    tags = [quoted(tag) for tag in labels.tags]
    metadata = [f"{quoted(key)}:{quoted(value)}" for key, value in labels.metadata]
    whole = len(tags) + len(metadata)
    texts = [*tags, *metadata]
    if sum(map(len, texts)) * _LARGEST_CHARACTER + whole > MOST_LABELS:
        fit = _fitting(texts)
        tags, metadata = tags[:fit], metadata[: max(0, fit - len(tags))]
    left_out = whole - len(tags) - len(metadata)
    fields = f'"tags":[{",".join(tags)}],"metadata":{{{",".join(metadata)}}}'
    return f',{fields},"labels_left_out":{left_out}'


def _fitting(texts: Sequence[str]) -> int:
    """How many of *texts* have `MOST_LABELS` octets, with what stands between them."""
    room = MOST_LABELS
    for number, text in enumerate(texts):
        room -= _octets(text) + len(",")
        if room < 0:
            return number
    return len(texts)


def _recipient(recipient: ToldRecipient) -> str:
    bounce, reply = recipient.bounce, recipient.reply
    return (
        f'{{"address":{quoted(recipient.address)},"status":"{recipient.status._value_}"'
        f',"reason":{_written(recipient.reason)}'
        f',"reply":{"null" if reply is None else quoted(reply)}'
        f"{'' if bounce is None else _bounce(bounce)}}}"
    )


def _bounce(bounce: ToldBounce) -> str:
    status, text = _written(bounce.status), quoted(bounce.text)
    return f',"bounce":{{"kind":"{bounce.kind.value}","status":{status},"text":{text}}}'


def _provider_message_id(recipients: Sequence[ToldRecipient]) -> str | None:
    """What the server that accepted the message calls it: it replied so to the final dot."""
    for recipient in recipients:
        if recipient.status is RecipientStatus.ACCEPTED and recipient.reply is not None:
            code, _, text = recipient.reply.partition(" ")
            return name_in(text) if code[:1] == "2" else None
    return None


def _written(value: str | int | None) -> str:
    if value is None:
        return "null"
    return quoted(value) if isinstance(value, str) else str(value)


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


_WRITTEN: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ZONE: Final = len("+00:00")
_NONE: Final = ',"tags":[],"metadata":{},"labels_left_out":0'
_LARGEST_CHARACTER: Final = 4  # octets

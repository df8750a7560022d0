"""Rows to domain values and back: emails and recipients, and what all rows share.

Here and in `records.py` alone is a row's shape known, hence `Any`. Times are microseconds since
1970, UTC: an integer compares, sorts and indexes alike in every database, and no driver can give
it a zone of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from domain.address import Address
from domain.email.lifecycle import Email
from domain.email.listing import EmailSummary
from domain.email.recipient import Recipient, RecipientField, RecipientStatus
from domain.email.status import TERMINAL, WAITING, Phase, Status
from domain.outcome.handoff import Reply

Row = tuple[Any, ...]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# To call the enums instead takes 7 % more instructions of a claim of fifty.
_STATUS: Final[Mapping[str, Status]] = {status.value: status for status in Status}
_PHASE: Final[Mapping[str, Phase]] = {phase.value: phase for phase in Phase}
_FIELD: Final[Mapping[str, RecipientField]] = {field.value: field for field in RecipientField}
_RECIPIENT_STATUS: Final[Mapping[str, RecipientStatus]] = {
    status.value: status for status in RecipientStatus
}

# The statuses in SQL, spelled as in the partial indexes: the planner compares the words.
IS_WAITING: Final = "status IN ({})".format(
    ", ".join(f"'{status}'" for status in Status if status in WAITING)
)

# What was checked before it was written is made from its rows without a constructor, field by
# field. A claim of fifty would take 12 % more instructions for its emails, and 16 % for the
# recipients and their addresses.
_new: Final = object.__new__
_set: Final = object.__setattr__


def _setters(of: type, *names: str) -> Sequence[Callable[[object, Any], None]]:
    """What sets these fields, all that a class with slots has."""
    assert {field.name for field in attrs.fields(of)} == set(names), of
    return [getattr(of, name).__set__ for name in names]


_set_local, _set_domain = _setters(Address, "local", "domain")
_set_address, _set_field, _set_status, _set_reason, _set_reply = _setters(
    Recipient, "address", "field", "status", "reason", "reply"
)


def micros(moment: datetime) -> int:
    """Microseconds since 1970. TypeError for a naive time."""
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def moment(micros: int) -> datetime:
    """The time, aware, UTC."""
    return _EPOCH + timedelta(0, 0, micros)


def micros_or_none(moment: datetime | None) -> int | None:
    """Like `micros`."""
    return None if moment is None else micros(moment)


def moment_or_none(micros: int | None) -> datetime | None:
    """Like `moment`."""
    return None if micros is None else moment(micros)


def reply_row(reply: Reply | None) -> Row:
    """reply_code, reply_enhanced, reply_text."""
    return (None, None, None) if reply is None else (reply.code, reply.enhanced, reply.text)


def reply_of(code: int | None, enhanced: str | None, text: str | None) -> Reply | None:
    """The reply of these three columns."""
    return None if code is None else Reply(code, text or "", enhanced)


def value_of(member: Any) -> str | None:
    """An enum member's text, or None."""
    return None if member is None else member.value


# -- emails -------------------------------------------------------------------------------------

EMAIL_COLUMNS: Final = (
    "id",
    "subject",
    "priority",
    "status",
    "phase",
    "queue",
    "account_id",
    "attempt_no",
    "claim_count",
    "retry_count",
    "unknown_count",
    "owner",
    "at_most_once",
    "possibly_delivered",
    "smtputf8",
    "message_id",
    "size",
    "eligible_at",
    "expires_at",
    "created_at",
    "updated_at",
    "sent_at",
    "reason_code",
    "error_message",
    "key_id",
    "asides",
)
STATUS_AT: Final = EMAIL_COLUMNS.index("status")
QUEUE_AT: Final = EMAIL_COLUMNS.index("queue")
ACCOUNT_AT: Final = EMAIL_COLUMNS.index("account_id")
REASON_AT: Final = EMAIL_COLUMNS.index("reason_code")
CRASHES_AT: Final = EMAIL_COLUMNS.index("claim_count")
ASIDES_AT: Final = EMAIL_COLUMNS.index("asides")


def email_of(row: Row, recipients: Sequence[Row]) -> Email:
    """The email of a row of EMAIL_COLUMNS and rows of RECIPIENT_COLUMNS in their order."""
    return _email(
        row,
        recipients,
        status=_STATUS[row[3]],
        phase=None if row[4] is None else _PHASE[row[4]],
        account_id=row[6],
        attempt_no=row[7],
        claim_count=row[8],
        instance=row[11],
        updated_at=moment(row[20]),
    )


def claimed_email(
    row: Row, recipients: Sequence[Row], *, account_id: int, instance: int, updated_at: datetime
) -> Email:
    """The same as the claim's update leaves it, of the row as it was before."""
    return _email(
        row,
        recipients,
        status=Status.SENDING,
        phase=Phase.CLAIMED,
        account_id=account_id,
        attempt_no=row[7] + 1,
        claim_count=row[8],
        instance=instance,
        updated_at=updated_at,
    )


def _email(
    row: Row,
    recipients: Sequence[Row],
    *,
    status: Status,
    phase: Phase | None,
    account_id: int | None,
    attempt_no: int,
    claim_count: int,
    instance: int | None,
    updated_at: datetime,
) -> Email:
    """Without its constructor: see above."""
    created_at = moment(row[19])
    email = _new(Email)
    fields = {
        "id": row[0],
        "subject": row[1],
        "recipients": tuple([_recipient_of(recipient) for recipient in recipients]),
        "priority": row[2],
        "status": status,
        "phase": phase,
        "account_id": account_id,
        "pinned": row[5] != 0,
        "attempt_no": attempt_no,
        "claim_count": claim_count,
        "retry_count": row[9],
        "unknown_count": row[10],
        "instance": instance,
        "at_most_once": row[12] != 0,
        "possibly_delivered": row[13] != 0,
        "smtputf8": row[14] != 0,
        "message_id": row[15],
        "size": row[16],
        "eligible_at": created_at if row[17] == row[19] else moment(row[17]),
        "expires_at": moment(row[18]),
        "created_at": created_at,
        "updated_at": updated_at,
        "sent_at": None if row[21] is None else moment(row[21]),
        "reason_code": row[22],
        "error_message": row[23],
        "key_id": row[24],
        "asides": row[25],
    }
    _set(email, "__dict__", fields)
    return email


NEW_EMAIL_COLUMNS: Final = (*EMAIL_COLUMNS[1:], "open_count", "live")


def new_email(email: Email) -> Row:
    """The row of NEW_EMAIL_COLUMNS."""
    created_at = micros(email.created_at)
    eligible_at = email.eligible_at
    updated_at = email.updated_at
    return (
        email.subject,
        email.priority,
        str(email.status),  # the same as its value, which takes three calls
        value_of(email.phase),
        queue_of(email),
        email.account_id,
        email.attempt_no,
        email.claim_count,
        email.retry_count,
        email.unknown_count,
        email.instance,
        int(email.at_most_once),
        int(email.possibly_delivered),
        int(email.smtputf8),
        email.message_id,
        email.size,
        created_at if eligible_at is email.created_at else micros(eligible_at),
        micros(email.expires_at),
        created_at,
        created_at if updated_at is email.created_at else micros(updated_at),
        micros_or_none(email.sent_at),
        email.reason_code,
        email.error_message,
        email.key_id,
        email.asides,
        _open_count(email),
        _live(email),
    )


def queue_of(email: Email) -> int:
    """The queue it stands in: its account's if it is pinned, else that of all accounts."""
    if not email.pinned:
        return 0
    assert email.account_id is not None
    return email.account_id


def _open_count(email: Email) -> int:
    return [recipient.status for recipient in email.recipients].count(RecipientStatus.OPEN)


def _live(email: Email) -> int:
    return int(email.status not in TERMINAL)


def _as_it_is(value: Any) -> Any:
    return value


# How what a transition may change is written; the rest is fixed at acceptance.
_CHANGING: Final[Mapping[str, Any]] = {
    "status": value_of,
    "phase": value_of,
    "priority": _as_it_is,
    "account_id": _as_it_is,
    "attempt_no": _as_it_is,
    "claim_count": _as_it_is,
    "retry_count": _as_it_is,
    "unknown_count": _as_it_is,
    "instance": _as_it_is,
    "at_most_once": int,
    "possibly_delivered": int,
    "smtputf8": int,
    "eligible_at": micros,
    "expires_at": micros,
    "updated_at": micros,
    "sent_at": micros_or_none,
    "reason_code": _as_it_is,
    "error_message": _as_it_is,
    "asides": _as_it_is,
}


def email_changes(email: Email, was: Email) -> dict[str, Any]:
    """The columns in which *email* differs from *was*, with their new values."""
    before = was.__dict__
    changes = {
        name: _CHANGING[name](new)
        for name, new in email.__dict__.items()
        if new is not (old := before[name]) and name in _CHANGING and new != old
    }
    if "instance" in changes:
        changes["owner"] = changes.pop("instance")
    if (ended := email.status in TERMINAL) is not (was.status in TERMINAL):
        changes["live"] = int(not ended)
    if email.recipients is not was.recipients and (count := _open_count(email)) != _open_count(was):
        changes["open_count"] = count
    moved = email.pinned is not was.pinned or "account_id" in changes
    if moved and (queue := queue_of(email)) != queue_of(was):
        changes["queue"] = queue
    return changes


SUMMARY_COLUMNS: Final = (
    "id",
    "subject",
    "status",
    "priority",
    "retry_count",
    "account_id",
    "created_at",
    "reason_code",
    "eligible_at",
    "attempt_no",
    "queue",
    "open_count",
)


def summary_of(
    row: Row,
    addresses: Sequence[str],
    tags: Sequence[str],
    *,
    recipient_count: int = 0,
    not_reached: int = 0,
) -> EmailSummary:
    """One row of a list, from SUMMARY_COLUMNS, the addresses of the To line and the tags."""
    return EmailSummary(
        id=row[0],
        subject=row[1],
        status=_STATUS[row[2]],
        priority=row[3],
        retry_count=row[4],
        account_id=row[5],
        created_at=moment(row[6]),
        reason_code=row[7],
        eligible_at=moment(row[8]),
        attempt_no=row[9],
        pinned=row[10] > 0,
        open_count=row[11],
        recipients=tuple(map(_address, addresses)),
        tags=tuple(tags),
        recipient_count=recipient_count,
        not_reached=not_reached,
    )


# -- recipients ---------------------------------------------------------------------------------

RECIPIENT_COLUMNS: Final = (
    "email_id",
    "address",
    "kind",
    "fate",
    "reason",
    "reply_code",
    "reply_enhanced",
    "reply_text",
)


def new_recipient(email_id: int, position: int, recipient: Recipient) -> Row:
    """email_id, position, address, kind, then `recipient_outcome`."""
    address, field = str(recipient.address), str(recipient.field)
    return (email_id, position, address, field, *recipient_outcome(recipient))


def recipient_outcome(recipient: Recipient) -> Row:
    """fate, reason, reply_code, reply_enhanced, reply_text: what may change."""
    return (str(recipient.status), recipient.reason, *reply_row(recipient.reply))


def _recipient_of(row: Row) -> Recipient:
    recipient = _new(Recipient)
    _set_address(recipient, _address(row[1]))
    _set_field(recipient, _FIELD[row[2]])
    _set_status(recipient, _RECIPIENT_STATUS[row[3]])
    _set_reason(recipient, row[4])
    _set_reply(recipient, None if row[5] is None else reply_of(row[5], row[6], row[7]))
    return recipient


def _address(text: str) -> Address:
    local, _, domain = text.rpartition("@")
    address = _new(Address)
    _set_local(address, local)
    _set_domain(address, domain)
    return address

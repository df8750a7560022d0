"""Pages of emails for people, newest first."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import peewee

from adapters.peewee_store import rows
from adapters.peewee_store.queries import Prepared, given, literal
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import EmailRow
from domain.email.listing import EmailSummary, FailedEmail, Page
from domain.email.recipient import NOT_REACHED
from domain.email.status import Status

# by their own names: a plan of the database names what it reads
_EMAIL: Final = EmailRow.alias("email")
_HELD: Final = EmailRow.alias("email")
_STATUS: Final = rows.SUMMARY_COLUMNS.index("status")
_SENDING: Final = _EMAIL.status == literal("sending")
_ROWS: Final = _EMAIL.select(*[getattr(_EMAIL, name) for name in rows.SUMMARY_COLUMNS]).order_by(
    _EMAIL.id.desc()
)
_TO: Final = (
    "SELECT email_id, address FROM recipient WHERE email_id {among} AND kind = 'to'"
    " ORDER BY email_id, position"
)
_TAGS: Final = (
    "SELECT email_id, tag FROM email_tag WHERE email_id {among} ORDER BY email_id, position"
)
_MISSED: Final = ", ".join(f"'{status}'" for status in sorted(NOT_REACHED))
_COUNTS: Final = (
    f"SELECT email_id, COUNT(*), SUM(CASE WHEN fate IN ({_MISSED}) THEN 1 ELSE 0 END)"  # noqa: S608 - constants
    " FROM recipient WHERE email_id {among} GROUP BY email_id"
)
FAILED: Final = (
    "SELECT id, account_id, reason_code, updated_at FROM email"
    " WHERE live = 0 AND content_purged_at IS NULL AND status = 'failed' AND updated_at >= ?"
    " ORDER BY updated_at DESC, id DESC LIMIT ?"
)
_CONDITIONS: Final[Mapping[str, Any]] = {
    # what is sending is few and has an index of its own; the other one has nothing of it
    "sending": _SENDING
    & _EMAIL.id.in_(_HELD.select(_HELD.id).where(_HELD.status == literal("sending"))),
    "resting": (_EMAIL.status == given("resting")) & (_EMAIL.status != literal("sending")),
    "account_id": _EMAIL.account_id == given("account_id"),
    "key_id": _EMAIL.key_id == given("key_id"),
    "before": _EMAIL.id < given("before"),
}


def page(
    session: Session,
    *,
    status: Status | None,
    account_id: int | None,
    key_id: int | None,
    among: Collection[int] | None,
    before: int | None,
    limit: int,
) -> Page:
    """Along the index of the status, of the account, of the key, or of the ids."""
    name = None if status is None else status.value
    values = {
        "sending" if status is Status.SENDING else "resting": name,
        "account_id": account_id,
        "key_id": key_id,
        "before": before,
    }
    asked = {name: value for name, value in values.items() if value is not None}
    listed = None if among is None else _numbered(among)
    query = _query(tuple(asked), None if listed is None else len(listed))
    found = query(session.execute, limit=limit + 1, **asked, **(listed or {})).fetchall()
    shown = summaries(session, found[:limit])
    more = len(found) > limit and shown
    return Page(shown, next_before=shown[-1].id if more else None)


def summaries(session: Session, found: Sequence[rows.Row]) -> tuple[EmailSummary, ...]:
    """What a list shows of rows of SUMMARY_COLUMNS: three more queries for all of them."""
    if not found:
        return ()
    among, ids = session.among([row[0] for row in found])
    of: dict[int, tuple[list[str], list[str]]] = {row[0]: ([], []) for row in found}
    for place, query in enumerate((_TO, _TAGS)):
        for email_id, text in session.execute(query.format(among=among), ids).fetchall():
            of[email_id][place].append(text)
    counts = _counts(session, [row[0] for row in found if row[_STATUS] == Status.SENT.value])
    return tuple(
        [
            rows.summary_of(row, *of[row[0]], recipient_count=count, not_reached=missed)
            for row in found
            for count, missed in [counts.get(row[0], (0, 0))]
        ]
    )


def _counts(session: Session, ids: Sequence[int]) -> Mapping[int, tuple[int, int]]:
    """How many recipients these emails have, and how many of them were not reached."""
    if not ids:
        return {}
    among, listed = session.among(ids)
    counted = session.execute(_COUNTS.format(among=among), listed).fetchall()
    return {email_id: (count, int(missed)) for email_id, count, missed in counted}


def failed(session: Session, *, since: datetime, limit: int) -> Sequence[FailedEmail]:
    """The last first, along the index that retention goes by."""
    found = session.execute(FAILED, (rows.micros(since), limit)).fetchall()
    return [
        FailedEmail(id=email_id, account_id=account_id, reason=reason, at=rows.moment(at))
        for email_id, account_id, reason, at in found
    ]


def _numbered(ids: Collection[int]) -> dict[str, int]:
    return {f"id{place}": account_id for place, account_id in enumerate(sorted(ids))}


@lru_cache(maxsize=64)
def _query(asked: tuple[str, ...], among: int | None) -> Prepared:
    """The query with these conditions, and with so many accounts to choose from."""
    conditions = [_CONDITIONS[name] for name in asked]
    if among is not None:
        places = [given(f"id{place}") for place in range(among)]
        conditions.append(_EMAIL.account_id.in_(places) if places else peewee.SQL("1 = 0"))
    query = _ROWS.where(*conditions) if conditions else _ROWS.clone()
    return Prepared(query.limit(given("limit")))

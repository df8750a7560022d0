"""The events' repository. Hot where it writes.

SQL text: an event is one more row for each email that ends, and it goes through the write buffer
with the group's others; a page has a text for each combination of conditions.

In PostgreSQL ids are not in the order of the commits: one that was given out first may be committed
last, and a reader behind the other would never see it. So a row knows its transaction, and only
rows of those are read before which none is still running. SQLite has one writer at a time.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from json.encoder import encode_basestring as quoted
from typing import Any, Final

import attrs

from adapters.peewee_store.rows import Row, micros, micros_or_none, moment, moment_or_none
from adapters.peewee_store.session import Session, marks
from adapters.peewee_store.tables import EventRow
from adapters.peewee_store.write_buffer import insertion
from domain.account.limits import Window
from domain.bounce.report import BounceKind
from domain.email.lifecycle import Email
from domain.email.recipient import RecipientStatus
from domain.email.status import Status
from domain.event.event import (
    EVERY_EVENT,
    AccountFacts,
    EmailEvent,
    EmailFacts,
    EventFilter,
    EventPage,
    OtherEvent,
    OtherFacts,
    Position,
    QueueFacts,
    StoredEvent,
    SuppressionFacts,
    ToldBounce,
    ToldRecipient,
    WebhookFacts,
    facts_of,
    told_reply,
)
from domain.event.types import EventType
from domain.suppression import SuppressionReason

# A page with a filter looks at so many events at most.
WINDOW: Final = 5000

# Looked up here in a quarter of the time that the enumerations take.
_TYPES: Final[dict[str, EventType]] = {one.value: one for one in EventType}
_STATUSES: Final[dict[str, Status]] = {one.value: one for one in Status}
_RECIPIENTS: Final[dict[str, RecipientStatus]] = {one.value: one for one in RecipientStatus}

# All of it identifies the row in the buffer: many events of one kind may be told in a group.
_NEW: Final = ("email_id", "type", "account_id", "key_id", "at", "data")
_TELL: Final = insertion(EventRow, _NEW, key=len(_NEW))
_WITHOUT_BOUNCE: Final = 4  # fields of a recipient
_MICROSECOND: Final = timedelta(microseconds=1)

_COLUMNS: Final = "tx, id, type, at, email_id, account_id, key_id, data"
_PLACE: Final = "SELECT tx FROM event WHERE id = ?"
# The words of before PostgreSQL 13, which newer ones know: they give numbers of eight octets too.
_KNOWN: Final = "SELECT ?::bigint < txid_snapshot_xmax(txid_current_snapshot())"
_PRUNE: Final = (
    "DELETE FROM event WHERE id IN"
    " (SELECT id FROM (SELECT id, at FROM event ORDER BY id LIMIT ?) AS oldest WHERE at < ?)"
)


@attrs.frozen
class _Order:
    """How one database orders its events: a page's conditions and its order."""

    behind: str
    up_to: str
    by: str
    back: str
    values: Callable[[Position], list[int]]  # the parameters of `behind` and `up_to`


_BY_TRANSACTION: Final = _Order(
    behind="(tx, id) > (?, ?) AND tx < txid_snapshot_xmin(txid_current_snapshot())",
    up_to="(tx, id) <= (?, ?)",
    by="tx, id",
    back="tx DESC, id DESC",
    values=lambda position: [position.commit, position.id],
)
_COMMITTED: Final = attrs.evolve(_BY_TRANSACTION, behind="(tx, id) > (?, ?)")  # shown yet or not
_BY_ID: Final = _Order(
    behind="id > ?",
    up_to="id <= ?",
    by="id",
    back="id DESC",
    values=lambda position: [position.id],
)


class SqlEvents:
    """The EventLog port; types that are not *kept* are left out."""

    def __init__(self, session: Session, kept: Collection[EventType]) -> None:
        self._session = session
        self._kept = kept
        self._order = _BY_TRANSACTION if session.shared else _BY_ID

    # -- written ------------------------------------------------------------------------------

    def tell_email(self, event_type: EventType, email: Email) -> None:
        """Buffer one row."""
        if event_type not in self._kept:
            return
        self._session.buffer(
            _TELL,
            (
                email.id,
                event_type._value_,
                email.account_id,
                email.key_id,
                micros(email.updated_at),
                _email_text(email),
            ),
        )

    def tell_reported(self, event: EmailEvent) -> None:
        """Buffer one row."""
        if event.type not in self._kept:
            return
        text = _facts_text(event.facts)
        row = (event.email_id, event.type.value, event.account_id, event.key_id, micros(event.at))
        self._session.buffer(_TELL, (*row, text))

    def tell(self, event: OtherEvent) -> None:
        """Buffer one row."""
        if event.type not in self._kept:
            return
        text = _json(_fields(event.facts))
        row = (None, event.type.value, event.account_id, None, micros(event.at), text)
        self._session.buffer(_TELL, row)

    # -- read ---------------------------------------------------------------------------------

    def page(self, after: Position, asked: EventFilter = EVERY_EVENT, *, limit: int) -> EventPage:
        """Along the primary key, or along the index of the emails.

        With another filter the end of a window is looked up first.
        """
        return self._page(self._order, after, asked, limit=limit)

    def oldest_behind(self, after: Position, asked: EventFilter = EVERY_EVENT) -> datetime | None:
        """The first of a page that waits for no other transaction."""
        order = _COMMITTED if self._session.shared else _BY_ID
        found = self._page(order, after, asked, limit=1).events
        return found[0].at if found else None

    def _page(self, order: _Order, after: Position, asked: EventFilter, *, limit: int) -> EventPage:
        behind = self._here(after)
        conditions, values = _conditions(asked)
        end = None
        if conditions and asked.email_id is None:
            end = self._end_of_window(order, behind)
            if end is not None:
                conditions.append(order.up_to)
                values += order.values(end)
        where = " AND ".join([order.behind, *conditions])
        rows = self._session.execute(
            f"SELECT {_COLUMNS} FROM event WHERE {where} ORDER BY {order.by} LIMIT ?",
            (*order.values(behind), *values, limit),
        ).fetchall()
        events = _events(rows)
        if len(events) < limit and end is not None:
            return EventPage(events, end)
        return EventPage(events, events[-1].position if events else behind)

    def _end_of_window(self, order: _Order, behind: Position) -> Position | None:
        """The last of the next events, at most WINDOW; None if there are none."""
        row = self._session.execute(
            "SELECT tx, id FROM (SELECT tx, id FROM event"
            f" WHERE {order.behind} ORDER BY {order.by} LIMIT ?) AS walked"
            f" ORDER BY {order.back} LIMIT 1",
            (*order.values(behind), WINDOW),
        ).fetchone()
        return None if row is None else Position(*row)

    def _here(self, after: Position) -> Position:
        """The position in this database: rows get another transaction where they are copied to."""
        if not after.id:
            return after
        row = self._session.execute(_PLACE, (after.id,)).fetchone()
        if row is not None:
            return Position(row[0], after.id)
        if not self._session.shared:
            return Position(0, after.id)
        (known,) = self._session.execute(_KNOWN, (after.commit,)).fetchone()
        # removed since; of another server's transaction nothing is known: all is given again
        return after if known else Position(0, 0)

    def end(self) -> Position:
        """The last one of those that a page shows."""
        order = self._order
        row = self._session.execute(
            f"SELECT tx, id FROM event WHERE {order.behind} ORDER BY {order.back} LIMIT 1",
            order.values(Position(0, 0)),
        ).fetchone()
        return Position(0, 0) if row is None else Position(*row)

    def of_ids(self, event_ids: Collection[int]) -> Sequence[StoredEvent]:
        """By the primary key."""
        if not event_ids:
            return []
        condition, values = self._session.among(sorted(event_ids))
        rows = self._session.execute(
            f"SELECT {_COLUMNS} FROM event WHERE id {condition} ORDER BY id", values
        ).fetchall()
        return _events(rows)

    def between(
        self, first: int, last: int, asked: EventFilter = EVERY_EVENT
    ) -> Sequence[StoredEvent]:
        """Along the primary key; an index of another column would be the longer way."""
        conditions, values = _conditions(asked)
        where = " AND ".join(["id BETWEEN ? AND ?", *conditions])
        rows = self._session.execute(
            f"SELECT {_COLUMNS} FROM event WHERE {where} ORDER BY id", (first, last, *values)
        ).fetchall()
        return _events(rows)

    def prune(self, *, before: datetime, limit: int) -> int:
        """From the beginning of the primary key: there the oldest stand."""
        return self._session.execute(_PRUNE, (limit, micros(before))).rowcount


def _conditions(asked: EventFilter) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    if asked.email_id is not None:
        conditions.append("email_id = ?")
        values.append(asked.email_id)
    if asked.key_id is not None:
        conditions.append("key_id = ?")
        values.append(asked.key_id)
    if asked.accounts is not None:
        conditions.append(_among("account_id", asked.accounts))
        values += sorted(asked.accounts)
    if asked.types is not None:
        conditions.append(_among("type", asked.types))
        values += sorted(asked.types)
    return conditions, values


def _among(column: str, values: Collection[object]) -> str:
    return f"{column} IN ({marks(len(values))})" if values else "1 = 0"


# -- rows ------------------------------------------------------------------------------------------


def _email_text(email: Email) -> str:
    """What `facts_of` says of it, as JSON. Written at once for one recipient, as most have."""
    if len(email.recipients) != 1:
        return _facts_text(facts_of(email))
    (one,) = email.recipients
    return (
        f'{{"status":"{email.status._value_}","reason":{_quoted(email.reason_code)}'
        f',"attempt":{email.attempt_no},"message_id":{quoted(email.message_id)}'
        f',"recipients":[[{quoted(str(one.address))},"{one.status._value_}"'
        f',{_quoted(one.reason)},{_quoted(told_reply(one.reply))}]],"left_out":0}}'
    )


def _quoted(text: str | None) -> str:
    return "null" if text is None else quoted(text)


def _facts_text(facts: EmailFacts) -> str:
    return _json(
        {
            "status": facts.status.value,
            "reason": facts.reason_code,
            "attempt": facts.attempt,
            "message_id": facts.message_id,
            "recipients": [
                (one.address, one.status.value, one.reason, one.reply, *_bounce_fields(one.bounce))
                for one in facts.recipients
            ],
            "left_out": facts.left_out,
        }
    )


def _bounce_fields(bounce: ToldBounce | None) -> tuple[str | None, ...]:
    return () if bounce is None else (bounce.kind.value, bounce.status, bounce.text)


def _fields(facts: OtherFacts) -> dict[str, Any]:
    """What is stored of an event that is not of an email."""
    if isinstance(facts, SuppressionFacts):
        return {
            "address": facts.address,
            "scope": facts.scope,
            "reason": facts.reason.value,
            "email_id": facts.email_id,
            "expires_at": micros_or_none(facts.expires_at),
        }
    if isinstance(facts, QueueFacts):
        return {
            "waiting": facts.waiting,
            "before": facts.before,
            "since": micros(facts.since),
            "oldest": facts.oldest // _MICROSECOND,
        }
    if isinstance(facts, WebhookFacts):
        return attrs.asdict(facts)
    return {
        "name": facts.name,
        "reason": facts.reason,
        "text": facts.text,
        "until": micros_or_none(facts.until),
        "window": None if facts.window is None else facts.window.value,
        "least": facts.least,
        "most": facts.most,
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _events(rows: Sequence[Row]) -> list[StoredEvent]:
    """All of them; their texts are read as one, which takes a quarter less time."""
    objects = json.loads(f"[{','.join([row[7] for row in rows])}]")
    return [
        StoredEvent(
            position=Position(commit, event_id),
            type=_TYPES[event_type],
            at=moment(at),
            email_id=email_id,
            account_id=account_id,
            key_id=key_id,
            facts=_FACTS.get(event_type, _account_facts)(fields)
            if email_id is None
            else _email_facts(fields),
        )
        for (commit, event_id, event_type, at, email_id, account_id, key_id, _), fields in zip(
            rows, objects, strict=True
        )
    ]


def _email_facts(fields: dict[str, Any]) -> EmailFacts:
    """Of the object; what a newer version may have added to it is left out."""
    return EmailFacts(
        status=_STATUSES[fields["status"]],
        reason_code=fields["reason"],
        attempt=fields["attempt"],
        message_id=fields["message_id"],
        recipients=tuple([_recipient(row) for row in fields["recipients"]]),
        left_out=fields["left_out"],
    )


def _recipient(row: Sequence[Any]) -> ToldRecipient:
    bounce = None if len(row) == _WITHOUT_BOUNCE else ToldBounce(BounceKind(row[4]), *row[5:])
    return ToldRecipient(row[0], _RECIPIENTS[row[1]], row[2], row[3], bounce)


def _account_facts(fields: dict[str, Any]) -> AccountFacts:
    window = fields["window"]
    return AccountFacts(
        name=fields["name"],
        reason=fields["reason"],
        text=fields["text"],
        until=moment_or_none(fields["until"]),
        window=None if window is None else Window(window),
        least=fields["least"],
        most=fields["most"],
    )


def _suppression_facts(fields: dict[str, Any]) -> SuppressionFacts:
    return SuppressionFacts(
        address=fields["address"],
        scope=fields["scope"],
        reason=SuppressionReason(fields["reason"]),
        email_id=fields["email_id"],
        expires_at=moment_or_none(fields["expires_at"]),
    )


def _queue_facts(fields: dict[str, Any]) -> QueueFacts:
    return QueueFacts(
        waiting=fields["waiting"],
        before=fields["before"],
        since=moment(fields["since"]),
        oldest=fields["oldest"] * _MICROSECOND,
    )


# by the type of an event that is not of an email; all others are of accounts
def _webhook_facts(fields: dict[str, Any]) -> WebhookFacts:
    return WebhookFacts(
        webhook_id=fields["webhook_id"], host=fields["host"], reason=fields["reason"]
    )


_FACTS: Final[dict[str, Callable[[dict[str, Any]], OtherFacts]]] = {
    EventType.EMAIL_UNSUBSCRIBED: _suppression_facts,
    EventType.SUPPRESSION_CREATED: _suppression_facts,
    EventType.SUPPRESSION_DELETED: _suppression_facts,
    EventType.QUEUE_GROWING: _queue_facts,
    EventType.WEBHOOK_DISABLED: _webhook_facts,
}

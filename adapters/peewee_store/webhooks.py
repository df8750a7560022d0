"""The repositories of webhooks and leases.

SQL text where a statement is run for each group of calls, or locks, or replaces a row.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import Row, micros, micros_or_none, moment, moment_or_none
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import WebhookAttemptRow, WebhookRow
from domain.event.event import Position
from domain.webhook.delivery import Delivery, Outcome, WebhookAttempt
from domain.webhook.webhook import DisabledReason, Webhook, no_webhook

_SAVED: Final = (
    *("url", "types", "accounts", "sealed_secret", "sealed_old", "old_until"),
    *("disabled", "disabled_at", "failing_since", "updated_at"),
)
_COLUMNS: Final = (*_SAVED, "position_commit", "position_id", "created_at")
_ROWS: Final = WebhookRow.select(*fields(WebhookRow, ("id", *_COLUMNS)))
_ADD: Final = Prepared(WebhookRow.insert(all_given(WebhookRow, _COLUMNS)).returning(WebhookRow.id))
_ALL: Final = Prepared(_ROWS.order_by(WebhookRow.id))
_GET: Final = Prepared(_ROWS.where(WebhookRow.id == given("id")))
_SAVE: Final = Prepared(
    WebhookRow.update(all_given(WebhookRow, _SAVED)).where(WebhookRow.id == given("id"))
)
_REMOVE: Final = Prepared(WebhookRow.delete().where(WebhookRow.id == given("id")))
_ADVANCE: Final = (
    "UPDATE webhook SET position_commit = ?, position_id = ?"
    " WHERE id = ? AND position_commit = ? AND position_id = ?"
)
_PUT_DELIVERY: Final = (
    "INSERT INTO webhook_delivery (webhook_id, event_id, tries, next_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (webhook_id, event_id)"
    " DO UPDATE SET tries = excluded.tries, next_at = excluded.next_at"
)
_DROP_DELIVERY: Final = "DELETE FROM webhook_delivery WHERE webhook_id = ? AND event_id = ?"
_DUE: Final = (
    "SELECT webhook_id, event_id, tries, next_at FROM webhook_delivery"
    " WHERE webhook_id = ? AND next_at <= ? ORDER BY next_at, event_id LIMIT ?"
)
_WAITING: Final = "SELECT COUNT(*) FROM webhook_delivery WHERE webhook_id = ?"
_HASTEN: Final = "UPDATE webhook_delivery SET next_at = ? WHERE webhook_id = ? AND next_at > ?"
_ATTEMPT: Final = ("webhook_id", "event_id", "number", "at", "duration", "status", "problem")
_ADD_ATTEMPTS: Final = f"INSERT INTO webhook_attempt ({', '.join(_ATTEMPT)})"
_PRUNE: Final = (
    "DELETE FROM webhook_attempt WHERE webhook_id = ? AND id <="
    " (SELECT id FROM webhook_attempt WHERE webhook_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?)"
)
_ATTEMPTS: Final = Prepared(
    WebhookAttemptRow.select(*fields(WebhookAttemptRow, ("id", *_ATTEMPT)))
    .where(
        WebhookAttemptRow.webhook_id == given("webhook_id"),
        WebhookAttemptRow.id < given("before"),
    )
    .order_by(WebhookAttemptRow.id.desc())
    .limit(given("limit"))
)
_LAST_ID: Final = 2**63 - 1
_MICROSECOND: Final = timedelta(microseconds=1)
_TAKE: Final = (
    "INSERT INTO lease (name, holder, until) VALUES (?, ?, ?) ON CONFLICT (name)"
    " DO UPDATE SET holder = excluded.holder, until = excluded.until"
    " WHERE lease.holder = excluded.holder OR lease.until <= ? OR lease.until > excluded.until"
)
_RELEASE: Final = "DELETE FROM lease WHERE name = ? AND holder = ?"


class SqlWebhooks:
    """The WebhookRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, webhook: Webhook) -> Webhook:
        """One row."""
        found = _ADD(self._session.execute, **_row(webhook)).fetchone()
        return attrs.evolve(webhook, id=found[0])

    def get(self, webhook_id: int) -> Webhook:
        """By the primary key."""
        return _found(_GET(self._session.execute, id=webhook_id).fetchone(), webhook_id)

    def lock(self, webhook_id: int) -> Webhook:
        """By the primary key."""
        found = self._session.lock(_GET.sql, "webhook", webhook_id).fetchone()
        return _found(found, webhook_id)

    def all(self) -> Sequence[Webhook]:
        """A handful."""
        return [_webhook(row) for row in _ALL(self._session.execute)]

    def save(self, webhook: Webhook) -> None:
        """One row, but for its position."""
        row = _row(webhook)
        saved = {name: row[name] for name in _SAVED}
        if _SAVE(self._session.execute, id=webhook.id, **saved).rowcount != 1:
            raise no_webhook(webhook.id)

    def advance(self, webhook_id: int, *, was: Position, to: Position) -> bool:
        """One row, if it is as it was."""
        values = (to.commit, to.id, webhook_id, was.commit, was.id)
        return self._session.execute(_ADVANCE, values).rowcount == 1

    def remove(self, webhook_id: int) -> None:
        """The rest falls with it."""
        if _REMOVE(self._session.execute, id=webhook_id).rowcount != 1:
            raise no_webhook(webhook_id)

    def put_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """One statement each: there are few."""
        for one in deliveries:
            values = (one.webhook_id, one.event_id, one.tries, micros(one.next_at))
            self._session.execute(_PUT_DELIVERY, values)

    def drop_deliveries(self, webhook_id: int, event_ids: Collection[int]) -> None:
        """One statement each: there are few."""
        for event_id in event_ids:
            self._session.execute(_DROP_DELIVERY, (webhook_id, event_id))

    def due(self, webhook_id: int, *, now: datetime, limit: int) -> Sequence[Delivery]:
        """Along the index of the times."""
        rows = self._session.execute(_DUE, (webhook_id, micros(now), limit)).fetchall()
        return [
            Delivery(webhook_id=row[0], event_id=row[1], tries=row[2], next_at=moment(row[3]))
            for row in rows
        ]

    def waiting(self, webhook_id: int) -> int:
        """Along an index."""
        (number,) = self._session.execute(_WAITING, (webhook_id,)).fetchone()
        return int(number)

    def hasten(self, webhook_id: int, *, now: datetime) -> None:
        """One statement."""
        self._session.execute(_HASTEN, (micros(now), webhook_id, micros(now)))

    def add_attempts(self, attempts: Iterable[WebhookAttempt], *, keep: int) -> None:
        """One insertion, and a deletion for each webhook."""
        rows = [_attempt_row(attempt) for attempt in attempts]
        if not rows:
            return
        self._session.insert(_ADD_ATTEMPTS, rows)
        for webhook_id in sorted({row[0] for row in rows}):
            self._session.execute(_PRUNE, (webhook_id, webhook_id, keep))

    def attempts(
        self, webhook_id: int, *, before: int | None = None, limit: int
    ) -> Sequence[WebhookAttempt]:
        """Back along the index."""
        rows = _ATTEMPTS(
            self._session.execute,
            webhook_id=webhook_id,
            before=_LAST_ID if before is None else before,
            limit=limit,
        )
        return [_attempt(row) for row in rows]


class SqlLeases:
    """The LeaseRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self, name: str, holder: str, *, now: datetime, until: datetime) -> bool:
        """One statement."""
        values = (name, holder, micros(until), micros(now))
        return self._session.execute(_TAKE, values).rowcount == 1

    def release(self, name: str, holder: str) -> None:
        """One statement."""
        self._session.execute(_RELEASE, (name, holder))


def _found(row: Row | None, webhook_id: int) -> Webhook:
    if row is None:
        raise no_webhook(webhook_id)
    return _webhook(row)


def _row(webhook: Webhook) -> dict[str, Any]:
    accounts = webhook.accounts
    return {
        "url": webhook.url,
        "types": json.dumps(sorted(webhook.types)),
        "accounts": None if accounts is None else json.dumps(sorted(accounts)),
        "sealed_secret": webhook.sealed_secret,
        "sealed_old": webhook.sealed_old,
        "old_until": micros_or_none(webhook.old_until),
        "disabled": None if webhook.disabled is None else webhook.disabled.value,
        "disabled_at": micros_or_none(webhook.disabled_at),
        "failing_since": micros_or_none(webhook.failing_since),
        "position_commit": webhook.position.commit,
        "position_id": webhook.position.id,
        "created_at": micros(webhook.created_at),
        "updated_at": micros(webhook.updated_at),
    }


def _webhook(row: Row) -> Webhook:
    return Webhook(
        id=row[0],
        url=row[1],
        types=frozenset(json.loads(row[2])),
        accounts=None if row[3] is None else frozenset(json.loads(row[3])),
        sealed_secret=bytes(row[4]),
        sealed_old=None if row[5] is None else bytes(row[5]),
        old_until=moment_or_none(row[6]),
        disabled=None if row[7] is None else DisabledReason(row[7]),
        disabled_at=moment_or_none(row[8]),
        failing_since=moment_or_none(row[9]),
        updated_at=moment(row[10]),
        position=Position(row[11], row[12]),
        created_at=moment(row[13]),
    )


def _attempt_row(attempt: WebhookAttempt) -> Row:
    return (
        attempt.webhook_id,
        attempt.event_id,
        attempt.number,
        micros(attempt.at),
        attempt.duration // _MICROSECOND,
        attempt.outcome.status,
        attempt.outcome.problem,
    )


def _attempt(row: Row) -> WebhookAttempt:
    return WebhookAttempt(
        id=row[0],
        webhook_id=row[1],
        event_id=row[2],
        number=row[3],
        at=moment(row[4]),
        duration=row[5] * _MICROSECOND,
        outcome=Outcome(status=row[6], problem=row[7]),
    )

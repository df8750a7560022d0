"""Rows to domain values and back: accounts, attempts and remembered answers."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import attrs

from adapters.peewee_store.rows import (
    Row,
    micros,
    micros_or_none,
    moment,
    moment_or_none,
    reply_of,
    reply_row,
    value_of,
)
from domain.access import IdempotencyRecord
from domain.account.account import Account, AuthMechanism, OnUnknown, Security, Transport
from domain.account.congestion import Breaker, Concurrency, Pace
from domain.account.health import Health, LearnedLimit, Pause
from domain.account.limits import Limits, LimitUnit, Window
from domain.account.oauth import Flow, OAuthClient, OAuthProvider
from domain.account.suspicion import Suspicion, Witness
from domain.address import Address
from domain.email.attempt import Attempt
from domain.outcome.handoff import Stage
from domain.outcome.verdict import Result

_MICROSECOND: Final = timedelta(microseconds=1)

# -- attempts -----------------------------------------------------------------------------------

ATTEMPT_COLUMNS: Final = (
    "email_id",
    "attempt_no",
    "account_id",
    "account_name",
    "owner",
    "started_at",
    "ended_at",
    "duration",
    "stage",
    "reply_code",
    "reply_enhanced",
    "reply_text",
    "result",
    "reason",
    "text",
)
ATTEMPT_END: Final = ATTEMPT_COLUMNS[6:]
# without its end: SQLite's driver takes a quarter of a microsecond for each None
NEW_ATTEMPT: Final = (*ATTEMPT_COLUMNS[:6], "text")


def new_attempt(attempt: Attempt) -> Row:
    """The row of NEW_ATTEMPT."""
    return (
        attempt.email_id,
        attempt.attempt_no,
        attempt.account_id,
        attempt.account_name,
        attempt.instance,
        micros(attempt.started_at),
        "",
    )


def attempt_end(attempt: Attempt) -> Row:
    """The row of ATTEMPT_END."""
    duration = attempt.duration
    return (
        micros_or_none(attempt.ended_at),
        None if duration is None else duration // _MICROSECOND,
        value_of(attempt.stage),
        *reply_row(attempt.reply),
        value_of(attempt.result),
        attempt.reason,
        attempt.text,
    )


def attempt_of(row: Row) -> Attempt:
    """The attempt of a row of ATTEMPT_COLUMNS."""
    return Attempt(
        email_id=row[0],
        attempt_no=row[1],
        account_id=row[2],
        account_name=row[3],
        instance=row[4],
        started_at=moment(row[5]),
        ended_at=moment_or_none(row[6]),
        duration=None if row[7] is None else row[7] * _MICROSECOND,
        stage=None if row[8] is None else Stage(row[8]),
        reply=reply_of(row[9], row[10], row[11]),
        result=None if row[12] is None else Result(row[12]),
        reason=row[13],
        text=row[14],
    )


# -- accounts -----------------------------------------------------------------------------------


ACCOUNT_COLUMNS: Final = (
    "id",
    "version",
    "name",
    "address",
    "display_name",
    "host",
    "port",
    "security",
    "username",
    "sealed_password",
    "auth_mechanism",
    "announce_next",
    "active",
    "daily",
    "hourly",
    "minute",
    "unit",
    "max_connections",
    "priority_reserve",
    "on_unknown",
    "health",
    "created_at",
    "updated_at",
    "aliases",
    "oauth",
    "transport",
    "ses_headers",
    "allowed_octets",
    "last_sent_at",
)


def new_account(account: Account) -> dict[str, Any]:
    """All columns of an account but its id."""
    limits = account.limits
    return {
        "version": account.version,
        "name": account.name,
        "address": str(account.address),
        "display_name": account.display_name,
        "host": account.host,
        "port": account.port,
        "security": account.security.value,
        "username": account.username,
        "sealed_password": account.sealed_password,
        "auth_mechanism": value_of(account.auth_mechanism),
        "announce_next": int(account.announce_next),
        "active": int(account.active),
        "daily": limits.daily,
        "hourly": limits.hourly,
        "minute": limits.minute,
        "unit": limits.unit.value,
        "max_connections": limits.max_connections,
        "priority_reserve": limits.priority_reserve,
        "on_unknown": value_of(account.on_unknown),
        "health": health_text(account.health),
        "created_at": micros(account.created_at),
        "updated_at": micros(account.updated_at),
        "aliases": json.dumps(list(map(str, account.aliases)), ensure_ascii=False),
        "oauth": _oauth_text(account.oauth),
        "transport": account.transport.value,
        "ses_headers": int(account.ses_headers),
        "allowed_octets": account.allowed_octets,
        "last_sent_at": micros_or_none(account.last_sent_at),
    }


@lru_cache(maxsize=1024)  # each call reads all of them, and they hardly ever change
def account_of(row: Row) -> Account:
    """The account of a row of ACCOUNT_COLUMNS; before the last one stands whether it signs."""
    return Account(
        id=row[0],
        version=row[1],
        name=row[2],
        address=_address_of(row[3]),
        display_name=row[4],
        host=row[5],
        port=row[6],
        security=Security(row[7]),
        username=row[8],
        sealed_password=None if row[9] is None else bytes(row[9]),
        auth_mechanism=None if row[10] is None else AuthMechanism(row[10]),
        announce_next=bool(row[11]),
        active=bool(row[12]),
        limits=_limits_of(*row[13:19]),
        on_unknown=None if row[19] is None else OnUnknown(row[19]),
        health=_health_of(row[20]),
        created_at=moment(row[21]),
        updated_at=moment(row[22]),
        aliases=_aliases_of(row[23]),
        oauth=_oauth_of(row[24]),
        transport=Transport(row[25]),
        ses_headers=bool(row[26]),
        allowed_octets=row[27],
        signs=bool(row[28]),
        last_sent_at=moment_or_none(row[29]),
    )


def health_of(row: Row) -> Health:
    """The health alone, of a row of ACCOUNT_COLUMNS."""
    return _health_of(row[20])


def _oauth_text(client: OAuthClient | None) -> str:
    if client is None:
        return ""
    return json.dumps(attrs.asdict(client), ensure_ascii=False, sort_keys=True)


def _oauth_of(text: str) -> OAuthClient | None:
    if not text:
        return None
    fields = json.loads(text)
    provider, flow = OAuthProvider(fields.pop("provider")), Flow(fields.pop("flow"))
    return OAuthClient(provider=provider, flow=flow, **fields)


# Every claim reads all accounts, and what makes them up hardly ever changes.
_address_of: Final = lru_cache(maxsize=1024)(Address.parse)


@lru_cache(maxsize=1024)
def _aliases_of(text: str) -> tuple[Address, ...]:
    return tuple(map(Address.parse, json.loads(text)))


@lru_cache(maxsize=1024)
def _limits_of(
    daily: int | None,
    hourly: int | None,
    minute: int | None,
    unit: str,
    max_connections: int,
    priority_reserve: int,
) -> Limits:
    return Limits(
        daily=daily,
        hourly=hourly,
        minute=minute,
        unit=LimitUnit(unit),
        max_connections=max_connections,
        priority_reserve=priority_reserve,
    )


def health_text(health: Health) -> str:
    """Health as JSON; times in microseconds."""
    return json.dumps(
        {
            "pause": _pause_fields(health.pause),
            "failures": health.breaker.failures,
            "broken_until": micros_or_none(health.breaker.until),
            "window": health.concurrency.limit,
            "successes": health.concurrency.successes,
            "streaks": health.streaks,
            "probed_at": micros_or_none(health.probed_at),
            "last_reply": health.last_reply,
            **_newer_fields(health),
        }
    )


def _newer_fields(health: Health) -> Mapping[str, Any]:
    """The fields that the first version of this text did not have, without the empty ones."""
    fields = {
        "broken_at": micros_or_none(health.breaker.opened_at),
        "broken_reason": health.breaker.reason,
        "proven": health.breaker.proven,
        "suspicions": [
            {
                "kind": suspicion.kind,
                "independent": [
                    [witness.email_id, *witness.recipients] for witness in suspicion.independent
                ],
                "known": suspicion.known,
                "anonymous": suspicion.anonymous,
                "at": micros_or_none(suspicion.at),
            }
            for suspicion in health.suspicions
        ],
        "ceiling": health.concurrency.ceiling,
        "narrowed_at": micros_or_none(health.concurrency.narrowed_at),
        "pace": health.pace
        and [health.pace.per_minute, micros(health.pace.since), health.pace.before],
        "learned": [
            [limit.window, limit.least, limit.most, limit.times, micros(limit.at)]
            for limit in health.learned
        ],
        "max_octets": health.max_octets,
    }
    return {name: value for name, value in fields.items() if value}


def _pause_fields(pause: Pause | None) -> Mapping[str, Any] | None:
    if pause is None:
        return None
    return {
        "reason": pause.reason,
        "text": pause.text,
        "since": micros(pause.since),
        "until": micros_or_none(pause.until),
    }


@lru_cache(maxsize=1024)
def _health_of(text: str) -> Health:
    fields = json.loads(text)
    return Health(
        pause=_pause_of(fields["pause"]),
        breaker=Breaker(
            failures=fields["failures"],
            until=moment_or_none(fields["broken_until"]),
            opened_at=moment_or_none(fields.get("broken_at")),
            reason=fields.get("broken_reason", ""),
            proven=fields.get("proven", False),
        ),
        concurrency=Concurrency(
            limit=fields["window"],
            successes=fields["successes"],
            ceiling=fields.get("ceiling"),
            narrowed_at=moment_or_none(fields.get("narrowed_at")),
        ),
        streaks=tuple((name, count) for name, count in fields["streaks"]),
        probed_at=moment_or_none(fields["probed_at"]),
        last_reply=fields["last_reply"],
        suspicions=tuple(map(_suspicion_of, fields.get("suspicions", ()))),
        pace=_pace_of(fields.get("pace")),
        learned=tuple(
            LearnedLimit(window=Window(window), least=least, most=most, times=times, at=moment(at))
            for window, least, most, times, at in fields.get("learned", ())
        ),
        max_octets=fields.get("max_octets"),
    )


def _suspicion_of(fields: Mapping[str, Any]) -> Suspicion:
    return Suspicion(
        kind=fields["kind"],
        independent=tuple(
            Witness(email_id=email_id, recipients=tuple(recipients))
            for email_id, *recipients in fields["independent"]
        ),
        known=tuple(fields["known"]),
        anonymous=fields["anonymous"],
        at=moment_or_none(fields.get("at")),
    )


def _pace_of(fields: Sequence[Any] | None) -> Pace | None:
    if fields is None:
        return None
    per_minute, since, before = fields
    return Pace(per_minute=per_minute, since=moment(since), before=before)


def _pause_of(fields: Mapping[str, Any] | None) -> Pause | None:
    if fields is None:
        return None
    return Pause(
        reason=fields["reason"],
        text=fields["text"],
        since=moment(fields["since"]),
        until=moment_or_none(fields["until"]),
    )


# -- remembered answers -------------------------------------------------------------------------


RECORD_COLUMNS: Final = ("scope", "key", "digest", "email_ids", "created_at")


def new_record(record: IdempotencyRecord) -> Row:
    """The row of RECORD_COLUMNS."""
    emails, created_at = json.dumps(record.email_ids), micros(record.created_at)
    return (record.scope, record.key, record.digest, emails, created_at)


def record_of(row: Row) -> IdempotencyRecord:
    """The record of a row of RECORD_COLUMNS."""
    return IdempotencyRecord(
        scope=row[0],
        key=row[1],
        digest=row[2],
        email_ids=tuple(json.loads(row[3])),
        created_at=moment(row[4]),
    )

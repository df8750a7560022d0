"""A repeated call gets the answer of the first one."""

from datetime import datetime

import attrs

from application.ports.access import IdempotencyRepository
from domain.access import IdempotencyRecord
from domain.errors import IdempotencyMismatch


@attrs.frozen(kw_only=True)
class IdempotencyKey:
    """What makes two calls the same: the key, its *scope* (the caller) and the body's *digest*."""

    key: str
    scope: str
    digest: str


def remembered(
    records: IdempotencyRepository, idempotency: IdempotencyKey
) -> tuple[int, ...] | None:
    """The ids that the call got before; IdempotencyMismatch if it came with another body."""
    record = records.find(idempotency.key, scope=idempotency.scope)
    if record is None:
        return None
    if record.digest != idempotency.digest:
        raise IdempotencyMismatch("this idempotency key came with another body before")
    return record.email_ids


def record_of(
    idempotency: IdempotencyKey, email_ids: tuple[int, ...], *, now: datetime
) -> IdempotencyRecord:
    """What is kept of a call that was accepted."""
    return IdempotencyRecord(
        key=idempotency.key,
        scope=idempotency.scope,
        digest=idempotency.digest,
        email_ids=email_ids,
        created_at=now,
    )

"""Settings: what is removed when it is old."""

# ruff: noqa: RUF009 - `setting` is attrs.field with a rule; it shares no mutable default

from datetime import timedelta
from typing import ClassVar

import attrs

from domain.retention import RetentionPolicy
from entrypoints.settings import rules
from entrypoints.settings.declaration import setting

USUAL = RetentionPolicy()


@attrs.frozen(kw_only=True, slots=False)
class RetentionSettings:
    """How long what has ended is kept; None is for ever."""

    HEADING: ClassVar = "What is removed when it is old"

    retention_sent_content: timedelta | None = setting(
        "RETENTION_SENT_CONTENT",
        USUAL.sent,
        rules.age(),
        meaning="How long after it was sent an email keeps its message and its files.",
        written=rules.written_age,
    )
    retention_cancelled_content: timedelta | None = setting(
        "RETENTION_CANCELLED_CONTENT",
        USUAL.cancelled,
        rules.age(),
        meaning="The same for an email that was cancelled.",
        written=rules.written_age,
    )
    retention_failed_content: timedelta | None = setting(
        "RETENTION_FAILED_CONTENT",
        USUAL.failed,
        rules.age(),
        meaning=(
            "The same for an email that failed: for so long it can be retried. With an unknown"
            " outcome it keeps its message."
        ),
        written=rules.written_age,
    )
    retention_rows: timedelta | None = setting(
        "RETENTION_ROWS",
        USUAL.rows,
        rules.age(),
        meaning=(
            "How long after its end the service can tell what became of an email; then the email"
            " is removed, with its recipients and attempts. The audit goes after as long."
        ),
        written=rules.written_age,
    )

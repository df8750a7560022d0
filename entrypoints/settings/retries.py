"""Settings: retries."""

# ruff: noqa: RUF009 - `setting` is attrs.field with a rule; it shares no mutable default

from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final

import attrs

from domain.account.account import OnUnknown
from entrypoints.settings import rules
from entrypoints.settings.declaration import seconds, setting

YEAR_S: Final = 365 * 24 * 3600


@attrs.frozen(kw_only=True, slots=False)
class RetrySettings:
    """When an email is tried again, and when a mail server is left alone."""

    HEADING: ClassVar = "Retries"

    max_retries: int = setting(
        "MAX_RETRIES",
        3,
        rules.whole(0, 100),
        meaning="How often an email is tried again after it was deferred.",
    )
    retry_schedule: tuple[timedelta, ...] = setting(
        "RETRY_SCHEDULE",
        tuple(map(seconds, (60, 300, 1800, 7200, 14400))),
        rules.schedule(),
        meaning=(
            "Seconds before each retry of a deferred email. The last wait repeats; every "
            "wait varies by 20 %."
        ),
    )
    max_age: timedelta = setting(
        "MAX_AGE_SECONDS",
        seconds(259_200),
        rules.seconds(1, YEAR_S),
        meaning="An email that was not sent within so many seconds fails (3 days).",
    )
    on_unknown: OnUnknown = setting(
        "ON_UNKNOWN",
        OnUnknown.RESEND_ONCE,
        rules.one_of(OnUnknown),
        meaning=(
            "What to do when a server does not reply after the whole message: resend_once (a "
            "copy may arrive twice) or hold (you decide)."
        ),
    )
    fairness_every: int = setting(
        "FAIRNESS_EVERY",
        10,
        rules.whole(2, 1000),
        meaning=("One email in so many is the one that has waited longest, whatever its priority."),
    )
    breaker_schedule: tuple[timedelta, ...] = setting(
        "BREAKER_SCHEDULE",
        tuple(map(seconds, (5, 15, 60, 300, 900))),
        rules.schedule(),
        meaning=(
            "Seconds before the next attempt to reach a server that cannot be reached, "
            "after each failure in a row."
        ),
    )
    witness_schedule: tuple[timedelta, ...] = setting(
        "WITNESS_SCHEDULE",
        tuple(map(seconds, (30, 120, 600))),
        rules.schedule(),
        meaning=(
            "Seconds that an email waits if it may be the cause of the failures of its SMTP "
            "configuration: twice without a charge, then as a retry. At most as long as "
            "your own BREAKER_SCHEDULE, if you set one."
        ),
    )
    smtp_rules_file: Path | None = setting(
        "SMTP_RULES_FILE",
        None,
        rules.optional(rules.existing_file()),
        meaning=(
            "Rules of your own for what a server's reply means (TOML); they go before the "
            "built-in ones."
        ),
    )

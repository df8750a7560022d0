"""Settings: many processes."""

# ruff: noqa: RUF009 - `setting` is attrs.field with a rule; it shares no mutable default

from datetime import timedelta
from typing import ClassVar

import attrs

from entrypoints.settings import rules
from entrypoints.settings.declaration import seconds, setting


@attrs.frozen(kw_only=True, slots=False)
class ClusterSettings:
    """How processes that share a database notice each other."""

    HEADING: ClassVar = "Many processes"

    lease: timedelta = setting(
        "LEASE_SECONDS",
        seconds(60),
        rules.seconds(1, 3600),
        meaning=(
            "A process that does not report for so many seconds counts as dead, and others "
            "take over its email."
        ),
    )
    heartbeat: timedelta = setting(
        "HEARTBEAT_SECONDS",
        seconds(15),
        rules.seconds(0.1, 1800),
        meaning="How often a process reports that it lives; at most half of LEASE_SECONDS.",
    )
    sweep: timedelta = setting(
        "SWEEP_SECONDS",
        seconds(30),
        rules.seconds(0.1, 3600),
        meaning="How often to sweep the queue: recover, expire, prune.",
    )
    poll: timedelta = setting(
        "POLL_SECONDS",
        seconds(0.2),
        rules.seconds(0.01, 60),
        meaning="How often to look for due email without a signal.",
    )

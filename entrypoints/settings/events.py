"""Settings: events and alerts."""

# ruff: noqa: RUF009 - `setting` is attrs.field with a rule; it shares no mutable default

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Final

import attrs

from domain.address import Address
from entrypoints.settings import rules
from entrypoints.settings.declaration import seconds, setting

DAY_S: Final = 24 * 3600


class Events(StrEnum):
    """Which events are written."""

    OFF = "off"
    ON = "on"
    ALL = "all"


@attrs.frozen(kw_only=True, slots=False)
class EventSettings:
    """What clients can learn of their emails without asking for each."""

    HEADING: ClassVar = "Events and alerts"

    events: Events = setting(
        "EVENTS",
        Events.ON,
        rules.one_of(Events),
        meaning=(
            "Which events are written for GET /api/events. on: what becomes of emails and SMTP "
            "configurations. all: also that an email was accepted, which costs each submission a "
            "row. off: none."
        ),
    )
    retention_events: timedelta = setting(
        "RETENTION_EVENTS_SECONDS",
        seconds(30 * DAY_S),
        rules.seconds(60, 400 * DAY_S),
        meaning="How long events are kept (30 days). A client must have read them by then.",
    )
    alert_email: tuple[Address, ...] = setting(
        "ALERT_EMAIL",
        (),
        rules.addresses(),
        meaning=(
            "Who is told by email when an SMTP configuration is paused or must be authorized, or "
            "the queue grows: one address, or several with commas between. The email goes out "
            "through another SMTP configuration than the one in trouble, from its address. Empty: "
            "nobody."
        ),
    )
    queue_growing: timedelta = setting(
        "QUEUE_GROWING_SECONDS",
        seconds(600),
        rules.seconds(10, DAY_S),
        meaning=(
            "How long the oldest due email may wait while more emails come than leave, before the "
            "event queue.growing is told."
        ),
    )

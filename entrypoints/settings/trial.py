"""Settings: trying it out."""

# ruff: noqa: RUF009 - `setting` is attrs.field with a rule; it shares no mutable default

from datetime import timedelta
from typing import ClassVar

import attrs

from entrypoints.settings import rules
from entrypoints.settings.declaration import seconds, setting


@attrs.frozen(kw_only=True, slots=False)
class SandboxSettings:
    """The sandbox."""

    HEADING: ClassVar = "Trying it out"

    sandbox: bool = setting(
        "SANDBOX",
        False,
        rules.switch(),
        meaning=(
            "1 opens a mail server on this machine that keeps what it gets: see /sandbox. "
            "Not in production."
        ),
    )
    sandbox_port: int = setting(
        "SANDBOX_PORT", 2525, rules.whole(0, 65535), meaning="The port of that mail server."
    )


@attrs.frozen(kw_only=True, slots=False)
class KnobSettings:
    """Lengths that tests shorten."""

    HEADING: ClassVar = "Tests only"

    allow_test_knobs: bool = setting(
        "ALLOW_TEST_KNOBS",
        False,
        rules.switch(),
        meaning=(
            "1 allows the lengths below. With it, the header X-Test-Id of a submission (1 "
            "to 200 printable ASCII characters) goes out with the message too, so that a "
            "test recognises its mail. Not in production."
        ),
    )
    minute: timedelta = setting(
        "MINUTE_SECONDS",
        seconds(60),
        rules.seconds(0.1, 60),
        knob=True,
        meaning="The length of the rolling minute.",
    )
    hour: timedelta = setting(
        "HOUR_SECONDS",
        seconds(3600),
        rules.seconds(0.1, 3600),
        knob=True,
        meaning="The length of the rolling hour.",
    )
    day: timedelta = setting(
        "DAY_SECONDS",
        seconds(86_400),
        rules.seconds(0.1, 86_400),
        knob=True,
        meaning="The length of the rolling day.",
    )

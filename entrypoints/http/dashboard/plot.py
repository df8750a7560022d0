"""What happened by the hour as a plot: bars that are rectangles of an SVG, drawn by the server."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import attrs
from markupsafe import Markup

from domain.throughput import Hour

HEIGHT: Final = 100  # units of the viewBox; an hour is STEP wide
STEP: Final = 10
GAP: Final = 2
_DAY: Final = 24  # hours
_LEAST: Final = 1.5  # so that a bar of one email is seen beside one of thousands


@attrs.frozen(kw_only=True)
class Bar:
    """An hour: the bars of what was sent and, on top of it, of what failed. ``y`` counts down."""

    x: int
    sent_y: float
    sent_height: float
    failed_y: float
    failed_height: float
    text: str


@attrs.frozen(kw_only=True)
class Plot:
    """*most* is what its whole height stands for, *half* the half of it, None if that is no whole
    number. *line* are the points of what was accepted. *ticks* stand below the hours, at equal
    distances from the first one.
    """

    width: int
    most: int
    half: int | None
    ticks: Sequence[Markup]
    bars: Sequence[Bar]
    line: str
    sent: int
    failed: int
    accepted: int
    first: datetime
    last: datetime


def plot_of(hours: Sequence[Hour]) -> Plot:
    """The plot of at least one hour, oldest first."""
    tallest = max(max(hour.sent + hour.failed, hour.accepted) for hour in hours)
    most = _round_up(tallest)
    return Plot(
        width=STEP * len(hours),
        most=most,
        half=most // 2 if most % 2 == 0 else None,
        ticks=_ticks(hours),
        bars=[_bar(hour, place, most) for place, hour in enumerate(hours)],
        line=" ".join(
            f"{place * STEP + STEP / 2:g},{HEIGHT - HEIGHT * hour.accepted / most:.1f}"
            for place, hour in enumerate(hours)
        ),
        sent=sum(hour.sent for hour in hours),
        failed=sum(hour.failed for hour in hours),
        accepted=sum(hour.accepted for hour in hours),
        first=hours[0].begins,
        last=hours[-1].begins,
    )


def _ticks(hours: Sequence[Hour]) -> Sequence[Markup]:
    """Every fourth hour of a day, the same hour of each day of a week."""
    of_a_day = len(hours) <= _DAY
    step, shown, form = (4, "hour", "%H:%M") if of_a_day else (_DAY, "day", "%a %d")
    return [
        Markup('<time datetime="{}" data-shown="{}">{}</time>').format(
            at.strftime("%Y-%m-%dT%H:%M:%SZ"), shown, at.strftime(form)
        )
        for hour in hours[::step]
        for at in [hour.begins.astimezone(UTC)]
    ]


def _bar(hour: Hour, place: int, most: int) -> Bar:
    sent, failed = _height(hour.sent, most), _height(hour.failed, most)
    at = hour.begins.astimezone(UTC).strftime("%d %b %H:%M UTC")
    return Bar(
        x=place * STEP + GAP // 2,
        sent_y=round(HEIGHT - sent, 1),
        sent_height=sent,
        failed_y=round(HEIGHT - sent - failed, 1),
        failed_height=failed,
        text=f"{at}: {hour.sent} sent, {hour.failed} failed, {hour.accepted} accepted",
    )


def _height(number: int, most: int) -> float:
    return round(max(_LEAST, HEIGHT * number / most), 1) if number else 0.0


def _round_up(number: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50 and so on that is not less."""
    step = 1
    while True:
        for most in (step, 2 * step, 5 * step):
            if number <= most:
                return most
        step *= 10

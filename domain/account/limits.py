"""What an account may hand off, in rolling windows, and what is left of it.

A *reservation* stands in the ledger from the claim until the outcome is known; it counts in every
window. It is *charged* with the time of completion when the server took the mail or may have, and
*freed* when it surely did not (guarantees (e) has the proof that no window of the server's own can
then hold more than the limit).
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

import attrs


class LimitUnit(StrEnum):
    """What one email counts as."""

    MESSAGES = "messages"
    RECIPIENTS = "recipients"


class Window(StrEnum):
    """The three rolling windows."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


@attrs.frozen(kw_only=True)
class WindowLengths:
    """How long each window is. Only fault tests change them."""

    minute: timedelta = timedelta(minutes=1)
    hour: timedelta = timedelta(hours=1)
    day: timedelta = timedelta(days=1)
    # Servers count by their own clock; a completion may reach us this much before they count it.
    margin: timedelta = timedelta(seconds=1)

    def of(self, window: Window) -> timedelta:
        """The length of *window* with the margin that makes it strict."""
        length: timedelta = getattr(self, window.value)
        return length + self.margin


UNLIMITED: Final = 2**62
NEW_RESERVE: Final = 10  # percent, of an account that is created without one
PRIORITIES: Final = range(1, 6)  # 1 is the most urgent
NORMAL: Final = 3  # the priority of an email that is submitted without one
URGENT: Final = 2  # priorities up to this one may use what an account keeps in reserve


def is_urgent(priority: int) -> bool:
    """Whether mail of this priority may use what an account keeps in reserve."""
    return priority <= URGENT


@attrs.frozen(kw_only=True)
class Limits:
    """The limits of one account; ``None`` is no limit.

    ``priority_reserve`` is the percentage of each window kept for priorities 1 and 2, rounded up;
    at least one unit is left for other mail, so that a limit of 1 keeps none.
    """

    daily: int | None = 500
    hourly: int | None = 50
    minute: int | None = None
    unit: LimitUnit = LimitUnit.MESSAGES
    max_connections: int = 2
    priority_reserve: int = 0

    def of(self, window: Window) -> int | None:
        """The limit in *window*, or None."""
        if window is Window.HOUR:
            return self.hourly
        return self.daily if window is Window.DAY else self.minute

    def finite(self) -> Mapping[Window, int]:
        """The windows that have a limit."""
        if self.daily is None and self.hourly is None and self.minute is None:
            return {}
        return {window: limit for window in Window if (limit := self.of(window)) is not None}

    def units(self, recipients: int) -> int:
        """What an email to *recipients* open recipients counts as."""
        return recipients if self.unit is LimitUnit.RECIPIENTS else 1

    def ever_fits(self, recipients: int, *, urgent: bool) -> bool:
        """Whether an email to so many open recipients fits when nothing else was sent."""
        return self.units(recipients) <= self.smallest(urgent=urgent)

    def smallest(self, *, urgent: bool = True) -> int:
        """The most units that one email may ever have on this account."""
        return self.room({}, urgent=urgent)

    def share(self, window: Window, *, urgent: bool) -> int:
        """What mail of this urgency may use of a window's limit in all."""
        return self.room_in(window, 0, urgent=urgent)

    def room(self, used: Mapping[Window, int], *, urgent: bool = True) -> int:
        """How many units may be reserved now, given what each window already holds.

        Not *urgent* mail leaves the reserve for priorities 1 and 2 alone.
        """
        finite = self.finite()
        if not finite:
            return UNLIMITED
        return min(self.room_in(window, used.get(window, 0), urgent=urgent) for window in finite)

    def room_in(self, window: Window, used: int, *, urgent: bool = True) -> int:
        """What `room` says of one window alone."""
        limit = self.of(window)
        if limit is None:
            return UNLIMITED
        kept = 0 if urgent else self.kept(limit)
        return max(0, limit - kept - used)

    def kept(self, limit: int) -> int:
        """How much of a window's *limit* is kept for priorities 1 and 2."""
        return min(-(-limit * self.priority_reserve // 100), max(0, limit - 1))

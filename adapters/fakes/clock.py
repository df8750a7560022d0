"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class FakeClock:
    """The Clock port under the hand of a test: time passes with `tick`, the wall jumps with `step`.

    `steady` follows the same rule as the real one, so a step forward leaves it behind.
    """

    def __init__(self, start: datetime = START) -> None:
        self._wall = start
        self._steady = start
        self._steady_at = timedelta(0)
        self._passed = timedelta(0)
        self._suspended = timedelta(0)

    def now(self) -> datetime:
        """The wall."""
        return self._wall

    def steady(self) -> datetime:
        """The smaller of the wall and the last answer plus what has passed since."""
        passed = self._passed - self._steady_at
        self._steady, self._steady_at = min(self._wall, self._steady + passed), self._passed
        return self._steady

    def monotonic(self) -> float:
        """Seconds since the start, steps not counted."""
        return self._passed.total_seconds()

    def boottime(self) -> float:
        """Seconds since the start, those suspended counted."""
        return (self._passed + self._suspended).total_seconds()

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: the wall goes on, and what counts suspension."""
        self._wall += timedelta(seconds=seconds)
        self._suspended += timedelta(seconds=seconds)

    def tick(self, seconds: float = 1) -> None:
        """Let time pass: all clocks move."""
        passed = timedelta(seconds=seconds)
        self._wall += passed
        self._passed += passed

    def step(self, seconds: float) -> None:
        """Set the wall forward, or back with a negative number; no time passes."""
        self._wall += timedelta(seconds=seconds)

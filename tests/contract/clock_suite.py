"""What every Clock must do. Subclass `ClockContract`, give it a `clock`, and let time pass.

class TestMyClock(ClockContract):
    @pytest.fixture
    def clock(self): ...

    def let_pass(self, clock): ...
"""

from datetime import UTC, timedelta

import pytest

from application.ports.system import Clock


class ClockContract:
    """The contract of `application.ports.system.Clock`, while the wall clock is not changed."""

    @pytest.fixture
    def clock(self) -> Clock:
        raise NotImplementedError

    def let_pass(self, clock: Clock) -> None:
        """Let some time pass, at least a microsecond."""
        raise NotImplementedError

    def test_the_wall_and_the_steady_clock_give_aware_utc_times(self, clock: Clock) -> None:
        assert clock.now().tzinfo is UTC
        assert clock.steady().tzinfo is UTC

    def test_the_steady_clock_is_never_ahead_of_the_wall_and_never_goes_back(
        self, clock: Clock
    ) -> None:
        readings = []
        for _ in range(100):
            readings.append((clock.steady(), clock.now()))
            self.let_pass(clock)

        assert all(steady <= wall for steady, wall in readings)
        assert [steady for steady, _ in readings] == sorted(steady for steady, _ in readings)

    def test_all_clocks_move_with_time(self, clock: Clock) -> None:
        def readings() -> tuple[object, ...]:
            return (clock.now(), clock.steady(), clock.monotonic(), clock.boottime())

        before = readings()
        self.let_pass(clock)
        after = readings()

        assert all(later > earlier for earlier, later in zip(before, after, strict=True))  # type: ignore[operator]

    def test_the_steady_clock_keeps_up_with_the_wall(self, clock: Clock) -> None:
        for _ in range(100):
            self.let_pass(clock)
            clock.steady()

        assert clock.now() - clock.steady() < timedelta(seconds=1)

    def test_seconds_are_numbers(self, clock: Clock) -> None:
        assert isinstance(clock.monotonic(), float)
        assert isinstance(clock.boottime(), float)

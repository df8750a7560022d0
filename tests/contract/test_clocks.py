"""Every clock keeps the contract of the Clock port."""

import pytest

from adapters.clock import SystemClock
from adapters.fakes.clock import FakeClock
from application.ports.system import Clock
from tests.contract.clock_suite import ClockContract


class TestSystemClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()

    def let_pass(self, clock: Clock) -> None:
        wall, seconds, awake = clock.now(), clock.monotonic(), clock.boottime()
        while clock.now() == wall or clock.monotonic() == seconds or clock.boottime() == awake:
            pass  # the next tick of the slowest of them


class TestFakeClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return FakeClock()

    def let_pass(self, clock: Clock) -> None:
        assert isinstance(clock, FakeClock)
        clock.tick(1)

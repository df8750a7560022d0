"""The clocks: the steady one never jumps forward, and the fake one follows the real one's rule."""

from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.clock import SystemClock
from adapters.fakes.clock import START, FakeClock

moves = st.lists(
    st.tuples(st.sampled_from(["tick", "step", "read"]), st.integers(-5000, 5000)), max_size=20
)


class OnAFakeWall(SystemClock):
    """The real clock's rule with a wall and a monotonic clock that a test can move."""

    def __init__(self, fake: FakeClock) -> None:
        self.now = fake.now  # type: ignore[method-assign]
        self.monotonic = fake.monotonic  # type: ignore[method-assign]
        super().__init__()


def test_the_system_clock_tells_aware_utc() -> None:
    clock = SystemClock()

    assert clock.now().tzinfo is UTC
    assert clock.steady().tzinfo is UTC


def test_the_system_clock_is_never_ahead_of_the_wall() -> None:
    clock = SystemClock()
    readings = [(clock.steady(), clock.now()) for _ in range(100)]

    assert all(steady <= wall for steady, wall in readings)
    assert [steady for steady, _ in readings] == sorted(steady for steady, _ in readings)
    assert readings[-1][1] - readings[-1][0] < timedelta(seconds=1)


@pytest.fixture
def fake() -> FakeClock:
    return FakeClock()


def test_all_three_clocks_move_with_time(fake: FakeClock) -> None:
    fake.tick(90)

    assert fake.now() == fake.steady() == START + timedelta(seconds=90)
    assert fake.monotonic() == 90


def test_a_step_forward_leaves_the_steady_clock_behind(fake: FakeClock) -> None:
    fake.step(3600)
    assert fake.steady() == START
    fake.tick(10)
    assert fake.steady() == START + timedelta(seconds=10)
    assert fake.monotonic() == 10


def test_a_step_back_takes_the_steady_clock_along(fake: FakeClock) -> None:
    fake.step(-3600)
    assert fake.steady() == fake.now()
    fake.step(3600)
    assert fake.steady() == START - timedelta(hours=1)


@given(moves)
def test_the_real_clock_and_the_fake_one_follow_one_rule(moves: list[tuple[str, int]]) -> None:
    fake = FakeClock()
    real = OnAFakeWall(fake)
    for move, seconds in moves:
        if move == "tick":
            fake.tick(abs(seconds))
        elif move == "step":
            fake.step(seconds)
        else:
            assert real.steady() == fake.steady()

    assert real.steady() == fake.steady() <= fake.now()

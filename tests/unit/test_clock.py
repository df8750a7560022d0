"""The clocks: the steady one never jumps forward, and the fake one follows the real one's rule."""

from datetime import timedelta

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

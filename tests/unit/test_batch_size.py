"""A batch is about as much work as an urgent email may wait for."""

import pytest

from application.delivery.batch_size import LARGEST_BATCH, BatchSizes


@pytest.mark.parametrize(
    ("pace_s", "emails"),
    [
        (0.0001, LARGEST_BATCH),
        (0.005, 10),  # fifty milliseconds of work
        (0.02, 8),  # far away: a few, so that not every email needs a claim of its own
        (0.05, 4),
        (0.1, 2),  # but no more than a fifth of a second of work
        (3.0, 1),
    ],
)
def test_a_batch_takes_no_longer_than_an_urgent_email_may_wait(pace_s: float, emails: int) -> None:
    sizes = BatchSizes()
    sizes.record_latency(1, pace_s, of_server=pace_s)

    assert sizes.of(1, busy=0, allowed=0) == emails


def test_more_connections_allow_larger_batches() -> None:
    """A new urgent email waits for the first of them to be through, not for a certain one."""
    sizes = BatchSizes()
    sizes.record_latency(1, 0.01, of_server=0.01)

    # three times fifty milliseconds, for nine connections
    assert sizes.of(1, busy=9, allowed=9) == 15


def test_a_slow_store_does_not_shrink_the_batches() -> None:
    sizes = BatchSizes()
    sizes.record_latency(1, 0.5, of_server=0.02)

    assert sizes.of(1, busy=0, allowed=0) == 8


def test_the_first_batch_for_a_new_server_is_one_email() -> None:
    assert BatchSizes().of(1, busy=0, allowed=0) == 1

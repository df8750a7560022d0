"""What is counted and measured."""

from tests.faults.measures import lowest_median


def test_one_slow_run_of_three_does_not_decide() -> None:
    assert lowest_median({"a": [0.1, 1.0, 1.1], "b": [0.9, 0.8, 3.0]}) == ("b", 0.9)

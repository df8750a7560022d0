"""On random limits, backlogs and priorities the forecast is within 10 % or one window of what then
happens.
"""

from random import Random

import pytest

from tests.forecast_worlds import compare


@pytest.mark.parametrize("seed", range(1, 13))
def test_the_forecast_comes_true(seed):
    compared = list(compare(Random(seed), emails=40))
    assert [each for each in compared if not each.came_true] == [], f"seed {seed}"
    assert compared

"""A forecast of mail that many accounts share looks at each of them a bounded number of times."""

import pytest

from domain.account.limits import Limits, WindowLengths
from domain.email.backlog import WaitingGroup
from domain.email.drain import MOST_STEPS, Drain
from domain.email.lane import Lane, Outlook
from tests.builders import NOW, an_account

ACCOUNTS = 20
SOME = Limits(daily=500, hourly=50)
NONE = Limits(daily=None, hourly=None)


class CountedLane(Lane):
    """Counts how often its room is asked for."""

    asked = 0

    def room(self, at: float) -> tuple[float, float]:
        self.asked += 1
        return super().room(at)


@pytest.mark.parametrize("limits", [SOME, NONE])
def test_each_account_is_asked_a_few_times_in_a_step(limits: Limits) -> None:
    lanes = [
        CountedLane(
            Outlook(account=an_account(id=n, limits=limits), used={}, charged={}),
            windows=WindowLengths(),
            now=NOW,
        )
        for n in range(1, ACCOUNTS + 1)
    ]
    group = WaitingGroup(
        queue=0, priority=3, due_at=NOW, emails=100_000, recipients=100_000, asked=True
    )

    drained = Drain(lanes, [group], now=NOW, fairness_every=10).run()

    assert drained.last is not None
    assert sum(lane.asked for lane in lanes) <= 5 * ACCOUNTS * MOST_STEPS

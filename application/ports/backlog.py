"""The port to what a forecast is made of: numbers whose cost does not grow with what waits."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.account.limits import Window, WindowLengths
from domain.email.backlog import Place, WaitingGroup
from domain.email.lifecycle import Email


class Backlog(Protocol):
    """What waits and what was handed off, in groups and sums."""

    def groups(
        self, queues: Collection[int], *, now: datetime, most: int
    ) -> Sequence[WaitingGroup]:
        """What waits in these queues (an account's id, or 0 for mail that any may take).

        Of each line (queue and priority) *most* emails that are due are counted, and *most* that
        are due later. What is not counted is in the groups too: the numbers of each queue add up.
        """
        ...

    def scheduled(
        self, queues: Collection[int], *, after: datetime, until: datetime, most: int
    ) -> Mapping[int, int]:
        """How many emails of each of these queues become due after *after* and by *until*.

        Of each line at most *most* are counted.
        """
        ...

    def place(self, email: Email, queue: int, *, most: int) -> Place:
        """Where an email that waits stands, or would stand, in the line of its priority in *queue*.

        *most* are counted in each direction.
        """
        ...

    def charged(
        self, account_id: int, lengths: WindowLengths
    ) -> Mapping[Window, Sequence[tuple[datetime, int]]]:
        """When the units that count in each window were charged, oldest first, in sums.

        Each time is up to 10 seconds too late, in the day up to 10 minutes. The oldest sum may have
        left in part. Reservations are not in it.
        """
        ...

    def seconds_each(self, account_id: int) -> float | None:
        """How long the last attempts that were charged took, in the median; None without any."""
        ...

"""Whether email is accepted now: one gate that the drain, the disk and the queue's depth close."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from threading import Event as Flag

from application.ports.cluster import InstanceRepository
from application.ports.queue import EmailRepository
from application.ports.system import Headroom
from domain.capability import Capability
from domain.email.lifecycle import Email
from domain.errors import AccountQueueFull, NotAccepting


class Admission:
    """Closed for good once draining; else as open as the disk and the queue allow."""

    def __init__(
        self,
        *,
        headroom: Headroom,
        max_depth: int | None,
        max_account_depth: int | None = None,
    ) -> None:
        self._max_account_depth = max_account_depth
        self._headroom = headroom
        self._max_depth = max_depth
        self._draining = Flag()

    def drain(self) -> None:
        """Accept nothing more: this process is about to stop."""
        self._draining.set()

    @property
    def draining(self) -> bool:
        """Whether this process is about to stop."""
        return self._draining.is_set()

    def check(self) -> None:
        """NotAccepting if draining or the disk is low."""
        if self.draining:
            raise NotAccepting("the service is stopping", retry_after=timedelta(seconds=5))
        if not self._headroom():
            raise NotAccepting("the disk is almost full", retry_after=timedelta(seconds=30))

    def check_depth(self, queue: EmailRepository, emails: Sequence[Email]) -> None:
        """NotAccepting if these *emails* would be too many in the queue, AccountQueueFull if those
        pinned to one account would be too many for it.
        """
        if self._max_depth is None and self._max_account_depth is None:
            return
        waiting = queue.waiting().waiting
        self.check_room(waiting, emails=len(emails))
        most = self._max_account_depth
        if most is None or waiting + len(emails) <= most:
            return  # then no account has more
        pinned = Counter(email.account_id for email in emails if email.pinned)
        for account_id, number in pinned.items():
            if account_id is not None and queue.depth(account_id) + number > most:
                raise AccountQueueFull(
                    f"{most} emails wait for the SMTP configuration {account_id}",
                    retry_after=timedelta(seconds=30),
                )

    def check_room(self, waiting: int, *, emails: int) -> None:
        """NotAccepting if so many *emails* more than *waiting* would be too many in the queue."""
        if self._max_depth is not None and waiting + emails > self._max_depth:
            raise NotAccepting(
                f"the queue holds {self._max_depth} emails", retry_after=timedelta(seconds=30)
            )


def check_capability(instances: InstanceRepository, capability: Capability) -> None:
    """NotAccepting while a process of an older version delivers: it would send this wrong."""
    if instances.lacks(capability):
        raise NotAccepting(
            "a process of an older version delivers still, and cannot send this email yet",
            retry_after=timedelta(seconds=30),
        )

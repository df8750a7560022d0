"""Whether email is accepted now: one gate that the drain, the disk and the queue's depth close."""

from datetime import timedelta
from threading import Event as Flag

from application.ports import Headroom, Transaction
from domain.errors import NotAccepting


class Admission:
    """Closed for good once draining; else as open as the disk and the queue allow."""

    def __init__(self, *, headroom: Headroom, max_depth: int | None) -> None:
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

    def check_depth(self, tx: Transaction, *, emails: int = 1) -> None:
        """NotAccepting if so many *emails* more than there are would be too many in the queue."""
        if self._max_depth is not None:
            self.check_room(tx.emails.waiting().waiting, emails=emails)

    def check_room(self, waiting: int, *, emails: int) -> None:
        """NotAccepting if so many *emails* more than *waiting* would be too many in the queue."""
        if self._max_depth is not None and waiting + emails > self._max_depth:
            raise NotAccepting(
                f"the queue holds {self._max_depth} emails", retry_after=timedelta(seconds=30)
            )

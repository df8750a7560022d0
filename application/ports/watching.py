"""The repositories of what watching the service remembers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.event.alert import AlertRecord
from domain.event.event import Position
from domain.event.growth import Growth


class WatchRepository(Protocol):
    """How far the events were looked at for alerts, what was told, and how the queue was before."""

    def lock(self) -> None:
        """Until this work ends others wait that lock it too. To be called before anything is read
        on which a change depends.
        """
        ...

    def position(self) -> Position | None:
        """Behind which event to go on; None before the first `move`."""
        ...

    def move(self, position: Position) -> None:
        """Go on behind this one."""
        ...

    def growth(self) -> Growth:
        """The last looks at the queue; an empty one at first."""
        ...

    def save_growth(self, growth: Growth) -> None:
        """Store it in the place of the one before."""
        ...

    def last_alert(self, account_id: int | None, reason: str) -> AlertRecord | None:
        """The last alert of this account for this reason."""
        ...

    def put_alert(self, record: AlertRecord) -> None:
        """Store it in the place of the one before of its account and reason."""
        ...

    def alerts(self, *, limit: int) -> Sequence[AlertRecord]:
        """The newest, by their time."""
        ...

    def prune_alerts(self, *, before: datetime, limit: int) -> int:
        """Remove up to *limit* that are older; how many there were."""
        ...


class FullMailboxes(Protocol):
    """Emails that were refused because the recipient's mailbox is full.

    Addresses are as `domain.suppression.address_key` makes them.
    """

    def add(self, address: str, *, email_id: int, at: datetime) -> None:
        """Note it; once for an email, at the first time."""
        ...

    def count(self, address: str, *, since: datetime) -> int:
        """How many emails were refused for it since then, at most `domain.suppression.FULL_TIMES`
        are looked at.
        """
        ...

    def forget(self, address: str) -> None:
        """Remove what is noted of it."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Remove up to *limit* that are older; how many there were."""
        ...

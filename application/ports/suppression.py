"""The repositories of who is not written to, and of what can be unsubscribed from."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.suppression import Additions, Subscription, Suppression, SuppressionReason


class SuppressionRepository(Protocol):
    """The suppression list. Addresses are as `domain.suppression.address_key` makes them.

    Of two works at once, one that asks for an address and one that puts it on the list, one sees
    what the other has written: never do both miss it. That does not hold for a work that does not
    *wait* for others: it sees and adds what it can at once.
    """

    def put(self, suppression: Suppression, *, wait: bool = True) -> bool:
        """Store it; whether it was stored.

        It is not if there is one with the same address, scope and reason that holds as long; it
        takes the place of one that does not.
        """
        ...

    def lock(self, addresses: Collection[str]) -> None:
        """Until this work ends others that ask for these addresses, or add them, wait for it."""
        ...

    def replace(self, suppression: Suppression) -> Suppression:
        """Store it in the place of one with the same address, scope and reason; with its id.

        Its address must be locked by this work.
        """
        ...

    def remove(self, suppressions: Collection[Suppression]) -> None:
        """Remove these, by their ids. No error for one that is gone."""
        ...

    def of(self, addresses: Collection[str], *, wait: bool = True) -> Sequence[Suppression]:
        """All of these addresses, those too that have expired; by address, scope and reason."""
        ...

    def additions(self, scope: str) -> Additions:
        """Which emails may have asked the list before its latest entry was added, and whether it
        has entries of this *scope*. One query, whatever the length of the list.
        """
        ...

    def page(
        self,
        *,
        scopes: Collection[str] | None = None,
        reason: SuppressionReason | None = None,
        after: int = 0,
        limit: int,
    ) -> Sequence[Suppression]:
        """Up to *limit* with ids above *after*, rising; of these *scopes* alone, None is all.

        It costs what it returns, and a look for each of the scopes.
        """
        ...

    def prune(self, *, now: datetime, limit: int) -> int:
        """Remove up to *limit* that have expired; how many went."""
        ...


class TopicRepository(Protocol):
    """Which emails have a topic, and who gets them; most emails have none."""

    def add_all(self, subscriptions: Mapping[int, Subscription]) -> None:
        """Store those of emails that were just added, by their id; once each."""
        ...

    def of(self, email_id: int) -> Subscription | None:
        """That of one email; None if it has no topic, or there is none."""
        ...

    def lock_open(self, subscription: Subscription) -> Sequence[int]:
        """The ids of its emails that wait or are being sent, rising.

        Their status stays until the work ends. For works that write.
        """
        ...

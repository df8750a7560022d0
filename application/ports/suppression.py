"""The repositories of who is not written to, and of what can be unsubscribed from."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from domain.suppression import Subscription, Suppression


class SuppressionRepository(Protocol):
    """The suppression list. Addresses are as `domain.suppression.address_key` makes them.

    Of two works at once, one that asks for an address and one that puts it on the list, one sees
    what the other has written: never do both miss it.
    """

    def put(self, suppression: Suppression) -> bool:
        """Store it; whether it was stored.

        It is not if there is one with the same address, scope and reason that holds as long; it
        takes the place of one that does not.
        """
        ...

    def of(self, addresses: Collection[str]) -> Sequence[Suppression]:
        """All of these addresses, those too that have expired; by address, scope and reason."""
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

"""The repository of what reports have told of emails, and of the names by which they find them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from domain.bounce.bounce import Bounce, BounceType


class BounceRepository(Protocol):
    """What reports have told; and which emails a report may be about."""

    def of(self, email_id: int) -> Sequence[Bounce]:
        """What was told of one email, by recipient and type."""
        ...

    def types_of(self, email_ids: Collection[int]) -> Mapping[int, Collection[BounceType]]:
        """What kinds of reports there are of each of these emails that has any."""
        ...

    def put(self, bounce: Bounce) -> None:
        """Store it in the place of one of the same email, recipient and type."""
        ...

    def lock(self, email_id: int) -> None:
        """Until the work ends, no other work that locks this email runs. No error if it is gone."""
        ...

    def by_reference(
        self, reference: str, *, among: Collection[str] | None, limit: int
    ) -> Sequence[int]:
        """Emails with this `domain.message.client_headers.reference_of`, newest first.

        With *among*, as `domain.email.listing.lower_ascii` writes addresses, those that one of
        these is a recipient of. Of very many with one reference only the newest are looked at.
        """
        ...

    def name(self, email_id: int, *, attempt_no: int, name: str) -> None:
        """Store what the provider that accepted the email calls it; once for an attempt."""
        ...

    def by_name(self, name: str, *, limit: int) -> Sequence[int]:
        """Emails that a provider calls so, newest first."""
        ...

"""What reports have told of emails, in memory."""

from collections.abc import Collection, Mapping, Sequence

from adapters.fakes.memory_tables import Journal, Tables
from domain.bounce.bounce import Bounce, BounceType
from domain.email.lifecycle import Email
from domain.email.listing import lower_ascii
from domain.message.client_headers import reference_of


class MemoryBounces:
    """The BounceRepository port on dictionaries."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def of(self, email_id: int) -> Sequence[Bounce]:
        """By position and type; a complaint of nobody first."""
        found = [bounce for bounce in self._tables.bounces.values() if bounce.email_id == email_id]
        return sorted(found, key=_key)

    def types_of(self, email_ids: Collection[int]) -> Mapping[int, Collection[BounceType]]:
        """One look for each."""
        found = {email_id: {one.type for one in self.of(email_id)} for email_id in email_ids}
        return {email_id: types for email_id, types in found.items() if types}

    def put(self, bounce: Bounce) -> None:
        """By email, recipient and type."""
        if bounce.email_id not in self._tables.emails:
            raise KeyError(f"email {bounce.email_id} is not there")
        self._journal.put(self._tables.bounces, _key(bounce), bounce)

    def lock(self, email_id: int) -> None:
        """Works run one after the other: nothing is locked."""

    def by_reference(
        self, reference: str, *, among: Collection[str] | None, limit: int
    ) -> Sequence[int]:
        """All are looked at."""
        found = [
            email.id
            for email in self._tables.emails.values()
            if reference_of(email.message_id) == reference
            and (among is None or _addresses(email) & set(among))
        ]
        return sorted(found, reverse=True)[:limit]

    def name(self, email_id: int, *, attempt_no: int, name: str) -> None:
        """One row for an attempt."""
        key = (email_id, attempt_no)
        if email_id not in self._tables.emails or key in self._tables.provider_names:
            raise KeyError(f"email {email_id} is not there, or has its name")
        self._journal.put(self._tables.provider_names, key, name)

    def by_name(self, name: str, *, limit: int) -> Sequence[int]:
        """All are looked at."""
        found = [key[0] for key, known in self._tables.provider_names.items() if known == name]
        return sorted(found, reverse=True)[:limit]


def _key(bounce: Bounce) -> tuple[int, int, str]:
    position = -1 if bounce.position is None else bounce.position
    return (bounce.email_id, position, bounce.type.value)


def _addresses(email: Email) -> set[str]:
    return {lower_ascii(str(recipient.address)) for recipient in email.recipients}

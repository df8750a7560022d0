"""The repository of the labels that clients give their emails."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from domain.email.labels import Labels


class LabelRepository(Protocol):
    """Tags and metadata. They never change."""

    def add_all(self, labels: Mapping[int, Labels]) -> None:
        """Store the labels of emails that were just added, by their id. Conflict if one of them is
        not there or has labels already.
        """
        ...

    def of(self, email_id: int) -> Labels:
        """Of one email; `NO_LABELS` if it has none, or is not there."""
        ...

    def of_all(self, email_ids: Collection[int]) -> Mapping[int, Labels]:
        """The labels of several emails; of those that have some."""
        ...

    def tags_of(self, email_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        """The tags of several emails, in the order of the client; of those that have some."""
        ...

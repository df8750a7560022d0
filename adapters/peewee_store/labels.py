"""The repository of tags and metadata: rows that only labelled emails have."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from adapters.peewee_store.queries import Prepared, given
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import MetadataRow, TagRow
from domain.email.labels import Labels, labels

_INTO_TAG: Final = "INSERT INTO email_tag (tag, email_id, position)"
_INTO_METADATA: Final = "INSERT INTO email_metadata (name, value, email_id)"
_TAGS: Final = Prepared(
    TagRow.select(TagRow.tag).where(TagRow.email_id == given("id")).order_by(TagRow.position)
)
_METADATA: Final = Prepared(
    MetadataRow.select(MetadataRow.name, MetadataRow.value).where(
        MetadataRow.email_id == given("id")
    )
)
_METADATA_OF: Final = "SELECT email_id, name, value FROM email_metadata WHERE email_id"
_TAGS_OF: Final = "SELECT email_id, tag FROM email_tag WHERE email_id"


class SqlLabels:
    """The LabelRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_all(self, labels: Mapping[int, Labels]) -> None:
        """Insert into two tables, into each only if there is a row for it."""
        tags = [
            (tag, email_id, position)
            for email_id, each in labels.items()
            for position, tag in enumerate(each.tags)
        ]
        metadata = [
            (*pair, email_id) for email_id, each in labels.items() for pair in each.metadata
        ]
        if tags:
            self._session.insert(_INTO_TAG, tags)
        if metadata:
            self._session.insert(_INTO_METADATA, metadata)

    def of(self, email_id: int) -> Labels:
        """Two queries."""
        tags = _TAGS(self._session.execute, id=email_id).fetchall()
        metadata = _METADATA(self._session.execute, id=email_id).fetchall()
        return labels((tag for (tag,) in tags), dict(metadata))

    def of_all(self, email_ids: Collection[int]) -> Mapping[int, Labels]:
        """Two queries along the indexes of the emails."""
        if not email_ids:
            return {}
        tags = self.tags_of(email_ids)
        among, listed = self._session.among(tuple(email_ids))
        metadata: dict[int, dict[str, str]] = {}
        for email_id, name, value in self._session.execute(f"{_METADATA_OF} {among}", listed):
            metadata.setdefault(email_id, {})[name] = value
        return {
            email_id: labels(tags.get(email_id, ()), metadata.get(email_id, {}))
            for email_id in {*tags, *metadata}
        }

    def tags_of(self, email_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
        """One query along the index of the emails."""
        if not email_ids:
            return {}
        among, listed = self._session.among(tuple(email_ids))
        sql = f"{_TAGS_OF} {among} ORDER BY email_id, position"
        found: dict[int, list[str]] = {}
        for email_id, tag in self._session.execute(sql, listed).fetchall():
            found.setdefault(email_id, []).append(tag)
        return found

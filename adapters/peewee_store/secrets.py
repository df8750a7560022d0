"""The repository of the service's own secrets."""

from collections.abc import Sequence
from typing import Final

from adapters.peewee_store.queries import Prepared, all_given, given
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import SecretRow
from domain.errors import NotFound

_FIND: Final = Prepared(SecretRow.select(SecretRow.sealed).where(SecretRow.name == given("name")))
_ADD: Final = Prepared(
    SecretRow.insert(all_given(SecretRow, ("name", "sealed"))).on_conflict_ignore()
)
_REPLACE: Final = Prepared(
    SecretRow.update(all_given(SecretRow, ("sealed",))).where(SecretRow.name == given("name"))
)
_ALL: Final = Prepared(SecretRow.select(SecretRow.name, SecretRow.sealed).order_by(SecretRow.name))


class SqlSecrets:
    """The SecretRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, name: str) -> bytes | None:
        """By its name."""
        row = _FIND(self._session.execute, name=name).fetchone()
        return None if row is None else bytes(row[0])

    def add(self, name: str, sealed: bytes) -> bytes:
        """Where another process inserts one at the same time, its commit is waited for."""
        _ADD(self._session.execute, name=name, sealed=sealed)
        found = self.find(name)
        assert found is not None, "the insert leaves one, whoever made it"
        return found

    def replace(self, name: str, sealed: bytes) -> None:
        """One update."""
        if _REPLACE(self._session.execute, name=name, sealed=sealed).rowcount != 1:
            raise NotFound(f"there is no secret {name}")

    def all(self) -> Sequence[tuple[str, bytes]]:
        """By name."""
        found = _ALL(self._session.execute).fetchall()
        # databases sort texts differently
        return sorted((name, bytes(sealed)) for name, sealed in found)

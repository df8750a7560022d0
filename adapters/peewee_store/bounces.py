"""The repository of what reports have told of emails."""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from adapters.peewee_store.rows import Row, micros, moment
from adapters.peewee_store.session import Session, marks
from adapters.peewee_store.tables import ProviderNameRow
from adapters.peewee_store.write_buffer import insertion
from domain.bounce.bounce import Bounce, BounceType
from domain.bounce.report import BounceKind

LOOKED_AT: Final = 1000  # emails with one reference

_NOBODY: Final = -1
_OF: Final = (
    "SELECT email_id, position, kind, status, text, at FROM bounce WHERE email_id = ?"
    " ORDER BY position, type"
)
_PUT: Final = (
    "INSERT INTO bounce (email_id, position, type, kind, status, text, at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (email_id, position, type) DO UPDATE SET"
    " kind = excluded.kind, status = excluded.status, text = excluded.text, at = excluded.at"
)
_LOCK: Final = "SELECT id FROM email WHERE id = ? FOR UPDATE"
# the words of the index in migration 0027
_REFERENCE: Final = {
    False: "substr(message_id, 2, instr(message_id, '@') - 2)",
    True: "substr(message_id, 2, strpos(message_id, '@') - 2)",
}
_ADDRESS: Final = {False: "lower(address)", True: 'lower(address COLLATE "C")'}
_BY_REFERENCE: Final = "SELECT id FROM email WHERE {} = ? ORDER BY id DESC LIMIT ?"
_BY_NAME: Final = "SELECT email_id FROM provider_name WHERE name = ? ORDER BY email_id DESC LIMIT ?"
_NAME: Final = insertion(ProviderNameRow, ("email_id", "attempt_no", "name"), key=2)


class SqlBounces:
    """The BounceRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_reference = _BY_REFERENCE.format(_REFERENCE[session.shared])

    def of(self, email_id: int) -> Sequence[Bounce]:
        """By the primary key."""
        return [_bounce(row) for row in self._session.execute(_OF, (email_id,)).fetchall()]

    def types_of(self, email_ids: Collection[int]) -> Mapping[int, Collection[BounceType]]:
        """By the primary key."""
        if not email_ids:
            return {}
        among, values = self._session.among(sorted(email_ids))
        sql = f"SELECT DISTINCT email_id, type FROM bounce WHERE email_id {among}"
        found: dict[int, set[BounceType]] = {}
        for email_id, kind in self._session.execute(sql, values).fetchall():
            found.setdefault(email_id, set()).add(BounceType(kind))
        return found

    def put(self, bounce: Bounce) -> None:
        """Insert or update."""
        self._session.execute(
            _PUT,
            (
                bounce.email_id,
                _NOBODY if bounce.position is None else bounce.position,
                bounce.type.value,
                bounce.kind.value,
                bounce.status,
                bounce.text,
                micros(bounce.at),
            ),
        )

    def lock(self, email_id: int) -> None:
        """The row of the email; one process alone at a time writes to a file."""
        if self._session.shared:
            self._session.execute(_LOCK, (email_id,))

    def by_reference(
        self, reference: str, *, among: Collection[str] | None, limit: int
    ) -> Sequence[int]:
        """By the index of the references, then by that of the recipients."""
        if among is None:
            found = self._session.execute(self._by_reference, (reference, limit))
        else:
            found = self._session.execute(
                f"SELECT id FROM ({self._by_reference}) AS named WHERE EXISTS (SELECT 1"
                " FROM recipient WHERE recipient.email_id = named.id AND"
                f" {_ADDRESS[self._session.shared]} IN ({marks(len(among))}))"
                " ORDER BY id DESC LIMIT ?",
                (reference, LOOKED_AT, *among, limit),
            )
        return [email_id for (email_id,) in found.fetchall()]

    def name(self, email_id: int, *, attempt_no: int, name: str) -> None:
        """Buffer one row."""
        self._session.buffer(_NAME, (email_id, attempt_no, name))

    def by_name(self, name: str, *, limit: int) -> Sequence[int]:
        """By an index."""
        found = self._session.execute(_BY_NAME, (name, limit)).fetchall()
        return [email_id for (email_id,) in found]


def _bounce(row: Row) -> Bounce:
    email_id, position, kind, status, text, at = row
    return Bounce(
        email_id=email_id,
        position=None if position == _NOBODY else position,
        kind=BounceKind(kind),
        status=status,
        text=text,
        at=moment(at),
    )

"""The repository of the inboxes of accounts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from adapters.peewee_store.queries import Prepared, all_given, fields, given
from adapters.peewee_store.rows import Row, micros_or_none, moment_or_none
from adapters.peewee_store.session import Session
from adapters.peewee_store.tables import InboxRow
from domain.account.inbox import Inbox, InboxPlace

_PROGRESS: Final = ("uidvalidity", "uid", "tried_at", "read_at", "failures", "last_error")
_COLUMNS: Final = (
    *("account_id", "version", "host", "port", "username", "sealed_password", "folder", "poll"),
    *_PROGRESS,
)
_ROWS: Final = InboxRow.select(*fields(InboxRow, _COLUMNS))
_ALL: Final = Prepared(_ROWS.order_by(InboxRow.account_id))
_FIND: Final = Prepared(_ROWS.where(InboxRow.account_id == given("account_id")))
_ADD: Final = Prepared(InboxRow.insert(all_given(InboxRow, _COLUMNS)))
_REMOVE: Final = Prepared(InboxRow.delete().where(InboxRow.account_id == given("account_id")))
_SAVE_PROGRESS: Final = (
    f"UPDATE account_inbox SET {', '.join(f'{name} = ?' for name in _PROGRESS)}"  # noqa: S608
    " WHERE account_id = ? AND version = ? AND COALESCE(uidvalidity, -1) = ?"
    " AND COALESCE(uid, -1) = ?"
)
_MICROSECOND: Final = timedelta(microseconds=1)


class SqlInboxes:
    """The InboxRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, account_id: int) -> Inbox | None:
        """One row."""
        row = _FIND(self._session.execute, account_id=account_id).fetchone()
        return None if row is None else _inbox(row)

    def all(self) -> Sequence[Inbox]:
        """A row for each account that has one."""
        return list(map(_inbox, _ALL(self._session.execute).fetchall()))

    def save(self, inbox: Inbox) -> None:
        """The old row goes and the new one comes, in the same work."""
        self.remove(inbox.account_id)
        names = ("account_id", "version", "host", "port", "username", "sealed_password", "folder")
        values: dict[str, Any] = {
            **{name: getattr(inbox, name) for name in names},
            "poll": inbox.poll // _MICROSECOND,
            **dict(zip(_PROGRESS, _progress(inbox), strict=True)),
        }
        _ADD(self._session.execute, **values)

    def save_progress(self, inbox: Inbox, *, was: Inbox) -> bool:
        """One guarded update."""
        place = was.place or InboxPlace(-1, -1)
        guard = (was.account_id, was.version, place.uidvalidity, place.uid)
        return self._session.execute(_SAVE_PROGRESS, (*_progress(inbox), *guard)).rowcount == 1

    def remove(self, account_id: int) -> None:
        """The row, if there is one."""
        _REMOVE(self._session.execute, account_id=account_id)


def _progress(inbox: Inbox) -> Row:
    place = inbox.place
    return (
        None if place is None else place.uidvalidity,
        None if place is None else place.uid,
        micros_or_none(inbox.tried_at),
        micros_or_none(inbox.read_at),
        inbox.failures,
        inbox.last_error,
    )


def _inbox(row: Row) -> Inbox:
    values = dict(zip(_COLUMNS, row, strict=True))
    uidvalidity, uid = values.pop("uidvalidity"), values.pop("uid")
    sealed = values["sealed_password"]
    values |= {
        "sealed_password": None if sealed is None else bytes(sealed),
        "poll": values["poll"] * _MICROSECOND,
        "place": None if uidvalidity is None else InboxPlace(uidvalidity, uid),
        "tried_at": moment_or_none(values["tried_at"]),
        "read_at": moment_or_none(values["read_at"]),
    }
    return Inbox(**values)

"""What the drivers raise, in the words of the ports."""

from typing import Any

import apsw
import peewee

from domain.errors import Conflict, StoreUnavailable

try:
    import psycopg
    from psycopg import errors as pg
except ImportError:  # the extra [postgres] is not installed: SQLite is all there is
    _PG: Any = None
else:
    _PG = pg

_REFUSED: tuple[type[BaseException], ...] = (
    apsw.ConstraintError,
    apsw.MismatchError,
    peewee.IntegrityError,
)
_UNREACHABLE: tuple[type[BaseException], ...] = (
    apsw.SQLError,  # there is no such table
    apsw.BusyError,
    apsw.LockedError,
    apsw.ReadOnlyError,
    apsw.IOError,
    apsw.FullError,
    apsw.CantOpenError,
    apsw.ProtocolError,
    apsw.InterruptError,
    apsw.AbortError,
    apsw.PermissionsError,
    apsw.SchemaChangeError,
    apsw.CorruptError,
    apsw.NotADBError,
    peewee.OperationalError,
    peewee.InterfaceError,
)
_CONFLICTS: tuple[type[BaseException], ...] = ()
if _PG is not None:
    _REFUSED += (psycopg.IntegrityError,)
    _UNREACHABLE += (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        _PG.UndefinedTable,
        _PG.UndefinedColumn,
        _PG.IdleInTransactionSessionTimeout,
        _PG.InsufficientPrivilege,
        _PG.ReadOnlySqlTransaction,  # a standby, if it was not a read
    )
    _CONFLICTS = (
        _PG.DeadlockDetected,
        _PG.SerializationFailure,
        _PG.AdminShutdown,
        _PG.CrashShutdown,
    )


class SerializationConflict(Exception):
    """Another process came between, and nothing was written: the same works may do at once."""


def translated(error: BaseException) -> BaseException:
    """A Conflict for a broken constraint, StoreUnavailable for an engine that cannot, or itself."""
    if isinstance(error, _REFUSED):
        told: BaseException = Conflict(f"the store refuses it: {error}")
    elif (
        isinstance(error, (SerializationConflict, *_UNREACHABLE))
        or type(error) is peewee.DatabaseError
    ):
        told = unavailable(error)
    else:
        return error
    told.__cause__ = error
    return told


def is_serialization_conflict(error: BaseException) -> bool:
    """Whether the same works may succeed if they are run again at once.

    Of a statement: the outcome of a failed commit is unknown.
    """
    return isinstance(error, (SerializationConflict, *_CONFLICTS))


def unavailable(error: BaseException) -> StoreUnavailable:
    """StoreUnavailable, with the engine's message and, if known, what to do."""
    if isinstance(error, StoreUnavailable):
        return StoreUnavailable(str(error), retry_after=error.retry_after)
    text = str(error).strip() or type(error).__name__
    if "no such table" in text or (_PG is not None and isinstance(error, _PG.UndefinedTable)):
        text += " (has the database been migrated?)"
    return StoreUnavailable(f"the store is not available: {text}")

"""The kinds of store that a DATABASE_URL can name: a new one is a line of `STORES`.

A class is loaded when a URL names it: whoever does not use a database does not pay for its driver.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from pkgutil import resolve_name
from typing import Final, Protocol

import attrs

from application.ports.migrations import Migrations
from application.ports.store import Store
from application.ports.system import Clock
from domain.event.types import ALL_EVENTS, EventType

Unbound = Callable[[], AbstractContextManager[None]]


class OpenedStore(Store, Migrations, Protocol):
    """A store, its schema, and what it left on the disk."""

    def scrub(self, seconds: float) -> bool:
        """The Scrub port."""
        ...


class StoreClass(Protocol):
    """What the class of a store says of URLs."""

    def file_of(self, url: str) -> Path | None:
        """The file of this machine that *url* names, or None if it names a server.

        ValueError for a URL that names neither. It does not repeat the URL, which may hold a
        password.
        """
        ...

    def at(
        self, url: str, *, clock: Clock, events: Collection[EventType], unbound: Unbound
    ) -> OpenedStore:
        """The store that *url* names; nothing is opened yet. ValueError, as for `file_of`.

        It keeps events of these types.

        A thread that works outside the interpreter is begun *unbound* from the processor.
        """
        ...


@attrs.frozen
class StoreKind:
    """A kind of store: where its class stands, and how its URLs are written."""

    where: str
    form: str

    def load(self) -> StoreClass:
        """Its class."""
        found: StoreClass = resolve_name(self.where)
        return found


STORES: Final[dict[str, StoreKind]] = {
    "sqlite": StoreKind(
        "adapters.peewee_store:SqliteStore",
        "sqlite:///relative/path.db, sqlite:////absolute/path.db",
    ),
    "postgresql": StoreKind(
        "adapters.peewee_store:PostgresStore",
        "postgresql://user:password@host:port/database"
        " (special characters of the password as %40 and so on)",
    ),
}


def open_store(
    url: str,
    *,
    clock: Clock,
    events: Collection[EventType] = ALL_EVENTS,
    unbound: Unbound = nullcontext,
) -> OpenedStore:
    """The store that *url* names; nothing is opened yet. ValueError for a URL that names none."""
    return _class_of(url).at(url, clock=clock, events=events, unbound=unbound)


def file_of(url: str) -> Path | None:
    """The file of this machine that *url* names, or None for a server. ValueError for neither."""
    return _class_of(url).file_of(url)


def names_a_file(url: str) -> bool:
    """Whether *url* is the right one of a file: then there is no password in it."""
    try:
        return file_of(url) is not None
    except ValueError:
        return False


def forms() -> str:
    """How the URLs of all kinds are written."""
    *others, last = (kind.form for kind in STORES.values())
    return " or ".join(filter(None, (", ".join(others), last)))


def _class_of(url: str) -> StoreClass:
    scheme, there, _ = url.partition("://")
    if not there or scheme not in STORES:
        raise ValueError(
            f"no store is known for {scheme if there else 'an empty scheme'!r}:"
            f" use {' or '.join(STORES)}"
        )
    return STORES[scheme].load()

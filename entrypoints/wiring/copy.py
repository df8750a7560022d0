"""Two stores for `email-service copy`, with nobody else at work on either. Names adapters too."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from adapters.clock import SystemClock
from adapters.entropy import SystemEntropy
from adapters.peewee_store import SqlStore
from adapters.peewee_store.copy import StoreCopy, release
from adapters.thread_dispatcher import leaders
from application.ports.store import Store
from domain.errors import Conflict, NotFound
from entrypoints.settings import MOST_PROCESSES, SettingsError
from entrypoints.settings.rules import MASK, without_password
from entrypoints.stores import open_store
from entrypoints.wiring.ports import locks_beside

LOOK_S: Final = 0.5

__all__ = ["StoreCopy", "named", "open_copy", "released"]


@contextmanager
def open_copy(
    source_url: str, target_url: str, *, lease: timedelta, tell: Callable[[str], object]
) -> Iterator[StoreCopy]:
    """A copy that is ready to run; both stores are migrated and held until the end.

    Conflict if somebody else is at work on one of them, NotFound if the source does not exist.
    """
    with ExitStack() as held:
        source = held.enter_context(_alone("--from", source_url, lease=lease, tell=tell))
        target = held.enter_context(_alone("--to", target_url, lease=lease, tell=tell))
        yield StoreCopy(
            source,
            target,
            source_name=named(source_url),
            target_name=named(target_url),
            token=SystemEntropy().token(),
        )


def released(url: str, *, lease: timedelta, tell: Callable[[str], object]) -> None:
    """Allow the source of a copy to be started again."""
    with _alone("--from", url, lease=lease, tell=tell) as store:
        release(store)


def named(url: str) -> str:
    """*url* without its password."""
    return without_password(url).replace(f":{MASK}", "").partition("?")[0]


@contextmanager
def _alone(
    option: str, url: str, *, lease: timedelta, tell: Callable[[str], object]
) -> Iterator[SqlStore]:
    try:
        store = open_store(url, clock=SystemClock())
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from error
    if not isinstance(store, SqlStore):
        raise SettingsError(f"{option}: only a SQL store can be copied")
    with ExitStack() as held:
        held.callback(store.close)
        if store.path is not None:
            _seize_file(store, store.path, option, url, held)
            store.migrate()
        else:
            store.migrate()
            _watch(store, url, lease=lease, tell=tell)
        yield store


def _seize_file(store: SqlStore, path: Path, option: str, url: str, held: ExitStack) -> None:
    """Take all leaders' locks, so that no process starts to deliver or has the file open."""
    if option == "--from" and not path.is_file():
        raise NotFound(f"there is no {path}: {option} names an existing store")
    if not path.parent.is_dir():
        raise NotFound(f"there is no folder {path.parent} for {option}")
    locks = locks_beside(path)
    for leader in leaders(MOST_PROCESSES):
        if not locks.acquire(leader):
            raise Conflict(f"a process delivers from {named(url)}, or a copy runs: stop it first")
        held.callback(locks.release, leader)
    if store.in_use():
        raise Conflict(f"another process has {named(url)} open: stop the service first")


def _watch(store: Store, url: str, *, lease: timedelta, tell: Callable[[str], object]) -> None:
    """Wait for one lease: Conflict if a process that delivers still sends heartbeats."""
    first = store.read(lambda tx: dict(tx.instances.beats()))
    if not first:
        return
    tell(f"watching {named(url)} for {lease.total_seconds():g} s: a process may be alive there")
    until = time.monotonic() + lease.total_seconds()
    while time.monotonic() < until:
        time.sleep(LOOK_S)
        now = store.read(lambda tx: dict(tx.instances.beats()))
        if any(first.get(instance) != beat for instance, beat in now.items()):
            raise Conflict(f"a process delivers from {named(url)}: stop the service first")

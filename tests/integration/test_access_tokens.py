"""One refresh of a token over real stores, threads and HTTP."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import SystemClock
from adapters.name_resolver import NameResolver
from adapters.oauth import WebAuthorizationServer
from adapters.peewee_store import PostgresStore, SqliteStore
from adapters.web_client import UrllibWebClient
from domain.account.network import NetworkPolicy
from domain.account.oauth import OAuthProvider
from tests.oauth_server import running_oauth_server
from tests.oauth_world import OAuthWorld, Process
from tests.postgres import Server

THREADS = 6


@pytest.fixture(params=["sqlite", "postgres"])
def stores(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[OAuthWorld, list[Any]]]:
    """A world on a migrated store, and two further stores on the same database."""
    clock = SystemClock()
    with ExitStack() as stack:
        if request.param == "sqlite":
            made: list[Any] = [SqliteStore(tmp_path / "mail.db", clock=clock) for _ in range(3)]
        else:
            server: Server = request.getfixturevalue("postgres")
            database = stack.enter_context(server.database())
            made = [PostgresStore(database.url, clock=clock) for _ in range(3)]
        for store in made:
            stack.callback(store.close)
        made[0].migrate()
        yield OAuthWorld(store=made[0], clock=clock), made[1:]


def test_two_processes_with_many_threads_ask_once(stores: tuple[OAuthWorld, list[Any]]) -> None:
    world, others = stores
    got: list[str] = []
    with running_oauth_server(world.provider) as oauth, ExitStack() as stack:
        oauth.slow_s = 0.3
        client = oauth.client()
        account = world.account(
            provider=OAuthProvider.CUSTOM,
            token_url=client.token_url,
            authorize_url=client.authorize_url,
            scope="mail",
        )
        processes = [_process(world, store, stack) for store in others]
        begun = threading.Barrier(len(processes) * THREADS)

        def work(process: Process) -> None:
            begun.wait()
            got.append(process.tokens.token(account))

        threads = [
            threading.Thread(target=work, args=(process,))
            for process in processes
            for _ in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(got) == len(threads)
    assert len(set(got)) == 1
    assert world.refreshes() == 1
    assert world.provider.takes(got[0])


def _process(world: OAuthWorld, store: Any, stack: ExitStack) -> Process:
    network = NetworkPolicy(private=True)
    web = UrllibWebClient(
        resolver=NameResolver(allow=network.allows), network=network, clock=world.clock
    )
    stack.callback(web.close)
    return world.process(
        store=store,
        server=WebAuthorizationServer(web, clock=world.clock),
        wait=threading.Event().wait,
    )

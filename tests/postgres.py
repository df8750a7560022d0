"""A real PostgreSQL for the tests: the one at TEST_POSTGRES_URL, else a private one.

Every database made here has a name of its own and is dropped in the end.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.running import children_of, free_port, is_alive, wait_until

DEFAULT_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
PATIENCE_S = 60
TABLES = (
    *("email_blob", "upload", "blob_chunk", "blob"),
    *("account", "email", "email_body", "recipient", "attempt", "ledger", "ledger_sum", "instance"),
    *(
        "account_dkim",
        "event_hook",
        "event_hook_token",
        "account_oauth",
        "account_inbox",
        "oauth_authorization",
        "email_detail",
        "email_topic",
        "suppression",
        "full_mailbox",
        "alert",
        "watch_note",
        "secret",
        "template",
    ),
    *("email_tag", "email_metadata"),
    *("throughput", "throughput_total", "throughput_hour"),
    *("idempotency", "tally", "api_key", "key_usage", "audit", "event", "moving", "retention"),
    *("webhook_delivery", "webhook_attempt", "webhook", "lease"),
)
WITH_IDS = (
    "account",
    "email",
    "instance",
    "api_key",
    "audit",
    "event",
    "template",
    "webhook",
    "webhook_attempt",
)


class NoPostgres(Exception):
    """There is no server and none can be started; the message names what was not found."""


class Database:
    """One database of a server."""

    def __init__(self, server: "Server", name: str) -> None:
        self.server = server
        self.name = name
        self.url = server.url_of(name)

    def execute(self, sql: str) -> list[Any]:
        """Run one statement beside the service."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def empty(self) -> None:
        """As it was right after the migrations; much quicker than a new one."""
        steps = ["SET synchronous_commit = off", *(f"DELETE FROM {table}" for table in TABLES)]
        steps += [f"ALTER TABLE {table} ALTER id RESTART" for table in WITH_IDS]
        self.execute("; ".join(steps))

    def terminate(self, *, like: str = "%") -> int:
        """End the service's connections whose last statement is *like* this; how many."""
        found = self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{self.name}' AND pid <> pg_backend_pid() AND query LIKE '{like}'"
        )
        return len(found)


class Server:
    """A PostgreSQL that answers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def url_of(self, name: str) -> str:
        """The URL of another database of the same server."""
        head, _, query = self.url.partition("?")
        return head.rpartition("/")[0] + "/" + name + (f"?{query}" if query else "")

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A new database, dropped in the end."""
        name = f"email_service_test_{os.getpid()}_{secrets.token_hex(4)}"
        self._execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        try:
            yield Database(self, name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, sql: str) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql)  # type: ignore[arg-type]

    def answers(self) -> bool:
        """Whether it takes connections now."""
        try:
            psycopg.connect(self.url, connect_timeout=3).close()
        except psycopg.Error:
            return False
        return True


class PrivateServer(Server):
    """A server of our own: it may be stopped, restarted and set up as a test wants."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        super().__init__(f"postgresql://postgres@127.0.0.1:{self.port}/postgres")
        self._settings = (
            f"-c port={self.port}",
            "-c listen_addresses=127.0.0.1",
            "-c unix_socket_directories=",
            "-c max_connections=60",
            "-c shared_buffers=64MB",
            *(f"-c {setting}" for setting in settings),
        )

    @cached_property
    def _instance(self) -> Sequence[str]:
        """initdb and postgres refuse root: they run as the system's `postgres`, if need be."""
        if os.geteuid() != 0:
            return ()
        for command in ("setpriv", "runuser"):
            path = shutil.which(command)
            if path:
                as_user = ("--reuid=postgres", "--regid=postgres", "--clear-groups", "--")
                return (path, *as_user) if command == "setpriv" else (path, "-u", "postgres", "--")
        raise NoPostgres("PostgreSQL does not run as root, and setpriv is not here to change that")

    def create(self) -> "PrivateServer":
        """Make its files and start it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        options = ("-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync")
        self._run("initdb", "-D", str(self.folder / "data"), *options)
        return self.start()

    def start(self) -> "PrivateServer":
        """Start it and wait until it answers."""
        options = " ".join(self._settings)
        log = str(self.folder / "postgres.log")
        self._ctl("-l", log, "-o", options, "start")
        return self

    def stop(self, *, mode: str = "immediate") -> None:
        """As a crash would (`immediate`), or politely (`fast`)."""
        self._ctl("-m", mode, "stop")

    def restart(self) -> None:
        """Crash and come back."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL to all of its processes at once: not even their memory is put in order."""
        lock = self.folder / "data" / "postmaster.pid"
        first = int(lock.read_text().split()[0])
        processes = (first, *children_of(first))
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, processes)), every=0.01)
        lock.unlink()  # it names a zombie where no process reaps, and would keep the next one out

    def _ctl(self, *arguments: str) -> None:
        wait = ("-w", "-t", str(PATIENCE_S), "-s", "-D", str(self.folder / "data"))
        self._run("pg_ctl", *wait, *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._instance, str(_binaries() / program), *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if program == "initdb" else None,
            text=True,
            timeout=2 * PATIENCE_S,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}"


def _binaries() -> Path:
    """The newest installation."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if not installed:
        raise NoPostgres("no initdb")
    return installed[-1].parent


@contextmanager
def private_server(*settings: str) -> Iterator[PrivateServer]:
    """A started server of our own, removed in the end."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="email-service-pg-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = PrivateServer(folder, *settings).create()
        stack.callback(server.stop)
        yield server


@contextmanager
def any_server() -> Iterator[Server]:
    """The one at TEST_POSTGRES_URL, else a private one; NoPostgres names what was looked for."""
    server = Server(os.environ.get("TEST_POSTGRES_URL") or DEFAULT_URL)
    if server.answers():
        yield server
        return
    where = conninfo_to_dict(server.url)
    try:
        _binaries()
    except NoPostgres:
        raise NoPostgres(
            f"PostgreSQL was not found: nothing answers at {where.get('host')}:"
            f"{where.get('port', 5432)} (TEST_POSTGRES_URL), and there is no initdb to start one"
        ) from None
    with private_server() as ours:
        yield ours

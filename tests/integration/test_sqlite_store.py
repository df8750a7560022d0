"""What the SQLite store promises beyond the contract: durability, other processes, broken engines.

Other processes are real ones. A fault of the engine is made with the engine's own means: a lock, a
full file, a rolled-back transaction.
"""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import apsw
import attrs
import pytest
from playhouse.apsw_ext import APSWDatabase
from playhouse.schema_diff import diff_models

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore, sqlite
from adapters.peewee_store.readers import MOST_IDLE
from adapters.peewee_store.tables import TABLES
from domain.account.account import Account
from domain.account.limits import Window, WindowLengths
from domain.email.status import Status
from domain.errors import StoreUnavailable
from domain.event.event import BEGINNING
from domain.event.types import ALL_EVENTS, NO_EVENTS, USUAL_EVENTS, EventType
from entrypoints.stores import open_store
from tests.builders import (
    NOW,
    OCTETS,
    a_pinned_email,
    a_record,
    an_account,
    an_attempt,
    an_email,
    at,
    no_limits,
)
from tests.newer_version import SHIPPED

REPOSITORY = Path(__file__).parents[2]
MIGRATIONS = list(SHIPPED)
PATIENCE_S = 30
IMPATIENT_S = 0.05


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mail.db"
    with_store = SqliteStore(path, clock=FakeClock())
    with_store.migrate()
    with_store.close()
    return path


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path, clock=FakeClock(), busy_timeout_s=IMPATIENT_S)
    yield store
    store.close()


@pytest.fixture
def patient(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path, clock=FakeClock(), busy_timeout_s=PATIENCE_S)
    yield store
    store.close()


class Other:
    """Another process, spoken to line by line."""

    def __init__(self, code: str, path: Path) -> None:
        command = [sys.executable, "-c", code, str(path)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, text=True, stdin=pipe, stdout=pipe
        )

    def line(self) -> str:
        """The next line of its output."""
        assert self._process.stdout
        return self._process.stdout.readline().rstrip("\n")

    def go_on(self) -> None:
        """Answer its input()."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()

    def ended(self) -> int:
        """Its exit code, once it has one."""
        return self._process.wait(PATIENCE_S)

    def clean_up(self) -> None:
        """Leave nothing behind, however the test went."""
        with self._process:
            self._process.kill()


@pytest.fixture
def other(path: Path) -> Iterator[Callable[[str], Other]]:
    """Starts another process on the same file."""
    with contextlib.ExitStack() as stack:

        def start(code: str) -> Other:
            process = Other(code, path)
            stack.callback(process.clean_up)
            return process

        yield start


# -- how it is opened -----------------------------------------------------------------------------


def test_every_connection_is_durable(patient: SqliteStore) -> None:
    met = threading.Barrier(4)

    def pragmas(tx: Any) -> dict[str, object]:
        met.wait(PATIENCE_S)
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
        return {name: tx.session.execute(f"PRAGMA {name}").fetchone()[0] for name in names}

    asked = [patient.write, patient.read, patient.read, patient.read]
    answers = _at_once([lambda ask=ask: ask(pragmas) for ask in asked])

    durable = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
    }
    # who writes waits for the lock in its own way
    assert answers[0] == durable | {"query_only": 0, "busy_timeout": 0}
    reader = {"query_only": 1, "busy_timeout": PATIENCE_S * 1000}
    assert answers[1:] == [durable | reader] * 3


@pytest.mark.parametrize("use", ["write", "ping"])
def test_a_file_that_another_connection_recovers_is_waited_for(
    patient: SqliteStore, path: Path, use: str
) -> None:
    uses: dict[str, Callable[[], object]] = {
        "write": lambda: patient.write(_add),
        "ping": patient.ping,
    }
    done: Future[object] = Future()

    def run() -> None:
        try:
            done.set_result(uses[use]())
        except Exception as error:
            done.set_exception(error)

    with contextlib.closing(apsw.Connection(str(path))) as locking:
        # as while a log is recovered, or put away with the last connection
        locking.execute("PRAGMA locking_mode = EXCLUSIVE")
        locking.execute("BEGIN IMMEDIATE")
        user = threading.Thread(target=run)
        user.start()
        with pytest.raises(TimeoutError):
            done.result(0.1)

    done.result(PATIENCE_S)
    user.join()


def test_a_connection_that_does_not_take_a_pragma_is_refused(path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="page_size"):
        sqlite.open_connection(path, {"page_size": 12345}, IMPATIENT_S)


def test_its_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "mail.db", clock=FakeClock())
        assert not store.in_use()  # asked before it is there
        store.migrate()
        store.write(_add)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)

    assert modes == {"mail.db": 0o600, "mail.db-wal": 0o600, "mail.db-shm": 0o600}


def test_nothing_is_opened_and_no_thread_runs_before_it_is_used(tmp_path: Path) -> None:
    threads = threading.active_count()
    store = SqliteStore(tmp_path / "mail.db", clock=FakeClock())

    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads
    store.migrate()
    store.ping()
    assert threading.active_count() == threads
    store.write(_add)
    assert threading.active_count() == threads + 1
    store.close()
    assert threading.active_count() == threads


def test_a_store_without_tables_says_what_to_do(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "mail.db", clock=FakeClock())

    with pytest.raises(StoreUnavailable, match="migrated"):
        store.ping()
    with pytest.raises(StoreUnavailable, match="migrated"):
        store.write(_add)
    store.close()


@pytest.mark.parametrize("use", ["ping", "write", "migrate", "in_use"])
def test_a_store_that_cannot_be_opened_is_unavailable(tmp_path: Path, use: str) -> None:
    (tmp_path / "text.db").write_text("this is no database " * 100)
    for path in (tmp_path / "missing" / "mail.db", tmp_path, tmp_path / "text.db"):
        store = SqliteStore(path, clock=FakeClock())
        uses: dict[str, Callable[[], object]] = {
            "ping": store.ping,
            "write": lambda store=store: store.write(_add),
            "migrate": store.migrate,
            "in_use": store.in_use,
        }
        with pytest.raises(StoreUnavailable):
            uses[use]()
        store.close()


def test_a_url_names_a_file(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///mail.db", f"sqlite:///{path}"):
        store = open_store(url, clock=FakeClock())
        monkeypatch.chdir("/")
        store.write(_add)
        store.close()
        monkeypatch.chdir(tmp_path)

    assert _rows(path, "SELECT COUNT(*) FROM email") == [(2,)]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.db",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://mail.db",
        "sqlite://host/mail.db",
        "sqlite:///mail.db?mode=ro",
        "mysql://user:hunter2@host/mail",
    ],
)
def test_a_url_that_names_no_store_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="store") as refused:
        open_store(url, clock=FakeClock())

    assert "hunter2" not in str(refused.value)


# -- migrations -----------------------------------------------------------------------------------


def test_migrating_twice_does_nothing_the_second_time(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "mail.db", clock=FakeClock())

    assert list(store.migrate()) == MIGRATIONS
    assert list(store.migrate()) == []


def test_where_nothing_is_to_be_migrated_no_writer_is_waited_for_or_held_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "MIGRATION_TIMEOUT_S", 0.1)
    store = SqliteStore(path, clock=FakeClock())
    writing = apsw.Connection(str(path))
    writing.execute("BEGIN IMMEDIATE")

    assert list(store.migrate()) == []

    writing.execute("ROLLBACK")
    writing.close()


def test_processes_that_migrate_at_once_apply_everything_once(
    path: Path, other: Callable[[str], Other]
) -> None:
    path.unlink()
    migrate = f"{_STORE}print('ready', flush=True); input(); print(*store.migrate())"
    processes = [other(migrate) for _ in range(4)]
    assert [process.line() for process in processes] == ["ready"] * 4
    for process in processes:
        process.go_on()

    assert sorted(process.line() for process in processes) == ["", "", "", " ".join(MIGRATIONS)]
    assert [process.ended() for process in processes] == [0] * 4


def test_the_models_are_the_tables_that_the_migrations_make(path: Path) -> None:
    database = APSWDatabase(str(path))
    difference = diff_models(database, list(TABLES))
    database.close()

    assert [
        *difference.create_tables,
        *difference.add_columns,
        *difference.drop_columns,
        *getattr(difference, "alter_columns", ()),
    ] == []


def test_a_later_migration_runs_on_a_filled_database(path: Path, tmp_path: Path) -> None:
    _fill(path)
    before = _dump(path)
    later = _migrations(
        tmp_path,
        "from peewee import TextField\n"
        "def up(migrator, db):\n"
        "    field = TextField(default='')\n"
        "    migrator.migrate(migrator.add_column('email', 'colour', field))\n"
        "    migrator.migrate(migrator.drop_not_null('email', 'subject'))\n",
    )

    assert list(sqlite.migrate(path, directory=later)) == ["9999_later"]
    after = _dump(path)
    assert {name: len(table) for name, table in after.items()} == {
        name: len(table) for name, table in before.items()
    } | {"schema_migration": len(MIGRATIONS) + 1}
    assert _rows(path, "SELECT DISTINCT colour FROM email") == [("",)]


def test_a_migration_that_fails_changes_nothing(path: Path, tmp_path: Path) -> None:
    _fill(path)
    before = _dump(path)
    later = _migrations(
        tmp_path,
        "def up(migrator, db):\n"
        "    db.execute_sql('DELETE FROM recipient')\n"
        "    db.execute_sql('ALTER TABLE nothing ADD COLUMN x TEXT')\n",
    )

    with pytest.raises(StoreUnavailable):
        sqlite.migrate(path, directory=later)
    assert _dump(path) == before


def test_a_migration_that_leaves_orphans_is_taken_back(path: Path, tmp_path: Path) -> None:
    _fill(path)
    before = _dump(path)
    later = _migrations(
        tmp_path, "def up(migrator, db):\n    db.execute_sql('DELETE FROM email WHERE id = 1')\n"
    )

    with pytest.raises(StoreUnavailable, match="parent"):
        sqlite.migrate(path, directory=later)
    assert _dump(path) == before


def test_the_sqlite_of_the_machine_finds_no_fault_in_the_file(path: Path) -> None:
    """What an operator asks at three in the morning; 3.40 minds the order of columns."""
    _fill(path)
    assert _rows(path, "SELECT COUNT(*) FROM ledger_sum") != [(0,)]

    asked = (
        "import sqlite3, sys;"
        "print(*sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchall())"
    )
    told = subprocess.run([sys.executable, "-c", asked, path], capture_output=True, text=True)
    assert (told.stdout, told.stderr) == ("('ok',)\n", "")


# -- other processes ------------------------------------------------------------------------------


def test_processes_never_claim_the_same_email(
    store: SqliteStore, other: Callable[[str], Other]
) -> None:
    store.write(lambda tx: tx.accounts.add(an_account(limits=no_limits())))
    store.write(lambda tx: [_add(tx) for _ in range(300)])
    claim = f"""{_STORE}
account = store.read(lambda tx: tx.accounts.get(1))
print("ready", flush=True)
input()
taken = []
while batch := store.write(lambda tx: tx.emails.claim(
        account, limit=5, units=99, urgent_units=99, now=NOW, instance=1)):
    taken += [email.id for email in batch]
print(*taken)
"""
    processes = [other(claim) for _ in range(2)]
    assert [process.line() for process in processes] == ["ready"] * 2
    for process in processes:
        process.go_on()

    taken = [int(number) for process in processes for number in process.line().split()]
    assert sorted(taken) == list(range(1, 301))


def test_a_store_that_another_process_locks_is_unavailable_for_writing_only(
    store: SqliteStore, other: Callable[[str], Other]
) -> None:
    store.write(_add)
    locker = other("""
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
input()
""")
    assert locker.line() == "locked"

    with pytest.raises(StoreUnavailable, match="locked"):
        store.write(_add)
    store.ping()
    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 1

    locker.go_on()
    assert locker.ended() == 0
    assert store.write(_add) == 2


@pytest.mark.parametrize("threads", [1, 4])
def test_what_was_acknowledged_survives_kill_9(
    path: Path, store: SqliteStore, other: Callable[[str], Other], threads: int
) -> None:
    writer = other(f"""{_STORE}
import threading
def run():
    while True:
        email = store.write(lambda tx: tx.emails.add(an_email(), OCTETS * 50))
        sys.stdout.write(f"{{email.id}}\\n")
        sys.stdout.flush()
for _ in range({threads}):
    threading.Thread(target=run).start()
""")
    acknowledged = {int(writer.line()) for _ in range(200)}
    writer.kill()
    assert writer.ended() == -signal.SIGKILL

    kept = {number for (number,) in _rows(path, "SELECT id FROM email")}
    assert acknowledged <= kept
    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == len(kept)
    assert store.read(lambda tx: tx.emails.octets(max(kept))) == OCTETS * 50
    assert _rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_process_may_fork_before_the_first_use(
    path: Path, store: SqliteStore, other: Callable[[str], Other]
) -> None:
    forker = other(f"""{_STORE}
import os
store.migrate()
pid = os.fork()
for _ in range(50):
    store.write(lambda tx: tx.emails.add(an_email(), OCTETS))
store.ping()
store.close()
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    print("both done")
""")
    assert forker.line() == "both done"
    assert forker.ended() == 0

    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 100
    assert _rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_child_of_a_process_that_had_it_open_is_refused(
    store: SqliteStore, other: Callable[[str], Other]
) -> None:
    forker = other(f"""{_STORE}
import os
add = lambda tx: tx.emails.add(an_email(), OCTETS)
store.write(add)
pid = os.fork()
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    store.write(add)
    store.close()
    print("the parent goes on")
else:
    for use in (store.write, store.read, store.post):
        try:
            use(add)
        except RuntimeError as error:
            assert "fork" in str(error)
        else:
            raise SystemExit("not refused")
    store.close()
    os._exit(0)
""")
    assert forker.line() == "the parent goes on"
    assert forker.ended() == 0
    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 2


# -- group commit ---------------------------------------------------------------------------------


def test_works_that_wait_together_share_one_commit(store: SqliteStore) -> None:
    seen: list[str] = []
    with _held_up(store, statements=seen):
        futures = [store.post(_add) for _ in range(20)]
    assert [future.result() for future in futures] == list(range(1, 21))

    assert seen.count("COMMIT") == 2  # the other one is of the work that held the writer up


def test_savepoints_are_paid_for_only_when_a_work_fails(store: SqliteStore) -> None:
    seen: list[str] = []
    with _held_up(store, statements=seen):
        futures = [store.post(_add) for _ in range(20)]
    assert [future.result() for future in futures] == list(range(1, 21))

    assert [statement for statement in seen if "SAVEPOINT" in statement] == []


def test_no_caller_is_answered_before_the_commit(path: Path, store: SqliteStore) -> None:
    with _held_up(store):
        futures = [store.post(_add) for _ in range(3)]
        visible: list[list[Any]] = []
        futures[0].add_done_callback(
            lambda future: visible.append(_rows(path, "SELECT COUNT(*) FROM email"))
        )
    futures[-1].result()

    assert visible == [[(3,)]]


def test_a_statement_that_fails_fails_its_work_alone(store: SqliteStore) -> None:
    def broken(tx: Any) -> None:
        _add(tx)
        tx.session.execute("SELECT * FROM nothing")

    with _held_up(store):
        futures = [store.post(_add), store.post(broken), store.post(_add)]

    assert [_outcome(future) for future in futures] == [1, StoreUnavailable, 2]
    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 2


def test_if_the_engine_gives_the_transaction_up_the_whole_group_learns_of_it(
    store: SqliteStore,
) -> None:
    def given_up(tx: Any) -> None:
        tx.session.execute("ROLLBACK")

    with _held_up(store):
        futures = [store.post(_add), store.post(given_up), store.post(_add)]

    assert [_outcome(future) for future in futures] == [StoreUnavailable] * 3
    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 0
    assert store.write(_add) == 1


def test_a_full_disk_loses_the_works_it_met_and_nothing_else(store: SqliteStore) -> None:
    store.write(_add)

    def fill_up(tx: Any) -> None:
        (pages,) = tx.session.execute("PRAGMA page_count").fetchone()
        tx.session.execute(f"PRAGMA max_page_count = {pages + 2}")

    store.write(fill_up)
    with pytest.raises(StoreUnavailable, match="full"):
        store.write(lambda tx: _add(tx, b"x" * 1_000_000))
    with _held_up(store):
        futures = [store.post(lambda tx: _add(tx, b"x" * 1_000_000)) for _ in range(2)]

    assert [_outcome(future) for future in futures] == [StoreUnavailable] * 2
    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 1
    store.write(lambda tx: tx.session.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert store.write(_add) == 2


def test_the_writer_survives_the_loss_of_its_connection(store: SqliteStore) -> None:
    store.write(_add)
    with pytest.raises((StoreUnavailable, apsw.ConnectionClosedError)):
        store.write(lambda tx: tx.session.close())

    assert store.write(_add) == 2


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError])
def test_the_writer_survives_whatever_a_work_raises(
    store: SqliteStore, error: type[BaseException]
) -> None:
    def work(tx: Any) -> None:
        raise error

    with pytest.raises(error):
        store.write(work)
    assert store.write(_add) == 1


def test_a_callback_may_not_wait_for_the_store_but_may_post_to_it(store: SqliteStore) -> None:
    answers: list[Any] = []

    def callback(future: Future[Any]) -> None:
        with pytest.raises(RuntimeError):
            store.write(_add)
        answers.append(store.post(_add))

    with _held_up(store):
        store.post(_add).add_done_callback(callback)
    store.write(_add)
    assert answers[0].result() in (2, 3)


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_failing_callback_keeps_no_caller_from_an_answer(
    store: SqliteStore, error: type[BaseException]
) -> None:
    def callback(future: Future[Any]) -> None:
        raise error

    with _held_up(store):
        futures = [store.post(_add) for _ in range(3)]
        futures[0].add_done_callback(callback)

    assert [future.result(PATIENCE_S) for future in futures] == [1, 2, 3]
    assert store.write(_add) == 4


def test_a_cancelled_work_does_not_run(store: SqliteStore) -> None:
    with _held_up(store):
        cancelled = store.post(_add)
        assert cancelled.cancel()
        kept = store.post(_add)

    assert kept.result() == 1


def test_close_finishes_what_was_posted(path: Path, store: SqliteStore) -> None:
    futures = [store.post(_add) for _ in range(500)]
    store.close()

    assert [future.result(timeout=0) for future in futures] == list(range(1, 501))
    assert _rows(path, "SELECT COUNT(*) FROM email") == [(500,)]


# -- reads ----------------------------------------------------------------------------------------


def test_a_read_sees_one_moment(store: SqliteStore) -> None:
    store.write(_add)

    def work(tx: Any) -> tuple[int, int]:
        before = tx.emails.counts()[Status.QUEUED]
        _at_once([lambda: store.write(_add)])
        return before, tx.emails.counts()[Status.QUEUED]

    assert store.read(work) == (1, 1)
    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 2


def test_threads_that_end_leave_no_connection_behind(path: Path, store: SqliteStore) -> None:
    for _ in range(5):
        _at_once([store.ping] * 20)

    open_files = [os.readlink(file) for file in Path("/proc/self/fd").iterdir() if file.exists()]
    assert open_files.count(str(path)) <= 5 * MOST_IDLE  # of a hundred; some are closed late


# -- what keeps it quick --------------------------------------------------------------------------


def test_no_statement_scans_a_table_that_grows(path: Path, store: SqliteStore) -> None:
    account = store.write(lambda tx: tx.accounts.add(an_account(limits=no_limits())))
    # a subquery is a line before an account: it ends at its LIMIT; what is held is being sent
    few = (
        "SCAN tally",
        "SCAN account",
        "SCAN (subquery",
        "SCAN email USING INDEX email_held",
        "SCAN email USING COVERING INDEX email_held",
        "SCAN old",
        "SCAN void",
    )  # fmt: skip - the sums of an account, behind the prune
    given = "VALUES CLAUSE"  # what is inserted
    scanned = [
        (sql, plan)
        for sql in _statements(store, lambda tx: _use_everything(tx, account))
        for plan in _plan(path, sql)
        if plan.startswith("SCAN") and not plan.startswith(few) and not plan.endswith(given)
    ]
    assert scanned == []


def test_the_use_of_a_large_account_is_reported_without_reading_its_emails(
    path: Path, store: SqliteStore
) -> None:
    now, emails = round(NOW.timestamp() * 1_000_000), 40_000
    charge = (
        "INSERT INTO ledger (email_id, attempt_no, account_id, units, ts) VALUES (?, 1, 1, 1, ?)"
    )
    step = 86_400_000_000 // emails
    with contextlib.closing(apsw.Connection(str(path))) as connection, connection:
        connection.executemany(charge, [(n, now - n * step) for n in range(emails)])
    thousands: list[int] = []

    def counted(tx: Any) -> dict[Window, tuple[int, int]]:
        connection = tx.session._connection
        connection.set_progress_handler(lambda: bool(thousands.append(1)), 1000)  # instructions
        try:
            return dict(tx.ledger.totals(1, WindowLengths()))
        finally:
            connection.set_progress_handler(None)

    assert store.write(counted)[Window.DAY] == (emails, emails)
    assert len(thousands) <= 10


def test_the_works_of_one_commit_read_what_an_account_has_used_once_until_it_changes(
    store: SqliteStore,
) -> None:
    lengths = WindowLengths()
    found: list[int] = []

    def work(tx: Any) -> None:
        held = an_email(id=7, attempt_no=1, account_id=1)
        for change in (
            lambda: tx.ledger.reserve([held], units=lambda email: 2),
            lambda: tx.ledger.charge(7, 1, units=3),
            lambda: tx.ledger.prune(before=at(1), limit=9),
            lambda: tx.ledger.reserve([held], units=lambda email: 4),
            lambda: tx.ledger.free(7, 1),
        ):
            change()
            found.extend(tx.ledger.used(1, lengths)[Window.DAY] for _ in range(3))

    statements = _statements(store, work)

    assert found == [2, 2, 2, 3, 3, 3, 0, 0, 0, 4, 4, 4, 0, 0, 0]
    assert sum("UNION ALL" in sql for sql in statements) == 5


def test_what_a_work_took_back_has_used_is_read_again(store: SqliteStore) -> None:
    lengths = WindowLengths()

    def used(tx: Any) -> int:
        return int(tx.ledger.used(1, lengths)[Window.DAY])

    def fails(tx: Any) -> None:
        tx.ledger.reserve([an_email(id=7, attempt_no=1, account_id=1)], units=lambda email: 2)
        assert used(tx) == 2
        raise KeyError

    works: list[Future[Any]] = []
    store.write(lambda tx: None)
    blocked = threading.Event()
    works.append(store.post(lambda tx: blocked.wait(PATIENCE_S)))  # the next ones share a commit
    works += [store.post(work) for work in (used, fails, used)]
    blocked.set()
    answers = [future.exception() or future.result() for future in works[1:]]

    assert [answers[0], type(answers[1]), answers[2]] == [0, KeyError, 0]


def test_a_list_goes_along_the_index_of_its_status(path: Path, store: SqliteStore) -> None:
    def listed(status: Status) -> list[str]:
        sql, *_ = _statements(store, lambda tx: tx.emails.page(status=status, limit=9))
        return _plan(path, sql)

    for status in set(Status) - {Status.SENDING}:
        assert listed(status) == ["SEARCH email USING INDEX email_by_status (status=?)"]
    assert listed(Status.SENDING) == [
        "SEARCH email USING INTEGER PRIMARY KEY (rowid=?)",
        "LIST SUBQUERY 1",
        "SCAN email USING COVERING INDEX email_held",
    ]


def test_a_claim_looks_at_the_index_alone_to_choose(path: Path, store: SqliteStore) -> None:
    account = store.write(lambda tx: tx.accounts.add(an_account(limits=no_limits())))
    store.write(_add)
    statements = _statements(store, lambda tx: _claim(tx, account))
    probes = [_plan(path, sql) for sql in statements if "UNION ALL" in sql]
    updates = [_plan(path, sql) for sql in statements if sql.startswith("UPDATE")]

    probe = "USING COVERING INDEX email_due (queue=? AND priority=? AND eligible_at<?)"
    assert [line for line in probes[0] if "email" in line] == [f"SEARCH email {probe}"] * 10
    assert not any("TEMP B-TREE" in line for line in probes[0])
    assert len(probes) == 1
    assert updates == [["SEARCH email USING INTEGER PRIMARY KEY (rowid=?)"]]


# -- helpers of the tests above -------------------------------------------------------------------

_STORE = """
import sys
from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore
from tests.builders import *
store = SqliteStore(sys.argv[1], clock=FakeClock())
"""


def _add(tx: Any, octets: bytes = OCTETS) -> int:
    return int(tx.emails.add(an_email(), octets).id)


def _claim(tx: Any, account: Account) -> Any:
    return tx.emails.claim(account, limit=9, units=9, urgent_units=9, now=NOW, instance=1, fair=0)


@contextlib.contextmanager
def _held_up(store: SqliteStore, *, statements: list[str] | None = None) -> Iterator[None]:
    """The writer is busy; whatever is posted meanwhile becomes one group.

    *statements* collects what its connection executes from then on.
    """
    entered, go_on = threading.Event(), threading.Event()

    def work(tx: Any) -> None:
        if statements is not None:
            tx.session._connection.exec_trace = _telling(statements)
        entered.set()
        assert go_on.wait(PATIENCE_S)

    future = store.post(work)
    assert entered.wait(PATIENCE_S)
    yield
    go_on.set()
    future.result()


def _outcome(future: "Future[Any]") -> object:
    error = future.exception(PATIENCE_S)
    return future.result() if error is None else type(error)


def _statements(store: SqliteStore, work: Callable[[Any], object]) -> list[str]:
    """The statements of *work*."""
    seen: list[str] = []

    def traced(tx: Any) -> None:
        tx.session._connection.exec_trace = _telling(seen)
        try:
            work(tx)
        finally:
            tx.session._connection.exec_trace = None

    store.write(traced)
    return seen


def _telling(statements: list[str]) -> Callable[..., bool]:
    """What SQLite's binding calls with each statement that it runs."""

    def told(_cursor: object, sql: str, _parameters: object) -> bool:
        statements.append(sql)
        return True

    return told


def _at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Their answers, each from a thread of its own."""
    answers: list[Any] = [None] * len(works)

    def run(place: int, work: Callable[[], Any]) -> None:
        answers[place] = work()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _use_everything(tx: Any, account: Account) -> None:
    """Every statement of the store, except for those on a few accounts."""
    emails, ledger, lengths = tx.emails, tx.ledger, WindowLengths()
    emails.add(an_email(), OCTETS)
    emails.add(a_pinned_email(account), OCTETS)
    instance = tx.instances.join(host="a", pid=1, now=NOW)
    held = emails.claim(
        account, limit=9, units=9, urgent_units=9, now=NOW, instance=instance, fair=2
    )
    tx.attempts.open([an_attempt()])
    ledger.reserve(held, units=lambda email: 1)
    emails.mark_committing([(1, 1)], instance=instance)
    emails.save(attrs.evolve(held[0], status=Status.SENT, phase=None, instance=None), was=held[0])
    tx.attempts.close(an_attempt())
    tx.attempts.of(1)
    ledger.charge(1, 1, units=1)
    ledger.free(2, 1)
    ledger.used(1, lengths)
    ledger.totals(1, lengths)
    ledger.room_returns_at(1, Window.HOUR, lengths, units=1)
    ledger.totals_of([1, 2], lengths)
    ledger.fold(lengths, limit=9)
    ledger.prune(before=NOW, limit=9)
    emails.get(1)
    emails.octets(1)
    emails.held_by(instance, limit=9)
    emails.expired(now=NOW, limit=9)
    emails.next_due([1, 2])
    emails.waiting()
    emails.waiting(1)
    for status in (None, Status.SENT, Status.SENDING):
        for account_id in (None, 1):
            emails.page(status=status, account_id=account_id, before=9, limit=9)
    tx.instances.beat(instance)
    tx.instances.orphaned()
    tx.idempotency.add(a_record())
    tx.idempotency.find("key-1", scope="caller-1")
    tx.idempotency.prune(before=NOW, limit=9)
    tx.instances.leave(instance)


def _rows(path: Path, sql: str) -> list[Any]:
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        return connection.execute(sql, (None,) * sql.count("?")).fetchall()


def _plan(path: Path, sql: str) -> list[str]:
    """Whatever the values are."""
    return [row[3] for row in _rows(path, f"EXPLAIN QUERY PLAN {sql}")]


def _dump(path: Path) -> dict[str, list[Any]]:
    """Every row of every table."""
    tables = _rows(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {name: _rows(path, f"SELECT * FROM {name}") for (name,) in tables}


def _fill(path: Path) -> None:
    store = SqliteStore(path, clock=FakeClock())
    account = store.write(lambda tx: tx.accounts.add(an_account(limits=no_limits())))
    store.write(lambda tx: [_add(tx) for _ in range(20)])
    store.write(lambda tx: _use_everything(tx, account))
    store.close()


def _migrations(folder: Path, text: str) -> Path:
    """The migrations, and a later one with this *text*."""
    later = folder / "migrations"
    shutil.copytree(sqlite.MIGRATIONS, later)
    (later / "9999_later.py").write_text(text)
    return later


@pytest.mark.parametrize(("kept", "number"), [(NO_EVENTS, 0), (USUAL_EVENTS, 1), (ALL_EVENTS, 2)])
def test_it_keeps_events_of_the_types_that_it_was_made_for(
    tmp_path: Path, kept: frozenset[EventType], number: int
) -> None:
    with contextlib.closing(
        SqliteStore(tmp_path / "mail.db", clock=FakeClock(), events=kept)
    ) as store:
        store.migrate()
        for event_type in (EventType.EMAIL_ACCEPTED, EventType.EMAIL_SENT):
            store.write(lambda tx, told=event_type: tx.events.tell_email(told, an_email(id=1)))

        assert len(store.read(lambda tx: tx.events.page(BEGINNING, limit=9)).events) == number


def test_a_page_of_events_is_read_along_their_ids_and_never_sorted(tmp_path: Path) -> None:
    with contextlib.closing(SqliteStore(tmp_path / "mail.db", clock=FakeClock())) as store:
        store.migrate()
    with contextlib.closing(apsw.Connection(str(tmp_path / "mail.db"))) as connection:
        plans = {
            condition: [
                step[3]
                for step in connection.execute(
                    f"EXPLAIN QUERY PLAN SELECT data FROM event WHERE {condition}"
                    " ORDER BY id LIMIT 500"
                )
            ]
            for condition in ("id > 1", "id > 1 AND id <= 9 AND type IN ('a')", "email_id = 1")
        }
    assert list(plans.values()) == [
        ["SEARCH event USING INTEGER PRIMARY KEY (rowid>?)"],
        ["SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"],
        ["SEARCH event USING INDEX event_by_email (email_id=?)"],
    ]

"""Each migration on a database that its predecessors made and a service has filled."""

import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from playhouse.apsw_ext import APSWDatabase
from playhouse.migrations import Migration, Runner

from adapters.clock import SystemClock
from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore, sqlite
from adapters.peewee_store.email_lists import FAILED
from adapters.peewee_store.records import health_text
from adapters.peewee_store.retention import OLDEST, WITH_CONTENT
from domain.account.account import Transport
from domain.account.health import Health
from domain.account.limits import Window, WindowLengths
from domain.address import Address
from domain.email.listing import Search
from domain.email.status import Status
from domain.errors import SchemaTooNew
from domain.message.attachment import Blob
from domain.message.skeleton import PlacedBlob
from domain.suppression import Additions
from tests.builders import OCTETS, a_key_row, an_email
from tests.newer_version import NEWEST, newer_version


def migrated_to(number: int, path: Path, folder: Path) -> None:
    """Bring the file to the schema of the first *number* migrations."""
    folder.mkdir()
    for migration in sorted(sqlite.MIGRATIONS.glob("[0-9]*.py"))[:number]:
        shutil.copy(migration, folder)
    sqlite.migrate(path, directory=folder)


def filled(path: Path, emails: int) -> None:
    """Emails as the first schema has them, without a key that submitted them."""
    with closing(apsw.Connection(str(path))) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(email)")]
        values = {
            "subject": "Hello", "priority": 3, "status": "queued", "queue": 0, "attempt_no": 0,
            "claim_count": 0, "retry_count": 0, "unknown_count": 0, "at_most_once": 0,
            "possibly_delivered": 0, "smtputf8": 0, "message_id": "<1@x>", "size": 1,
            "open_count": 0, "live": 1, "eligible_at": 0, "expires_at": 9, "created_at": 0,
            "updated_at": 0,
        }  # fmt: skip
        assert "key_id" not in names
        marks = ", ".join("?" * len(values))
        insert = f"INSERT INTO email ({', '.join(values)}) VALUES ({marks})"
        for _ in range(emails):
            connection.execute(insert, tuple(values.values()))


def test_0002_keeps_every_email_and_assigns_it_to_no_key(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    migrated_to(1, path, tmp_path / "first")
    filled(path, 3)
    store = SqliteStore(path, clock=FakeClock())
    try:
        assert "0002_access" in store.migrate()
        emails = store.read(lambda tx: [tx.emails.get(number) for number in (1, 2, 3)])
        assert [email.key_id for email in emails] == [None] * 3
        key = store.write(lambda tx: tx.keys.add(a_key_row()))
        stored = store.write(lambda tx: tx.emails.add(an_email(key_id=key.id), OCTETS))
        page = store.read(lambda tx: tx.emails.page(key_id=key.id, limit=9))
        assert [row.id for row in page.emails] == [stored.id] == [4]
    finally:
        store.close()


def test_0003_counts_what_was_there_and_what_the_version_before_still_adds(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    migrated_to(2, path, tmp_path / "second")
    by_the_version_before = (
        "INSERT INTO tally (queue, status, n) VALUES (0, 'sent', 2)"
        " ON CONFLICT (queue, status) DO UPDATE SET n = tally.n + excluded.n"
    )
    _execute(path, by_the_version_before)
    store = SqliteStore(path, clock=FakeClock())
    try:
        assert "0003_slots" in store.pending()
        assert list(store.pending()) == list(store.migrate())
        _execute(path, by_the_version_before)
        store.write(lambda tx: tx.emails.add(an_email(), OCTETS))
        counts = store.read(lambda tx: tx.emails.counts())
        assert (counts[Status.SENT], counts[Status.QUEUED]) == (4, 1)
        assert list(store.pending()) == []
    finally:
        store.close()


def test_0006_sums_what_was_charged_and_what_the_version_before_still_charges(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "mail.db", FakeClock()
    now = round(clock.steady().timestamp() * 1_000_000)
    hours_ago = now - 5 * 3600 * 1_000_000
    migrated_to(5, path, tmp_path / "fifth")
    reserve = "INSERT INTO ledger (email_id, attempt_no, account_id, units, ts) VALUES "
    _execute(path, f"{reserve} (1, 1, 1, 2, {hours_ago}), (2, 1, 1, 3, {now}), (3, 1, 1, 4, NULL)")
    store = SqliteStore(path, clock=clock)

    def totals() -> list[tuple[int, int]]:
        found = store.read(lambda tx: tx.ledger.totals(1, WindowLengths()))
        return [found[window] for window in Window]

    try:
        assert "0006_sums" in store.migrate()
        assert totals() == [(7, 1), (7, 1), (9, 2)]
        _execute(path, f"UPDATE ledger SET ts = {hours_ago}, units = 5 WHERE email_id = 3")
        assert totals() == [(3, 1), (3, 1), (10, 3)]
        _execute(path, "DELETE FROM ledger WHERE email_id = 1")
        assert totals() == [(3, 1), (3, 1), (8, 2)]
    finally:
        store.close()


def test_0013_lets_search_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    migrated_to(1, path, tmp_path / "first")
    filled(path, 3)
    _execute(
        path,
        "INSERT INTO recipient (email_id, position, address, kind, fate)"
        " SELECT id, 0, 'Ada' || id || '@example.org', 'to', 'open' FROM email",
    )
    store = SqliteStore(path, clock=FakeClock())

    def found(search: Search) -> list[int]:
        page = store.read(lambda tx: tx.emails.page(search, limit=9))
        return [row.id for row in page.emails]

    try:
        assert "0013_search" in store.migrate()
        assert found(Search(recipient=Address.parse("ada2@example.org"))) == [2]
        assert found(Search(subject="hel")) == [3, 2, 1]
        assert found(Search(tag="a")) == []
    finally:
        store.close()


def test_0016_gives_no_alias_to_an_account_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    migrated_to(15, path, tmp_path / "fifteenth")
    columns = {
        "version": 1, "name": "main", "address": "me@example.com", "display_name": "", "host": "h",
        "port": 25, "security": "plain", "username": "", "active": 1, "unit": "messages",
        "max_connections": 2, "priority_reserve": 10, "health": health_text(Health()),
        "created_at": 0, "updated_at": 0,
    }  # fmt: skip
    names, values = ", ".join(columns), ", ".join(map(repr, columns.values()))
    _execute(path, f"INSERT INTO account ({names}) VALUES ({values})")
    store = SqliteStore(path, clock=FakeClock())
    try:
        assert "0016_aliases" in store.migrate()
        [account] = store.read(lambda tx: tx.accounts.all())
        assert (account.name, account.aliases) == ("main", ())
    finally:
        store.close()


def test_0017_leaves_an_account_that_was_there_with_its_password_and_smtp(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    migrated_to(16, path, tmp_path / "sixteenth")
    columns = {
        "version": 1, "name": "main", "address": "me@example.com", "display_name": "", "host": "h",
        "port": 25, "security": "plain", "username": "", "active": 1, "unit": "messages",
        "max_connections": 2, "priority_reserve": 10, "health": health_text(Health()),
        "created_at": 0, "updated_at": 0,
    }  # fmt: skip
    names, values = ", ".join(columns), ", ".join(map(repr, columns.values()))
    _execute(path, f"INSERT INTO account ({names}) VALUES ({values})")
    store = SqliteStore(path, clock=FakeClock())
    try:
        assert "0017_oauth" in store.migrate()
        [account] = store.read(lambda tx: tx.accounts.all())
        assert (account.oauth, account.transport) == (None, Transport.SMTP)
    finally:
        store.close()


def test_0018_leaves_large_parts_that_were_there_in_base64(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    migrated_to(1, path, tmp_path / "first")
    filled(path, 1)
    migrated_to(17, path, tmp_path / "seventeenth")
    digest = "ab" * 32
    _execute(path, f"INSERT INTO blob VALUES ('{digest}', 9, 1, 0)")
    _execute(path, f"INSERT INTO email_blob VALUES (1, 0, 7, '{digest}')")
    store = SqliteStore(path, clock=FakeClock())
    try:
        assert "0018_plain_blobs" in store.migrate()
        blob = Blob(digest=bytes.fromhex(digest), size=9)
        found = store.read(lambda tx: tx.blobs.of([1]))
        assert list(found[1]) == [PlacedBlob(offset=7, blob=blob)]
    finally:
        store.close()


def test_0020_keeps_the_version_before_from_delivering_what_it_does_not_know(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mail.db"
    joins = "INSERT INTO instance (host, pid, joined_at, beats) VALUES ('a', 1, 0, 0)"
    blob = Blob(digest=bytes(32), size=0)
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        assert "0020_capabilities" in store.migrate()
        _execute(path, joins)
        store.write(lambda tx: tx.instances.leave(1))
        store.write(lambda tx: tx.blobs.begin(blob, now=FakeClock().now()))
        email = store.write(lambda tx: tx.emails.add(an_email(), OCTETS))
        placed = [PlacedBlob(offset=0, blob=blob)]
        store.write(lambda tx: tx.blobs.place_all({email.id: placed}))
        with pytest.raises(apsw.ConstraintError, match="start the newer version"):
            _execute(path, joins)
        assert dict(store.read(lambda tx: tx.instances.beats())) == {}


def test_retention_counts_from_the_upgrade_of_a_database_with_emails(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    migrated_to(1, path, tmp_path / "first")
    filled(path, 1)
    begun = SystemClock().now() - timedelta(seconds=1)
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        store.migrate()
        counts_from = store.read(lambda tx: tx.retention.counts_from())
        assert counts_from is not None
        assert begun <= counts_from <= SystemClock().now()
        assert [store.write(lambda tx: tx.retention.tell()) for _ in range(2)] == [True, False]
    with closing(SqliteStore(tmp_path / "new.db", clock=FakeClock())) as store:
        store.migrate()
        assert store.read(lambda tx: tx.retention.counts_from()) is None


def test_what_has_its_message_is_found_along_an_index_of_its_own(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "mail.db", clock=FakeClock())) as store:
        store.migrate()
    with closing(apsw.Connection(str(tmp_path / "mail.db"))) as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN {WITH_CONTENT}{OLDEST}", ("sent", 9, 9)
        ).fetchall()
    assert [step[3] for step in plan] == [
        "SEARCH email USING INDEX email_with_content (status=? AND updated_at<?)"
    ]


def test_what_has_failed_since_is_found_along_the_same_index(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "mail.db", clock=FakeClock())) as store:
        store.migrate()
    with closing(apsw.Connection(str(tmp_path / "mail.db"))) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {FAILED}", (9, 9)).fetchall()
    assert plan[0][3] == "SEARCH email USING INDEX email_with_content (status=? AND updated_at>?)"


def test_pending_migrations_are_reported_without_making_a_file(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "mail.db", clock=FakeClock())

    assert list(store.pending()) == [
        path.stem for path in sorted(sqlite.MIGRATIONS.glob("[0-9]*.py"))
    ]
    assert list(tmp_path.iterdir()) == []


def _execute(path: Path, sql: str) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(sql)


def test_a_keys_list_goes_along_its_own_index(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "mail.db", clock=FakeClock())
    store.migrate()
    store.close()
    with closing(apsw.Connection(str(tmp_path / "mail.db"))) as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT id FROM email WHERE key_id = ? AND id < ?"
            " ORDER BY id DESC LIMIT ?",
            (1, 9, 9),
        ).fetchall()
    assert [step[3] for step in plan] == [
        "SEARCH email USING COVERING INDEX email_by_key (key_id=? AND id<?)"
    ]


def test_every_migration_says_what_a_program_must_know_and_knows_it_itself() -> None:
    for step in Migration.load_directory(str(sqlite.MIGRATIONS)):
        assert 1 <= step.load().OLDEST_READER <= step.idx, step.name


def test_a_newer_schema_that_is_made_for_this_version_too_is_served(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    sqlite.migrate(path, directory=newer_version(tmp_path / "newer", oldest_reader=NEWEST))
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        assert list(store.pending()) == []
        assert list(store.migrate()) == []
        assert store.write(lambda tx: tx.emails.add(an_email(), OCTETS)).id == 1


def test_a_newer_schema_that_is_made_for_newer_versions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    sqlite.migrate(path, directory=newer_version(tmp_path / "newer", oldest_reader=NEWEST + 1))
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        for call in (store.pending, store.migrate):
            with pytest.raises(SchemaTooNew, match=rf"9999_later.*{NEWEST + 1:04d}.*{NEWEST:04d}"):
                call()


def test_an_unknown_migration_that_records_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    sqlite.migrate(path, directory=newer_version(tmp_path / "newer", oldest_reader=None))
    with (
        closing(SqliteStore(path, clock=FakeClock())) as store,
        pytest.raises(SchemaTooNew, match=r"9999_later.*not recorded"),
    ):
        store.migrate()


def test_a_newer_schema_is_refused_where_something_is_pending_too(tmp_path: Path) -> None:
    path, newer = tmp_path / "mail.db", newer_version(tmp_path / "newer", oldest_reader=9999)
    last = max(newer.glob(f"{NEWEST:04d}_*.py"))
    last.unlink()
    sqlite.migrate(path, directory=newer)
    with (
        closing(SqliteStore(path, clock=FakeClock())) as store,
        pytest.raises(SchemaTooNew, match="9999_later"),
    ):
        store.migrate()
    assert _column(path, "SELECT name FROM schema_migration").count(last.stem) == 0


def test_what_was_migrated_before_anything_was_recorded_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    migrated_to(NEWEST, path, tmp_path / "same")
    _execute(path, "ALTER TABLE schema_migration DROP COLUMN oldest_reader")
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        assert list(store.pending()) == []
        assert list(store.migrate()) == []
    sqlite.migrate(path, directory=newer_version(tmp_path / "newer", oldest_reader=NEWEST))
    assert None not in _column(path, "SELECT oldest_reader FROM schema_migration")


def test_the_runner_of_versions_before_reads_the_history_with_the_column(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    migrated_to(NEWEST, path, tmp_path / "same")
    with closing(APSWDatabase(str(path))) as database:
        steps = Runner(database, str(sqlite.MIGRATIONS)).status()
    assert all(step.applied for step in steps)


def test_0023_keeps_who_is_suppressed_and_takes_what_the_version_before_still_adds(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mail.db"
    number = [name.stem for name in sorted(sqlite.MIGRATIONS.glob("[0-9]*.py"))].index(
        "0023_suppressions"
    )
    migrated_to(number, path, tmp_path / "before")
    by_the_version_before = (
        "INSERT INTO suppression (address, scope, reason, created_at) VALUES ('{}', 'topic:news',"
        " 'unsubscribe', 5) ON CONFLICT (address, scope, reason) DO UPDATE SET created_at ="
        " excluded.created_at"
    )
    _execute(path, by_the_version_before.format("ada@example.org"))
    with closing(SqliteStore(path, clock=FakeClock())) as store:
        assert "0023_suppressions" in store.migrate()
        _execute(path, by_the_version_before.format("ada@example.org"))
        _execute(path, by_the_version_before.format("grace@example.org"))
        found = store.read(lambda tx: tx.suppressions.page(limit=9))
        additions = store.read(lambda tx: tx.suppressions.additions("topic:news"))
    assert [(one.id, one.address) for one in found] == [
        (1, "ada@example.org"),
        (found[1].id, "grace@example.org"),
    ]
    assert additions == Additions(0, of_scope=True)


def _column(path: Path, sql: str) -> list[object]:
    with closing(apsw.Connection(str(path))) as connection:
        return [row[0] for row in connection.execute(sql)]

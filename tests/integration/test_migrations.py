"""Each migration on a database that its predecessors made and a service has filled."""

import shutil
from contextlib import closing
from pathlib import Path

import apsw

from adapters.fake_clock import FakeClock
from adapters.peewee_store import SqliteStore, sqlite
from domain.email import Status
from domain.limits import Window, WindowLengths
from tests.builders import OCTETS, a_key_row, an_email


def migrated_to(number: int, path: Path, folder: Path) -> None:
    """Bring the file to the schema of the first *number* migrations."""
    folder.mkdir()
    for migration in sorted(sqlite.MIGRATIONS.glob("[0-9]*.py"))[:number]:
        shutil.copy(migration, folder)
    sqlite.migrate(path, directory=folder)


def filled(path: Path, emails: int) -> None:
    """Emails as the first schema has them: nobody's key submitted them."""
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


def test_0002_keeps_every_email_and_gives_it_to_nobody(tmp_path: Path) -> None:
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


def test_what_is_pending_is_told_without_making_a_file(tmp_path: Path) -> None:
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

"""No table grows for ever: each says here what bounds it, and what says so is tried."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore
from application.api_keys import KeyWish
from application.intake.draft import Draft
from application.ports.store import Transaction
from application.refused_logins import MOST_AN_HOUR
from domain.access import Scope
from domain.bounce.bounce import Bounce
from domain.bounce.report import BounceKind
from domain.dashboard_session import DashboardSession
from domain.email.detail import Detail
from domain.email.labels import labels
from domain.errors import Unauthorized
from domain.event.alert import AlertRecord
from domain.message.attachment import Blob
from domain.message.skeleton import PlacedBlob
from domain.message.upload import Upload
from domain.suppression import Subscription
from domain.webhook.webhook import MOST_WEBHOOKS
from tests.builders import NOW, a_key_row, a_record, an_address
from tests.world import World

DAY_S = timedelta(days=1).total_seconds()
WITH_ITS_EMAIL = "falls with its email"
PEOPLE = "people add and remove what is in it"
# a table -> what bounds it
BOUNDS = {
    "email": "removed RETENTION_ROWS after it has ended; what waits ends by its expires_at",
    "email_body": WITH_ITS_EMAIL,
    "email_blob": WITH_ITS_EMAIL,
    "email_detail": WITH_ITS_EMAIL,
    "email_topic": WITH_ITS_EMAIL,
    "email_tag": WITH_ITS_EMAIL,
    "email_metadata": WITH_ITS_EMAIL,
    "recipient": WITH_ITS_EMAIL,
    "attempt": WITH_ITS_EMAIL,
    "bounce": WITH_ITS_EMAIL,
    "provider_name": WITH_ITS_EMAIL,
    "ledger": "pruned when no window needs it",
    "ledger_sum": "pruned with the ledger",
    "idempotency": "pruned after 24 hours",
    "key_usage": "pruned after two days",
    "audit": "pruned after RETENTION_ROWS; who has no key adds MOST_AN_HOUR refused logins at most",
    "event": "pruned after RETENTION_EVENTS_SECONDS",
    "full_mailbox": "pruned after a week",
    "alert": "one row for each account and reason; pruned after 30 days",
    "watch_note": "two rows",
    "webhook": f"{MOST_WEBHOOKS} at most",
    "webhook_delivery": "MOST_WAITING of each webhook, and what one replay adds; each is dropped"
    " when it was received or tried for the last time",
    "webhook_attempt": "the last ATTEMPTS_KEPT of each webhook",
    "lease": "one row for each work that one process does for all",
    "upload": "pruned a day after it came, once no email carries it",
    "blob": "removed a day after it came, once nothing refers to it",
    "blob_chunk": "removed with its blob",
    "instance": "one row for each process; removed when the process ends or is dead",
    "tally": "one row for each status of each account, and on PostgreSQL for each connection",
    "throughput": "a row for each hour, account and outcome; folded as the hour is over",
    "throughput_total": "a row for each account and outcome",
    "throughput_hour": "pruned after eight days",
    "account": PEOPLE,
    "account_dkim": PEOPLE,
    "event_hook": PEOPLE,
    "event_hook_token": "each call with a token removes those older than two days",
    "account_oauth": "one row for each account",
    "account_inbox": "one row for each account",
    "oauth_authorization": "pruned some minutes after a person began it",
    "api_key": PEOPLE,
    "dashboard_session": "pruned when the login has ended",
    "template": PEOPLE,
    "suppression": "one row for each address and scope: people, once each",
    "erasure": "one row for each person who was erased, without the address: people ask for it",
    "erasure_email": "removed as the email is redacted",
    "erasure_file": "removed with the file",
    "secret": "one row for each kind of secret",
    "retention": "one row",
    "moving": "a row for each table",
    "schema_migration": "one row for each migration",
    "sqlite_sequence": "one row for each table, by SQLite",
}
EMPTIED = [
    "email", "email_body", "email_blob", "email_detail", "email_topic", "email_tag",
    "email_metadata", "recipient", "bounce", "provider_name", "attempt", "ledger", "ledger_sum",
    "idempotency", "key_usage", "audit", "event", "full_mailbox", "alert", "upload", "blob",
    "blob_chunk", "dashboard_session",
]  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = FakeClock()
    with closing(SqliteStore(tmp_path / "mail.db", clock=clock)) as store:
        store.migrate()
        yield World(store=store, clock=clock)


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute(sql).fetchall()


def test_every_table_says_what_bounds_it(world: World, tmp_path: Path) -> None:
    tables = {name for (name,) in rows(tmp_path / "mail.db", _TABLES)}

    assert tables - set(BOUNDS) == set(), "say what bounds a new table, and how it is tried"
    assert set(BOUNDS) - tables == set()


def test_what_falls_with_its_email_does_so_by_its_foreign_key(world: World, tmp_path: Path) -> None:
    falling = {
        table
        for table in BOUNDS
        for key in rows(tmp_path / "mail.db", f"PRAGMA foreign_key_list({table})")
        if (key[2], key[6]) == ("email", "CASCADE")
    }
    assert falling == {name for name, bound in BOUNDS.items() if bound == WITH_ITS_EMAIL}


def test_what_is_old_is_in_no_table_any_more(world: World, tmp_path: Path) -> None:
    world.account()
    draft = Draft(subject="Hello", html="<p>x</p>", to=(an_address(),), labels=_LABELS)
    world.application.submission.submit((draft,))
    world.run()
    world.store.write(_rows_beside)
    world.application.email_changes.cancel(world.submit(send_at=NOW + timedelta(days=1)))
    path = tmp_path / "mail.db"

    def filled() -> list[str]:
        return [name for name in EMPTIED if rows(path, f"SELECT 1 FROM {name} LIMIT 1")]

    assert filled() == EMPTIED
    for _ in range(2):  # the blob is free once its email is gone
        world.clock.tick(401 * DAY_S)
        world.application.membership.beat()
        world.application.maintenance.sweep()

    assert filled() == []


def test_nobody_without_a_key_fills_the_audit(world: World, tmp_path: Path) -> None:
    sessions = world.application.dashboard_sessions
    world.application.api_keys.create(KeyWish(name="admin", scopes=frozenset({Scope.ADMIN})))
    before = len(rows(tmp_path / "mail.db", "SELECT 1 FROM audit"))

    def tried(hour: int) -> int:
        for number in range(2 * MOST_AN_HOUR):
            for _ in range(2):
                token = f"es_{number:08x}_{'x' * 43}"
                with pytest.raises(Unauthorized):
                    sessions.log_in(token, remote=f"192.0.{hour}.{number}")
        return len(rows(tmp_path / "mail.db", "SELECT 1 FROM audit")) - before

    assert tried(1) == MOST_AN_HOUR
    world.clock.tick(3600)
    assert tried(2) == 2 * MOST_AN_HOUR


_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_LABELS = labels(["t"], {"k": "v"})
_BLOB = Blob(digest=bytes(32), size=3)


def _rows_beside(tx: Transaction) -> None:
    """What only other calls than those above make."""
    tx.full_mailboxes.add("ada@example.org", email_id=1, at=NOW)
    tx.watch.put_alert(AlertRecord(account_id=1, reason="x", event_id=1, at=NOW))
    tx.blobs.begin(_BLOB, now=NOW)
    tx.blobs.put(_BLOB.digest, 0, b"abc")
    tx.blobs.complete(_BLOB)
    tx.blobs.place_all({1: [PlacedBlob(offset=0, blob=_BLOB)]})
    tx.uploads.add(
        Upload(id="u", key_id=None, blob=_BLOB, content_type="text/plain", created_at=NOW)
    )
    tx.details.add_all({1: Detail(topic="news")})
    tx.topics.add_all({1: Subscription("ada@example.org", "news")})
    tx.bounces.put(
        Bounce(email_id=1, position=0, kind=BounceKind.SOFT, status=None, text="", at=NOW)
    )
    tx.bounces.name(1, attempt_no=1, name="0100")
    tx.idempotency.add(a_record())
    tx.dashboard_sessions.add(
        DashboardSession(
            digest=b"d", key_prefix="0000000a", created_at=NOW, expires_at=NOW + timedelta(hours=12)
        )
    )
    key = tx.keys.add(a_key_row())
    tx.key_usage.add(key.id, hour=NOW, recipients=1)

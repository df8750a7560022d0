"""Everything of a store arrives in another one, whole and once, whenever the copy is cut off."""

import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from typing import Any

import apsw
import attrs
import peewee
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import SqliteStore, tables
from adapters.peewee_store.copy import (
    COUNTED,
    PAGE_OCTETS,
    TABLES,
    Copied,
    StoreCopy,
    release,
    why_not,
)
from application.ports.store import Transaction
from domain.email.detail import Detail
from domain.email.labels import labels
from domain.email.status import Status
from domain.errors import Conflict
from domain.event.types import EventType
from domain.message.skeleton import PlacedBlob
from domain.suppression import Subscription, unsubscribed
from domain.webhook.delivery import Delivery
from tests.builders import (
    NOW,
    OCTETS,
    a_dkim_key,
    a_hook,
    a_key_row,
    a_record,
    a_template,
    a_webhook,
    a_webhook_attempt,
    an_account,
    an_authorization,
    an_email,
    at,
    credentials,
    no_limits,
    recipients,
)
from tests.contract.blob_suite import a_blob, an_upload
from tests.world import World

MODELS = {model._meta.table_name: model for model in tables.TABLES}
Rows = Mapping[str, list[tuple[Any, ...]]]


class Cut(Exception):
    """What stands for a kill between two writes."""


@attrs.define
class Fuse:
    """How many writes are left until the process dies."""

    left: int = 1_000_000


class Fragile(SqliteStore):
    """A store whose process dies when the fuse has burnt down."""

    fuse = Fuse()

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        if not self.fuse.left:
            raise Cut
        self.fuse.left -= 1
        return super().write(work)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator["Folder"]:
    folder = Folder(tmp_path)
    yield folder
    folder.close()


class Folder:
    """Stores in one folder, each closed in the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fuse = Fuse()
        self._open: list[SqliteStore] = []

    def store(self, name: str) -> Fragile:
        """The store of this name, migrated."""
        store = Fragile(self.path / f"{name}.db", clock=FakeClock())
        store.fuse = self.fuse
        store.migrate()
        self._open.append(store)
        return store

    def rows(self, name: str) -> Rows:
        """All that is in it, by a way of its own."""
        with closing(apsw.Connection(str(self.path / f"{name}.db"))) as connection:
            return {
                name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr)
                for name in (*(table.name for table in TABLES), "tally")
            }

    def close(self) -> None:
        for store in self._open:
            store.close()


def open_copy(source: SqliteStore, target: SqliteStore, *, token: str = "t") -> StoreCopy:
    return StoreCopy(source, target, source_name="old", target_name="new", token=token)


def moved(source: SqliteStore, target: SqliteStore, *, token: str = "t") -> Copied:
    return open_copy(source, target, token=token).run(advanced=lambda _: None)


def furnish(store: SqliteStore, emails: int = 5) -> None:
    """Something of everything that travels."""

    def work(tx: Transaction) -> None:
        account = tx.accounts.add(an_account(limits=no_limits()))
        tx.dkim_keys.add_all([a_dkim_key(account, active=True)])
        hook = tx.hooks.add(a_hook(account, sealed_key=b"sealed", topic="arn"))
        tx.hooks.take_token(hook.id, "token", call="call", at=NOW)
        webhook = tx.webhooks.add(a_webhook()).id
        tx.webhooks.put_deliveries([Delivery(webhook_id=webhook, event_id=1, next_at=NOW)])
        tx.webhooks.add_attempts([a_webhook_attempt(webhook, 1)], keep=9)
        tx.credentials.save(credentials(account, held_by="of the old store"))
        tx.authorizations.add(an_authorization(account))
        for number in range(emails):
            email = an_email(subject=f"n {number}", recipients=recipients(2))
            added = tx.emails.add(email, OCTETS + bytes([number]))
            tx.details.add_all({added.id: Detail(topic=f"topic {number}")})
            subscription = Subscription("ada@example.org", f"topic-{number}")
            tx.topics.add_all({added.id: subscription})
            tx.suppressions.put(unsubscribed(subscription, now=at(number)))
            tx.labels.add_all({added.id: labels(["a", "b"], {"n": str(number)})})
        tx.secrets.add("links", b"sealed")
        taken = tx.emails.claim(account, limit=2, units=9, urgent_units=9, now=at(1), instance=3)
        tx.ledger.reserve(taken, units=lambda email: 1)
        tx.idempotency.add(a_record())
        key = tx.keys.add(a_key_row())
        tx.key_usage.add(key.id, hour=at(0), recipients=7)
        blob = a_blob(b"%PDF")
        tx.blobs.begin(blob, now=at(0))
        tx.blobs.put(blob.digest, 0, b"%PDF")
        tx.blobs.complete(blob)
        tx.blobs.place_all({added.id: [PlacedBlob(offset=7, blob=blob)]})
        tx.uploads.add(an_upload(blob=blob, key_id=key.id))
        tx.templates.add(a_template())
        tx.events.tell_email(EventType.EMAIL_ACCEPTED, added)

    store.write(work)


# -- all of it arrives -----------------------------------------------------------------------------


def test_everything_arrives_and_is_counted(folder: Folder) -> None:
    source, target = folder.store("old"), folder.store("new")
    furnish(source)

    copied = moved(source, target)

    assert not copied.already
    assert copied.rows["email"] == copied.rows["email_body"] == 5
    assert copied.rows["recipient"] == 10
    assert copied.rows["ledger"] == 2
    parts = ("blob", "blob_chunk", "email_blob", "upload")
    assert [copied.rows[table] for table in parts] == [1, 1, 1, 1]
    assert folder.rows("old") == folder.rows("new")
    assert [row[:3] for row in folder.rows("new")["tally"]] == [
        (0, "queued", 3),
        (0, "sending", 2),
    ]
    assert source.read(lambda tx: tx.emails.counts()) == target.read(lambda tx: tx.emails.counts())


def column_values(field: peewee.Field) -> st.SearchStrategy[Any]:
    if isinstance(field, peewee.BlobField):
        values: st.SearchStrategy[Any] = st.binary(max_size=20)
    elif isinstance(field, peewee.TextField):
        values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
    elif field.column_name == "priority":
        values = st.integers(1, 5)
    elif isinstance(field, peewee.BigIntegerField | peewee.BigAutoField):
        values = st.integers(-(2**63) + 1, 2**63 - 1)
    else:
        values = st.integers(-(2**31), 2**31 - 1)
    return st.none() | values if field.null else values


# unique beside the primary key
UNIQUE_TOO = {
    "template": ("name", "locale", "version"),
    "email_tag": ("email_id", "position"),
    "email_metadata": ("email_id", "name"),
}
REFER_TO_BLOBS = ("blob_chunk", "email_blob", "upload")
REFER_TO_WEBHOOKS = ("webhook_delivery", "webhook_attempt")


def table_rows(
    name: str, emails: list[int], blobs: list[str], webhooks: list[int]
) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Any rows that the table may have, beside these emails, blobs and webhooks."""
    meta = MODELS[name]._meta
    fields = {field.column_name: field for field in meta.sorted_fields}
    keys = [field.column_name for field in meta.get_primary_keys()]
    table = next(table for table in TABLES if table.name == name)
    ids = st.integers(1, 2**40)
    if "email_id" in keys and name != "ledger":
        if not emails:
            return st.just([])
        ids = st.sampled_from(emails)
    given_columns = {"id": ids, "email_id": ids}
    if name in REFER_TO_BLOBS:
        if not blobs:
            return st.just([])
        given_columns = {"email_id": ids, "digest": st.sampled_from(blobs)}
    if name in REFER_TO_WEBHOOKS:
        if not webhooks:
            return st.just([])
        given_columns = {"id": ids, "webhook_id": st.sampled_from(webhooks)}
    columns = [
        given_columns[column] if column in given_columns else column_values(fields[column])
        for column in table.columns
    ]
    unique = [itemgetter(slice(len(keys)))]
    if name in UNIQUE_TOO:
        unique.append(itemgetter(*map(table.columns.index, UNIQUE_TOO[name])))
    for column in ("name", "prefix", "digest"):
        if column in fields and fields[column].unique:
            unique.append(itemgetter(table.columns.index(column)))
    return st.lists(st.tuples(*columns), max_size=6, unique_by=tuple(unique))


@st.composite
def contents(draw: st.DrawFn) -> Rows:
    emails: list[int] = []
    blobs: list[str] = []
    webhooks: list[int] = []
    drawn: dict[str, list[tuple[Any, ...]]] = {}
    for table in TABLES:
        drawn[table.name] = draw(table_rows(table.name, emails, blobs, webhooks))
        if table.name == "blob":
            blobs = [row[0] for row in drawn["blob"]]
        if table.name == "email":
            emails = [row[0] for row in drawn["email"]]
        if table.name == "webhook":
            webhooks = [row[0] for row in drawn["webhook"]]
    return drawn


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
@given(content=contents(), cut_at=st.integers(2, 20))
def test_any_content_arrives_as_it_was_though_the_copy_is_cut_off(
    content: Rows, cut_at: int
) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder = Folder(Path(path))
        source, target = folder.store("old"), folder.store("new")
        for table in TABLES:
            marks = ", ".join("?" * len(table.columns))
            insert = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})"
            source.write(
                lambda tx, insert=insert, rows=content[table.name]: tx.session.execute_many(  # type: ignore[attr-defined]
                    insert, rows
                )
            )
        before = folder.rows("old")
        folder.fuse.left = cut_at
        try:
            moved(source, target)
        except Cut:
            folder.fuse.left = 1_000_000
            moved(source, target)

        assert folder.rows("old") == folder.rows("new") == before
        folder.close()


def test_ids_go_on_after_those_of_the_source_even_where_their_rows_are_gone(
    folder: Folder,
) -> None:
    source, target = folder.store("old"), folder.store("new")
    furnish(source)
    last = source.write(lambda tx: tx.accounts.add(an_account(name="gone"))).id
    source.write(lambda tx: tx.accounts.delete(last))

    moved(source, target)

    assert target.write(lambda tx: tx.accounts.add(an_account(name="next"))).id == last + 1
    assert target.write(lambda tx: tx.emails.add(an_email(), OCTETS)).id == 6
    assert set(COUNTED) == {
        *("account", "email", "suppression", "template", "api_key", "audit", "event", "instance"),
        *("event_hook", "erasure", "webhook", "webhook_attempt"),
    }


def test_large_messages_travel_a_few_at_a_time(folder: Folder) -> None:
    source, target = folder.store("old"), folder.store("new")
    large = bytes(PAGE_OCTETS // 2)
    for _ in range(5):
        source.write(lambda tx: tx.emails.add(an_email(), large))
    steps: list[int] = []

    open_copy(source, target).run(advanced=steps.append)

    bodies = steps[1:4]  # after the one page of emails
    assert bodies == [2, 2, 1]
    assert target.read(lambda tx: tx.emails.octets(5)) == large


# -- nothing in flight is lost or doubled ----------------------------------------------------------


def test_what_was_sending_is_mended_by_the_target(folder: Folder) -> None:
    source, target = folder.store("old"), folder.store("new")
    dead = World(store=source)
    dead.account()
    claimed, committing, waiting = (dead.submit() for _ in range(3))
    taken = {email.id: email for batch in dead.claim(places=2) for email in batch.emails}
    assert taken.keys() == {claimed, committing}
    source.write(
        lambda tx: tx.emails.mark_committing(
            [(committing, taken[committing].attempt_no)], instance=dead.instance
        )
    )

    moved(source, target)
    world = World(store=target, clock=dead.clock)
    assert world.instance > dead.instance
    world.application.maintenance.recover()

    assert world.email(claimed).status is Status.QUEUED
    assert world.email(claimed).retry_count == 0
    unknown = world.email(committing)
    assert (unknown.status, unknown.possibly_delivered) == (Status.RETRY, True)
    world.clock.tick(100)
    world.run()
    assert {world.email(i).status for i in (claimed, committing, waiting)} == {Status.SENT}
    assert len(world.sender.accepted) == 3


def test_at_no_moment_may_both_be_started(folder: Folder) -> None:
    for cut_at in itertools.count():
        run = Folder(folder.path / str(cut_at))
        run.path.mkdir()
        source, target = run.store("old"), run.store("new")
        furnish(source)
        run.fuse.left = cut_at
        try:
            moved(source, target)
            done = True
        except Cut:
            done = False
        run.fuse.left = 1_000_000

        assert (why_not(source) is None) == (cut_at == 0), "it is free before the first write only"
        assert (why_not(target) is None) == (done or cut_at < 2), "empty, or all is there"
        assert moved(source, target).already == done
        assert (why_not(source) is None, why_not(target) is None) == (False, True)
        assert run.rows("old") == run.rows("new")
        run.close()
        if done:
            break
    assert cut_at > len(TABLES) / 2


# -- what is refused -------------------------------------------------------------------------------


def test_a_target_that_holds_anything_is_refused_and_left_alone(folder: Folder) -> None:
    source, target = folder.store("old"), folder.store("new")
    furnish(source)
    target.write(lambda tx: tx.keys.add(a_key_row()))
    before = folder.rows("new")

    with pytest.raises(Conflict, match=r"not empty \(it has api_key\)"):
        moved(source, target)

    assert folder.rows("new") == before
    assert why_not(target) is None


def test_a_part_of_another_source_is_refused(folder: Folder) -> None:
    first, second, target = folder.store("old"), folder.store("other"), folder.store("new")
    furnish(first)
    furnish(second)
    folder.fuse.left = 6
    with pytest.raises(Cut):
        moved(first, target, token="one")
    folder.fuse.left = 1_000_000

    with pytest.raises(Conflict, match="another store"):
        moved(second, target, token="two")

    moved(first, target, token="three")
    assert folder.rows("old") == folder.rows("new")


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE email SET subject = subject || ' ' WHERE id = 3",
        "UPDATE email_body SET octets = x'00' WHERE email_id = 1",
        "UPDATE recipient SET fate = 'accepted' WHERE email_id = 2 AND position = 1",
        "UPDATE account SET sealed_password = NULL",
        "UPDATE ledger SET ts = 1 WHERE email_id = 1",
        "DELETE FROM key_usage",
    ],
)
def test_a_copy_that_is_not_equal_is_not_handed_over(folder: Folder, tampering: str) -> None:
    source, target = folder.store("old"), folder.store("new")
    furnish(source)
    left = open_copy(source, target).rows()

    def tamper(rows: int) -> None:
        nonlocal left
        left -= rows
        if not left:
            target.write(lambda tx: tx.session.execute(tampering))  # type: ignore[attr-defined]

    with pytest.raises(Conflict, match="not equal"):
        open_copy(source, target).run(advanced=tamper)

    assert why_not(target) is not None
    release(source)
    assert why_not(source) is None


def test_a_store_that_was_never_copied_cannot_be_released(folder: Folder) -> None:
    source, target = folder.store("old"), folder.store("new")
    with pytest.raises(Conflict, match="nothing to release"):
        release(source)
    moved(source, target)

    with pytest.raises(Conflict, match="nothing to release"):
        release(target)
    release(source)
    assert why_not(source) is None


def test_a_target_may_move_on(folder: Folder) -> None:
    first, second, third = (folder.store(name) for name in ("one", "two", "three"))
    furnish(first)
    moved(first, second, token="a")
    second.write(lambda tx: tx.emails.add(an_email(subject="later"), OCTETS))

    moved(second, third, token="b")

    assert folder.rows("two") == folder.rows("three")
    assert why_not(second) is not None
    with pytest.raises(Conflict, match="another store"):
        moved(first, third, token="c")


def test_the_sealed_password_travels_as_it_is(folder: Folder) -> None:
    source, target = folder.store("old"), folder.store("new")
    account = an_account(sealed_password=bytes(range(256)))
    source.write(lambda tx: tx.accounts.add(account))

    moved(source, target)

    assert target.read(lambda tx: tx.accounts.get(1)) == attrs.evolve(account, id=1)


def test_a_missing_password_is_missing_in_the_copy_too(folder: Folder) -> None:
    source, target = folder.store("old"), folder.store("new")
    moved_away = an_account().changed(now=at(1), host="elsewhere.example.com")
    source.write(lambda tx: tx.accounts.add(moved_away))

    moved(source, target)

    copied = target.read(lambda tx: tx.accounts.get(1))
    assert copied == source.read(lambda tx: tx.accounts.get(1))
    assert copied.awaits_password

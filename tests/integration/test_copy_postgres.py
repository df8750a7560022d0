"""The same copy with PostgreSQL on either side, or on both."""

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store.copy import TABLES, StoreCopy, why_not
from application.ports.store import Store, Transaction
from domain.email.status import Status
from domain.errors import Conflict
from entrypoints.stores import open_store
from tests.builders import OCTETS, a_key_row, a_reply, an_account, an_attempt, an_email, at
from tests.integration.test_copy_sqlite import furnish
from tests.postgres import Server
from tests.world import World

PAIRS = [("sqlite", "postgresql"), ("postgresql", "sqlite"), ("postgresql", "postgresql")]


@attrs.frozen
class Pair:
    """An empty source and an empty target."""

    source: Store
    target: Store

    def move(self) -> None:
        StoreCopy(
            self.source,
            self.target,
            source_name="old",
            target_name="new",
            token="t",
        ).run(advanced=lambda _: None)  # type: ignore[arg-type]


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, postgres: Server, tmp_path: Path) -> Iterator[Pair]:
    with postgres.database() as first, postgres.database() as second:
        urls = {
            ("sqlite", 0): f"sqlite:///{tmp_path / 'old.db'}",
            ("sqlite", 1): f"sqlite:///{tmp_path / 'new.db'}",
            ("postgresql", 0): first.url,
            ("postgresql", 1): second.url,
        }
        stores = [
            open_store(urls[kind, side], clock=FakeClock())
            for side, kind in enumerate(request.param)
        ]
        for store in stores:
            store.migrate()
        yield Pair(*stores)
        for store in stores:
            store.close()


def seen(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every row that travels, in an order that no database decides."""

    def work(tx: Transaction) -> dict[str, list[tuple[object, ...]]]:
        rows = {}
        for table in TABLES:
            found = tx.session.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}")  # type: ignore[attr-defined]
            rows[table.name] = sorted((tuple(row) for row in found.fetchall()), key=repr)
        return rows

    return store.read(work)


def test_everything_arrives(pair: Pair) -> None:
    furnish(pair.source, emails=12)
    pair.source.write(
        lambda tx: tx.emails.add(an_email(subject="Grüße \N{SNOWMAN}"), bytes(range(256)))
    )

    pair.move()

    assert seen(pair.source) == seen(pair.target)
    assert pair.source.read(lambda tx: tx.emails.counts()) == pair.target.read(
        lambda tx: tx.emails.counts()
    )
    assert pair.source.read(_keys) == pair.target.read(_keys)
    assert (why_not(pair.source) is None, why_not(pair.target) is None) == (False, True)


def test_ids_go_on_where_they_were(pair: Pair) -> None:
    furnish(pair.source)
    instance = pair.source.write(lambda tx: tx.instances.join(host="h", pid=1, now=at(0)))

    pair.move()

    stored = pair.target.write(lambda tx: tx.emails.add(an_email(), OCTETS))
    assert stored.id == 6
    assert pair.target.write(lambda tx: tx.accounts.add(an_account(name="next"))).id == 2
    assert pair.target.write(lambda tx: tx.keys.add(a_key_row(prefix="0000000b"))).id == 2
    assert pair.target.write(lambda tx: tx.instances.join(host="h", pid=1, now=at(0))) > instance


def test_the_first_ids_are_given_out_where_nothing_was(pair: Pair) -> None:
    pair.move()

    assert pair.target.write(lambda tx: tx.accounts.add(an_account())).id == 1


def test_what_was_sending_is_sent_from_there(pair: Pair) -> None:
    dead = World(store=pair.source)
    dead.account()
    email_ids = [dead.submit() for _ in range(3)]
    assert dead.claim()

    pair.move()
    world = World(store=pair.target, clock=dead.clock)
    world.application.maintenance.recover()
    world.run()

    assert {world.email(email_id).status for email_id in email_ids} == {Status.SENT}
    assert len(world.sender.accepted) == 3


def test_a_reply_with_a_nul_arrives_as_far_as_the_database_can_hold_it(pair: Pair) -> None:
    pair.source.write(lambda tx: tx.emails.add(an_email(), OCTETS))
    pair.source.write(lambda tx: tx.attempts.open([an_attempt()]))
    pair.source.write(lambda tx: tx.attempts.close(an_attempt(reply=a_reply(550, "n\0o"))))

    pair.move()

    [attempt] = pair.target.read(lambda tx: tx.attempts.of(1))
    assert attempt.reply is not None
    assert (
        attempt.reply.text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        == "n\N{REPLACEMENT CHARACTER}o"
    )


def test_a_target_with_anything_in_it_is_refused(pair: Pair) -> None:
    furnish(pair.source)
    pair.target.write(lambda tx: tx.keys.add(a_key_row()))

    with pytest.raises(Conflict, match="not empty"):
        pair.move()


def _keys(tx: Transaction) -> object:
    return tx.keys.all()

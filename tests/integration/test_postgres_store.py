"""What the PostgreSQL store promises beyond the contract: durability, other processes, lost lines.

The server is a real one. Two stores stand for two processes: they share nothing but the database.
"""

import contextlib
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from adapters.peewee_store import PostgresStore, SqlStore, due_rows, ledger, postgres
from adapters.peewee_store.postgres import MIGRATIONS
from adapters.peewee_store.postgres import Server as PostgresServer
from adapters.peewee_store.store import MOST_READERS
from domain.account.account import Account
from domain.account.limits import PRIORITIES, Limits, Window, WindowLengths
from domain.email.status import Status
from domain.errors import (
    IllegalTransition,
    NameTaken,
    SchemaTooNew,
    StaleAttempt,
    StoreUnavailable,
)
from entrypoints.stores import open_store
from tests.builders import (
    NOW,
    OCTETS,
    a_key_row,
    a_record,
    an_account,
    an_attempt,
    an_email,
    at,
    no_limits,
)
from tests.missing import missing
from tests.newer_version import NEWEST, newer_version
from tests.postgres import Database, NoPostgres, Server, private_server
from tests.world import World

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 30
LENGTHS = WindowLengths()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stores(postgres_database: Database, clock: FakeClock) -> Iterator[list[PostgresStore]]:
    """Four processes, from the database's point of view."""
    made = [PostgresStore(postgres_database.url, clock=clock) for _ in range(4)]
    yield made
    for store in made:
        store.close()


@pytest.fixture
def store(stores: list[PostgresStore]) -> PostgresStore:
    return stores[0]


@pytest.fixture
def other(stores: list[PostgresStore]) -> PostgresStore:
    return stores[1]


@pytest.fixture
def account(store: PostgresStore) -> Account:
    return store.write(lambda tx: tx.accounts.add(an_account(limits=no_limits())))


# -- what it refuses ------------------------------------------------------------------------------

GOOD = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "server_encoding": "UTF8",
}


@pytest.mark.parametrize("commit", ["on", "local", "remote_write", "remote_apply"])
def test_a_server_that_keeps_what_it_acknowledges_is_taken(commit: str) -> None:
    postgres.check_settings({**GOOD, "synchronous_commit": commit})


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_would_lose_acknowledged_commits_is_refused(name: str) -> None:
    with pytest.raises(StoreUnavailable, match=f"{name} = off"):
        postgres.check_settings({**GOOD, name: "off"})


def test_a_database_in_another_encoding_is_refused() -> None:
    with pytest.raises(StoreUnavailable, match="SQL_ASCII"):
        postgres.check_settings({**GOOD, "server_encoding": "SQL_ASCII"})


def test_no_connection_is_used_before_its_settings_were_looked_at(postgres: Server) -> None:
    with postgres.database() as database:
        store = PostgresStore(database.url, clock=FakeClock())
        store.migrate()
        database.execute(f"ALTER DATABASE {database.name} SET synchronous_commit = off")
        for use in (store.ping, lambda: store.write(_add)):
            with pytest.raises(StoreUnavailable, match="synchronous_commit = off"):
                use()
        store.close()


def test_a_server_without_fsync_is_refused(postgres: Server) -> None:
    try:
        with private_server("fsync=off") as server:
            store = PostgresStore(server.url, clock=FakeClock())
            with pytest.raises(StoreUnavailable, match="fsync = off"):
                store.ping()
            store.close()
    except NoPostgres as reason:
        missing(f"needs a server of its own: {reason}")


# -- how it is named ------------------------------------------------------------------------------


def test_a_url_chooses_the_store() -> None:
    store = open_store("postgresql://me@127.0.0.1:1/mail", clock=FakeClock())

    assert isinstance(store, PostgresStore)
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@host",
        "postgresql://me:s3cret@[host/mail",
        "mysql://me:s3cret@host/mail",
        "postgres://me:s3cret@host/mail",
    ],
)
def test_a_url_that_names_no_store_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="store") as caught:
        open_store(url, clock=FakeClock())

    assert "s3cret" not in str(caught.value)


def test_the_password_stands_in_no_repr_and_no_error() -> None:
    server = postgres.Server("postgresql://me:s3cret@127.0.0.1:1/mail")
    with pytest.raises(StoreUnavailable) as caught:
        server.connect(writing=True)

    assert "s3cret" not in repr(server) + str(caught.value) + repr(caught.value)


# -- connections ----------------------------------------------------------------------------------


def test_nothing_is_opened_and_no_thread_runs_before_it_is_used(
    postgres_database: Database,
) -> None:
    threads = threading.active_count()
    store = PostgresStore(postgres_database.url, clock=FakeClock())

    assert threading.active_count() == threads
    assert _connections(postgres_database) == 0
    store.ping()
    assert (_connections(postgres_database), threading.active_count()) == (1, threads)
    store.write(_add)
    assert (_connections(postgres_database), threading.active_count()) == (2, threads + 1)
    store.close()
    assert threading.active_count() == threads


def test_however_many_read_at_once_the_connections_are_few(
    store: PostgresStore, postgres_database: Database
) -> None:
    seen: list[int] = []

    def read(tx: Any) -> None:
        tx.emails.counts()
        seen.append(_connections(postgres_database))

    _at_once([lambda: store.read(read)] * (3 * MOST_READERS))

    assert len(seen) == 3 * MOST_READERS
    assert max(seen) <= MOST_READERS


def test_a_read_that_finds_no_free_connection_gives_up(postgres_database: Database) -> None:
    class Impatient(PostgresStore):
        _bound = attrs.evolve(PostgresStore._bound, most=1, timeout_s=0.05)

    store = Impatient(postgres_database.url, clock=FakeClock())

    def read(tx: Any) -> None:
        (error,) = _at_once([lambda: _error_of(store.ping)])
        assert isinstance(error, StoreUnavailable)
        assert "busy" in str(error)

    store.read(read)
    store.close()


def test_ended_connections_are_replaced_without_an_error(
    store: PostgresStore, postgres_database: Database
) -> None:
    store.write(_add)
    _at_once([store.ping] * 4)
    for n in range(2, 5):
        assert postgres_database.terminate() >= 2
        assert store.write(_add) == n
        assert sum(store.read(lambda tx: tx.emails.counts()).values()) == n


def test_a_read_that_has_its_answer_needs_its_connection_no_more(
    store: PostgresStore, postgres_database: Database
) -> None:
    def read(tx: Any) -> int:
        number = sum(tx.emails.counts().values())
        assert postgres_database.terminate() == 1
        return number

    assert store.read(read) == 0
    assert store.read(lambda tx: sum(tx.emails.counts().values())) == 0


def test_a_group_whose_connection_is_lost_before_the_commit_is_run_again_once(
    store: PostgresStore, postgres_database: Database
) -> None:
    runs: list[int] = []

    def work(tx: Any) -> int:
        runs.append(1)
        email_id = _add(tx)
        if len(runs) == 1:
            assert postgres_database.terminate(like="INSERT INTO recipient%") == 1
        return tx.emails.get(email_id).id

    store.write(work)

    assert len(runs) == 2
    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 1


def test_a_commit_whose_answer_was_lost_is_not_run_again(
    store: PostgresStore, postgres_database: Database
) -> None:
    postgres_database.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER dawdling AFTER INSERT ON email_body"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()"
    )
    runs: list[int] = []

    def work(tx: Any) -> None:
        runs.append(_add(tx))

    try:
        future = store.post(work)
        _wait_until(lambda: postgres_database.terminate(like="COMMIT") == 1)
        error = future.exception(PATIENCE_S)
    finally:
        postgres_database.execute("DROP TRIGGER dawdling ON email_body; DROP FUNCTION dawdle")

    assert isinstance(error, StoreUnavailable)
    assert "not known" in str(error)
    assert runs == [1]
    assert store.write(_add) > 1


def test_a_server_that_is_gone_is_reported_at_once_and_not_flooded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        knocks = _closing_every_connection_of(listener)
        port = listener.getsockname()[1]
        store = PostgresStore(f"postgresql://me@127.0.0.1:{port}/mail", clock=FakeClock())
        started, asked = time.monotonic(), 0
        while time.monotonic() - started < 1.0:
            assert isinstance(_error_of(store.ping), StoreUnavailable)
            assert isinstance(_error_of(lambda: store.write(_add)), StoreUnavailable)
            asked += 2
        store.close()

    assert asked > 50
    assert 2 <= len(knocks) <= 20


def test_a_child_of_a_fork_gets_connections_of_its_own(postgres_database: Database) -> None:
    code = (
        "import os, sys\n"
        "from adapters.fakes.clock import FakeClock\n"
        "from adapters.peewee_store import PostgresStore\n"
        "from tests.builders import *\n"
        "store = PostgresStore(sys.argv[1], clock=FakeClock())\n"
        "add = lambda tx: tx.emails.add(an_email(), OCTETS).id\n"
        "assert store.write(add) == 1\n"
        "store.ping()\n"
        "pid = lambda tx: tx.session.execute('SELECT pg_backend_pid()').fetchone()[0]\n"
        "mine = store.write(pid), store.read(pid)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    assert store.write(add) == 2\n"
        "    assert not {store.write(pid), store.read(pid)} & set(mine)\n"
        "    store.close()\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert (store.write(pid), store.read(pid)) == mine\n"
        "assert store.write(add) == 3\n"
        "store.close()\n"
    )
    # Python warns of a fork beside threads since 3.12; what is asked here is that ours survives it
    quiet = "-Wignore:This process:DeprecationWarning"
    command = [sys.executable, quiet, "-c", code, postgres_database.url]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S
    )

    assert (done.returncode, done.stderr) == (0, "")


# -- many processes -------------------------------------------------------------------------------


def test_processes_that_compete_for_one_account_never_oversell_it(
    stores: list[PostgresStore],
) -> None:
    limits = Limits(daily=None, hourly=40, max_connections=9)
    account = stores[0].write(lambda tx: tx.accounts.add(an_account(limits=limits)))
    stores[0].write(lambda tx: [_add(tx) for _ in range(100)])
    taken: list[int] = []

    def claim(tx: Any) -> list[int]:
        locked = tx.accounts.lock(account.id)
        room = locked.limits.room(tx.ledger.used(account.id, LENGTHS))
        held = _claim(tx, locked, limit=min(3, room), units=room)
        tx.ledger.reserve(held, units=lambda email: 1)
        return [email.id for email in held]

    def process(store: PostgresStore) -> None:
        while held := store.write(claim):
            taken.extend(held)

    _at_once([lambda store=store: process(store) for store in [*stores, *stores]])

    assert len(taken) == len(set(taken)) == 40
    assert stores[0].read(lambda tx: tx.ledger.used(account.id, LENGTHS))[Window.HOUR] == 40


def test_processes_that_claim_at_once_share_the_queue_and_take_nothing_twice(
    stores: list[PostgresStore], account: Account
) -> None:
    stores[0].write(lambda tx: [_add(tx) for _ in range(300)])
    pinned = an_email(account_id=account.id, pinned=True)
    stores[0].write(lambda tx: [tx.emails.add(pinned, OCTETS) for _ in range(100)])
    taken: list[int] = []

    def process(store: PostgresStore) -> None:
        while held := store.write(lambda tx: [e.id for e in _claim(tx, account, limit=7)]):
            taken.extend(held)

    _at_once([lambda store=store: process(store) for store in stores])

    assert sorted(taken) == list(range(1, 401))
    counts = stores[0].read(lambda tx: tx.emails.counts())
    assert (counts[Status.QUEUED], counts[Status.SENDING]) == (0, 400)


def test_groups_that_want_each_others_accounts_all_commit(stores: list[PostgresStore]) -> None:
    accounts, works, seed = 6, 40, random.randrange(10**6)
    chance = random.Random(seed)
    for n in range(accounts):
        stores[0].write(lambda tx, n=n: tx.accounts.add(an_account(name=f"account {n}")))

    def raise_versions(tx: Any, ids: list[int]) -> None:
        for account_id in ids:
            locked = tx.accounts.lock(account_id)
            tx.accounts.save(attrs.evolve(locked, version=locked.version + 1))
            tx.accounts.touch(chance.randrange(1, accounts + 1), sent_at=at(1))

    wishes = [chance.sample(range(1, accounts + 1), 3) for _ in range(works * len(stores))]

    def process(number: int) -> None:
        mine = wishes[number * works : (number + 1) * works]
        futures = [stores[number].post(lambda tx, ids=ids: raise_versions(tx, ids)) for ids in mine]
        for future in futures:
            future.result(PATIENCE_S)

    _at_once([lambda n=n: process(n) for n in range(len(stores))])

    raised = sum(a.version - 1 for a in stores[0].read(lambda tx: tx.accounts.all()))
    assert raised == 3 * len(wishes), f"seed {seed}"


def test_a_deadlock_costs_its_victim_another_run_and_no_error(
    store: PostgresStore, other: PostgresStore
) -> None:
    store.write(lambda tx: [_add(tx) for _ in range(2)])
    met = threading.Barrier(2)
    runs: list[int] = []

    def rename_both(tx: Any, first: int, second: int) -> None:
        runs.append(first)
        for email_id in (first, second):
            email = tx.emails.get(email_id)
            tx.emails.save(attrs.evolve(email, retry_count=email.retry_count + 1), was=email)
            if len(runs) <= 2 and email_id == first:
                tx.emails.get(email_id)  # what was sent is executed by now
                met.wait(PATIENCE_S)

    _at_once(
        [
            lambda: store.write(lambda tx: rename_both(tx, 1, 2)),
            lambda: other.write(lambda tx: rename_both(tx, 2, 1)),
        ]
    )

    assert len(runs) == 3
    assert all(store.read(lambda tx, n=n: tx.emails.get(n).retry_count) for n in (1, 2))


def test_what_is_seldom_sent_is_written_when_the_row_is_free(
    store: PostgresStore, other: PostgresStore, account: Account
) -> None:
    def touch_meanwhile(tx: Any) -> None:
        tx.accounts.lock(account.id)
        _at_once([lambda: other.write(lambda tx: tx.accounts.touch(account.id, sent_at=at(9)))])

    store.write(touch_meanwhile)
    assert store.read(lambda tx: tx.accounts.get(account.id)).last_sent_at is None
    other.write(_add)
    assert store.read(lambda tx: tx.accounts.get(account.id)).last_sent_at == at(9)


def test_a_late_time_does_not_go_back_behind_a_newer_one(
    store: PostgresStore, other: PostgresStore, account: Account
) -> None:
    def touch_meanwhile(tx: Any) -> None:
        tx.accounts.lock(account.id)
        _at_once([lambda: other.write(lambda tx: tx.accounts.touch(account.id, sent_at=at(3)))])
        tx.accounts.touch(account.id, sent_at=at(9))

    store.write(touch_meanwhile)
    other.write(_add)

    assert store.read(lambda tx: tx.accounts.get(account.id)).last_sent_at == at(9)


def test_a_change_that_another_process_made_first_is_judged_again(
    store: PostgresStore, other: PostgresStore, account: Account
) -> None:
    store.write(_add)

    def cancel(tx: Any) -> None:
        email = tx.emails.get(1)
        if email.status is Status.QUEUED:
            _at_once([lambda: other.write(lambda tx: _claim(tx, account))])
        tx.emails.save(email.cancelled(now=NOW), was=email)

    with pytest.raises(IllegalTransition):
        store.write(cancel)
    assert store.read(lambda tx: tx.emails.get(1)).status is Status.SENDING


def test_a_stale_holder_stays_stale(store: PostgresStore, other: PostgresStore) -> None:
    store.write(_add)
    was = store.read(lambda tx: tx.emails.get(1))
    other.write(lambda tx: tx.emails.save(was.cancelled(now=NOW), was=was))

    with pytest.raises(StaleAttempt):
        store.write(lambda tx: tx.emails.save(was.cancelled(now=NOW), was=was))


def test_one_idempotency_key_at_two_processes_is_one_email(
    store: PostgresStore, other: PostgresStore
) -> None:
    def submit(tx: Any) -> tuple[int, ...]:
        known = tx.idempotency.find("key-1", scope="caller-1")
        if known is not None:
            return known.email_ids
        email = tx.emails.add(an_email(), OCTETS)
        met.wait(PATIENCE_S)
        tx.idempotency.add(a_record(email_ids=(email.id,)))
        return (email.id,)

    met = threading.Barrier(2)
    answers = _at_once([lambda each=each: each.write(submit) for each in (store, other)])

    assert answers[0] == answers[1]
    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 1


def test_one_name_at_two_processes_is_one_account(
    store: PostgresStore, other: PostgresStore
) -> None:
    met = threading.Barrier(2)
    runs: list[int] = []

    def create(tx: Any) -> None:
        runs.append(1)
        tx.accounts.add(an_account())
        if len(runs) == 1:
            met.wait(PATIENCE_S)

    future = store.post(create)
    met.wait(PATIENCE_S)
    errors = _at_once([lambda: _error_of(lambda: other.write(create))])

    assert future.result(PATIENCE_S) is None
    assert [type(error) for error in errors] == [NameTaken]


def test_a_keys_recipients_are_counted_exactly_by_many_processes(
    stores: list[PostgresStore],
) -> None:
    key = stores[0].write(lambda tx: tx.keys.add(a_key_row()))
    most = 30

    def use(tx: Any) -> bool:
        used = sum(count for _, count in tx.key_usage.hours(key.id, since=NOW))
        if used < most:
            tx.key_usage.add(key.id, hour=NOW, recipients=1)
        return used < most

    def process(store: PostgresStore) -> None:
        while store.write(use):
            pass

    _at_once([lambda store=store: process(store) for store in stores])

    assert stores[0].read(lambda tx: tx.key_usage.hours(key.id, since=NOW)) == [(NOW, most)]


def test_of_two_that_bury_one_owner_each_email_is_taken_once(
    store: PostgresStore, other: PostgresStore, account: Account
) -> None:
    store.write(lambda tx: [_add(tx) for _ in range(5)])
    store.write(lambda tx: _claim(tx, account))
    taken: list[int] = []

    def remove_dead(tx: Any) -> list[int]:
        held = tx.emails.held_by(1, limit=9)
        if not taken:
            taken.extend(email.id for email in held)
            taken.extend(_at_once([lambda: other.write(remove_dead)])[0])
        return [email.id for email in held]

    store.write(remove_dead)

    assert taken == [1, 2, 3, 4, 5]


def test_every_process_counts_in_a_slot_of_its_own_and_reads_the_sum(
    stores: list[PostgresStore], postgres_database: Database
) -> None:
    _at_once([lambda each=each: each.write(_add) for each in stores])

    assert postgres_database.execute("SELECT COUNT(*), SUM(n) FROM tally") == [(4, 4)]
    for each in stores:
        assert each.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 4


def test_what_processes_charge_is_summed_in_slots_and_goes_with_the_prune(
    stores: list[PostgresStore], postgres_database: Database
) -> None:
    def charge(store: PostgresStore, email_id: int) -> None:
        for n in (email_id, email_id + 10, email_id + 20):
            held = an_email(id=n, attempt_no=1, account_id=1)
            store.write(lambda tx, held=held: tx.ledger.reserve([held], units=lambda _: 2))
            store.write(lambda tx, n=n: tx.ledger.charge(n, 1, units=2))

    _at_once([lambda each=each, n=n: charge(each, n) for n, each in enumerate(stores)])

    in_slots = (
        "SELECT width, COUNT(*), SUM(units), SUM(number) FROM ledger_sum GROUP BY 1 ORDER BY 1"
    )
    assert postgres_database.execute(in_slots) == [(10, 4, 24, 12), (600, 4, 24, 12)]
    for each in stores:
        totals = each.read(lambda tx: tx.ledger.totals(1, LENGTHS))
        assert totals == dict.fromkeys(Window, (24, 12))
    for _ in range(2):
        stores[0].write(lambda tx: tx.ledger.prune(before=at(86_400), limit=6))
    assert postgres_database.execute("SELECT * FROM ledger_sum") == []


def test_folding_adds_up_the_slots_of_all_processes_and_what_it_made_goes_with_the_prune(
    stores: list[PostgresStore],
    account: Account,
    clock: FakeClock,
    postgres_database: Database,
) -> None:
    for n, each in enumerate(stores):
        held = an_email(id=n, attempt_no=1, account_id=account.id)
        each.write(lambda tx, held=held: tx.ledger.reserve([held], units=lambda _: 2))
        each.write(lambda tx, n=n: tx.ledger.charge(n, 1, units=2))
    clock.tick(3600)
    fold = _folding(limit=9)

    def while_folding(tx: Any) -> int:
        """Another process takes none of these, and does not wait for them."""
        done = fold(tx)
        assert stores[1].write(fold) == 0
        return done

    assert stores[0].write(while_folding) == 4
    assert stores[1].write(fold) == 0
    sums = "SELECT width, slot, units, number FROM ledger_sum WHERE width > 10 ORDER BY 1"
    assert postgres_database.execute(sums) == [(600, -1, 8, 4), (3600, -1, 8, 4)]
    totals = stores[2].read(lambda tx: tx.ledger.totals_of([account.id], LENGTHS))
    assert totals[account.id][Window.DAY] == (8, 4)
    stores[0].write(lambda tx: tx.ledger.prune(before=at(86_400), limit=9))
    assert postgres_database.execute("SELECT * FROM ledger_sum") == []


def test_the_sweep_folds_the_hours_that_are_over(
    store: PostgresStore, clock: FakeClock, postgres_database: Database
) -> None:
    world = World(store=store, clock=clock)
    world.account()
    for _ in range(2):
        world.submit()
        world.run()
        clock.tick(1000)
    clock.tick(3600)
    world.application.membership.beat()
    world.application.maintenance.sweep()

    sums = "SELECT width, slot, number FROM ledger_sum WHERE width > 10 ORDER BY width, start"
    assert postgres_database.execute(sums) == [(600, -1, 1), (600, -1, 1), (3600, -1, 2)]


def test_the_use_of_many_accounts_is_read_by_the_index_of_what_is_not_folded(
    store: PostgresStore,
) -> None:
    def explained(tx: Any) -> list[str]:
        values = tx.ledger._values_by_hours(("{1,2}",), LENGTHS)
        rows = tx.session.execute(f"EXPLAIN {ledger._BY_HOURS}", values).fetchall()
        return [row[0] for row in rows]

    plan = store.read(explained)

    assert any("Index Scan using ledger_sum_unfolded" in line for line in plan), plan
    assert not any("Seq Scan" in line for line in plan), plan


def test_what_is_charged_late_in_a_folded_hour_is_counted_beside_it(
    store: PostgresStore, account: Account, clock: FakeClock, postgres_database: Database
) -> None:
    for n in (1, 2):
        held = an_email(id=n, attempt_no=1, account_id=account.id)
        store.write(lambda tx, held=held: tx.ledger.reserve([held], units=lambda _: 1))
    store.write(lambda tx: tx.ledger.charge(1, 1, units=1))
    clock.tick(3600)
    assert store.write(_folding(limit=9)) == 1
    late = "UPDATE ledger SET units = 5, ts = (SELECT MIN(ts) FROM ledger) WHERE email_id = 2"
    postgres_database.execute(late)

    def of_the_day() -> tuple[int, int]:
        found = store.read(lambda tx: tx.ledger.totals_of([account.id], LENGTHS))
        return found[account.id][Window.DAY]

    assert of_the_day() == (6, 2)
    assert store.write(_folding(limit=9)) == 1
    assert of_the_day() == (6, 2)


def test_a_sum_that_another_process_changes_is_not_taken_for_an_empty_one(
    store: PostgresStore, other: PostgresStore, postgres_database: Database
) -> None:
    for n in (1, 2):
        held = an_email(id=n, attempt_no=1, account_id=1)
        store.write(lambda tx, held=held: tx.ledger.reserve([held], units=lambda _: 1))
    store.write(lambda tx: tx.ledger.charge(1, 1, units=1))
    store.write(lambda tx: tx.ledger.prune(before=NOW, limit=9))  # keeps it
    postgres_database.execute("DELETE FROM ledger WHERE email_id = 1")  # in a slot of its own

    def while_charging(tx: Any) -> None:
        tx.ledger.charge(2, 1, units=1)
        assert tx.ledger.used(1, LENGTHS)[Window.DAY] == 1  # it has been run
        other.write(lambda tx: tx.ledger.prune(before=at(86_400), limit=9))

    store.write(while_charging)

    assert store.read(lambda tx: tx.ledger.used(1, LENGTHS)) == dict.fromkeys(Window, 1)


def test_a_read_sees_one_moment(store: PostgresStore, other: PostgresStore) -> None:
    def read(tx: Any) -> tuple[int, int]:
        before = tx.emails.counts()[Status.QUEUED]
        _at_once([lambda: other.write(_add)])
        return before, tx.emails.counts()[Status.QUEUED]

    assert store.read(read) == (0, 0)
    assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 1


# -- the schema -----------------------------------------------------------------------------------


def test_processes_that_migrate_at_once_do_it_once(postgres: Server) -> None:
    with postgres.database() as database:
        stores: list[SqlStore] = [PostgresStore(database.url, clock=FakeClock()) for _ in range(4)]
        pending = list(stores[0].pending())
        applied = _at_once([store.migrate for store in stores])
        assert stores[0].pending() == []
        assert stores[0].migrate() == []

    assert pending[0] == "0001_initial"
    assert sorted(applied, key=len) == [[], [], [], pending]


def test_0006_sums_what_was_charged_before_it(postgres: Server, tmp_path: Path) -> None:
    for migration in sorted(MIGRATIONS.glob("[0-9]*.py"))[:5]:
        shutil.copy(migration, tmp_path)
    with postgres.database() as database:
        clock = FakeClock()
        now = round(clock.steady().timestamp() * 1_000_000)
        PostgresServer(database.url).migrate(directory=tmp_path)
        database.execute(
            "INSERT INTO ledger (email_id, attempt_no, account_id, units, ts) VALUES"
            f" (1, 1, 1, 2, {now - 5 * 3600 * 1_000_000}), (2, 1, 1, 3, {now}), (3, 1, 1, 4, NULL)"
        )
        store = PostgresStore(database.url, clock=clock)
        store.migrate()
        totals = store.read(lambda tx: tx.ledger.totals(1, LENGTHS))
        store.close()

    assert [totals[window] for window in Window] == [(7, 1), (7, 1), (9, 2)]


def test_a_database_without_tables_says_what_to_do(postgres: Server) -> None:
    with postgres.database() as database:
        store = PostgresStore(database.url, clock=FakeClock())
        for use in (store.ping, lambda: store.write(_add)):
            with pytest.raises(StoreUnavailable, match="migrated"):
                use()
        store.close()


def test_what_the_version_before_inserts_is_counted(
    store: PostgresStore, postgres_database: Database
) -> None:
    store.write(_add)
    postgres_database.execute("INSERT INTO tally (queue, status, n) VALUES (0, 'sent', 3)")

    counts = store.read(lambda tx: tx.emails.counts())
    assert (counts[Status.QUEUED], counts[Status.SENT]) == (1, 3)


def test_a_claim_goes_along_its_partial_index_even_on_a_table_without_statistics(
    store: PostgresStore, account: Account
) -> None:
    store.write(_add)
    plans: list[str] = []

    def explained(tx: Any) -> None:
        sql = due_rows._LOCKED
        for priority in PRIORITIES:
            for queue in (0, account.id):
                for value in (queue, priority, 9, 1):
                    sql = sql.replace("?", str(value), 1)
        for value in (10**18, 50, 100):
            sql = sql.replace("?", str(value), 1)
        plans.extend(row[0] for row in tx.session.execute(f"EXPLAIN {sql}").fetchall())

    store.write(explained)

    assert any("Index Scan using email_due on email" in line for line in plans), plans
    assert any("LockRows" in line for line in plans), plans
    assert not any("Sort" in line for line in plans), plans


def test_text_that_this_database_cannot_hold_is_written_without_it(
    store: PostgresStore, account: Account
) -> None:
    store.write(_add)
    store.write(lambda tx: tx.attempts.open([an_attempt(account_name="a\0b")]))
    store.write(lambda tx: tx.attempts.close(an_attempt(ended_at=at(1), text="450 \0 later")))

    (attempt,) = store.read(lambda tx: tx.attempts.of(1))
    assert (attempt.account_name, attempt.text) == ("a\ufffdb", "450 \ufffd later")


# -- helpers of the tests above -------------------------------------------------------------------


def _folding(*, limit: int) -> Callable[[Any], int]:
    return lambda tx: tx.ledger.fold(LENGTHS, limit=limit)


def _add(tx: Any) -> int:
    return int(tx.emails.add(an_email(), OCTETS).id)


def _claim(tx: Any, account: Account, *, limit: int = 9, units: int = 10**6) -> Any:
    return tx.emails.claim(
        account, limit=limit, units=units, urgent_units=units, now=NOW, instance=1, fair=0
    )


def _connections(database: Database) -> int:
    (found,) = database.execute(
        f"SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{database.name}'"
        " AND application_name = 'email-service'"
    )
    return int(found[0])


def _at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Their answers, each from a thread of its own; what one of them raises is raised here."""
    answers: list[Any] = [None] * len(works)
    errors: list[BaseException] = []

    def run(place: int, work: Callable[[], Any]) -> None:
        try:
            answers[place] = work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads)
    return answers


def _error_of(work: Callable[[], object]) -> BaseException | None:
    try:
        work()
    except Exception as error:
        return error
    return None


def _wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _closing_every_connection_of(listener: socket.socket) -> list[float]:
    """When somebody knocked, as a list that grows until the listener is closed."""
    knocks: list[float] = []

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                knocks.append(time.monotonic())
                connection.close()

    threading.Thread(target=run, daemon=True).start()
    return knocks


@pytest.mark.parametrize("character", "@:/#%?&[] =")
def test_no_part_of_a_password_is_in_an_error(character: str) -> None:
    url = f"postgresql://mail:abcd{character}efgh@127.0.0.1:1/mail"
    with pytest.raises((StoreUnavailable, ValueError)) as caught:
        PostgresServer(url).connect(writing=False)
    told = f"{caught.value} {caught.value!r}"
    assert "abcd" not in told
    assert "efgh" not in told


# -- a schema of a newer version ------------------------------------------------------------------


def test_a_newer_schema_that_is_made_for_this_version_too_is_served(
    postgres: Server, tmp_path: Path
) -> None:
    newer = newer_version(tmp_path / "newer", oldest_reader=NEWEST)
    with postgres.database() as database:
        PostgresServer(database.url).migrate(directory=newer)
        with contextlib.closing(PostgresStore(database.url, clock=FakeClock())) as store:
            assert list(store.pending()) == list(store.migrate()) == []
            assert store.write(lambda tx: tx.emails.add(an_email(), OCTETS)).id == 1


@pytest.mark.parametrize("oldest_reader", [NEWEST + 1, None])
def test_a_newer_schema_that_is_not_is_refused_and_the_migration_named(
    postgres: Server, tmp_path: Path, oldest_reader: int | None
) -> None:
    newer = newer_version(tmp_path / "newer", oldest_reader=oldest_reader)
    with postgres.database() as database:
        PostgresServer(database.url).migrate(directory=newer)
        with contextlib.closing(PostgresStore(database.url, clock=FakeClock())) as store:
            for call in (store.pending, store.migrate):
                with pytest.raises(SchemaTooNew, match="9999_later"):
                    call()

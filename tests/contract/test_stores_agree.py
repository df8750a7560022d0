"""The memory store and each SQL store, given the same random commands, give the same answers.

The memory store is the simplest reading of the contract, so a difference is a fault in one of the
two. All that can be seen of them is compared after every command that changed it, and in the end.
"""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from adapters.peewee_store import PostgresStore, SqliteStore
from application.ports.store import Store, Transaction
from domain.account.limits import Limits, LimitUnit, Window, WindowLengths
from domain.email.lifecycle import Email
from domain.email.recipient import RecipientStatus
from domain.email.status import Status
from domain.errors import EmailServiceError
from domain.outcome.handoff import Stage
from domain.outcome.verdict import Result
from tests.builders import (
    OCTETS,
    a_record,
    a_reply,
    an_account,
    an_attempt,
    an_email,
    at,
    recipients,
    seconds,
)
from tests.postgres import Database

LENGTHS = WindowLengths()
LAST = 8  # ids that the commands speak of

accounts = st.integers(1, 3)
email_ids = st.integers(1, LAST)
attempt_nos = st.integers(0, 3)
instances = st.integers(1, 3)
times = st.integers(-3, 8).map(at)
units = st.integers(-1, 6)
few = st.integers(0, 4)
statuses = st.sampled_from(Status)
limits = st.builds(
    Limits,
    daily=st.sampled_from([None, 0, 3, 9]),
    hourly=st.sampled_from([None, 2, 9]),
    unit=st.sampled_from(LimitUnit),
    priority_reserve=st.sampled_from([0, 30]),
)
texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=3)
email_changes = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.integers(1, 5),
        "status": statuses,
        "eligible_at": times,
        "expires_at": times,
        "updated_at": times,
        "sent_at": st.none() | times,
        "account_id": accounts,
        "instance": st.none() | instances,
        "attempt_no": attempt_nos,
        "claim_count": few,
        "retry_count": few,
        "possibly_delivered": st.booleans(),
        "reason_code": st.none() | texts | st.just("crashed"),
        "asides": few,
        "error_message": st.none() | texts,
    },
)
outcomes = st.lists(st.sampled_from(RecipientStatus), min_size=3, max_size=3)


class Undone(Exception):
    """Rolls a work back."""


@pytest.fixture(scope="module")
def _migrated(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One empty database, which every run copies: migrating takes longer than a run's commands."""
    path = tmp_path_factory.mktemp("agree") / "empty.db"
    store = SqliteStore(path, clock=FakeClock())
    store.migrate()
    store.close()
    SqliteAgrees.empty = path


@pytest.fixture(scope="module")
def _database(migrated_postgres: Database) -> None:
    PostgresAgrees.database = migrated_postgres


class StoresAgree(RuleBasedStateMachine):
    """Random commands to both stores."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.seen: object = None
        self.stack = ExitStack()
        self.stores: tuple[Store, Store] = (MemoryStore(clock=self.clock), self.sql_store())
        for store in self.stores:
            self.stack.callback(store.close)

    def sql_store(self) -> Store:
        """An empty one."""
        raise NotImplementedError

    def teardown(self) -> None:
        with self.stack:
            self.all_that_can_be_seen_is_the_same()

    @initialize()
    def an_account_and_two_emails(self) -> None:
        self.both(lambda tx: tx.accounts.add(an_account()))
        self.both(lambda tx: [tx.emails.add(an_email(), OCTETS) for _ in range(2)])

    # -- how both are asked -----------------------------------------------------------------------

    def both(self, work: Callable[[Transaction], Any]) -> Any:
        """The answer of both, or the error of both."""
        memory, sql = (_answer(store.write, work) for store in self.stores)
        assert memory == sql
        return memory

    def undone(self, work: Callable[[Transaction], Any]) -> None:
        """Asked of both, and rolled back in both."""

        def fail(tx: Transaction) -> None:
            work(tx)
            raise Undone

        self.both(fail)

    def all_that_can_be_seen_is_the_same(self) -> None:
        memory, sql = (store.read(_everything) for store in self.stores)
        assert memory == sql

    @invariant()
    def what_changed_is_the_same(self) -> None:
        """Most commands change nothing, and to read everything from SQL takes long."""
        if (now := self.stores[0].read(_everything)) != self.seen:
            self.seen = now
            assert self.stores[1].read(_everything) == now

    # -- time -------------------------------------------------------------------------------------

    @rule(passed=st.sampled_from([1, 30, 61, 3601, 86_401]))
    def time_passes(self, passed: int) -> None:
        self.clock.tick(passed)

    @rule(jump=st.sampled_from([-5, 5, 3600]))
    def the_wall_jumps(self, jump: int) -> None:
        self.clock.step(jump)

    # -- accounts ---------------------------------------------------------------------------------

    @rule(name=st.sampled_from("abc"), limits=limits)
    def add_account(self, name: str, limits: Limits) -> None:
        self.both(lambda tx: tx.accounts.add(an_account(name=name, limits=limits)))

    @rule(account_id=accounts, name=st.sampled_from("abc"), version=st.integers(1, 2))
    def save_account(self, account_id: int, name: str, version: int) -> None:
        account = an_account(id=account_id, name=name, version=version)
        self.both(lambda tx: tx.accounts.save(account))

    @rule(account_id=accounts, version=st.integers(1, 2), text=texts)
    def save_health(self, account_id: int, version: int, text: str) -> None:
        account = an_account(id=account_id, version=version, last_sent_at=at(1))
        paused = account.health.halted("auth", now=at(1), text=text)
        told = attrs.evolve(account, health=paused.counted("auth")[0])
        self.both(lambda tx: tx.accounts.save_health(told))

    @rule(account_id=accounts, time=times)
    def touch_account(self, account_id: int, time: Any) -> None:
        self.both(lambda tx: tx.accounts.touch(account_id, sent_at=time))

    @rule(account_id=accounts)
    def delete_account(self, account_id: int) -> None:
        self.both(lambda tx: tx.accounts.delete(account_id))

    # -- emails -----------------------------------------------------------------------------------

    @rule(changes=email_changes, number=st.integers(1, 3), pinned=st.booleans())
    def add_email(self, changes: dict[str, Any], number: int, pinned: bool) -> None:
        email = an_email(recipients=recipients(number), pinned=pinned, **changes)
        self.both(lambda tx: tx.emails.add(email, str(changes).encode()))

    @rule(
        account_id=accounts,
        number=few,
        units=units,
        urgent_units=units,
        now=times,
        instance=instances,
        fair=few,
        shared=st.none() | few,
        last=st.lists(email_ids, max_size=3),
        crashes=st.sampled_from([-1, 1, 5]),
        undone=st.booleans(),
    )
    def claim(
        self, account_id: int, number: int, now: Any, instance: int, undone: bool, **bounds: Any
    ) -> None:
        def work(tx: Transaction) -> Any:
            account = tx.accounts.get(account_id)
            held = tx.emails.claim(account, limit=number, now=now, instance=instance, **bounds)
            tx.attempts.open([_attempt(email) for email in held])
            tx.ledger.reserve(held, units=lambda email: len(email.open_recipients))
            return held

        (self.undone if undone else self.both)(work)

    @rule(email_id=email_ids, attempt_no=attempt_nos)
    def withdraw(self, email_id: int, attempt_no: int) -> None:
        self.both(lambda tx: tx.attempts.withdraw(email_id, attempt_no))

    @rule(now=times, limit=few)
    def from_the_future(self, now: Any, limit: int) -> None:
        self.both(lambda tx: tx.emails.from_the_future(now=now, after=None, limit=limit))

    @rule(account_id=accounts)
    def depth(self, account_id: int) -> None:
        self.both(lambda tx: tx.emails.depth(account_id))

    @rule(email_id=email_ids, attempt_no=attempt_nos, instance=instances)
    def mark(self, email_id: int, attempt_no: int, instance: int) -> None:
        claims = [(email_id, attempt_no), (email_id + 1, attempt_no)]
        self.both(lambda tx: sorted(tx.emails.mark_committing(claims, instance=instance)))

    @rule(
        email_id=email_ids,
        changes=email_changes,
        outcomes=outcomes,
        stale=st.sampled_from([{}, {}, {"status": Status.SENT}, {"attempt_no": 9}]),
        undone=st.booleans(),
    )
    def save(
        self,
        email_id: int,
        changes: dict[str, Any],
        outcomes: list[RecipientStatus],
        stale: dict[str, Any],
        undone: bool,
    ) -> None:
        def work(tx: Transaction) -> Any:
            was = tx.emails.get(email_id)
            told = tuple(
                attrs.evolve(recipient, status=outcome, reply=a_reply(), reason="reported")
                for recipient, outcome in zip(was.recipients, outcomes, strict=False)
            )
            email = attrs.evolve(was, recipients=told, **changes)
            tx.emails.save(email, was=attrs.evolve(was, **stale))

        (self.undone if undone else self.both)(work)

    # -- attempts and the ledger ------------------------------------------------------------------

    @rule(email_id=email_ids, attempt_no=attempt_nos)
    def open_attempt(self, email_id: int, attempt_no: int) -> None:
        attempt = an_attempt(email_id=email_id, attempt_no=attempt_no)
        self.both(lambda tx: tx.attempts.open([attempt]))

    @rule(email_id=email_ids, attempt_no=attempt_nos, result=st.sampled_from(Result))
    def close_attempt(self, email_id: int, attempt_no: int, result: Result) -> None:
        attempt = an_attempt(
            email_id=email_id,
            attempt_no=attempt_no,
            ended_at=at(1),
            duration=seconds(0.5),
            stage=Stage.DOT,
            reply=a_reply(),
            result=result,
        )
        self.both(lambda tx: tx.attempts.close(attempt))

    @rule(email_id=email_ids, attempt_no=attempt_nos, account_id=st.none() | accounts, units=few)
    def reserve(self, email_id: int, attempt_no: int, account_id: int | None, units: int) -> None:
        email = an_email(id=email_id, attempt_no=attempt_no, account_id=account_id)
        self.both(lambda tx: tx.ledger.reserve([email], units=lambda _: units))

    @rule(email_id=email_ids, attempt_no=attempt_nos, units=few, undone=st.booleans())
    def charge(self, email_id: int, attempt_no: int, units: int, undone: bool) -> None:
        asked = self.undone if undone else self.both
        asked(lambda tx: tx.ledger.charge(email_id, attempt_no, units=units))

    @rule(email_id=email_ids, attempt_no=attempt_nos)
    def free(self, email_id: int, attempt_no: int) -> None:
        self.both(lambda tx: tx.ledger.free(email_id, attempt_no))

    @rule(before=times, number=few)
    def prune_ledger(self, before: Any, number: int) -> None:
        self.both(lambda tx: tx.ledger.prune(before=before, limit=number))

    @rule(number=few)
    def fold_ledger(self, number: int) -> None:
        for store in self.stores:
            store.write(lambda tx: tx.ledger.fold(LENGTHS, limit=number))

    # -- instances and remembered answers ---------------------------------------------------------

    @rule(pid=few)
    def join(self, pid: int) -> None:
        self.both(lambda tx: tx.instances.join(host="a", pid=pid, now=at(0)))

    @rule(instance=instances)
    def beat(self, instance: int) -> None:
        self.both(lambda tx: tx.instances.beat(instance))

    @rule(instance=instances)
    def leave(self, instance: int) -> None:
        self.both(lambda tx: tx.instances.leave(instance))

    @rule(key=st.sampled_from("xy"), scope=st.sampled_from("pq"), time=times)
    def remember(self, key: str, scope: str, time: Any) -> None:
        record = a_record(key=key, scope=scope, created_at=time)
        self.both(lambda tx: tx.idempotency.add(record))

    @rule(before=times, number=few)
    def forget(self, before: Any, number: int) -> None:
        self.both(lambda tx: tx.idempotency.prune(before=before, limit=number))


class SqliteAgrees(StoresAgree):
    """With a file of its own for each run."""

    empty: Path

    def sql_store(self) -> Store:
        folder = Path(tempfile.mkdtemp())
        self.stack.callback(shutil.rmtree, folder)
        shutil.copy(self.empty, folder / "mail.db")
        return SqliteStore(folder / "mail.db", clock=self.clock)


class PostgresAgrees(StoresAgree):
    """With one database that is emptied for each run."""

    database: Database

    def sql_store(self) -> Store:
        self.database.empty()
        return PostgresStore(self.database.url, clock=self.clock)


def _settings(max_examples: int, **others: Any) -> settings:
    return settings(
        max_examples=max_examples,
        **others,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )


@pytest.mark.usefixtures("_migrated")
class TestSqliteAgrees(SqliteAgrees.TestCase):  # type: ignore[misc]
    settings = _settings(40)


@pytest.mark.usefixtures("_database")
class TestPostgresAgrees(PostgresAgrees.TestCase):  # type: ignore[misc]
    # to make a failure smaller would take minutes here
    settings = _settings(15, phases=[Phase.explicit, Phase.reuse, Phase.generate])


def _answer(ask: Callable[[Any], Any], work: Callable[[Transaction], Any]) -> Any:
    try:
        return ask(work)
    except (EmailServiceError, Undone) as error:
        return type(error)


def _attempt(email: Email) -> Any:
    return an_attempt(email_id=email.id, attempt_no=email.attempt_no)


def _everything(tx: Transaction) -> dict[str, object]:
    """All that can be seen of a small store, by name."""
    page = tx.emails.page(limit=5)
    emails = [tx.emails.get(row.id) for row in page.emails]
    return {
        "accounts": tx.accounts.all(),
        "page": page,
        "next page": tx.emails.page(limit=5, before=page.next_before),
        "filtered": [
            tx.emails.page(status=status, account_id=account_id, limit=3)
            for status in (None, Status.QUEUED, Status.SENT)
            for account_id in (None, 1)
        ],
        "emails": emails,
        "octets": [tx.emails.octets(email.id) for email in emails],
        "counts": tx.emails.counts(),
        "waiting": [tx.emails.waiting(account_id) for account_id in (None, 1, 2)],
        "held": [tx.emails.held_by(instance, limit=3) for instance in (1, 2)],
        "expired": tx.emails.expired(now=at(3), limit=3),
        "next due": [tx.emails.next_due(chosen) for chosen in ([], [1], [1, 2, 3])],
        "attempts": [tx.attempts.of(email.id) for email in emails],
        "used": [tx.ledger.used(account_id, LENGTHS) for account_id in (1, 2)],
        "totals": [tx.ledger.totals(account_id, LENGTHS) for account_id in (1, 2)],
        "totals of many": tx.ledger.totals_of([1, 2], LENGTHS),
        "room": [
            tx.ledger.room_returns_at(account_id, window, LENGTHS, units=units)
            for account_id in (1, 2)
            for window in Window
            for units in (1, 3)
        ],
        "beats": tx.instances.beats(),
        "orphaned": tx.instances.orphaned(),
        "remembered": [tx.idempotency.find(key, scope="p") for key in "xy"],
    }

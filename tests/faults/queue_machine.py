"""Random histories of the queue, checked step by step against `QueueModel`.

Processes come, claim, hand off, are paused, wake up late and die at any commit, before or after
it; the wall clock steps; people cancel, resend and resolve. After every step the whole store must
stand as the model says, and no rolling window at the mail server may ever have held more than its
limit. The use cases and the store are the real ones, the mail server and the clock are not.
"""

import tempfile
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache, wraps
from pathlib import Path
from typing import Any, ClassVar, Final

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters.fakes.clock import FakeClock
from adapters.fakes.locks import FakeLocks
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.sender import FakeSender, Fault, Script
from adapters.fakes.sender import Rule as Answer
from adapters.fakes.vault import FakeVault
from adapters.peewee_store import SqliteStore
from application import ServicePolicy
from application.cluster.membership import LeasePolicy
from application.delivery import Batch
from application.intake.draft import Draft
from domain.account.account import OnUnknown
from domain.account.congestion import CongestionPolicy
from domain.account.health import Health
from domain.account.limits import Limits, LimitUnit, WindowLengths
from domain.address import Address
from domain.email.lifecycle import Email
from domain.email.retry import RetryPolicy
from domain.outcome.handoff import Stage
from tests.applications import an_application, delivery_rules
from tests.builders import an_account
from tests.faults.measures import window_maximum
from tests.faults.queue_model import (
    DELAYS,
    MARGIN,
    MAX_AGE,
    MAX_RETRIES,
    POISON,
    SIDE_BY_SIDE,
    TERMINAL,
    WAITING,
    WINDOWS,
    Outcome,
    QueueModel,
    Quota,
)

HEARTBEAT_S: Final = 15
LEASE_S: Final = 60
MOST_EMAILS: Final = 40
MOST_PROCESSES: Final = 3
ANSWERS: Final[dict[Outcome, tuple[Answer, ...]]] = {
    Outcome.TAKES: (),
    Outcome.BUSY: (Answer(Stage.MAIL, "421 4.3.2 shutting down"),),
    Outcome.DEFERS: (Answer(Stage.DOT, "451 4.3.0 later"),),
    Outcome.REFUSES: (Answer(Stage.DOT, "550 no"),),
    Outcome.FALLS_SILENT: (Answer(Stage.DOT, Fault.CLOSE),),
    Outcome.TAKES_SILENTLY: (Answer(Stage.DOT, Fault.ACCEPT_CLOSE),),
}
REASONS: Final = {
    Outcome.BUSY: "server_busy",
    Outcome.FALLS_SILENT: "outcome_unknown",
    Outcome.TAKES_SILENTLY: "outcome_unknown",
}
DRAFTS: Final = st.fixed_dictionaries(
    {
        "priority": st.integers(1, 5),
        "pinned": st.sampled_from((None, 1, 2, 3)),
        "recipients": st.sampled_from((1, 1, 2, 3)),
        "at_most_once": st.sampled_from((False, False, False, True)),
    }
)
HOSTILE: Final = st.sampled_from((Outcome.BUSY, Outcome.BUSY, Outcome.DEFERS, Outcome.REFUSES))
LENGTHS: Final = WindowLengths(**WINDOWS, margin=MARGIN)
QUOTAS: Final = (
    Quota(id=1, limits={"hour": 3, "day": 5}),
    Quota(id=2, limits={"minute": 2, "hour": 4}, hold=True),
    Quota(id=3, limits={"hour": 4}, by_recipients=True),
)


class Crash(BaseException):
    """The process died at a commit; *answer* is what it would have learnt, had it lived."""

    def __init__(self, *, committed: bool, answer: Any = None) -> None:
        super().__init__()
        self.committed = committed
        self.answer = answer


class CrashingStore:
    """A store whose process can be made to die at its n-th commit from now, or right behind it."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.read = store.read
        self.read_latest = store.read_latest
        self._left: int | None = None
        self._after = False

    def arm(self, commits: int | None, *, after: bool) -> None:
        self._left, self._after = commits, after

    def write(self, work: Callable[[Any], Any]) -> Any:
        if not self._dies_now():
            return self.store.write(work)
        if not self._after:
            raise Crash(committed=False)
        answer = None
        with suppress(Exception):  # a work that was refused is not heard of either
            answer = self.store.write(work)
        raise Crash(committed=True, answer=answer)

    def post(self, work: Callable[[Any], Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(self.write(work))
        except Exception as error:
            future.set_exception(error)
        return future

    def ping(self) -> None:
        self.store.ping()

    def close(self) -> None:
        self.store.close()

    def _dies_now(self) -> bool:
        if self._left is None:
            return False
        self._left -= 1
        return self._left == 0


@attrs.frozen
class Copy:
    """One message that the mail server took."""

    account: int
    subject: str
    octets: bytes
    units: int
    at: float


class Post(FakeSender):
    """The mail server that all processes talk to. It keeps every copy, with its own time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.copies: list[Copy] = []
        self.outcomes: dict[int, Outcome] = {}
        self.meanwhile: Callable[[int], None] | None = None
        self.check: Callable[[int], None] = lambda email_id: None
        self.sends: list[int] = []

    def send(self, account: Any, envelope: Any, octets: bytes, *, before_dot: Any) -> Any:
        email_id = int(str(envelope.recipients[0]).partition("@")[0].split("-")[1])
        self.check(email_id)
        self.sends.append(email_id)
        outcome = self.outcomes.get(email_id, Outcome.TAKES)
        server = FakeSender(Script(ANSWERS[outcome]))
        handoff = server.send(account, envelope, octets, before_dot=before_dot)
        # how large a message may be is no matter of this model: to learn it is one commit more
        handoff = attrs.evolve(handoff, max_octets=None)
        for taken in server.accepted:
            units = account.limits.units(len(taken.envelope.recipients))
            copy = Copy(account.id, str(email_id), octets, units, self._clock.monotonic())
            self.copies.append(copy)
        if self.meanwhile is not None and handoff.stage is Stage.DOT:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile(email_id)
        return handoff


class Process:
    """One process of the service, up to its death."""

    def __init__(self, store: Any, *, clock: FakeClock, locks: FakeLocks, post: Post) -> None:
        self.store = CrashingStore(store)
        self.locks = locks
        self.batches: list[Batch] = []
        self.beaten_at = clock.monotonic()
        self.wall: datetime | None = None
        self.application = an_application(
            store=self.store,
            sender=post,
            vault=FakeVault(),
            clock=clock,
            locks=locks,
            rules=ServicePolicy(
                delivery=delivery_rules(
                    retry=RetryPolicy(max_retries=MAX_RETRIES, delays=DELAYS, max_age=MAX_AGE),
                    congestion=CongestionPolicy(breaker=(timedelta(seconds=5),)),
                    windows=LENGTHS,
                    fairness_every=0,
                ),
                lease=LeasePolicy(
                    heartbeat=timedelta(seconds=HEARTBEAT_S), lease=timedelta(seconds=LEASE_S)
                ),
            ),
        )
        self.instance = self.application.membership.join()
        # how a slow batch is dealt out is no matter of this model
        self.application.delivery.scheduler.connections.has_free = lambda account_id: False  # type: ignore[method-assign]


def notes_failure(step: Callable[..., None]) -> Callable[..., None]:
    """A step of the machine that remembers that it failed."""

    @wraps(step)
    def noting(machine: "QueueMachine", **drawn: Any) -> None:
        try:
            step(machine, **drawn)
        except AssertionError:
            machine.failed = True
            raise

    return noting


class QueueMachine(RuleBasedStateMachine):
    """The random histories. A subclass chooses the store."""

    histories: ClassVar[int] = 0
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.locks = FakeLocks()
        self.post = Post(self.clock)
        self.post.check = self._attempt_stands_before_its_socket
        self.model = QueueModel(QUOTAS)
        self.processes: list[Process] = []
        self.silent: list[Process] = []  # dead ones whose locks do not show it
        self.stores: list[Any] = []
        self.message_ids: dict[int, str] = {}
        self.attempts: dict[int, int] = {}
        self.failed = False
        type(self).histories += 1

    # -- what a subclass gives ------------------------------------------------------------------

    def open_store(self) -> Any:
        """A store for one more process."""
        raise NotImplementedError

    def close_stores(self) -> None:
        """The history is over."""
        for store in self.stores:
            store.close()

    # -- what happens next ----------------------------------------------------------------------

    @rule(data=st.data())
    @notes_failure
    def something_happens(self, data: st.DataObject) -> None:
        """One of the things that can happen now; what delivers mail is likelier than what harms."""
        getattr(self, data.draw(st.sampled_from(self._possible())))(data)

    def _possible(self) -> list[str]:
        likely = {
            "a_process_starts": 1 if len(self.processes) < MOST_PROCESSES else 0,
            "time_passes": 3,
            "the_wall_clock_steps": 1,
            "a_person_resumes_an_account": 1,
        }
        if self.processes:
            likely |= {"a_process_is_killed": 1, "a_process_beats": 2, "a_process_sweeps": 2}
            if len(self.model.rows) < MOST_EMAILS:
                likely["emails_are_submitted"] = 4
        if self.processes and self._ids_that(lambda row: row.status in WAITING):
            likely |= {
                "a_process_claims": 8,
                "an_email_is_cancelled": 1,
                "the_server_answers_by_recipient": 1,
            }
        if self._with_batches():
            likely |= {
                "a_batch_is_handed_off": 6,
                "a_holder_is_overtaken": 2,
                "a_process_dies_at_work": 3,
                "a_batch_is_given_back": 1,
            }
        if self._ids_that(lambda row: row.status == "failed"):
            likely["a_person_settles_a_failed_one"] = 1
        return [name for name, weight in likely.items() for _ in range(weight)]

    # -- processes ------------------------------------------------------------------------------

    @initialize()
    def the_first_process(self) -> None:
        self._start()
        for quota in QUOTAS:
            self._add_account(quota)

    def a_process_starts(self, data: st.DataObject) -> None:
        self._start()

    def a_process_is_killed(self, data: st.DataObject) -> None:
        """Its lock shows it at once, or (as on another machine) only its silence does."""
        self._dies(self._any_process(data), known=data.draw(st.booleans()))

    # -- clients --------------------------------------------------------------------------------

    def emails_are_submitted(self, data: st.DataObject) -> None:
        process = self._any_process(data)
        fields = data.draw(DRAFTS)
        for _ in range(data.draw(st.integers(0, 3))):
            self._submit(process, **fields)
        self._arm(data, process, commits=1)
        self._submit(process, **fields)

    def an_email_is_cancelled(self, data: st.DataObject) -> None:
        email_id = self._pick(data, lambda row: row.status in WAITING)
        self._living().application.email_changes.cancel(email_id)
        self.model.cancelled(email_id)

    def a_person_settles_a_failed_one(self, data: st.DataObject) -> None:
        email_id = self._pick(data, lambda row: row.status == "failed")
        changes = self._living().application.email_changes
        as_sent = data.draw(st.booleans())
        if self.model.rows[email_id].reason != "outcome_unknown":
            changes.retry(email_id)
        else:
            changes.resolve(email_id, as_sent=as_sent)
            if as_sent:
                self.model.resolved_as_sent(email_id)
                return
        self.model.reopened(email_id, now=self.clock.now())

    # -- delivery -------------------------------------------------------------------------------

    def a_process_claims(self, data: st.DataObject) -> None:
        process = self._any_process(data)
        places = data.draw(st.integers(1, 4))
        self._beat(process)
        must = self._must_claim(process)
        self._arm(data, process, commits=1)
        try:
            batches = process.application.delivery.claim(process.instance, places=places)
        except Crash as end:
            self._learn_claimed(process, end.answer[1] if end.committed else ())
            self._dies(process, known=True)
            return
        process.store.arm(None, after=False)
        self._learn_claimed(process, batches)
        process.batches += batches
        assert batches or not must, f"accounts {must} had mail due and room, and none was claimed"

    def a_batch_is_handed_off(self, data: st.DataObject) -> None:
        self._hand_off(data)

    def a_holder_is_overtaken(self, data: st.DataObject) -> None:
        """While it waits for the answer to a dot, its emails are taken from it."""
        self._hand_off(data, overtaken=True)

    def a_process_dies_at_work(self, data: st.DataObject) -> None:
        """At the mark, at the result, or right behind one of them."""
        self._hand_off(data, commit=data.draw(st.integers(1, 4)), after=data.draw(st.booleans()))

    def _hand_off(
        self,
        data: st.DataObject,
        *,
        overtaken: bool = False,
        commit: int | None = None,
        after: bool = False,
    ) -> None:
        process = data.draw(st.sampled_from(self._with_batches()))
        self._beat(process)
        batch = process.batches.pop(0)
        kinds = [data.draw(st.sampled_from(Outcome)) for _ in batch.emails]
        self._answer(batch, kinds)
        self.post.meanwhile = self._overtake(process, batch.instance) if overtaken else None
        process.store.arm(commit, after=after)
        story = _Story(self, batch, kinds, commits=commit, after=after)
        crashed = False
        try:
            process.application.delivery.deliver(batch, stopping=lambda: False)
        except Crash:
            crashed = True
        if overtaken and self.post.meanwhile is None:
            story.before_the_lease_was_over = timedelta(seconds=LEASE_S)
        self.post.meanwhile = None
        process.store.arm(None, after=False)
        story.tell(overtaken=overtaken)
        assert story.died == crashed, "it must die exactly where it was told to"
        if crashed:
            self._dies(process, known=True)

    def _answer(self, batch: Batch, kinds: list[Outcome]) -> None:
        """What the mail server does with each of them."""
        self.post.outcomes = {
            email.id: kind for email, kind in zip(batch.emails, kinds, strict=True)
        }
        self.attempts = {email.id: email.attempt_no for email in batch.emails}

    def the_server_answers_by_recipient(self, data: st.DataObject) -> None:
        """Whatever the mail to some recipients meets each time, the mail to others flows."""
        process = self._alone()
        self._make_room(process)
        busy = self._submit_urgent_and_others(data, process)
        waiting = self._ids_that(lambda row: row.status in WAITING)
        if not waiting:
            return
        hostile = data.draw(st.dictionaries(st.sampled_from(waiting), HOSTILE, max_size=8))
        # the third that falls silent with no success between is the account's trouble
        silent = data.draw(st.sets(st.sampled_from(waiting), max_size=2))
        hostile |= dict.fromkeys(silent, Outcome.FALLS_SILENT) | dict.fromkeys(busy, Outcome.BUSY)
        self._resume_all()
        left: list[str] = []
        for _ in range(20 + 4 * len(hostile)):
            self._beat(process)
            while batches := process.application.delivery.claim(process.instance, places=9):
                self._learn_claimed(process, batches)
                for batch in batches:
                    kinds = [hostile.get(email.id, Outcome.TAKES) for email in batch.emails]
                    self._deliver(process, batch, kinds)
            left = self._held_up(hostile)
            if not left:
                return
            self.clock.tick(5)
        raise AssertionError(f"{left}, held up by some of {hostile}")

    def _submit_urgent_and_others(self, data: st.DataObject, process: Process) -> Collection[int]:
        """Some for one account, and others that come after them; the ids of the urgent ones."""
        first = len(self.model.rows) + 1
        if first > MOST_EMAILS:
            return ()
        pinned = data.draw(st.sampled_from(QUOTAS)).id
        urgent, others = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
        for priority in (*(1,) * urgent, *(3,) * others):
            self._submit(
                process, priority=priority, pinned=pinned, recipients=1, at_most_once=False
            )
        return range(first, first + urgent)

    def _alone(self) -> Process:
        """The only process that is left: what the others held is taken from them."""
        process = self._living()
        for other in self.processes[1:]:
            self._dies(other, known=True)
        for batch in process.batches:
            process.application.delivery.return_place(batch)
            self._lapse_of(batch, "shutdown")
        process.batches.clear()
        for silent in self.silent:
            silent.locks.die()
        self.silent.clear()
        return process

    def _make_room(self, process: Process) -> None:
        """What was sent so far leaves every window."""
        self.clock.tick((WINDOWS["day"] + 2 * MARGIN).total_seconds())
        self._sweep_in_peace(process)

    def _held_up(self, hostile: Collection[int]) -> list[str]:
        """What is due and would go, and for which there is room.

        The order is strict: behind an email that is too large for the room others wait, too.
        """
        now, steady = self.clock.now(), self.clock.steady()
        found = []
        for account, quota in self.model.quotas.items():
            room = self.model.room(account, steady=steady)
            for row in self.model.due(account, now=now):
                if quota.units(row.recipients) > room:
                    break
                if row.id not in hostile:
                    found.append(f"email {row.id} waits for account {account}")
        return found

    def _deliver(self, process: Process, batch: Batch, kinds: list[Outcome]) -> None:
        self._answer(batch, kinds)
        process.application.delivery.deliver(batch, stopping=lambda: False)
        _Story(self, batch, kinds).tell(overtaken=False)

    def a_batch_is_given_back(self, data: st.DataObject) -> None:
        """By a drain, or because its worker died."""
        process = data.draw(st.sampled_from(self._with_batches()))
        worker_died = data.draw(st.booleans())
        batch = process.batches.pop(0)
        if worker_died:
            process.application.delivery.abandon(batch)
        else:
            process.application.delivery.return_place(batch)
        self._lapse_of(batch, "crashed" if worker_died else "shutdown")

    # -- upkeep ---------------------------------------------------------------------------------

    def a_process_beats(self, data: st.DataObject) -> None:
        self._beat(self._any_process(data))

    def a_process_sweeps(self, data: st.DataObject) -> None:
        process = self._any_process(data)
        self._beat(process)
        before = self._instances()
        dead = {instance for instance in before if self.locks.abandoned(f"instance-{instance}")}
        self._arm(data, process, commits=data.draw(st.integers(1, 3)))
        crashed = False
        try:
            process.application.maintenance.sweep()
        except Crash:
            crashed = True
        process.store.arm(None, after=False)
        self._learn_taken(process)
        self._learn_mended(process, crashed=crashed)
        gone = before - self._instances()
        self._nobody_alive_was_buried(gone)
        assert crashed or dead <= gone, "a process that is surely dead was not buried"
        self._learn_expired(must=not crashed)
        self._prune()
        if crashed:
            self._dies(process, known=True)

    def a_person_resumes_an_account(self, data: st.DataObject) -> None:
        self._resume(data.draw(st.sampled_from(QUOTAS)).id)

    # -- time -----------------------------------------------------------------------------------

    def time_passes(self, data: st.DataObject) -> None:
        self.clock.tick(data.draw(st.sampled_from((0.5, 1, 3, 5, 9, 11, 21, 61))))

    def the_wall_clock_steps(self, data: st.DataObject) -> None:
        self.clock.step(data.draw(st.sampled_from((-3600, -30, -2, 2, 30, 3600))))

    # -- what must hold -------------------------------------------------------------------------

    @invariant()
    @notes_failure
    def the_store_stands_as_the_model_says(self) -> None:
        """I1, I3, I5, I6: statuses, attempts, counts, times and the ledger."""
        type(self).steps += 1
        if not self.stores:
            return
        emails, used, due = self._read(self._everything)
        assert sorted(emails) == sorted(self.model.rows)
        for email_id, row in self.model.rows.items():
            shown = _shown(emails[email_id])
            assert shown == row.shown, f"email {email_id}: {shown}, not {row.shown}"
        steady = self.clock.steady()
        for account, windows in used.items():
            wanted = {w: self.model.used(account, w, steady=steady) for w in WINDOWS}
            assert windows == wanted, f"the ledger of account {account}"
        for row in self.model.rows.values():
            if row.status in WAITING:
                accounts = [row.pinned] if row.pinned else list(self.model.quotas)
                assert all(due[a] is not None and due[a] <= row.eligible_at for a in accounts)

    @invariant()
    @notes_failure
    def whoever_holds_an_email_will_be_found(self) -> None:
        """I2: `sending` has a holder who lives, or whom the sweep will see dead."""
        if not self.stores:
            return
        holders = {row.instance for row in self.model.rows.values() if row.status == "sending"}
        known, orphaned = self._read(
            lambda tx: (set(tx.instances.beats()), set(tx.instances.orphaned()))
        )
        assert holders <= known | orphaned

    @invariant()
    @notes_failure
    def no_window_at_the_server_holds_more_than_the_limit(self) -> None:
        for quota in QUOTAS:
            times = [
                copy.at
                for copy in self.post.copies
                if copy.account == quota.id
                for _ in range(copy.units)
            ]
            for window, limit in quota.limits.items():
                most = window_maximum(times, WINDOWS[window].total_seconds())
                assert most <= limit, f"{most} in a {window} of account {quota.id}, limit {limit}"

    @invariant()
    @notes_failure
    def copies_are_few_and_byte_identical(self) -> None:
        bodies: dict[str, set[bytes]] = {}
        counts: dict[str, int] = {}
        for copy in self.post.copies:
            counts[copy.subject] = counts.get(copy.subject, 0) + 1
            bodies.setdefault(copy.subject, set()).add(copy.octets)
        for subject, count in counts.items():
            row = self.model.rows[int(subject)]
            assert count <= self.model.most_copies(row), f"{count} copies of email {subject}"
            assert len(bodies[subject]) == 1, f"the copies of email {subject} differ"

    def teardown(self) -> None:
        """Left alone, everything ends: nothing lost, nothing stuck, in no more than its limits.

        After a failure the model is behind the store, and what it said then would hide the cause.
        """
        try:
            if self.stores and not self.failed:
                self._bring_to_an_end()
        finally:
            self.close_stores()

    # -- how it is done -------------------------------------------------------------------------

    def _bring_to_an_end(self) -> None:
        for process in list(self.processes):
            self._dies(process, known=True)
        process = self._start()
        for turn in range(400):
            self._resume_all()
            self._sweep_in_peace(process)
            self.post.outcomes = {}
            batches = process.application.delivery.claim(process.instance, places=9)
            self._learn_claimed(process, batches)
            for batch in batches:
                self._deliver(process, batch, [Outcome.TAKES] * len(batch.emails))
            rows = self.model.rows.values()
            if all(row.status in TERMINAL for row in rows):
                break
            if not batches:
                # a wall that stepped back keeps what was charged in the windows until it is there
                self._let_time_pass(11 if turn < 100 else 600)
        self._check_everything()
        taken = {int(copy.subject) for copy in self.post.copies}
        for row in self.model.rows.values():
            assert row.status in TERMINAL, f"email {row.id} never ended: {row}"
            assert row.status != "sent" or row.resolved or row.id in taken, f"{row.id} was lost"

    def _let_time_pass(self, seconds: float) -> None:
        self.clock.tick(seconds)
        waiting = [row.eligible_at for row in self.model.rows.values() if row.status in WAITING]
        if waiting and min(waiting) > self.clock.now() + timedelta(minutes=2):
            self.clock.step((min(waiting) - self.clock.now()).total_seconds())

    def _check_everything(self) -> None:
        self.the_store_stands_as_the_model_says()
        self.whoever_holds_an_email_will_be_found()
        self.no_window_at_the_server_holds_more_than_the_limit()
        self.copies_are_few_and_byte_identical()

    def _sweep_in_peace(self, process: Process) -> None:
        self._beat(process)
        process.application.maintenance.sweep()
        self._learn_taken(process)
        self._learn_mended(process, crashed=False)
        self._learn_expired(must=True)
        self._prune()

    def _start(self) -> Process:
        store = self.open_store()
        self.stores.append(store)
        locks = FakeLocks(beside=self.locks)
        process = Process(store, clock=self.clock, locks=locks, post=self.post)
        self.processes.append(process)
        return process

    def _dies(self, process: Process, *, known: bool) -> None:
        """Its memory is gone; its lock shows it if *known*, else only its silence does."""
        self.processes.remove(process)
        if known:
            process.locks.die()
        else:
            self.silent.append(process)

    def _living(self) -> Process:
        return self.processes[0] if self.processes else self._start()

    def _add_account(self, quota: Quota) -> None:
        limits = Limits(
            daily=quota.limits.get("day"),
            hourly=quota.limits.get("hour"),
            minute=quota.limits.get("minute"),
            unit=LimitUnit.RECIPIENTS if quota.by_recipients else LimitUnit.MESSAGES,
        )
        account = an_account(
            name=f"account {quota.id}",
            limits=limits,
            username="",
            on_unknown=OnUnknown.HOLD if quota.hold else None,
        )
        self._write(lambda tx: tx.accounts.add(account))

    def _arm(self, data: st.DataObject, process: Process, *, commits: int) -> None:
        """Now and then the process is to die at one of its next commits."""
        crash = data.draw(st.sampled_from((*(None,) * 12, "before", "after")))
        process.store.arm(commits if crash else None, after=crash == "after")

    def _any_process(self, data: st.DataObject) -> Process:
        return data.draw(st.sampled_from(self.processes))

    def _with_batches(self) -> list[Process]:
        return [process for process in self.processes if process.batches]

    def _ids_that(self, fits: Callable[[Any], bool]) -> list[int]:
        return [row.id for row in self.model.rows.values() if fits(row)]

    def _pick(self, data: st.DataObject, fits: Callable[[Any], bool]) -> int:
        return data.draw(st.sampled_from(self._ids_that(fits)))

    def _read(self, work: Callable[[Any], Any]) -> Any:
        return self.stores[-1].read(work)

    def _write(self, work: Callable[[Any], Any]) -> Any:
        return self.stores[-1].write(work)

    def _everything(self, tx: Any) -> Any:
        page = tx.emails.page(limit=500)
        emails = {summary.id: tx.emails.get(summary.id) for summary in page.emails}
        used = {
            account: {
                window.value: units for window, units in tx.ledger.used(account, LENGTHS).items()
            }
            for account in self.model.quotas
        }
        due = {account: tx.emails.next_due([account]) for account in self.model.quotas}
        return emails, used, due

    def _submit(
        self, process: Process, *, recipients: int, pinned: int | None, **fields: Any
    ) -> None:
        email_id = len(self.model.rows) + 1
        draft = Draft(
            subject=str(email_id),
            html="<p>Hello</p>",
            to=tuple(
                Address.parse(f"r{place}-{email_id}@example.org") for place in range(recipients)
            ),
            account_id=pinned,
            **fields,
        )
        if process not in self.processes:
            return
        try:
            assert process.application.submission.submit((draft,)).ids == (email_id,)
        except Crash as end:
            self._dies(process, known=True)
            if not end.committed:
                return
        process.store.arm(None, after=False)
        now = self.clock.now()
        self.model.submitted(email_id, now=now, recipients=recipients, pinned=pinned, **fields)

    def _beat(self, process: Process) -> None:
        """As the feeder does before it claims: a process that was buried gets a new name."""
        alive = process.instance in self._instances()
        instance = process.application.membership.beat()
        since = self.clock.monotonic() - process.beaten_at
        if instance != process.instance or since >= HEARTBEAT_S:
            process.beaten_at = self.clock.monotonic()
        if instance != process.instance:
            assert not alive, "a process that was not removed has changed its name"
            process.instance = instance

    def _instances(self) -> set[int]:
        return set(self._read(lambda tx: tuple(tx.instances.beats())))

    def _nobody_alive_was_buried(self, gone: set[int]) -> None:
        for process in self.processes:
            if process.instance in gone:
                silent = self.clock.monotonic() - process.beaten_at
                assert silent >= LEASE_S, f"buried after {silent} s of silence"

    def _learn_claimed(self, process: Process, batches: Any) -> None:
        grave = any(_is_grave(batch) for batch in process.batches)
        for batch in batches:
            if not batch.emails:
                continue  # a login, to see whether the server is back
            self.model.claimed(
                [email.id for email in batch.emails],
                account=batch.account.id,
                instance=process.instance,
                now=self.clock.now(),
                steady=self.clock.steady(),
                crashes=SIDE_BY_SIDE if grave else POISON,
            )
            grave |= _is_grave(batch)

    def _must_claim(self, process: Process) -> list[int]:
        """Accounts from which this process, being alone and idle, has to claim something."""
        if process.batches or self._instances() != {process.instance}:
            return []
        now, steady = self.clock.now(), self.clock.steady()
        accounts = self._read(lambda tx: tx.accounts.all())
        return [
            account.id
            for account in accounts
            if account.opens_at(now) == now
            and (due := self.model.due(account.id, now=now))
            and self.model.quotas[account.id].units(due[0].recipients)
            <= self.model.room(account.id, steady=steady)
        ]

    def _lapse_of(self, batch: Batch, reason: str) -> None:
        for email in batch.emails:
            if self.model.holds(email.id, email.attempt_no):
                self._lapse(email.id, reason)

    def _lapse(self, email_id: int, reason: str) -> None:
        now, steady = self.clock.now(), self.clock.steady()
        self.model.lapsed(email_id, reason, now=now, steady=steady)

    def _learn_taken(self, process: Process) -> None:
        """What a sweep took from others: all of an owner's emails, or none."""
        for instance in {
            row.instance for row in self.model.rows.values() if row.status == "sending"
        }:
            held = self.model.held_by(instance)
            still = self._read(lambda tx, instance=instance: tx.emails.held_by(instance, limit=500))
            if still:
                assert [email.id for email in still] == [row.id for row in held]
                continue
            assert instance != process.instance, "a process took its own emails for a dead one's"
            for row in held:
                self._lapse(row.id, "crashed")

    def _learn_mended(self, process: Process, *, crashed: bool) -> None:
        """What a sweep has done about a wall that was set back since this process looked last."""
        now = self.clock.now()
        wall = now - timedelta(seconds=self.clock.monotonic())
        notices = process.wall is None or wall <= process.wall - MARGIN
        process.wall = wall if notices or process.wall is None else max(wall, process.wall)
        for row in self.model.from_the_future(now=now):
            email = self._read(lambda tx, row=row: tx.emails.get(row.id))
            if email.updated_at <= now:
                assert notices
                self.model.clock_set_back(row, now=now)
            else:
                assert crashed or not notices, f"email {row.id} waits for the clock"

    def _learn_expired(self, *, must: bool) -> None:
        """Either the sweep has ended every email that is too old, or it died before."""
        steady = self.clock.steady()
        old = self._ids_that(lambda row: row.status in WAITING and steady >= row.expires_at)
        if not old:
            return
        ended = self._read(lambda tx: tx.emails.get(old[0]).status.value == "failed")
        assert ended or not must
        if ended:
            self.model.expire(steady=steady)

    def _prune(self) -> None:
        """Whatever a sweep may have pruned is pruned: a wall that steps back must not revive it."""
        before = self.clock.steady() - LENGTHS.day - 2 * LENGTHS.margin
        self._write(lambda tx: tx.ledger.prune(before=before, limit=500))
        self.model.pruned(before)

    def _overtake(self, process: Process, instance: int) -> Callable[[int], None]:
        """While *process* waits for the answer to its dot, another one takes it for dead."""

        def meanwhile(email_id: int) -> None:
            self.clock.tick(LEASE_S)
            other = next((p for p in self.processes if p is not process), None) or self._start()
            other.application.delivery.recover(instance)
            other.application.membership.remove_dead(instance)

        return meanwhile

    def _attempt_stands_before_its_socket(self, email_id: int) -> None:
        """I4, and I7: no transaction is open while a server is talked to."""
        attempts = self._read(lambda tx: tx.attempts.of(email_id))
        assert self.attempts[email_id] in [attempt.attempt_no for attempt in attempts]
        self._write(lambda tx: None)  # raises RuntimeError inside a work

    def _resume(self, account_id: int) -> None:
        self.model.forgive(account_id)

        def work(tx: Any) -> None:
            account = tx.accounts.lock(account_id)
            tx.accounts.save_health(attrs.evolve(account, health=Health()))

        if self.stores:
            self._write(work)

    def _resume_all(self) -> None:
        for account_id in self.model.quotas:
            self._resume(account_id)


class _Story:
    """What handing off one batch commits, step by step, up to the commit at which it dies."""

    def __init__(
        self,
        machine: QueueMachine,
        batch: Batch,
        kinds: list[Outcome],
        *,
        commits: int | None = None,
        after: bool = False,
    ) -> None:
        self._model = machine.model
        self._lapse = machine._lapse
        self._clock = machine.clock
        self._batch = batch
        self._kinds = kinds
        self._left = commits
        self._after = after
        self._open: int | None = None
        self.before_the_lease_was_over = timedelta(0)
        self.died = False

    def tell(self, *, overtaken: bool) -> None:
        """Apply it to the model. *overtaken*: behind the first dot the owner is given up."""
        emails = self._batch.emails
        if not emails:
            self._commit(lambda: None)  # what a login told of the account
            return
        self._open = emails[0].id
        for place, (email, kind) in enumerate(zip(emails, self._kinds, strict=True)):
            attempt = email.attempt_no
            if self._open != email.id:
                self._commit(lambda e=email: self._model.begins(e.id, e.attempt_no))
                if self.died:
                    return
            if kind.reaches_dot:
                marked = self._commit(
                    lambda e=email: self._model.marked(
                        e.id, e.attempt_no, instance=self._batch.instance
                    )
                )
                if self.died:
                    return
                if not marked:
                    self._commit(lambda: None)  # the attempt is withdrawn, if it is still open
                    if self.died:
                        return
                    continue
                if overtaken:
                    overtaken = False
                    self.before_the_lease_was_over = timedelta(0)
                    for row in self._model.held_by(self._batch.instance):
                        self._lapse(row.id, "crashed")
            rest = emails[place + 1 :]
            held_up = self._result(email.id, attempt, kind, rest)
            if self.died:
                return
            if held_up:
                if rest:
                    self._commit(lambda rest=rest, kind=kind: self._give_back(rest, kind))
                return

    def _result(self, email_id: int, attempt: int, kind: Outcome, rest: tuple[Email, ...]) -> bool:
        """Whether the account is held up by it. The next attempt is opened with it, unless there
        was trouble."""
        troubled = kind is Outcome.BUSY or kind.unknown

        def current() -> tuple[bool] | None:
            if not self._model.holds(email_id, attempt):
                return None
            passed = self.before_the_lease_was_over
            now, steady = self._clock.now() - passed, self._clock.steady() - passed
            held_up = self._model.settled(email_id, kind, now=now, steady=steady)
            if rest and not troubled:
                self._model.begins(rest[0].id, rest[0].attempt_no)
            return (held_up,)

        written = self._commit(current)
        if self.died:
            return False
        if written is None:
            self._open = None
            self._commit(lambda: self._model.came_late(email_id, attempt, kind))
            return False
        if not troubled:
            self._open = rest[0].id if rest else None
        return bool(written[0])

    def _give_back(self, rest: tuple[Email, ...], kind: Outcome) -> None:
        for email in rest:
            if self._model.holds(email.id, email.attempt_no):
                self._lapse(email.id, REASONS[kind])

    def _commit(self, step: Callable[[], Any]) -> Any:
        """One commit: done, or the end."""
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self.died = True
                return step() if self._after else None
        return step()


def _is_grave(batch: Batch) -> bool:
    """Whether it is an email that several crashes have met."""
    return any(email.claim_count > SIDE_BY_SIDE for email in batch.emails)


def _shown(email: Email) -> tuple[object, ...]:
    status = email.status.value
    due = email.eligible_at if status in WAITING else None
    where = (email.instance, email.account_id) if status == "sending" else None
    counts = (
        email.attempt_no,
        email.claim_count,
        email.retry_count,
        email.unknown_count,
        email.asides,
    )
    phase = email.phase.value if email.phase else None
    return (status, phase, where, counts, due, email.reason_code)


class QueueInMemory(QueueMachine):
    """Every process on the memory store."""

    def open_store(self) -> Any:
        if not self.stores:
            return MemoryStore(clock=self.clock)
        return self.stores[0]


class QueueOnSqlite(QueueMachine):
    """Every process with its own connections to one SQLite file."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()

    def open_store(self) -> Any:
        path = Path(self._folder.name) / "mail.db"
        if not path.exists():
            path.write_bytes(_empty_database())
        return SqliteStore(path, clock=self.clock)

    def close_stores(self) -> None:
        super().close_stores()
        self._folder.cleanup()


@cache
def _empty_database() -> bytes:
    """A migrated file to start from, which is quicker than migrating again."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "mail.db", clock=FakeClock())
        store.migrate()
        store.close()
        return (Path(folder) / "mail.db").read_bytes()

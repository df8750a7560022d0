"""What a worker does: claim emails, hand them off, write down what came of it.

The order is the guarantee (guarantees.md): claim, attempt and reservation in one commit; the
dialogue up to the body; the fenced mark `committing`; the final dot; the result in one commit.
No transaction is open while a server is talked to.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import attrs

from application.commits import Commits, Mark
from application.placing import Placing, Plan
from application.ports import (
    Clock,
    Conversation,
    Entropy,
    Headroom,
    Observe,
    Sender,
    Store,
    Transaction,
)
from domain.account import Account, OnUnknown
from domain.congestion import CongestionPolicy, judged
from domain.email import Attempt, Email, Lapse, Phase, Status
from domain.errors import NotFound, StaleAttempt, StoreUnavailable
from domain.events import Event
from domain.handoff import Handoff, Parcel, Problem, Stage
from domain.limits import LimitUnit, WindowLengths
from domain.message import from_line
from domain.reply import classify
from domain.retry import RetryPolicy
from domain.rules import Rules
from domain.session import excused
from domain.verdict import ACCOUNT_GATES, AccountEffect, Result, Subject, Verdict

SHUTDOWN = Lapse(reason="shutdown", text="the service stopped before it was sent", crashed=False)
# So long a connection may go on claiming for itself before others that wait get their turn.
TURN_SECONDS: Final = 0.2
READ_AHEAD: Final = 1024 * 1024  # octets of the messages that a worker holds at once
PUT_BACK = Lapse(
    reason="account_busy", text="the SMTP configuration took no more for now", crashed=False
)


@attrs.frozen(kw_only=True)
class Batch:
    """Emails of one account claimed together, for one connection, most urgent first."""

    account: Account
    owner: int
    emails: tuple[Email, ...]

    @property
    def priority(self) -> int:
        """That of the most urgent."""
        return min(email.priority for email in self.emails)


@attrs.frozen(kw_only=True)
class DeliveryRules:
    """What delivery goes by."""

    replies: Rules
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    congestion: CongestionPolicy = attrs.field(factory=CongestionPolicy)
    windows: WindowLengths = attrs.field(factory=WindowLengths)
    on_unknown: OnUnknown = OnUnknown.RESEND_ONCE
    fairness_every: int = 10


class Delivery:
    """The worker's use cases. Safe from many threads; one instance for each process."""

    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        clock: Clock,
        entropy: Entropy,
        headroom: Headroom,
        rules: DeliveryRules,
        observe: Observe,
    ) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._entropy = entropy
        self._headroom = headroom
        self._rules = rules
        self._observe = observe
        self._placing = Placing(windows=rules.windows, fairness_every=rules.fairness_every)
        self._commits = Commits(store)

    # -- claiming -----------------------------------------------------------------------------

    def claim(self, owner: int, *, places: int, in_turn: bool = False) -> Sequence[Batch]:
        """Up to *places* batches, each for a connection its account has free.

        Attempts and reservations are durable when this returns. Every account gets one connection
        before any gets two. The one with the most room is asked first, or where there are too few
        places for all (*in_turn*) the one whose turn is the longest ago. Nothing is claimed while
        the disk is low: its result could not be written down.
        """
        if not self._headroom():
            return ()
        now = self._clock.now()
        batches: list[Batch] = []

        def work(tx: Transaction) -> tuple[Sequence[int], Sequence[Batch]]:
            # two workers may claim in one commit: each must see what the other has taken
            self._forget(batches)
            members = tuple(tx.instances.beats())
            free = self._placing.order(tx, owner=owner, members=members, now=now, in_turn=in_turn)
            while free and len(batches) < places:
                still_free = []
                looked_at, free = free[: places - len(batches)], free[places - len(batches) :]
                for account, connections in looked_at:
                    self._placing.looked_at(account.id)
                    batch = self._claim_batch(tx, account, owner=owner, now=now)
                    if batch is not None:
                        self._placing.took(account.id, len(batch.emails))
                        batches.append(batch)
                        if connections > 1:
                            still_free.append((account, connections - 1))
                free = [*free, *still_free]
            return members, tuple(batches)

        try:
            members, claimed = self._store.write(work)
        except BaseException as error:
            if isinstance(error, StoreUnavailable):
                self._put_back_if_claimed(tuple(batches))
            self._forget(batches)
            raise
        if self._placing.joined(members):
            self._sender.drop_idle()  # idle connections may belong to another process now
        return claimed

    def _forget_more(self, batches: list[Batch]) -> None:
        """Like `_forget`, of what a connection in use would have gone on with."""
        for batch in batches:
            self._placing.took_more(batch.account.id, -len(batch.emails))
        batches.clear()

    def _forget(self, batches: list[Batch]) -> None:
        """Batches of a work that did not commit."""
        for batch in batches:
            self._placing.took_back(batch.account.id, len(batch.emails))
        batches.clear()

    def _put_back_if_claimed(self, batches: Sequence[Batch]) -> None:
        """The commit may have been made although its answer was lost: nobody would hand them off.

        An email that is claimed again meanwhile differs in its time at least, and is left alone.
        """
        emails = [email for batch in batches for email in batch.emails]
        if not emails:
            return
        now = self._clock.now()

        def work(tx: Transaction) -> None:
            claimed = [email for email in emails if tx.emails.get(email.id) == email]
            self._release_all(tx, claimed, PUT_BACK, now=now)

        self._commits.persist(work)

    def due(self, owner: int) -> datetime | None:
        """When there will be something to claim, as far as the rows can tell; None for nothing."""
        now = self._clock.now()
        return self._store.read(
            lambda tx: self._placing.next_due(
                tx, owner=owner, members=tuple(tx.instances.beats()), now=now
            )
        )

    def anything_due(self) -> bool:
        """Whether an email could be claimed now by a process with all the connections."""
        return self._store.read(self._is_due)

    def anything_to_do(self) -> bool:
        """Whether an email is due for any process, or in the hands of one, which may be dead.

        What waits for its account or its time is no work yet.
        """
        return self._store.read(lambda tx: self._is_due(tx) or tx.emails.waiting().sending > 0)

    def _is_due(self, tx: Transaction) -> bool:
        now = self._clock.now()
        due = self._placing.next_due(tx, owner=0, members=(), now=now)
        return due is not None and due <= now

    def _claim_batch(
        self, tx: Transaction, account: Account, *, owner: int, now: datetime
    ) -> Batch | None:
        account = _alone(tx, account)
        plan = self._placing.plan(tx, account, now=now)
        if plan is None:
            return None
        emails = self._claim_emails(tx, account, plan, owner=owner, now=now)
        if not emails:
            return None
        tx.attempts.open([_attempt(email, account, now=now) for email in emails])
        tx.ledger.reserve(emails, units=lambda email: _units(account, email))
        return Batch(account=account, owner=owner, emails=tuple(emails))

    def _claim_emails(
        self, tx: Transaction, account: Account, plan: Plan, *, owner: int, now: datetime
    ) -> Sequence[Email]:
        """The most urgent, and in the fair places those that are due the longest."""
        strict = plan.limit - plan.fair
        taken = tx.emails.claim(
            account,
            limit=strict,
            units=plan.units,
            urgent_units=plan.urgent_units,
            now=now,
            owner=owner,
            fair=plan.fair,
        )
        return self._placing.arranged(account.id, taken[:strict], taken[strict:])

    # -- handing off --------------------------------------------------------------------------

    def deliver(
        self,
        batch: Batch,
        *,
        stopping: Callable[[], bool],
        hold: Callable[[Batch], None] | None = None,
        others_wait: Callable[[], bool] = lambda: True,
    ) -> None:
        """Hand the batch off over one connection; what cannot be tried now goes back uncharged.

        With *hold* it goes on: more of the account's emails are claimed in time for the last one's
        dot, in the commit of its mark. *hold* is told what is held then, before anybody can forget
        it. It ends when nothing is left, or after a while if *others_wait* for the thread.
        """
        turn = _Turn(batch, until=self._clock.monotonic() + TURN_SECONDS, others_wait=others_wait)
        messages = Messages(self._store, batch.account)
        try:
            with self._sender.converse(batch.account) as conversation:
                while turn.emails:
                    if stopping():
                        self.put_back(tuple(turn.emails), SHUTDOWN)
                        break
                    email = turn.emails.popleft()
                    if hold is not None and not turn.emails:
                        self._claim_more(turn, email, hold)
                    effect = self._deliver_one(batch, email, messages, conversation, turn)
                    turn.gather()
                    if effect in ACCOUNT_GATES:
                        self.put_back(tuple(turn.emails), PUT_BACK)
                        break
        finally:
            turn.gather()  # after a bug too: *hold* must know of it before the batch is given up
        self._placing.gave_back(batch.account.id)

    def _claim_more(self, turn: "_Turn", last: Email, hold: Callable[[Batch], None]) -> None:
        """Ask for what comes after *last*, unless others have waited long enough for a turn."""
        batch = turn.batch
        if turn.is_over(self._clock.monotonic()) or not self._headroom():
            return
        now = self._clock.now()
        claimed: list[Batch] = []
        told: Future[Sequence[Email]] = Future()

        def work(tx: Transaction) -> Sequence[Email]:
            self._forget_more(claimed)  # it may be run again
            members = tuple(tx.instances.beats())
            account = _alone(tx, tx.accounts.get(batch.account.id))
            if account.version != batch.account.version or not self._placing.may_go_on(
                account, owner=batch.owner, members=members
            ):
                return ()
            more = self._claim_batch(tx, account, owner=batch.owner, now=now)
            if more is None:
                return ()
            self._placing.took_more(account.id, len(more.emails))
            claimed.append(more)
            return more.emails

        def done(future: "Future[Sequence[Email]]") -> None:
            more: Sequence[Email] = ()
            try:
                error = future.exception()
                if isinstance(error, StoreUnavailable):
                    self._put_back_if_claimed(tuple(claimed))
                if error is not None:
                    self._forget_more(claimed)
                elif more := future.result():
                    hold(attrs.evolve(batch, emails=(last, *more)))
            finally:
                told.set_result(more)

        with suppress(StoreUnavailable):
            self._store.post(work).add_done_callback(done)
            turn.asked = told

    def put_back(self, emails: Sequence[Email], lapse: Lapse) -> None:
        """Release claimed emails that were not tried: nothing is charged."""
        if emails:
            now = self._clock.now()
            self._commits.persist(lambda tx: self._release_all(tx, emails, lapse, now=now))

    def abandon(self, batch: Batch) -> bool:
        """Give up what a batch still holds, by what its rows say; whether an outcome is unknown.

        For a worker that died, or that hangs behind the final dot when the process must end.
        """
        now = self._clock.now()
        lapse = Lapse(reason="crashed", text="its worker ended", crashed=True)

        def work(tx: Transaction) -> bool:
            unknown = False
            for email in batch.emails:
                current = tx.emails.get(email.id)
                if current.status is Status.SENDING and current.attempt_no == email.attempt_no:
                    unknown |= current.phase is Phase.COMMITTING
                    self._release(tx, current, lapse, now=now)
            return unknown

        self._placing.gave_back(batch.account.id)
        try:
            return self._store.write(work)
        except StoreUnavailable:
            self._commits.persist(work)
            return True

    def return_place(self, batch: Batch) -> None:
        """Put a whole batch back that no worker took."""
        self.put_back(batch.emails, SHUTDOWN)
        self._placing.gave_back(batch.account.id)

    def _deliver_one(
        self,
        batch: Batch,
        email: Email,
        messages: "Messages",
        conversation: Conversation,
        turn: "_Turn",
    ) -> AccountEffect:
        account = batch.account
        mark = Mark(self._commits, email, owner=batch.owner, clock=self._clock)
        started = self._clock.monotonic()
        try:
            handoff = conversation.send(
                messages.of(email, turn.emails),
                before_dot=mark,
                then=lambda: messages.first_of(turn.gather()),
            )
        except StoreUnavailable as error:
            handoff = Handoff(stage=Stage.BODY, problem=Problem.STOPPED, detail=str(error))
        except Exception as error:  # our own bug must not take the worker down
            self._tell_bug(email, error)
            handoff = _internal(mark, error)
        if mark.refused:
            self._tell("attempt_lost", email, level="warning")
            return AccountEffect.NONE
        if handoff.problem is Problem.STOPPED:
            self.put_back([email], SHUTDOWN)
            return AccountEffect.NONE
        elapsed = self._clock.monotonic() - started
        self._placing.took_time(account.id, elapsed, of_server=elapsed - mark.took)
        verdict = classify(
            handoff,
            recipients=len(email.open_recipients),
            rules=self._rules.replies,
            echoes=(email.subject,),
        )
        if handoff.announcement_refused:
            verdict = excused(verdict, handoff)
            self._stop_announcing(account, handoff)
        self._settle(account, email, handoff, verdict, seconds=elapsed)
        return verdict.effect

    def _stop_announcing(self, account: Account, handoff: Handoff) -> None:
        """For good: its server breaks on an envelope that comes together with a final dot."""

        def work(tx: Transaction) -> None:
            with suppress(NotFound):
                current = tx.accounts.lock(account.id)
                if current.version == account.version and current.announce_next:
                    tx.accounts.save(attrs.evolve(current, announce_next=False))

        def done(error: BaseException | None) -> None:
            if error is None:
                fields = {"stage": handoff.stage.value, "text": handoff.text}
                self._observe(
                    Event(
                        name="announcing_stopped",
                        account_id=account.id,
                        level="warning",
                        fields=fields,
                    )
                )

        self._commits.persist(work, done)

    # -- writing down -------------------------------------------------------------------------

    def _settle(
        self,
        account: Account,
        email: Email,
        handoff: Handoff,
        verdict: Verdict,
        *,
        seconds: float,
    ) -> None:
        now, jitter = self._clock.now(), self._entropy.jitter()
        settled = email.settled(
            verdict,
            now=now,
            steady=self._clock.steady(),
            policy=self._rules.retry,
            on_unknown=account.on_unknown or self._rules.on_unknown,
            jitter=jitter,
        )
        attempt = _ended(email, account, handoff, verdict, now=now, seconds=seconds)

        def work(tx: Transaction) -> None:
            tx.emails.save(settled, was=email)
            tx.attempts.close(attempt)
            self._settle_ledger(tx, account, email, verdict)
            self._settle_health(tx, account, verdict, now=now, jitter=jitter)

        def done(error: BaseException | None) -> None:
            if isinstance(error, StaleAttempt):
                self._settle_late(account, email, attempt, verdict)
            elif error is None:
                self._tell_settled(account, settled, attempt, verdict)

        self._commits.persist(work, done)

    def _settle_ledger(
        self, tx: Transaction, account: Account, email: Email, verdict: Verdict
    ) -> None:
        if not verdict.charged:
            tx.ledger.free(email.id, email.attempt_no)
            return
        results = [recipient.result for recipient in verdict.recipients]
        taken = results.count(Result.SENT) + results.count(Result.UNKNOWN)
        units = account.limits.units(taken or len(email.open_recipients))
        tx.ledger.charge(email.id, email.attempt_no, units=units)

    def _settle_health(
        self, tx: Transaction, account: Account, verdict: Verdict, *, now: datetime, jitter: float
    ) -> None:
        sent = verdict.result is Result.SENT
        if verdict.effect is AccountEffect.NONE or (
            verdict.effect is AccountEffect.HEALTHY and account.health.untroubled
        ):
            if sent:
                tx.accounts.touch(account.id, sent_at=now)
            return
        try:
            current = tx.accounts.lock(account.id)
        except NotFound:
            return
        if current.version != account.version:
            return  # the owner has changed what this result speaks of
        health = judged(
            current.health,
            verdict,
            now=now,
            policy=self._rules.congestion,
            jitter=jitter,
            most=current.limits.max_connections,
        )
        sent_at = now if sent else current.last_sent_at
        tx.accounts.save_health(attrs.evolve(current, health=health, last_sent_at=sent_at))

    def _settle_late(
        self, account: Account, email: Email, attempt: Attempt, verdict: Verdict
    ) -> None:
        """The attempt was taken from us meanwhile; what the server said is still the truth."""
        now = self._clock.now()

        def work(tx: Transaction) -> Email | None:
            tx.attempts.close(attempt)
            if verdict.result is not Result.SENT:
                return None
            current = tx.emails.get(email.id)
            late = current.accepted_late(verdict, now=now)
            if late is not None:
                tx.emails.save(late, was=current)
                if current.status is Status.SENDING:
                    tx.ledger.free(current.id, current.attempt_no)
            return late

        def done(error: BaseException | None) -> None:
            if error is None:
                self._tell("result_came_late", email, level="warning")

        self._commits.persist(work, done)

    def _release_all(
        self, tx: Transaction, emails: Sequence[Email], lapse: Lapse, *, now: datetime
    ) -> None:
        for email in emails:
            try:
                self._release(tx, email, lapse, now=now)
            except StaleAttempt:
                continue  # somebody else has taken care of it

    def _release(self, tx: Transaction, email: Email, lapse: Lapse, *, now: datetime) -> Email:
        account = _find(tx, email.account_id)
        policy = (account.on_unknown if account else None) or self._rules.on_unknown
        lapsed = email.lapsed(
            lapse,
            now=now,
            steady=self._clock.steady(),
            policy=self._rules.retry,
            on_unknown=policy,
            jitter=self._entropy.jitter(),
        )
        tx.emails.save(lapsed, was=email)
        unknown = email.phase is Phase.COMMITTING
        tx.attempts.close(
            attrs.evolve(
                _attempt(email, account, now=now),
                ended_at=now,
                stage=Stage.DOT if unknown else None,
                result=Result.UNKNOWN if unknown else Result.WAIT,
                reason="outcome_unknown" if unknown else lapse.reason,
                text=lapse.text,
            )
        )
        if unknown and account is not None:
            tx.ledger.charge(email.id, email.attempt_no, units=_units(account, email))
        else:
            tx.ledger.free(email.id, email.attempt_no)
        return lapsed

    # -- keeping the queue whole --------------------------------------------------------------

    def recover(self, owner: int, *, limit: int = 200) -> int:
        """Take up to *limit* emails from a holder that is dead; how many there were.

        Behind the mark their outcome is unknown; before it they go back as if never claimed.
        """
        now = self._clock.now()
        lapse = Lapse(reason="crashed", text="its process died", crashed=True)

        def work(tx: Transaction) -> Sequence[Email]:
            held = tx.emails.held_by(owner, limit=limit)
            return [self._release(tx, email, lapse, now=now) for email in held]

        taken = self._store.write(work)
        for email in taken:
            self._tell("attempt_recovered", email, level="warning")
        return len(taken)

    def expire(self, *, limit: int = 200) -> int:
        """End up to *limit* emails whose lifetime is over; how many there were.

        By the steady clock: a wall that jumps forward must not end what waits.
        """
        now, steady = self._clock.now(), self._clock.steady()

        def work(tx: Transaction) -> Sequence[Email]:
            ended = []
            for email in tx.emails.expired(now=steady, limit=limit):
                expired = email.expired(now=now)
                tx.emails.save(expired, was=email)
                ended.append(expired)
            return ended

        ended = self._store.write(work)
        for email in ended:
            self._tell("email_expired", email, level="warning")
        return len(ended)

    def probe_paused(self) -> None:
        """Log in, once an hour, to accounts that only a person or a working login can resume."""
        now = self._clock.now()
        interval = self._rules.congestion.probe_interval
        accounts = self._store.read(lambda tx: tx.accounts.all())
        for account in accounts:
            if account.active and account.health.wants_probe(now, interval):
                self._probe(account)

    def _probe(self, account: Account) -> None:
        handoff = self._sender.probe(account)
        now = self._clock.now()
        well = handoff.stage is Stage.MAIL and handoff.reply is None and handoff.problem is None

        def work(tx: Transaction) -> None:
            current = tx.accounts.lock(account.id)
            health = current.health.resumed() if well else current.health.probed(now=now)
            if current.version == account.version:
                tx.accounts.save_health(attrs.evolve(current, health=health))

        self._store.write(work)
        name = "account_resumed" if well else "account_probed"
        self._observe(Event(name=name, account_id=account.id, fields={"text": handoff.text}))

    def persist_again(self) -> None:
        """Post once more the results the store could not take."""
        self._headroom()  # which makes room for them on a full disk, if there is a reserve
        self._commits.again()

    def flush(self, *, timeout: float) -> bool:
        """Wait until every result is durable, at most *timeout* seconds; whether it is."""
        return self._commits.wait(timeout=timeout)

    def tend_sessions(self) -> None:
        """Close connections that have idled for too long."""
        self._sender.tend()

    def drop_sessions(self) -> None:
        """Let go of idle connections."""
        self._sender.drop_idle()

    def close_sessions(self) -> None:
        """Let go of idle connections for good."""
        self._sender.close()

    def abort(self) -> None:
        """Drop every dialogue that has not passed the final dot."""
        self._sender.abort()

    # -- telling ------------------------------------------------------------------------------

    def _tell_settled(
        self, account: Account, email: Email, attempt: Attempt, verdict: Verdict
    ) -> None:
        assert attempt.duration is not None, "it has ended"
        self._observe(
            Event(
                name=f"email_{email.status}",
                email_id=email.id,
                account_id=email.account_id,
                attempt=email.attempt_no,
                level="info" if verdict.subject is Subject.NOBODY else "warning",
                fields={
                    "stage": attempt.stage,
                    "reason": verdict.reason,
                    "text": verdict.text,
                    "duration_ms": round(attempt.duration.total_seconds() * 1000, 1),
                },
            )
        )
        if verdict.effect is AccountEffect.PAUSE:
            self._observe(
                Event(
                    name="account_paused",
                    account_id=account.id,
                    level="error",
                    fields={"reason": verdict.reason, "text": verdict.text},
                )
            )

    def _tell_bug(self, email: Email, error: Exception) -> None:
        self._tell("delivery_bug", email, level="error", error=type(error).__name__)

    def _tell(
        self, name: str, email: Email, *, level: str = "info", **fields: str | int | float | None
    ) -> None:
        self._observe(
            Event(
                name=name,
                email_id=email.id,
                account_id=email.account_id,
                attempt=email.attempt_no,
                level=level,
                fields=fields,
            )
        )


@attrs.define
class _Turn:
    """What one connection still has to hand off; ``asked`` is a claim of more, under way."""

    batch: Batch
    until: float
    others_wait: Callable[[], bool]
    emails: deque[Email] = attrs.field(init=False)
    asked: "Future[Sequence[Email]] | None" = None

    def __attrs_post_init__(self) -> None:
        self.emails = deque(self.batch.emails)

    def is_over(self, now: float) -> bool:
        """Whether somebody else is to have the thread."""
        return now >= self.until and self.others_wait()

    def gather(self) -> Sequence[Email]:
        """What is left, with what was claimed meanwhile: it is waited for."""
        asked, self.asked = self.asked, None
        if asked is not None:
            self.emails.extend(asked.result())
        return self.emails


class Messages:
    """The messages of an account's emails as it sends them, read some at a time."""

    def __init__(self, store: Store, account: Account) -> None:
        self._store = store
        self._account = account
        self._from_header = from_line(account.address, account.display_name)
        self._read: dict[int, Parcel] = {}

    def of(self, email: Email, after: Iterable[Email] = ()) -> Parcel:
        """What is handed over for one email; others *after* it may be read with it.

        StoreUnavailable.
        """
        if email.id not in self._read:
            self._read = self._parcels(_together(email, after))
        return self._read[email.id]

    def first_of(self, emails: Sequence[Email]) -> Parcel | None:
        """What is handed over for the first of them; None if there is none, or no store."""
        try:
            return self.of(emails[0], islice(emails, 1, None)) if emails else None
        except StoreUnavailable:
            return None  # its own turn finds it out

    def _parcels(self, emails: Sequence[Email]) -> dict[int, Parcel]:
        ids = [email.id for email in emails]
        stored = self._store.glance(lambda tx: tx.emails.messages(ids))
        return {
            email.id: Parcel(
                email.envelope(self._account.address), self._from_header + stored[email.id]
            )
            for email in emails
        }


def _together(email: Email, after: Iterable[Email]) -> Sequence[Email]:
    """The email, and as many of the next ones as fit into READ_AHEAD octets."""
    size = email.size
    some = [email]
    for following in after:
        size += following.size
        if size > READ_AHEAD:
            break
        some.append(following)
    return some


def _attempt(email: Email, account: Account | None, *, now: datetime) -> Attempt:
    return Attempt(
        email_id=email.id,
        attempt_no=email.attempt_no,
        account_id=email.account_id or 0,
        account_name=account.name if account else "",
        owner=email.owner or 0,
        started_at=now,
    )


def _ended(
    email: Email,
    account: Account,
    handoff: Handoff,
    verdict: Verdict,
    *,
    now: datetime,
    seconds: float,
) -> Attempt:
    return Attempt(
        email_id=email.id,
        attempt_no=email.attempt_no,
        account_id=account.id,
        account_name=account.name,
        owner=email.owner or 0,
        started_at=now,
        ended_at=now,
        duration=timedelta(seconds=seconds),
        stage=handoff.stage,
        reply=handoff.reply,
        result=verdict.result,
        reason=verdict.reason,
        text=verdict.text,
    )


def _alone(tx: Transaction, account: Account) -> Account:
    """The account, locked if it has limits; else nothing must be read and written alone."""
    return tx.accounts.lock(account.id) if account.limits.finite() else account


def _units(account: Account, email: Email) -> int:
    if account.limits.unit is LimitUnit.MESSAGES:
        return 1
    return account.limits.units(len(email.open_recipients))


def _find(tx: Transaction, account_id: int | None) -> Account | None:
    if account_id is None:
        return None
    try:
        return tx.accounts.get(account_id)
    except NotFound:
        return None


def _internal(mark: Mark, error: Exception) -> Handoff:
    stage = Stage.DOT if mark.made else Stage.BODY
    return Handoff(stage=stage, problem=Problem.INTERNAL, detail=type(error).__name__)

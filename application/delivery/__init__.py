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
from functools import partial
from itertools import islice
from math import inf
from threading import Event as Answered
from typing import Final

import attrs

from application.delivery.result_writer import Commits, Mark
from application.delivery.scheduler import Placing, Plan
from application.ports.sender import Conversation, Sender
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Headroom, Observe
from domain.account import Account, OnUnknown
from domain.congestion import (
    CongestionPolicy,
    Weighed,
    Witness,
    evidence_of,
    speaks_of_an_email,
    window_of,
)
from domain.congestion import weighed as weigh
from domain.email import (
    NO_SUSPECTS,
    POISON_CRASHES,
    SUSPECT_CRASHES,
    Aside,
    Attempt,
    Email,
    Lapse,
    Phase,
    Status,
)
from domain.errors import NotFound, StaleAttempt, StoreUnavailable
from domain.events import Event
from domain.handoff import Handoff, Parcel, Problem, Stage
from domain.limits import LimitUnit, WindowLengths
from domain.message import from_line
from domain.reply import classify
from domain.retry import RetryPolicy
from domain.rules import Rules
from domain.session import excused
from domain.verdict import (
    ACCOUNT_GATES,
    AccountEffect,
    Evidence,
    Limit,
    Result,
    Subject,
    Verdict,
)

SHUTDOWN = Lapse(reason="shutdown", text="the service stopped before it was sent")
# So long a connection may go on claiming for itself before others that wait get their turn.
TURN_SECONDS: Final = 0.2
READ_AHEAD: Final = 1024 * 1024  # octets of the messages that a worker holds at once
# A claim that nobody heard of, or that others are to take: its emails stay as they were.
UNTOUCHED = Lapse(reason=None)
OVERDUE = Lapse(
    reason="lease_over", text="this process stood still too long to send it without risk"
)
LOWEST_PRIORITY: Final = 5
# After so long on one connection the rest of a batch is dealt out to those that stand free.
DEAL_OUT_SECONDS: Final = 1.0
CLOCK_TOLERANCE: Final = timedelta(seconds=1)  # clocks are corrected by less all the time
MENDED_TOGETHER: Final = 200
FAULT_SECONDS: Final = 5.0  # how long a worker waits to hear what follows for the account


@attrs.frozen(kw_only=True)
class Batch:
    """Emails of one account claimed together, for one connection, most urgent first.

    Without emails it is a probe: one login, to see whether the server is back.
    """

    account: Account
    owner: int
    emails: tuple[Email, ...]

    @property
    def priority(self) -> int:
        """That of the most urgent; a probe comes last."""
        return min((email.priority for email in self.emails), default=LOWEST_PRIORITY)

    @property
    def suspect(self) -> bool:
        """Whether it is one email that a process died with."""
        return len(self.emails) == 1 and self.emails[0].suspect


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
        lease_ends: Callable[[int], float] = lambda owner: inf,
    ) -> None:
        """*lease_ends* tells until when, by the clock that counts suspension, nobody can take what
        this owner holds.
        """
        self._lease_ends = lease_ends
        self._store = store
        self._sender = sender
        self._clock = clock
        self._entropy = entropy
        self._headroom = headroom
        self._rules = rules
        self._observe = observe
        self._placing = Placing(windows=rules.windows, fairness_every=rules.fairness_every)
        self._commits = Commits(store)
        self._wall: datetime | None = None  # what the wall showed when the monotonic clock began
        # accounts that a result of this process has left with something to forgive
        self._troubled: set[int] = set()

    # -- claiming -----------------------------------------------------------------------------

    def claim(self, owner: int, *, places: int, in_turn: bool = False) -> Sequence[Batch]:
        """Up to *places* batches, each for a connection its account has free.

        Attempts and reservations are durable when this returns. Every account gets one connection
        before any gets two. The one with the most room is asked first, or where there are too few
        places for all (*in_turn*) the one whose turn is the longest ago. Nothing is claimed while
        the disk is low: its result could not be written down. Nor by a process that has not shown
        for so long that it lives that others may take what it holds.
        """
        if not self._headroom() or self._clock.boottime() >= self._lease_ends(owner):
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
                    batch = self._claim_batch(tx, account, owner=owner, now=now, going_on=False)
                    if batch is not None:
                        self._open_attempts(tx, account, batch.emails[:1], now=now)
                        self._placing.took(account.id, batch.emails)
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
        self._placing.looked()
        if self._placing.joined(members):
            self._sender.drop_idle()  # idle connections may belong to another process now
        return claimed

    def _forget_more(self, batches: list[Batch]) -> None:
        """Like `_forget`, of what a connection in use would have gone on with."""
        for batch in batches:
            self._placing.took_more(batch.account.id, batch.emails, back=True)
        batches.clear()

    def _forget(self, batches: list[Batch]) -> None:
        """Batches of a work that did not commit."""
        for batch in batches:
            self._placing.took_back(batch.account.id, batch.emails)
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
            self._release_all(tx, claimed, UNTOUCHED, now=now)

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
        self, tx: Transaction, account: Account, *, owner: int, now: datetime, going_on: bool
    ) -> Batch | None:
        account = _alone(tx, account)
        if not account.health.untroubled:
            self._troubled.add(account.id)
        plan = self._placing.plan(tx, account, now=now)
        if plan is None:
            return None
        crashes = POISON_CRASHES if self._placing.may_take_suspects() else SUSPECT_CRASHES - 1
        if going_on:
            crashes = NO_SUSPECTS  # one is claimed alone
        elif plan.shared == 0:
            plan = attrs.evolve(plan, shared=1)  # it was asked in its turn
        if account.health.needs_login(now):
            due = tx.emails.next_due([account.id])
            probe = Batch(account=account, owner=owner, emails=())
            return probe if due is not None and due <= now else None
        emails = self._claim_emails(tx, account, plan, owner=owner, now=now, crashes=crashes)
        self._placing.found(account.id, len(emails), asked=plan.limit)
        if not emails:
            return None
        tx.ledger.reserve(emails, units=lambda email: _units(account, email))
        return Batch(account=account, owner=owner, emails=tuple(emails))

    def _open_attempts(
        self, tx: Transaction, account: Account, emails: Sequence[Email], *, now: datetime
    ) -> None:
        """An attempt is a row from the moment its dialogue begins: a crash counts against it."""
        tx.attempts.open([_attempt(email, account, now=now) for email in emails])

    def _claim_emails(
        self,
        tx: Transaction,
        account: Account,
        plan: Plan,
        *,
        owner: int,
        now: datetime,
        crashes: int,
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
            shared=plan.shared,
            last=account.health.suspects,
            crashes=crashes,
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
        if not batch.emails:
            self._prove(batch)
            return
        began = self._clock.monotonic()
        turn = _Turn(batch, until=began + TURN_SECONDS, others_wait=others_wait, since=began)
        messages = Messages(self._store, batch.account)
        try:
            with self._sender.converse(batch.account) as conversation:
                while turn.emails:
                    if stopping():
                        self.put_back(tuple(turn.emails), SHUTDOWN)
                        break
                    if self._is_slow(turn) and self._placing.has_free(batch.account.id):
                        self.put_back(turn.all_but_one(), UNTOUCHED)
                    email = turn.emails.popleft()
                    if hold is not None and not turn.emails and not batch.suspect:
                        self._claim_more(turn, email, hold)
                    gate = self._deliver_one(batch, email, messages, conversation, turn)
                    if turn.asked is not None:
                        turn.gather()
                        turn.since = self._clock.monotonic()
                    if gate is not None:
                        self.put_back(tuple(turn.emails), gate)
                        break
        finally:
            turn.gather()  # after a bug too: *hold* must know of it before the batch is given up
        self._placing.gave_back(batch.account.id, batch.emails)

    def _is_slow(self, turn: "_Turn") -> bool:
        """Whether the server has become so slow that the rest of the batch is to be dealt out."""
        return len(turn.emails) > 1 and self._clock.monotonic() - turn.since > DEAL_OUT_SECONDS

    def _prove(self, batch: Batch) -> None:
        """Log in to a server that was away; an email is tried only once that has worked."""
        account = batch.account
        try:
            handoff = self._sender.probe(account)
            if handoff.problem is not Problem.STOPPED:
                self._settle_probe(account, handoff)
        except StoreUnavailable as error:
            self._observe(
                Event(name="store_unavailable", level="error", fields={"text": str(error)})
            )
        finally:
            self._placing.gave_back(account.id, ())

    def _settle_probe(self, account: Account, handoff: Handoff) -> None:
        now, jitter = self._clock.now(), self._entropy.jitter()
        well = _logged_in(handoff)
        verdict = classify(handoff, recipients=1, rules=self._rules.replies)

        def work(tx: Transaction) -> None:
            try:
                current = tx.accounts.lock(account.id)
            except NotFound:
                return
            if current.version != account.version or not current.health.needs_login(now):
                return
            health = current.health
            if well:
                health = health.proved()
            else:
                health = self._weighed(current, verdict, None, Evidence.CERTAIN, now, jitter).health
                if health.opens_at(now) == now:  # whatever it was: it is no time for mail yet
                    health = health.unreachable(
                        now=now,
                        policy=self._rules.congestion,
                        jitter=jitter,
                        most=current.limits.max_connections,
                        reason=verdict.reason,
                    )
            tx.accounts.save_health(attrs.evolve(current, health=health))

        self._store.write(work)
        self._observe(
            Event(
                name="account_probed",
                account_id=account.id,
                fields={"ok": int(well), "text": handoff.text},
            )
        )

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
            more = self._claim_batch(tx, account, owner=batch.owner, now=now, going_on=True)
            self._placing.looked()
            if more is None or not more.emails:
                return ()
            self._placing.took_more(account.id, more.emails)
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
                    began = _has_begun(tx, current)
                    self._release(tx, current, lapse, now=now, began=began)
            return unknown

        self._placing.gave_back(batch.account.id, batch.emails)
        try:
            return self._store.write(work)
        except StoreUnavailable:
            self._commits.persist(work)
            return True

    def return_place(self, batch: Batch) -> None:
        """Put a whole batch back that no worker took."""
        self.put_back(batch.emails, SHUTDOWN)
        self._placing.gave_back(batch.account.id, batch.emails)

    def _deliver_one(
        self,
        batch: Batch,
        email: Email,
        messages: "Messages",
        conversation: Conversation,
        turn: "_Turn",
    ) -> Lapse | None:
        """Why the rest of the batch cannot be tried now; None if it can."""
        account = batch.account
        if not turn.is_open(email):
            now = self._clock.now()
            # at the latest with the mark of this one
            self._commits.persist(
                lambda tx: self._open_attempts(tx, account, (email,), now=now), self._attempt_opened
            )
        mark = Mark(
            self._commits,
            email,
            owner=batch.owner,
            clock=self._clock,
            lease_ends=self._lease_ends,
        )
        started = self._clock.monotonic()
        try:
            handoff = conversation.send(
                messages.of(email, turn.emails),
                before_dot=mark,
                still=mark.still,
                then=lambda: messages.first_of(turn.gather()),
            )
        except StoreUnavailable as error:
            handoff = Handoff(stage=Stage.BODY, problem=Problem.STOPPED, detail=str(error))
        except Exception as error:  # our own bug must not take the worker down
            self._tell_bug(email, error)
            handoff = _internal(mark, error)
        if mark.refused:
            self._tell("attempt_lost", email, level="warning")
            # whoever took it has closed the attempt, if he found one
            self._commits.persist(lambda tx: tx.attempts.withdraw(email.id, email.attempt_no))
            return None
        if handoff.problem is Problem.STOPPED:
            self._put_back_begun(email, OVERDUE if mark.late else SHUTDOWN)
            return None
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
        return self._settle(account, email, handoff, verdict, seconds=elapsed, turn=turn)

    def _attempt_opened(self, error: BaseException | None) -> None:
        if error is not None:  # it cannot begin twice; its mark will be refused
            self._observe(
                Event(name="attempt_not_opened", level="warning", fields={"text": str(error)})
            )

    def _put_back_begun(self, email: Email, lapse: Lapse) -> None:
        """Release an email whose dialogue was given up before the dot."""
        now = self._clock.now()

        def work(tx: Transaction) -> None:
            with suppress(StaleAttempt):
                self._release(tx, email, lapse, now=now, began=True)

        self._commits.persist(work)

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
        turn: "_Turn",
    ) -> Lapse | None:
        """Write down what came of it; why no more can be tried on this account now, if so."""
        now, jitter = self._clock.now(), self._entropy.jitter()
        attempt = _ended(email, account, handoff, verdict, now=now, seconds=seconds)
        if verdict.effect not in (AccountEffect.NONE, AccountEffect.HEALTHY):
            return self._settle_trouble(
                account, email, handoff, verdict, attempt, now=now, jitter=jitter
            )
        settled = self._settled(account, email, verdict, now=now, jitter=jitter)
        following = turn.open_next()

        def work(tx: Transaction) -> None:
            tx.emails.save(settled, was=email)
            tx.attempts.close(attempt)
            if following is not None:  # its dialogue begins now
                tx.attempts.open((_attempt(following, account, now=now),))
            self._settle_ledger(tx, account, email, verdict)
            self._settle_health(tx, account, verdict, now=now, jitter=jitter)

        def done(error: BaseException | None) -> None:
            if isinstance(error, StaleAttempt):
                turn.not_open()
                self._settle_late(account, email, attempt, verdict)
            elif error is None:
                self._tell_settled(account, settled, attempt, verdict)

        self._commits.persist(work, done)
        return None

    def _settled(
        self,
        account: Account,
        email: Email,
        verdict: Verdict,
        *,
        now: datetime,
        jitter: float,
        aside: Aside | None = None,
    ) -> Email:
        return email.settled(
            verdict,
            now=now,
            steady=self._clock.steady(),
            policy=self._rules.retry,
            on_unknown=account.on_unknown or self._rules.on_unknown,
            jitter=jitter,
            aside=aside,
        )

    def _settle_trouble(
        self,
        account: Account,
        email: Email,
        handoff: Handoff,
        verdict: Verdict,
        attempt: Attempt,
        *,
        now: datetime,
        jitter: float,
    ) -> Lapse | None:
        """Like `_settle`, where the account may be to blame: what is known of it decides.

        It is waited for: whether the next email is tried depends on it.
        """
        evidence = evidence_of(handoff, verdict)
        witness = (
            Witness.of(email.id, [recipient.address for recipient in email.open_recipients])
            if speaks_of_an_email(handoff)
            else None
        )
        answered = Answered()
        told: list[tuple[Email, Verdict]] = []

        def work(tx: Transaction) -> None:
            told.clear()  # it may be run again
            current = _find_locked(tx, account)
            passed = _others_passed(tx, current or account, email)
            weighed = self._weighed(
                current or account,
                verdict,
                witness,
                evidence,
                now,
                jitter,
                again=email.reason_code == verdict.reason,
                discredited=passed,
                began=now - (attempt.duration or timedelta(0)),
            )
            applied = attrs.evolve(verdict, effect=weighed.effect)
            aside = None
            if weighed.aside:
                aside = Aside(waits=self._rules.congestion.asides, passed=passed)
            settled = self._settled(account, email, applied, now=now, jitter=jitter, aside=aside)
            told.append((settled, applied))
            tx.emails.save(settled, was=email)
            tx.attempts.close(attempt)
            self._settle_ledger(tx, account, email, verdict)
            if current is not None:
                self._save_health(tx, current, weighed, verdict, now=now)

        def done(error: BaseException | None) -> None:
            try:
                if isinstance(error, StaleAttempt):
                    told.clear()  # nothing of it was written
                    self._settle_late(account, email, attempt, verdict)
                elif error is None:
                    settled, applied = told[-1]
                    self._tell_settled(account, settled, attempt, applied)
            finally:
                answered.set()

        self._commits.persist(work, done)
        effect = verdict.effect  # if the store does not answer, that is assumed
        if answered.wait(FAULT_SECONDS):
            effect = told[-1][1].effect if told else AccountEffect.NONE
        if effect not in ACCOUNT_GATES:
            return None
        return Lapse(reason=verdict.reason, text=verdict.text)

    def _weighed(
        self,
        account: Account,
        verdict: Verdict,
        witness: Witness | None,
        evidence: Evidence,
        now: datetime,
        jitter: float,
        *,
        again: bool = False,
        discredited: bool = False,
        began: datetime | None = None,
    ) -> Weighed:
        return weigh(
            account.health,
            verdict,
            witness,
            evidence=evidence,
            again=again,
            discredited=discredited,
            now=now,
            policy=self._rules.congestion,
            jitter=jitter,
            most=account.limits.max_connections,
            began=began,
        )

    def _save_health(
        self,
        tx: Transaction,
        current: Account,
        weighed: Weighed,
        verdict: Verdict,
        *,
        now: datetime,
    ) -> None:
        sent = verdict.result is Result.SENT
        health, window = weighed.health, window_of(verdict)
        if window is not None and weighed.effect in ACCOUNT_GATES:
            totals = tx.ledger.totals(current.id, self._rules.windows)
            _, number = totals[window]
            health = health.learnt(window, number, now=now)
            if verdict.limit is Limit.RATE:
                health = health.slowed_down(number, now=now)
        (self._troubled.discard if health.untroubled else self._troubled.add)(current.id)
        sent_at = now if sent else current.last_sent_at
        tx.accounts.save_health(attrs.evolve(current, health=health, last_sent_at=sent_at))

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
        """A success forgives what the account has been blamed for, as it stands now.

        The copy from the claim cannot tell: a result of the same batch may have come since.
        """
        sent = verdict.result is Result.SENT
        well = account.health.untroubled and account.id not in self._troubled
        if verdict.effect is AccountEffect.NONE or well:
            if sent:
                tx.accounts.touch(account.id, sent_at=now)
            return
        current = _find_locked(tx, account)
        if current is not None:
            weighed = self._weighed(current, verdict, None, Evidence.CERTAIN, now, jitter)
            self._save_health(tx, current, weighed, verdict, now=now)

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
        """Put claimed emails back whose dialogue has not begun."""
        for email in emails:
            try:
                self._release(tx, email, lapse, now=now, began=False)
            except StaleAttempt:
                continue  # somebody else has taken care of it

    def _release(
        self, tx: Transaction, email: Email, lapse: Lapse, *, now: datetime, began: bool
    ) -> Email:
        account = _find(tx, email.account_id)
        policy = (account.on_unknown if account else None) or self._rules.on_unknown
        lapsed = email.lapsed(
            lapse,
            now=now,
            steady=self._clock.steady(),
            policy=self._rules.retry,
            on_unknown=policy,
            jitter=self._entropy.jitter(),
            began=began,
        )
        tx.emails.save(lapsed, was=email)
        unknown = email.phase is Phase.COMMITTING
        if began or unknown:
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
        else:
            tx.attempts.withdraw(email.id, email.attempt_no)
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
            return [
                self._release(tx, email, lapse, now=now, began=_has_begun(tx, email))
                for email in held
            ]

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

    def mend_clock(self) -> int:
        """Give what waits its wait anew where the clock was set back meanwhile; how much that was.

        What was never scheduled must not wait until the clock is there again. Looked for once when
        it begins, and whenever the wall has lost time against the monotonic clock.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        wall = now - timedelta(seconds=monotonic)
        before, self._wall = self._wall, wall
        if before is not None and wall > before - CLOCK_TOLERANCE:
            self._wall = max(before, wall)
            return 0
        mended, place = 0, None
        while found := self._from_the_future(now, place):
            mended += self._store.write(partial(_set_back, emails=found, now=now))
            place = (found[-1].expires_at, found[-1].id)
        self._store.write(lambda tx: _set_accounts_back(tx, now=now))
        if mended:
            self._observe(Event(name="clock_set_back", level="warning", fields={"emails": mended}))
        return mended

    def _from_the_future(
        self, now: datetime, after: tuple[datetime, int] | None
    ) -> Sequence[Email]:
        return self._store.read(
            lambda tx: tx.emails.from_the_future(
                now=now + CLOCK_TOLERANCE, after=after, limit=MENDED_TOGETHER
            )
        )

    def probe_paused(self) -> None:
        """Log in, once an hour, to accounts that only a person or a working login can resume."""
        now = self._clock.now()
        interval = self._rules.congestion.probe_interval
        cured = self._rules.replies.cured_by_login
        accounts = self._store.read(lambda tx: tx.accounts.all())
        for account in accounts:
            if account.active and account.health.wants_probe(now, interval, cured_by_login=cured):
                self._probe(account)

    def _probe(self, account: Account) -> None:
        handoff = self._sender.probe(account)
        now = self._clock.now()
        well = _logged_in(handoff)

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
    since: float  # when the emails that are left were claimed
    emails: deque[Email] = attrs.field(init=False)
    asked: "Future[Sequence[Email]] | None" = None
    _opened: Email | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.emails = deque(self.batch.emails)
        self._opened = self.emails[0]  # with the claim

    def is_open(self, email: Email) -> bool:
        """Whether the attempt of this email is a row, or about to be one."""
        return email is self._opened

    def not_open(self) -> None:
        """What was to be written down with a result was not."""
        self._opened = None

    def open_next(self) -> Email | None:
        """The next email, whose attempt is to be a row now; None if none is known yet."""
        self._opened = self.emails[0] if self.emails else None
        return self._opened

    def is_over(self, now: float) -> bool:
        """Whether somebody else is to have the thread."""
        return now >= self.until and self.others_wait()

    def all_but_one(self) -> Sequence[Email]:
        """What comes after the next one, which alone is kept."""
        first = self.emails.popleft()
        rest = tuple(self.emails)
        self.emails = deque([first])
        return rest

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
        stored = self._store.read_latest(lambda tx: tx.emails.messages(ids))
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


def _set_back(tx: Transaction, *, emails: Sequence[Email], now: datetime) -> int:
    mended = 0
    for email in emails:
        with suppress(StaleAttempt):
            tx.emails.save(email.clock_set_back(now=now), was=email)
            mended += 1
    return mended


def _set_accounts_back(tx: Transaction, *, now: datetime) -> None:
    for account in tx.accounts.all():
        if account.health.clock_set_back(now) is not account.health:
            current = tx.accounts.lock(account.id)
            health = current.health.clock_set_back(now)
            tx.accounts.save_health(attrs.evolve(current, health=health))


def _has_begun(tx: Transaction, email: Email) -> bool:
    """Whether the dialogue of its current attempt has begun, as far as the rows can tell."""
    attempts = tx.attempts.of(email.id)
    return any(attempt.attempt_no == email.attempt_no for attempt in attempts)


def _others_passed(tx: Transaction, account: Account, email: Email) -> bool:
    """Whether the account has sent other mail since the last attempt of this email."""
    if not email.asides or account.last_sent_at is None:
        return False
    ends = [attempt.ended_at for attempt in tx.attempts.of(email.id) if attempt.ended_at]
    return not ends or account.last_sent_at >= ends[-1]


def _find_locked(tx: Transaction, account: Account) -> Account | None:
    """The account as it is now; None if it is gone or its owner has changed what it speaks to."""
    try:
        current = tx.accounts.lock(account.id)
    except NotFound:
        return None
    return current if current.version == account.version else None


def _logged_in(handoff: Handoff) -> bool:
    return handoff.stage is Stage.MAIL and handoff.reply is None and handoff.problem is None


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

"""Handing a batch off over one connection, up to each email's final dot and its reply."""

from collections.abc import Callable
from datetime import timedelta
from math import inf
from typing import Final

from application.delivery.attempts import open_attempt
from application.delivery.batch import Batch, Turn
from application.delivery.claim import Claims
from application.delivery.message_cache import MessageCache
from application.delivery.policy import DeliveryPolicy
from application.delivery.recovery import OVERDUE, SHUTDOWN, UNTOUCHED, Recovery
from application.delivery.reporting import email_event
from application.delivery.result_writer import CommitPermit, ResultWriter
from application.delivery.scheduler import Scheduler
from application.delivery.settle import Settlement
from application.delivery.signing import Signing
from application.ports.sender import Conversation, Sender
from application.ports.store import Store
from application.ports.system import Clock, Observe
from domain.email.attempt import AbandonedAttempt
from domain.email.lifecycle import Email
from domain.errors import SecretUnreadable, StoreUnavailable
from domain.events import Event
from domain.outcome.classify import classify
from domain.outcome.handoff import Handoff, Problem, Stage
from domain.outcome.notifications import classify_sparing
from domain.outcome.session import excused

# So long a connection may go on claiming for itself before others that wait get their turn.
TURN_SECONDS: Final = 0.2
# What was claimed is handed off within this time: whatever lives longer needs no clock.
LIFETIMES_AHEAD: Final = timedelta(hours=1)


class Transmission:
    """Hands off what was claimed. Safe from many threads."""

    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        signing: Signing,
        clock: Clock,
        observe: Observe,
        rules: DeliveryPolicy,
        scheduler: Scheduler,
        results: ResultWriter,
        claims: Claims,
        settlement: Settlement,
        recovery: Recovery,
        lease_ends: Callable[[int], float] = lambda instance: inf,
    ) -> None:
        self._store = store
        self._sender = sender
        self._signing = signing
        self._clock = clock
        self._observe = observe
        self._rules = rules
        self._scheduler = scheduler
        self._results = results
        self._claims = claims
        self._settlement = settlement
        self._recovery = recovery
        self._lease_ends = lease_ends
        self._turns: set[Turn] = set()

    def deal_out(self) -> None:
        """Put back what waits behind dialogues that last too long, for other connections."""
        now = self._clock.monotonic()
        for turn in tuple(self._turns):
            has_free = self._scheduler.connections.has_free(turn.batch.account.id)
            self._recovery.put_back(turn.deal_out(now, has_free=has_free), UNTOUCHED)

    def deliver(
        self,
        batch: Batch,
        *,
        stopping: Callable[[], bool],
        on_claimed: Callable[[Batch], None] | None,
        should_yield: Callable[[], bool],
    ) -> None:
        """Hand the batch off over one connection, see `Delivery.deliver`."""
        began = self._clock.monotonic()
        turn = Turn(
            batch,
            until=began + TURN_SECONDS,
            should_yield=should_yield,
            since=began,
            checked_until=self._clock.steady() + LIFETIMES_AHEAD,
        )
        messages = MessageCache(self._store, batch.account, self._signing)
        self._turns.add(turn)
        try:
            with self._sender.converse(batch.account) as conversation:
                while turn.emails:
                    if stopping():
                        self._recovery.put_back(turn.take_all(), SHUTDOWN)
                        break
                    now = self._clock.monotonic()
                    slow = turn.is_slow(now)
                    if slow and self._scheduler.connections.has_free(batch.account.id):
                        self._recovery.put_back(turn.all_but_one(), UNTOUCHED)
                    email = turn.take(now)
                    if email is None:  # all of it was dealt out
                        break
                    if self._is_too_late(email, turn):
                        self._recovery.expire(email)
                        continue
                    if on_claimed is not None and not turn.emails and not batch.suspect:
                        self._claims.claim_more(turn, email, on_claimed)
                    gate = self._deliver_one(batch, email, messages, conversation, turn)
                    if turn.asked is not None:
                        turn.gather()
                        turn.since = self._clock.monotonic()
                        turn.checked_until = self._clock.steady() + LIFETIMES_AHEAD
                    if gate is not None:
                        self._recovery.put_back(turn.take_all(), gate)
                        break
        finally:
            self._turns.discard(turn)
            # after a bug too: *on_claimed* must know of it before the batch is given up
            turn.gather()
        self._scheduler.release(batch.account.id, batch.emails)

    def _is_too_late(self, email: Email, turn: Turn) -> bool:
        """Whether its lifetime is over; what the server was told of already is handed off."""
        return (
            email.expires_at <= turn.checked_until
            and not turn.may_be_announced(email)
            and email.expires_at <= self._clock.steady()
        )

    def _deliver_one(
        self,
        batch: Batch,
        email: Email,
        messages: MessageCache,
        conversation: Conversation,
        turn: Turn,
    ) -> AbandonedAttempt | None:
        """Why the rest of the batch cannot be tried now; None if it can."""
        account = batch.account
        if not turn.is_open(email):
            now = self._clock.now()
            # at the latest with the mark of this one
            self._results.persist(
                lambda tx: tx.attempts.open((open_attempt(email, account, now=now),)),
                self._attempt_opened,
            )
        permit = CommitPermit(
            self._results,
            email,
            instance=batch.instance,
            clock=self._clock,
            lease_ends=self._lease_ends,
        )
        started = self._clock.monotonic()
        try:
            handoff = conversation.send(
                messages.of(email, tuple(turn.emails)),
                before_dot=permit,
                still=permit.still,
                then=lambda: messages.first_of(turn.gather()),
            )
        except StoreUnavailable as error:
            handoff = Handoff(stage=Stage.BODY, problem=Problem.STOPPED, detail=str(error))
        except SecretUnreadable as error:
            handoff = Handoff(stage=Stage.BODY, problem=Problem.DKIM_KEY, detail=str(error))
        except Exception as error:  # our own bug must not take the worker down
            self._observe(email_event("delivery_bug", email, error=type(error).__name__))
            handoff = _internal(permit, error)
        if permit.refused:
            self._observe(email_event("attempt_lost", email))
            # whoever took it has closed the attempt, if he found one
            self._results.persist(lambda tx: tx.attempts.withdraw(email.id, email.attempt_no))
            return None
        if handoff.problem is Problem.STOPPED:
            self._recovery.put_back_begun(email, OVERDUE if permit.late else SHUTDOWN)
            return None
        self._settlement.learn_size(account, handoff)
        elapsed = self._clock.monotonic() - started
        self._scheduler.sizes.record_latency(account.id, elapsed, of_server=elapsed - permit.waited)
        judge = classify_sparing if handoff.dsn and len(handoff.recipients) > 1 else classify
        verdict = judge(
            handoff,
            recipients=len(email.open_recipients),
            rules=self._rules.replies,
            echoes=(email.subject,),
            at_most_once=email.at_most_once,
        )
        if handoff.announcement_refused:
            verdict = excused(verdict, handoff)
            self._settlement.stop_announcing(account, handoff)
        return self._settlement.settle(account, email, handoff, verdict, seconds=elapsed, turn=turn)

    def _attempt_opened(self, error: BaseException | None) -> None:
        if error is not None:  # it cannot begin twice; its mark will be refused
            self._observe(Event(name="attempt_not_opened", fields={"text": str(error)}))


def _internal(permit: CommitPermit, error: Exception) -> Handoff:
    stage = Stage.DOT if permit.made else Stage.BODY
    return Handoff(stage=stage, problem=Problem.INTERNAL, detail=type(error).__name__)

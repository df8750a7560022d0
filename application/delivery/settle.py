"""The result of a hand-off, written down."""

import contextlib
from datetime import datetime, timedelta
from threading import Event as Answered
from typing import Final

import attrs

from application.delivery.account_health import AccountHealth
from application.delivery.accounts import find_locked
from application.delivery.attempts import (
    close_attempt,
    ended_attempt,
    open_attempt,
    others_passed,
)
from application.delivery.batch import Turn
from application.delivery.policy import DeliveryPolicy
from application.delivery.reporting import email_event, report_settled
from application.delivery.result_writer import ResultWriter
from application.delivery.rows import AccountRows, ResultRows
from application.ports.accounts import Ledger
from application.ports.system import Clock, Entropy, Observe
from application.suppressing import note_full
from application.telling import save_account, save_account_health, save_email, suppress
from domain.account.account import Account
from domain.account.suspicion import Witness
from domain.account.weighing import evidence_of, speaks_of_an_email
from domain.email.attempt import AbandonedAttempt, Attempt
from domain.email.bounces import bounces, full_mailboxes
from domain.email.lifecycle import Email
from domain.email.settlement import Aside, Terms, accepted_late, settled
from domain.email.status import Status
from domain.erasure import told_of
from domain.errors import NotFound, StaleAttempt
from domain.events import Event
from domain.outcome.handoff import Handoff
from domain.outcome.provider_id import reported_name
from domain.outcome.verdict import ACCOUNT_GATES, AccountEffect, Result, Verdict

FAULT_SECONDS: Final = 5.0  # how long a worker waits to hear what follows for the account


class Settlement:
    """Writes down what came of a hand-off: for the email, its attempt, the ledger, the account."""

    def __init__(
        self,
        *,
        clock: Clock,
        entropy: Entropy,
        observe: Observe,
        rules: DeliveryPolicy,
        results: ResultWriter,
        health: AccountHealth,
    ) -> None:
        self._clock = clock
        self._entropy = entropy
        self._observe = observe
        self._rules = rules
        self._results = results
        self._health = health
        self._sizes: dict[int, tuple[int, int | None]] = {}  # what servers said last

    def settle(
        self,
        account: Account,
        email: Email,
        handoff: Handoff,
        verdict: Verdict,
        *,
        seconds: float,
        turn: Turn,
    ) -> AbandonedAttempt | None:
        """Write down what came of it; why no more can be tried on this account now, if so."""
        now, jitter = self._clock.now(), self._entropy.jitter()
        attempt = ended_attempt(email, account, handoff, verdict, now=now, seconds=seconds)
        if verdict.effect not in (AccountEffect.NONE, AccountEffect.HEALTHY):
            return self._settle_trouble(
                account, email, handoff, verdict, attempt, now=now, jitter=jitter
            )
        settled = self._settled(account, email, verdict, now=now, jitter=jitter)
        following = turn.open_next()

        def work(tx: ResultRows) -> None:
            save_email(tx, settled, was=email)
            _suppress_bounced(tx, email, settled, verdict, now=now)
            close_attempt(tx, attempt)
            _keep_name(tx, attempt)
            if following is not None:  # its dialogue begins now
                tx.attempts.open((open_attempt(following, account, now=now),))
            self._settle_ledger(tx.ledger, account, email, verdict)
            self._health.settle(tx, account, verdict, now=now, jitter=jitter)

        def done(error: BaseException | None) -> None:
            if isinstance(error, StaleAttempt):
                turn.not_open()
                self._settle_late(account, email, attempt, verdict)
            elif error is None:
                report_settled(self._observe, account, settled, attempt, verdict)

        self._results.persist(work, done)
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
        terms = Terms(
            now=now,
            steady=self._clock.steady(),
            retry=self._rules.retry,
            on_unknown=account.on_unknown or self._rules.on_unknown,
            jitter=jitter,
        )
        return settled(email, verdict, terms, aside=aside)

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
    ) -> AbandonedAttempt | None:
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

        def work(tx: ResultRows) -> None:
            told.clear()  # it may be run again
            current = find_locked(tx.accounts, account)
            passed = others_passed(tx.attempts, current or account, email)
            weighed = self._health.weighed(
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
            save_email(tx, settled, was=email)
            _suppress_bounced(tx, email, settled, verdict, now=now)
            close_attempt(tx, attempt)
            self._settle_ledger(tx.ledger, account, email, verdict)
            if current is not None:
                self._health.save(tx, current, weighed, verdict, now=now)

        def done(error: BaseException | None) -> None:
            try:
                if isinstance(error, StaleAttempt):
                    told.clear()  # nothing of it was written
                    self._settle_late(account, email, attempt, verdict)
                elif error is None:
                    settled, applied = told[-1]
                    report_settled(self._observe, account, settled, attempt, applied)
            finally:
                answered.set()

        self._results.persist(work, done)
        effect = verdict.effect  # if the store does not answer, that is assumed
        if answered.wait(FAULT_SECONDS):
            effect = told[-1][1].effect if told else AccountEffect.NONE
        if effect not in ACCOUNT_GATES:
            return None
        return AbandonedAttempt(reason=verdict.reason, text=verdict.text)

    def _settle_ledger(
        self, ledger: Ledger, account: Account, email: Email, verdict: Verdict
    ) -> None:
        if not verdict.charged:
            ledger.free(email.id, email.attempt_no)
            return
        results = [recipient.result for recipient in verdict.recipients]
        taken = results.count(Result.SENT) + results.count(Result.UNKNOWN)
        units = account.limits.units(taken or len(email.open_recipients))
        ledger.charge(email.id, email.attempt_no, units=units)

    def _settle_late(
        self, account: Account, email: Email, attempt: Attempt, verdict: Verdict
    ) -> None:
        """The attempt was taken from us meanwhile; what the server said is still the truth."""
        now = self._clock.now()

        def work(tx: ResultRows) -> Email | None:
            current = tx.emails.get(email.id)
            # whoever took it from us has counted it
            tx.attempts.close(told_of(current, attempt))
            if verdict.result is not Result.SENT:
                return None
            late = accepted_late(current, verdict, now=now)
            if late is not None:
                save_email(tx, late, was=current)
                if current.status is Status.SENDING:
                    tx.ledger.free(current.id, current.attempt_no)
            return late

        def done(error: BaseException | None) -> None:
            if error is None:
                self._observe(email_event("result_came_late", email))

        self._results.persist(work, done)

    def learn_size(self, account: Account, handoff: Handoff) -> None:
        """How large a message its server takes, if it says something new."""
        most = handoff.max_octets or None
        known = (account.version, most)
        if handoff.max_octets is None or self._sizes.get(account.id) == known:
            return
        self._sizes[account.id] = known
        if account.health.max_octets == most:
            return
        now = self._clock.now()

        def work(tx: AccountRows) -> None:
            current = find_locked(tx.accounts, account)
            if current is not None:
                health = attrs.evolve(current.health, max_octets=most)
                learnt = attrs.evolve(current, health=health)
                save_account_health(tx, learnt, was=current, at=now)

        self._results.persist(work, lambda error: None)

    def stop_announcing(self, account: Account, handoff: Handoff) -> None:
        """For good: its server breaks on an envelope that comes together with a final dot."""
        now = self._clock.now()

        def work(tx: AccountRows) -> None:
            with contextlib.suppress(NotFound):
                current = tx.accounts.lock(account.id)
                if current.version == account.version and current.announce_next:
                    stopped = attrs.evolve(current, announce_next=False)
                    save_account(tx, stopped, was=current, at=now)

        def done(error: BaseException | None) -> None:
            if error is None:
                fields = {"stage": handoff.stage.value, "text": handoff.text}
                self._observe(
                    Event(
                        name="announcing_stopped",
                        account_id=account.id,
                        fields=fields,
                    )
                )

        self._results.persist(work, done)


def _suppress_bounced(
    tx: ResultRows, email: Email, settled: Email, verdict: Verdict, *, now: datetime
) -> None:
    """Nobody is waited for: the results of many connections are one work, and so are those of
    other processes, which would wait for each other.
    """
    if verdict.suppress:
        for suppression in bounces(email, settled, verdict, now=now):
            suppress(tx, suppression, wait=False)
    if verdict.result is not Result.SENT or len(verdict.recipients) > 1:
        for address in full_mailboxes(email, verdict):
            note_full(tx, address, email_id=email.id, now=now)


def _keep_name(tx: ResultRows, attempt: Attempt) -> None:
    name = reported_name(attempt.reply)
    if name is not None:
        tx.bounces.name(attempt.email_id, attempt_no=attempt.attempt_no, name=name)

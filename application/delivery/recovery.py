"""Claims that end without a result: put back, given up, or taken from a process that died."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import attrs

from application.delivery.accounts import find, units_of
from application.delivery.attempts import close_attempt, has_begun, open_attempt
from application.delivery.batch import Batch
from application.delivery.policy import DeliveryPolicy
from application.delivery.reporting import email_event
from application.delivery.result_writer import ResultWriter
from application.delivery.rows import ResultRows
from application.delivery.scheduler import Scheduler
from application.ports.store import Store
from application.ports.system import Clock, Entropy, Observe
from application.telling import save_email
from domain.email.attempt import CRASHED, AbandonedAttempt
from domain.email.lifecycle import Email
from domain.email.recipient import EXPIRED, OUTCOME_UNKNOWN
from domain.email.settlement import Terms, released
from domain.email.status import Phase, Status
from domain.errors import StaleAttempt, StoreUnavailable
from domain.outcome.handoff import Stage
from domain.outcome.verdict import Result

SHUTDOWN = AbandonedAttempt(reason="shutdown", text="the service stopped before it was sent")
# A claim that nobody heard of, or that others are to take: its emails stay as they were.
UNTOUCHED = AbandonedAttempt(reason=None)
TOO_LATE = AbandonedAttempt(reason=EXPIRED, text="its lifetime ended before its turn came")
OVERDUE = AbandonedAttempt(
    reason="lease_over", text="this process stood still too long to send it without risk"
)


class Recovery:
    """Ends claims that have no result: by the row of each email, never by memory alone."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        observe: Observe,
        rules: DeliveryPolicy,
        scheduler: Scheduler,
        results: ResultWriter,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._observe = observe
        self._rules = rules
        self._scheduler = scheduler
        self._results = results

    def put_back(self, emails: Sequence[Email], abandoned: AbandonedAttempt) -> None:
        """Release claimed emails that were not tried: nothing is charged."""
        if emails:
            now = self._clock.now()
            self._results.persist(lambda tx: self._release_all(tx, emails, abandoned, now=now))

    def expire(self, email: Email) -> None:
        """End a claimed email that was not tried, for its lifetime is over."""
        self.put_back((email,), TOO_LATE)
        self._observe(email_event("email_expired", email))

    def put_back_begun(self, email: Email, abandoned: AbandonedAttempt) -> None:
        """Release an email whose dialogue was given up before the dot."""
        now = self._clock.now()

        def work(tx: ResultRows) -> None:
            with suppress(StaleAttempt):
                self._release(tx, email, abandoned, now=now, began=True)

        self._results.persist(work)

    def put_back_if_claimed(self, batches: Sequence[Batch]) -> None:
        """The commit may have been made although its answer was lost: nobody would hand them off.

        An email that is claimed again meanwhile differs in its time at least, and is left alone.
        """
        emails = [email for batch in batches for email in batch.emails]
        if not emails:
            return
        now = self._clock.now()

        def work(tx: ResultRows) -> None:
            claimed = [email for email in emails if _is_held(tx.emails.get(email.id), email)]
            self._release_all(tx, claimed, UNTOUCHED, now=now)

        self._results.persist(work)

    def return_place(self, batch: Batch) -> None:
        """Put a whole batch back that no worker took."""
        self.put_back(batch.emails, SHUTDOWN)
        self._scheduler.release(batch.account.id, batch.emails)

    def abandon(self, batch: Batch) -> bool:
        """Give up what a batch still holds, by what its rows say; whether an outcome is unknown.

        For a worker that died, or that hangs behind the final dot when the process must end.
        """
        now = self._clock.now()
        abandoned = AbandonedAttempt(reason=CRASHED, text="its worker ended", crashed=True)

        def work(tx: ResultRows) -> bool:
            unknown = False
            for email in batch.emails:
                current = tx.emails.get(email.id)
                if current.status is Status.SENDING and current.attempt_no == email.attempt_no:
                    unknown |= current.phase is Phase.COMMITTING
                    began = has_begun(tx.attempts, current)
                    self._release(tx, current, abandoned, now=now, began=began)
            return unknown

        self._scheduler.release(batch.account.id, batch.emails)
        try:
            return self._store.write(work)
        except StoreUnavailable:
            self._results.persist(work)
            return True

    def recover(self, instance: int, *, limit: int = 200) -> int:
        """Take up to *limit* emails from a holder that is dead; how many there were.

        Behind the mark their outcome is unknown; before it they go back as if never claimed.
        """
        now = self._clock.now()
        abandoned = AbandonedAttempt(reason=CRASHED, text="its process died", crashed=True)

        def work(tx: ResultRows) -> Sequence[Email]:
            held = tx.emails.held_by(instance, limit=limit)
            return [
                self._release(tx, email, abandoned, now=now, began=has_begun(tx.attempts, email))
                for email in held
            ]

        taken = self._store.write(work)
        for email in taken:
            self._observe(email_event("attempt_recovered", email))
        return len(taken)

    def _release_all(
        self,
        tx: ResultRows,
        emails: Sequence[Email],
        abandoned: AbandonedAttempt,
        *,
        now: datetime,
    ) -> None:
        """Put claimed emails back whose dialogue has not begun."""
        for email in emails:
            try:
                self._release(tx, email, abandoned, now=now, began=False)
            except StaleAttempt:
                continue  # somebody else has taken care of it

    def _release(
        self,
        tx: ResultRows,
        email: Email,
        abandoned: AbandonedAttempt,
        *,
        now: datetime,
        began: bool,
    ) -> Email:
        account = find(tx.accounts, email.account_id)
        policy = (account.on_unknown if account else None) or self._rules.on_unknown
        terms = Terms(
            now=now,
            steady=self._clock.steady(),
            retry=self._rules.retry,
            on_unknown=policy,
            jitter=self._entropy.jitter(),
        )
        back = released(email, abandoned, terms, began=began)
        save_email(tx, back, was=email)
        unknown = email.phase is Phase.COMMITTING
        if began or unknown:
            close_attempt(
                tx,
                attrs.evolve(
                    open_attempt(email, account, now=now),
                    ended_at=now,
                    stage=Stage.DOT if unknown else None,
                    result=Result.UNKNOWN if unknown else Result.WAIT,
                    reason=OUTCOME_UNKNOWN if unknown else abandoned.reason,
                    text=abandoned.text,
                ),
            )
        else:
            tx.attempts.withdraw(email.id, email.attempt_no)
        if unknown and account is not None:
            tx.ledger.charge(email.id, email.attempt_no, units=units_of(account, email))
        else:
            tx.ledger.free(email.id, email.attempt_no)
        return back


def _is_held(current: Email, claimed: Email) -> bool:
    """Whether the claim stands; who unsubscribes may have withdrawn the email meanwhile."""
    return current.changed(expires_at=claimed.expires_at) == claimed

"""Alerts: some events are sent as emails to who runs the service."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from application.cluster.membership import Membership
from application.intake.draft import Draft
from application.intake.routing import most_headroom
from application.intake.submit import Submission
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe
from domain.account.account import Account, AccountState
from domain.account.limits import PRIORITIES, WindowLengths
from domain.address import Address
from domain.errors import EmailServiceError, NotAccepting
from domain.event.alert import (
    ALERTED,
    GOOD_FOR,
    OLDEST_AT_FIRST,
    Alert,
    AlertRecord,
    alert_of,
    is_due,
)
from domain.event.event import BEGINNING, EventFilter, Position, StoredEvent
from domain.events import Event
from domain.throughput import Via

PAGE: Final = 50
PAGES: Final = 20  # of one run; each looks through so many events at most as the feed does
SAVED_EVERY_S: Final = 60.0
NO_ACCOUNT: Final = "no other SMTP configuration can send now"
_URGENT: Final = min(PRIORITIES)


class Alerts:
    """Reads the events and submits an email for those that somebody must know of.

    Whichever process reads, one email goes out for an account and a reason in an hour: the work
    that stores the email asks for the last one and notes this one. Used by one thread.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        membership: Membership,
        submission: Submission,
        windows: WindowLengths,
        to: Sequence[Address],
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._membership = membership
        self._submission = submission
        self._windows = windows
        self._to = tuple(to)
        self._observe = observe
        self._position: Position | None = None
        self._saved_at = 0.0

    def run(self) -> None:
        """Read on, if there is anybody to tell and it is this process's part."""
        if not self._to or not self._membership.is_first():
            return
        for _ in range(PAGES):
            if not self._read_page():
                break

    def _read_page(self) -> bool:
        """Whether more may follow."""
        saved = self._store.read_latest(lambda tx: tx.watch.position())
        start = max(saved or BEGINNING, self._position or BEGINNING)
        asked = EventFilter(types=ALERTED)
        page = self._store.read(lambda tx: tx.events.page(start, asked, limit=PAGE))
        oldest = None if saved is not None else self._clock.now() - OLDEST_AT_FIRST
        for event in page.events:
            if oldest is not None and event.at < oldest:
                continue
            if not self._tell(event):
                self._save(max(start, self._position or BEGINNING), at_once=saved is None)
                return False
            self._position = event.position
        self._position = page.next
        self._save(page.next, at_once=saved is None)
        return page.next != start

    def _save(self, position: Position, *, at_once: bool) -> None:
        """Not each time: whoever reads some events again tells nothing twice."""
        now = self._clock.monotonic()
        if at_once or now >= self._saved_at + SAVED_EVERY_S:
            self._saved_at = now
            self._store.write(lambda tx: tx.watch.move(position))

    def _tell(self, event: StoredEvent) -> bool:
        """False if it must be tried again later: the service accepts no email now."""
        alert = alert_of(event)
        if alert is None:
            return True
        now = self._clock.now()
        account = self._store.read(lambda tx: self._other_account(tx, alert, now=now))
        if account is None:
            self._not_sent(event, alert, NO_ACCOUNT)
            return True
        try:
            email_id = self._submit(event, alert, account, now=now)
        except NotAccepting as error:
            self._not_sent(event, alert, str(error))
            return False
        except EmailServiceError as error:
            self._not_sent(event, alert, str(error))
            return True
        if email_id is not None:
            self._observe(
                Event(
                    name="alert_sent",
                    email_id=email_id,
                    account_id=alert.account_id,
                    fields={"reason": alert.reason},
                )
            )
        return True

    def _submit(
        self, event: StoredEvent, alert: Alert, account: Account, *, now: datetime
    ) -> int | None:
        draft = Draft(
            subject=alert.subject,
            text=alert.text,
            to=self._to,
            priority=_URGENT,
            account_id=account.id,
            expires_at=now + GOOD_FOR,
            via=Via.SERVICE,
        )
        record = _record(event, alert, now=now)

        def wanted(tx: Transaction) -> bool:
            tx.watch.lock()
            return is_due(tx.watch.last_alert(alert.account_id, alert.reason), now=now)

        def stored(tx: Transaction, email_id: int) -> None:
            tx.watch.put_alert(attrs.evolve(record, email_id=email_id))
            tx.watch.move(event.position)

        return self._submission.submit_if(draft, wanted=wanted, stored=stored)

    def _other_account(self, tx: Transaction, alert: Alert, *, now: datetime) -> Account | None:
        """One that can send now and is not the one in trouble; None if there is none."""
        able = [
            account
            for account in tx.accounts.all()
            if account.id != alert.account_id and account.state(now) is AccountState.OPEN
        ]
        return most_headroom(tx.ledger, able, windows=self._windows, urgent=True, now=now)

    def _not_sent(self, event: StoredEvent, alert: Alert, problem: str) -> None:
        """Note it and say so, once for an event."""
        now = self._clock.now()
        record = attrs.evolve(_record(event, alert, now=now), problem=problem)

        def work(tx: Transaction) -> bool:
            tx.watch.lock()
            last = tx.watch.last_alert(alert.account_id, alert.reason)
            if not is_due(last, now=now) or (last is not None and last.event_id >= event.id):
                return False
            tx.watch.put_alert(record)
            return True

        if self._store.write(work):
            fields = {"reason": alert.reason, "text": problem}
            self._observe(Event(name="alert_not_sent", account_id=alert.account_id, fields=fields))


def _record(event: StoredEvent, alert: Alert, *, now: datetime) -> AlertRecord:
    return AlertRecord(account_id=alert.account_id, reason=alert.reason, event_id=event.id, at=now)

"""Reads the inboxes of accounts, and records what the reports in them tell.

How far a mailbox was read is stored in the work that records what was found up to there. So a
process that dies loses no report, and reads again only what tells nothing new.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from threading import Lock
from typing import Final

import attrs

from application.cluster.membership import Membership
from application.ports.inbox import Mailbox, MailboxFailed, MailboxLogin, MailboxReader, Received
from application.ports.oauth import Tokens, TokenUnavailable
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe, Vault
from application.reports import Recorded, Reports
from domain.account.inbox import FIRST_DAYS, Inbox, InboxPlace, takes_token
from domain.bounce.parse import LONGEST_REPORT, parse_report
from domain.bounce.report import Report
from domain.errors import NotFound, SecretUnreadable
from domain.events import Event
from domain.outcome.rules_file import Rules

AT_ONCE: Final = 20  # messages, each of LONGEST_REPORT octets at most, and one commit
MOST_A_PASS: Final = 2000  # messages; then other inboxes have their turn
_WINDOW: Final = 50_000  # UIDs that are asked for at once


class _ReadElsewhere(Exception):
    """Its owner has changed the inbox, or another process reads it."""


class Inboxes:
    """The use case of the threads that read inboxes."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        tokens: Tokens,
        reader: MailboxReader,
        membership: Membership,
        reports: Reports,
        rules: Rules,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._tokens = tokens
        self._reader = reader
        self._membership = membership
        self._reports = reports
        self._rules = rules
        self._observe = observe
        self._lock = Lock()
        self._busy: set[int] = set()

    def read_next(self) -> bool:
        """Read one inbox that is due; False if there is none, or another process does that.

        Safe from many threads: no inbox is read by two of them.
        """
        if self._membership.instance is None:
            return False
        inbox = self._take()
        if inbox is None:
            return False
        try:
            if not self._membership.is_first():
                return False
            self.read(inbox)
        finally:
            with self._lock:
                self._busy.discard(inbox.account_id)
        return True

    def read(self, inbox: Inbox) -> None:
        """Read it to its end, or `MOST_A_PASS` messages; what goes wrong is stored with it."""
        try:
            self._read(inbox)
        except MailboxFailed as error:
            self._failed(inbox.account_id, inbox.version, str(error))
        except _ReadElsewhere:
            return

    def _take(self) -> Inbox | None:
        now = self._clock.now()
        inboxes = self._store.read_latest(lambda tx: tx.inboxes.all())
        with self._lock:
            for inbox in inboxes:
                if inbox.account_id not in self._busy and inbox.is_due(now):
                    self._busy.add(inbox.account_id)
                    return inbox
        return None

    def _read(self, inbox: Inbox) -> None:
        with self._reader.open(inbox, self.login(inbox)) as mailbox:
            place = self._beginning(inbox, mailbox)
            last = mailbox.uidnext - 1
            read = 0
            for page in self._pages(mailbox, place, last):
                received = mailbox.messages(page, limit=LONGEST_REPORT)
                inbox = self._record(inbox, received, InboxPlace(place.uidvalidity, page[-1]))
                read += len(page)
                if read >= MOST_A_PASS:
                    return
        # what is behind the last report is read too
        self._record(inbox, (), InboxPlace(place.uidvalidity, max(last, place.uid)), ended=True)

    def _beginning(self, inbox: Inbox, mailbox: Mailbox) -> InboxPlace:
        if inbox.place is not None and inbox.place.uidvalidity == mailbox.uidvalidity:
            return inbox.place
        day = (self._clock.now() - timedelta(days=FIRST_DAYS)).date()
        first = mailbox.first_since(day)
        return InboxPlace(mailbox.uidvalidity, (first or mailbox.uidnext) - 1)

    def _pages(self, mailbox: Mailbox, place: InboxPlace, last: int) -> Iterator[Sequence[int]]:
        for first in range(place.uid + 1, last + 1, _WINDOW):
            uids = mailbox.uids(first, min(first + _WINDOW - 1, last))
            for start in range(0, len(uids), AT_ONCE):
                yield uids[start : start + AT_ONCE]

    def _record(
        self, inbox: Inbox, received: Sequence[Received], place: InboxPlace, *, ended: bool = False
    ) -> Inbox:
        """One work: what the messages tell, and how far it was read. The inbox as it stands then.

        It is due again at once until it has *ended*.
        """
        reports = [(one.uid, parse_report(one.octets, rules=self._rules)) for one in received]
        now = self._clock.now()
        read = inbox.was_read(place, now)
        if not ended:
            read = attrs.evolve(read, tried_at=inbox.tried_at)

        def work(tx: Transaction) -> list[tuple[int, Recorded]]:
            if not tx.inboxes.save_progress(read, was=inbox):
                raise _ReadElsewhere
            return [(uid, self._recorded(tx, report, inbox)) for uid, report in reports]

        for uid, recorded in self._store.write(work):
            name = f"{place.uidvalidity}/{uid}"
            self._reports.tell(recorded, source=f"inbox {inbox.account_id}", report_id=name)
        if inbox.failures:
            self._observe(Event(name="inbox_works", account_id=inbox.account_id))
        return read

    def _recorded(self, tx: Transaction, report: Report, inbox: Inbox) -> Recorded:
        return self._reports.record_in(tx, report, account_id=inbox.account_id)

    def login(self, inbox: Inbox) -> MailboxLogin:
        """What it logs in with. MailboxFailed.

        Outside any transaction: a token may have to be fetched.
        """
        if inbox.sealed_password is not None:
            try:
                return MailboxLogin(
                    secret=self._vault.open(inbox.sealed_password, context=inbox.context)
                )
            except SecretUnreadable:
                raise MailboxFailed("its password cannot be opened") from None
        try:
            account = self._store.read(lambda tx: tx.accounts.get(inbox.account_id))
            if not takes_token(inbox, account):
                raise MailboxFailed("it has no password, and the token is not for this server")
            return MailboxLogin(secret=self._tokens.token(account), is_token=True)
        except NotFound:
            raise _ReadElsewhere from None
        except TokenUnavailable as unavailable:
            raise MailboxFailed(unavailable.detail) from None

    def _failed(self, account_id: int, version: int, text: str) -> None:
        now = self._clock.now()

        def work(tx: Transaction) -> bool:
            stored = tx.inboxes.find(account_id)
            if stored is None or stored.version != version:
                return False
            tx.inboxes.save_progress(stored.failed(text, now), was=stored)
            return stored.failures == 0

        if self._store.write(work):
            self._observe(Event(name="inbox_failed", account_id=account_id, fields={"text": text}))

"""A store that lives in memory, for tests: as strict as the SQL stores, as simple as can be.

Nothing here is quick; every answer is a search through all rows. What must not enter is a
shortcut: whatever a SQL store refuses is refused here too, and a work that raises leaves no trace.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Final, TypeVar

import attrs

from adapters.fakes.memory_authorizations import MemoryAuthorizations
from adapters.fakes.memory_backlog import MemoryBacklog
from adapters.fakes.memory_blobs import MemoryBlobs, MemoryUploads
from adapters.fakes.memory_bounces import MemoryBounces
from adapters.fakes.memory_credentials import MemoryCredentials
from adapters.fakes.memory_dashboard_sessions import MemoryDashboardSessions
from adapters.fakes.memory_details import MemoryDetails
from adapters.fakes.memory_dkim_keys import MemoryDkimKeys
from adapters.fakes.memory_erasures import MemoryErasures
from adapters.fakes.memory_events import MemoryEvents
from adapters.fakes.memory_hooks import MemoryHooks
from adapters.fakes.memory_inboxes import MemoryInboxes
from adapters.fakes.memory_instances import MemoryInstances, refuse_revival
from adapters.fakes.memory_labels import MemoryLabels
from adapters.fakes.memory_retention import MemoryRetention, refuse_purged
from adapters.fakes.memory_secrets import MemorySecrets
from adapters.fakes.memory_suppressions import MemorySuppressions, MemoryTopics
from adapters.fakes.memory_tables import Journal, Reservation, Tables
from adapters.fakes.memory_templates import MemoryTemplates
from adapters.fakes.memory_throughput import MemoryThroughput
from adapters.fakes.memory_watching import MemoryFullMailboxes, MemoryWatch
from adapters.fakes.memory_webhooks import MemoryLeases, MemoryWebhooks
from application.ports.store import Transaction
from application.ports.system import Clock
from domain.access import ApiKey, AuditEntry, IdempotencyRecord
from domain.account.account import Account
from domain.account.health import Health
from domain.account.limits import PRIORITIES, Window, WindowLengths, is_urgent
from domain.email.attempt import Attempt
from domain.email.claim_policy import (
    ANY_ACCOUNT,
    ClaimPolicy,
    Due,
    alone,
    passed_over,
    refuse_unclaimable,
)
from domain.email.labels import NO_LABELS, Labels
from domain.email.lifecycle import Email
from domain.email.listing import (
    ANYTHING,
    EmailSummary,
    FailedEmail,
    Page,
    Search,
    Waiting,
)
from domain.email.recipient import RecipientField, not_reached
from domain.email.settlement import POISON_CRASHES
from domain.email.status import WAITING, Status
from domain.errors import (
    Conflict,
    NameTaken,
    NotFound,
    StaleAttempt,
    StoreUnavailable,
    no_smtp_configuration,
)
from domain.event.types import ALL_EVENTS, EventType

T = TypeVar("T")

# What a transition may change; the rest of an email is fixed at acceptance.
_FIXED: Final = frozenset({"id", "subject", "message_id", "size", "created_at", "key_id"})
_CHANGING: Final = tuple(f.name for f in attrs.fields(Email) if f.name not in _FIXED)


class MemoryStore:
    """The Store port on dictionaries. Works run one after the other, under one lock."""

    def __init__(self, *, clock: Clock, events: Collection[EventType] = ALL_EVENTS) -> None:
        self._clock = clock
        self._kept_events = events
        self._tables = Tables()
        self._lock = threading.Lock()
        self._worker: int | None = None
        self._closed = False

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run *work*; RuntimeError if it writes."""
        return self._run(work, writable=False)

    def read_latest(self, work: Callable[[Transaction], T]) -> T:
        """The same."""
        return self.read(work)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run *work*; if it raises, all that it wrote is undone."""
        return self._run(work, writable=True)

    def post(self, work: Callable[[Transaction], T]) -> "Future[T]":
        """Run *work* at once; the Future that comes back is done."""
        self._refuse_inside_a_work()
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(self.write(work))
        except BaseException as error:
            future.set_exception(error)
        return future

    def migrate(self) -> Sequence[str]:
        """Nothing: it is always up to date."""
        self.ping()
        return ()

    def pending(self) -> Sequence[str]:
        """Nothing."""
        self.ping()
        return ()

    def ping(self) -> None:
        """StoreUnavailable once it is closed."""
        self.read(lambda tx: None)

    def close(self) -> None:
        """Refuse everything from now on."""
        with self._lock:
            self._closed = True

    def _run(self, work: Callable[[Transaction], T], *, writable: bool) -> T:
        self._refuse_inside_a_work()
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            self._worker = threading.get_ident()
            journal = Journal(writable=writable)
            try:
                return work(self._transaction(journal))
            except BaseException:
                journal.undo()
                raise
            finally:
                journal.end()
                self._worker = None

    def _transaction(self, journal: Journal) -> "_MemoryTransaction":
        return _MemoryTransaction(self._tables, journal, self._clock, self._kept_events)

    def _refuse_inside_a_work(self) -> None:
        if self._worker == threading.get_ident():
            raise RuntimeError("a work may touch nothing but its own transaction")


class _MemoryTransaction:
    """What one work may touch."""

    def __init__(
        self,
        tables: Tables,
        journal: Journal,
        clock: Clock,
        kept_events: Collection[EventType],
    ) -> None:
        self.accounts = _Accounts(tables, journal)
        self.dkim_keys = MemoryDkimKeys(tables, journal)
        self.credentials = MemoryCredentials(tables, journal)
        self.inboxes = MemoryInboxes(tables, journal)
        self.authorizations = MemoryAuthorizations(tables, journal)
        self.emails = _Emails(tables, journal)
        self.details = MemoryDetails(tables, journal)
        self.blobs = MemoryBlobs(tables, journal)
        self.uploads = MemoryUploads(tables, journal)
        self.topics = MemoryTopics(tables, journal)
        self.suppressions = MemorySuppressions(tables, journal)
        self.dashboard_sessions = MemoryDashboardSessions(tables, journal)
        self.secrets = MemorySecrets(tables, journal)
        self.labels = MemoryLabels(tables, journal)
        self.templates = MemoryTemplates(tables, journal)
        self.attempts = _Attempts(tables, journal)
        self.ledger = _Ledger(tables, journal, clock)
        self.backlog = MemoryBacklog(tables, clock)
        self.instances = MemoryInstances(tables, journal)
        self.idempotency = _Idempotency(tables, journal)
        self.keys = _Keys(tables, journal)
        self.key_usage = _KeyUsage(tables, journal)
        self.audit = _Audit(tables, journal)
        self.retention = MemoryRetention(tables, journal)
        self.bounces = MemoryBounces(tables, journal)
        self.events = MemoryEvents(tables, journal, kept_events)
        self.throughput = MemoryThroughput(tables, journal)
        self.watch = MemoryWatch(tables, journal)
        self.full_mailboxes = MemoryFullMailboxes(tables, journal)
        self.hooks = MemoryHooks(tables, journal)
        self.erasures = MemoryErasures(tables, journal)
        self.webhooks = MemoryWebhooks(tables, journal)
        self.leases = MemoryLeases(tables, journal)


class _Accounts:
    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, account: Account) -> Account:
        self._refuse_taken_name(account.name, but=None)
        account = attrs.evolve(account, id=self._journal.next_id(self._tables, "account"))
        self._journal.put(self._tables.accounts, account.id, account)
        return account

    def get(self, account_id: int) -> Account:
        account = self._tables.accounts.get(account_id)
        if account is None:
            raise no_smtp_configuration(account_id)
        signs = self._signs(account_id)
        return account if account.signs is signs else attrs.evolve(account, signs=signs)

    def all(self) -> Sequence[Account]:
        return [self.get(account_id) for account_id in sorted(self._tables.accounts)]

    def health(self, account_id: int) -> Health:
        account = self._tables.accounts.get(account_id)
        return Health() if account is None else account.health

    def save(self, account: Account) -> None:
        self.get(account.id)
        self._refuse_taken_name(account.name, but=account.id)
        self._journal.put(self._tables.accounts, account.id, account)

    def save_health(self, account: Account) -> None:
        stored = self._tables.accounts.get(account.id)
        if stored is None or stored.version != account.version:
            return
        changed = attrs.evolve(stored, health=account.health, last_sent_at=account.last_sent_at)
        self._journal.put(self._tables.accounts, account.id, changed)

    def lock(self, account_id: int) -> Account:
        return self.get(account_id)

    def touch(self, account_id: int, *, sent_at: datetime) -> None:
        stored = self._tables.accounts.get(account_id)
        if stored is not None:
            touched = attrs.evolve(stored, last_sent_at=sent_at)
            self._journal.put(self._tables.accounts, account_id, touched)

    def delete(self, account_id: int) -> None:
        self.get(account_id)
        self._journal.remove(self._tables.accounts, account_id)

    def _signs(self, account_id: int) -> bool:
        keys = self._tables.dkim_keys.values()
        return any(key.active and key.account_id == account_id for key in keys)

    def _refuse_taken_name(self, name: str, *, but: int | None) -> None:
        if any(a.name == name and a.id != but for a in self._tables.accounts.values()):
            raise NameTaken(f"another SMTP configuration is called {name!r}")


class _Emails:
    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, email: Email, octets: bytes) -> Email:
        refuse_unclaimable(email)
        email = attrs.evolve(email, id=self._journal.next_id(self._tables, "email"))
        self._journal.put(self._tables.emails, email.id, email)
        self._journal.put(self._tables.octets, email.id, bytes(octets))
        return email

    def add_all(self, emails: Sequence[tuple[Email, bytes]]) -> Sequence[Email]:
        return [self.add(email, octets) for email, octets in emails]

    def get(self, email_id: int) -> Email:
        email = self._tables.emails.get(email_id)
        if email is None:
            raise NotFound(f"there is no email {email_id}")
        return email

    def octets(self, email_id: int) -> bytes:
        if email_id not in self._tables.octets:
            raise NotFound(f"there is no message of an email {email_id}")
        return self._tables.octets[email_id]

    def messages(self, email_ids: Sequence[int]) -> Mapping[int, bytes]:
        return {email_id: self.octets(email_id) for email_id in email_ids}

    def page(
        self,
        search: Search = ANYTHING,
        *,
        status: Status | None = None,
        account_id: int | None = None,
        key_id: int | None = None,
        among: Collection[int] | None = None,
        before: int | None = None,
        limit: int,
    ) -> Page:
        found = [
            email
            for email in self._tables.emails.values()
            if (status is None or email.status is status)
            and (account_id is None or email.account_id == account_id)
            and (key_id is None or email.key_id == key_id)
            and (among is None or email.account_id in among)
            and (before is None or email.id < before)
            and search.finds(email, self._labels(email))
        ]
        found.sort(key=lambda email: -email.id)
        shown = tuple(_summary(email, self._labels(email)) for email in found[:limit])
        more = len(found) > limit and shown
        return Page(shown, next_before=shown[-1].id if more else None)

    def claim(
        self,
        account: Account,
        *,
        limit: int,
        units: int,
        urgent_units: int,
        now: datetime,
        instance: int,
        fair: int = 0,
        shared: int | None = None,
        last: Collection[int] = (),
        crashes: int = POISON_CRASHES,
    ) -> Sequence[Email]:
        due = sorted(
            (
                email
                for email in self._waiting()
                if email.eligible_at <= now
                and (not email.pinned or email.account_id == account.id)
                and not passed_over(email, account, crashes=crashes)
            ),
            key=lambda email: (email.priority, email.eligible_at, email.id),
        )
        chosen: Sequence[Email] = ()
        for some in ([e for e in due if e.id not in last], due):
            policy = ClaimPolicy(
                account, limit=limit, units=units, urgent_units=urgent_units, shared=shared
            )
            chosen = _chosen(some, policy, limit=limit, fair=fair)
            if chosen:
                break
        taken = [
            email.claimed(account_id=account.id, instance=instance, now=now) for email in chosen
        ]
        for email in taken:
            self._journal.put(self._tables.emails, email.id, email)
        return taken

    def mark_committing(
        self, claims: Iterable[tuple[int, int]], *, instance: int
    ) -> Collection[tuple[int, int]]:
        return [claim for claim in claims if self._mark(*claim, instance=instance)]

    def _mark(self, email_id: int, attempt_no: int, *, instance: int) -> bool:
        email = self._tables.emails.get(email_id)
        if email is None or (email.status, email.attempt_no, email.instance) != (
            Status.SENDING,
            attempt_no,
            instance,
        ):
            return False
        self._journal.put(self._tables.emails, email_id, email.committing())
        return True

    def save(self, email: Email, *, was: Email) -> None:
        refuse_unclaimable(email)
        stored = self._tables.emails.get(email.id)
        if stored is None or (stored.status, stored.attempt_no) != (was.status, was.attempt_no):
            raise StaleAttempt(
                f"email {email.id} is no longer {was.status.value} in attempt {was.attempt_no}"
            )
        changes = {
            name: getattr(email, name)
            for name in _CHANGING
            if getattr(email, name) != getattr(was, name)
        }
        changed = stored.changed(**changes)
        refuse_revival(self._tables, changed, was=stored)
        refuse_purged(self._tables, changed, was=stored)
        self._journal.put(self._tables.emails, email.id, changed)

    def held_by(self, instance: int, *, limit: int) -> Sequence[Email]:
        held = (e for e in self._sending() if e.instance == instance)
        return sorted(held, key=lambda email: email.id)[:limit]

    def expired(self, *, now: datetime, limit: int) -> Sequence[Email]:
        ended = (email for email in self._waiting() if email.expires_at <= now)
        return sorted(ended, key=lambda email: (email.expires_at, email.id))[:limit]

    def from_the_future(
        self, *, now: datetime, after: tuple[datetime, int] | None, limit: int
    ) -> Sequence[Email]:
        found = [
            email
            for email in self._waiting()
            if email.status is not Status.SCHEDULED
            and email.updated_at > now
            and (after is None or (email.expires_at, email.id) > after)
        ]
        return sorted(found, key=lambda email: (email.expires_at, email.id))[:limit]

    def next_due(self, account_ids: Sequence[int], *, urgent_only: bool = False) -> datetime | None:
        if not account_ids:
            return None
        due = (
            e
            for e in self._waiting()
            if (not e.pinned or e.account_id in account_ids)
            and (is_urgent(e.priority) or not urgent_only)
        )
        return min((email.eligible_at for email in due), default=None)

    def depth(self, account_id: int | None) -> int:
        if account_id is None:
            return sum(not e.pinned for e in self._waiting())
        return sum(e.pinned and e.account_id == account_id for e in self._waiting())

    def waiting(self, account_id: int | None = None) -> Waiting:
        if account_id is None:
            return Waiting(waiting=len(self._waiting()), sending=len(self._sending()))
        return Waiting(
            waiting=self.depth(account_id),
            sending=sum(e.account_id == account_id for e in self._sending()),
        )

    def failed(self, *, since: datetime, limit: int) -> Sequence[FailedEmail]:
        found = [
            FailedEmail(id=e.id, account_id=e.account_id, reason=e.reason_code, at=e.updated_at)
            for e in self._tables.emails.values()
            if e.status is Status.FAILED
            and e.updated_at >= since
            and e.id not in self._tables.purged
        ]
        return sorted(found, key=lambda email: (email.at, email.id), reverse=True)[:limit]

    def counts(self) -> Mapping[Status, int]:
        statuses = [email.status for email in self._tables.emails.values()]
        return {status: statuses.count(status) for status in Status}

    def _labels(self, email: Email) -> Labels:
        return self._tables.labels.get(email.id, NO_LABELS)

    def _waiting(self) -> list[Email]:
        return [email for email in self._tables.emails.values() if email.status in WAITING]

    def _sending(self) -> list[Email]:
        return [e for e in self._tables.emails.values() if e.status is Status.SENDING]


def _chosen(due: Sequence[Email], policy: ClaimPolicy, *, limit: int, fair: int) -> Sequence[Email]:
    """Of those *due* what one claim takes, in its order."""
    largest = {priority: policy.largest(priority) for priority in PRIORITIES}
    fitting = [email for email in due if len(email.open_recipients) <= largest[email.priority]]
    policy.choose_most_urgent(
        lambda priority: [_candidate(email) for email in fitting if email.priority == priority]
    )
    if policy.full and fair > 0:
        others = [email for email in fitting if email.id not in policy.chosen]
        policy.choose_longest_due(_heads_of_lines(others, number=fair), more=fair)
    by_id = {email.id: email for email in fitting}
    emails = [by_id[email_id] for email_id in policy.chosen]
    return [emails[place] for place in alone(emails, strict=limit)]


def _heads_of_lines(due: Sequence[Email], *, number: int) -> Sequence[Due]:
    """Of *due*, in the order of the claim, the first of each priority and queue."""
    lines: dict[tuple[int, bool], list[Due]] = {}
    for email in due:
        lines.setdefault((email.priority, email.pinned), []).append(_candidate(email))
    return [candidate for line in lines.values() for candidate in line[:number]]


def _candidate(email: Email) -> Due:
    queue = email.account_id if email.pinned else None
    count = len(email.open_recipients)
    return (email.eligible_at, email.id, count, queue or ANY_ACCOUNT, email.priority)


class _Attempts:
    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def open(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            key = (attempt.email_id, attempt.attempt_no)
            if attempt.email_id not in self._tables.emails or key in self._tables.attempts:
                raise Conflict(f"attempt {key[1]} of email {key[0]} cannot begin")
            self._journal.put(self._tables.attempts, key, attempt)

    def close(self, attempt: Attempt) -> None:
        key = (attempt.email_id, attempt.attempt_no)
        stored = self._tables.attempts.get(key)
        if stored is None:
            return
        closed = attrs.evolve(
            stored,
            ended_at=attempt.ended_at,
            duration=attempt.duration,
            stage=attempt.stage,
            reply=attempt.reply,
            result=attempt.result,
            reason=attempt.reason,
            text=attempt.text,
        )
        self._journal.put(self._tables.attempts, key, closed)

    def withdraw(self, email_id: int, attempt_no: int) -> None:
        stored = self._tables.attempts.get((email_id, attempt_no))
        if stored is not None and stored.ended_at is None:
            self._journal.remove(self._tables.attempts, (email_id, attempt_no))

    def of(self, email_id: int) -> Sequence[Attempt]:
        found = (a for a in self._tables.attempts.values() if a.email_id == email_id)
        return sorted(found, key=lambda attempt: attempt.attempt_no)

    def of_all(self, email_ids: Sequence[int]) -> Mapping[int, Sequence[Attempt]]:
        return {email_id: found for email_id in email_ids if (found := self.of(email_id))}


class _Ledger:
    def __init__(self, tables: Tables, journal: Journal, clock: Clock) -> None:
        self._tables = tables
        self._journal = journal
        self._clock = clock

    def reserve(self, emails: Iterable[Email], *, units: Callable[[Email], int]) -> None:
        for email in emails:
            key = (email.id, email.attempt_no)
            if email.account_id is None or key in self._tables.ledger:
                raise Conflict(f"attempt {key[1]} of email {key[0]} cannot be reserved")
            row = Reservation(account_id=email.account_id, units=units(email))
            self._journal.put(self._tables.ledger, key, row)

    def charge(self, email_id: int, attempt_no: int, *, units: int) -> None:
        row = self._tables.ledger.get((email_id, attempt_no))
        if row is not None:
            charged = attrs.evolve(row, units=units, charged_at=self._clock.steady())
            self._journal.put(self._tables.ledger, (email_id, attempt_no), charged)

    def free(self, email_id: int, attempt_no: int) -> None:
        row = self._tables.ledger.get((email_id, attempt_no))
        if row is not None and row.charged_at is None:
            self._journal.remove(self._tables.ledger, (email_id, attempt_no))

    def used(self, account_id: int, lengths: WindowLengths) -> Mapping[Window, int]:
        reserved = sum(row.units for row in self._rows(account_id) if row.charged_at is None)
        return {
            window: reserved + sum(units for _, units in self._charged(account_id, window, lengths))
            for window in Window
        }

    def totals(self, account_id: int, lengths: WindowLengths) -> Mapping[Window, tuple[int, int]]:
        return {
            window: (units, len(self._charged(account_id, window, lengths)))
            for window, units in self.used(account_id, lengths).items()
        }

    def totals_of(
        self, account_ids: Sequence[int], lengths: WindowLengths
    ) -> Mapping[int, Mapping[Window, tuple[int, int]]]:
        return {account_id: self.totals(account_id, lengths) for account_id in account_ids}

    def room_returns_at(
        self, account_id: int, window: Window, lengths: WindowLengths, *, units: int
    ) -> datetime | None:
        gone = 0
        for charged_at, left in self._charged(account_id, window, lengths):
            gone += left
            if gone >= units:
                return charged_at + lengths.of(window)
        return None

    def fold(self, lengths: WindowLengths, *, limit: int) -> int:
        return 0  # it has no sums

    def prune(self, *, before: datetime, limit: int) -> int:
        old = [
            (row.account_id, row.charged_at, key)
            for key, row in self._tables.ledger.items()
            if row.charged_at is not None and row.charged_at < before
        ]
        gone = [key for _, _, key in sorted(old)[:limit]]
        for key in gone:
            self._journal.remove(self._tables.ledger, key)
        return len(gone)

    def _rows(self, account_id: int) -> list[Reservation]:
        return [row for row in self._tables.ledger.values() if row.account_id == account_id]

    def _charged(
        self, account_id: int, window: Window, lengths: WindowLengths
    ) -> list[tuple[datetime, int]]:
        """When and how much was charged in *window*, oldest first."""
        start = self._clock.steady() - lengths.of(window)
        return sorted(
            (row.charged_at, row.units)
            for row in self._rows(account_id)
            if row.charged_at is not None and row.charged_at > start
        )


class _Idempotency:
    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def find(self, key: str, *, scope: str) -> IdempotencyRecord | None:
        return self._tables.records.get((scope, key))

    def add(self, record: IdempotencyRecord) -> None:
        if (record.scope, record.key) in self._tables.records:
            raise Conflict(f"the Idempotency-Key {record.key!r} is taken")
        self._journal.put(self._tables.records, (record.scope, record.key), record)

    def prune(self, *, before: datetime, limit: int) -> int:
        old = sorted(
            (record.created_at, key)
            for key, record in self._tables.records.items()
            if record.created_at < before
        )
        for _, key in old[:limit]:
            self._journal.remove(self._tables.records, key)
        return len(old[:limit])


class _Keys:
    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, key: ApiKey) -> ApiKey:
        if self.find(key.prefix) is not None:
            raise Conflict(f"another API key has the prefix {key.prefix}")
        key = attrs.evolve(key, id=self._journal.next_id(self._tables, "key"))
        self._journal.put(self._tables.keys, key.id, key)
        return key

    def find(self, prefix: str) -> ApiKey | None:
        return next((key for key in self._tables.keys.values() if key.prefix == prefix), None)

    def all(self) -> Sequence[ApiKey]:
        return sorted(self._tables.keys.values(), key=lambda key: key.id)

    def lock(self) -> Sequence[ApiKey]:
        return self.all()

    def save(self, key: ApiKey) -> None:
        stored = self._tables.keys.get(key.id)
        if stored is None:
            raise NotFound(f"there is no API key {key.prefix}")
        changed = attrs.evolve(stored, digest=key.digest, revoked_at=key.revoked_at)
        self._journal.put(self._tables.keys, key.id, changed)


class _KeyUsage:
    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, key_id: int, *, hour: datetime, recipients: int) -> None:
        before = self._tables.key_hours.get((key_id, hour), 0)
        self._journal.put(self._tables.key_hours, (key_id, hour), before + recipients)

    def hours(self, key_id: int, *, since: datetime) -> Sequence[tuple[datetime, int]]:
        return sorted(
            (hour, recipients)
            for (key, hour), recipients in self._tables.key_hours.items()
            if key == key_id and hour >= since
        )

    def prune(self, *, before: datetime, limit: int) -> int:
        old = sorted(place for place in self._tables.key_hours if place[1] < before)[:limit]
        for place in old:
            self._journal.remove(self._tables.key_hours, place)
        return len(old)


class _Audit:
    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, entry: AuditEntry) -> None:
        entry = attrs.evolve(entry, id=self._journal.next_id(self._tables, "audit"))
        self._journal.put(self._tables.audit, entry.id, entry)

    def prune(self, *, before: datetime, limit: int) -> int:
        first = sorted(self._tables.audit)[:limit]
        old = [n for n in first if self._tables.audit[n].at < before]
        for n in old:
            self._journal.remove(self._tables.audit, n)
        return len(old)

    def latest(self, *, before: int | None = None, limit: int) -> Sequence[AuditEntry]:
        found = [one for one in self._tables.audit.values() if before is None or one.id < before]
        return sorted(found, key=lambda entry: -entry.id)[:limit]


def _summary(email: Email, labels: Labels) -> EmailSummary:
    sent = email.status is Status.SENT
    return EmailSummary(
        id=email.id,
        subject=email.subject,
        status=email.status,
        priority=email.priority,
        retry_count=email.retry_count,
        account_id=email.account_id,
        created_at=email.created_at,
        reason_code=email.reason_code,
        eligible_at=email.eligible_at,
        attempt_no=email.attempt_no,
        pinned=email.pinned,
        open_count=len(email.open_recipients),
        recipients=tuple(
            each.address for each in email.recipients if each.field is RecipientField.TO
        ),
        tags=labels.tags,
        recipient_count=len(email.recipients) if sent else 0,
        not_reached=not_reached(email.recipients) if sent else 0,
    )

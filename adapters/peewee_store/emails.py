"""The emails' repository: the queue. Hot.

SQL text: each email costs several statements whose parts vary, and Peewee takes a tenth of a
millisecond and more to build one. SQLite takes 0.03 ms for a claim of one email.

A claim probes one partial index, `(queue, priority, eligible_at, id)` of what waits, once for each
priority in two queues: the account's own and queue 0, which any account may take from. So its cost
depends on what it takes, not on what waits.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from itertools import product
from operator import itemgetter
from typing import Final

from adapters.peewee_store import email_lists, email_search, rows
from adapters.peewee_store.due_rows import DueRows
from adapters.peewee_store.rows import (
    ACCOUNT_AT,
    ASIDES_AT,
    CRASHES_AT,
    IS_WAITING,
    REASON_AT,
    claimed_email,
    micros,
    moment,
)
from adapters.peewee_store.session import Session
from adapters.peewee_store.status_counts import StatusCounts
from adapters.peewee_store.tables import EmailRow, RecipientRow
from adapters.peewee_store.write_buffer import Change, array, update
from domain.account.account import Account
from domain.account.limits import PRIORITIES, is_urgent
from domain.email.claim_policy import (
    ANY_ACCOUNT,
    ClaimPolicy,
    alone,
    has_history,
    passed_over,
    refuse_unclaimable,
)
from domain.email.lifecycle import Email
from domain.email.listing import ANYTHING, FailedEmail, Page, Search, Waiting
from domain.email.settlement import POISON_CRASHES
from domain.email.status import WAITING, Phase, Status
from domain.errors import NotFound, StaleAttempt

_READ: Final = ("email", "recipient")
_MOST_PARAMETERS: Final = 500
# Each look but the first passes over more emails than the one before it: they are hardly any.
_MOST_LOOKS: Final = 8

_COLUMNS: Final = ", ".join(rows.EMAIL_COLUMNS)
_QUEUE_AND_STATUS: Final = itemgetter(rows.QUEUE_AT, rows.STATUS_AT)
_QUEUE_AND_STATUS_OF_NEW: Final = itemgetter(
    rows.NEW_EMAIL_COLUMNS.index("queue"), rows.NEW_EMAIL_COLUMNS.index("status")
)
_GET: Final = f"SELECT {_COLUMNS} FROM email WHERE id = ?"
_RECIPIENTS: Final = f"SELECT {', '.join(rows.RECIPIENT_COLUMNS)} FROM recipient WHERE email_id"
_MESSAGES: Final = "SELECT email_id, octets FROM email_body WHERE email_id"
_OCTETS: Final = "SELECT octets FROM email_body WHERE email_id = ?"
_INTO_EMAIL: Final = f"INSERT INTO email ({', '.join(rows.NEW_EMAIL_COLUMNS)})"
_INTO_BODY: Final = "INSERT INTO email_body (email_id, octets)"
_INTO_RECIPIENT: Final = (
    "INSERT INTO recipient (email_id, position, address, kind,"
    " fate, reason, reply_code, reply_enhanced, reply_text)"
)
_SAVE_RECIPIENT: Final = update(
    RecipientRow,
    ("fate", "reason", "reply_code", "reply_enhanced", "reply_text"),
    ("email_id", "position"),
    key=2,
)
_NEXT_DUE: Final = (
    f"SELECT MIN(eligible_at) FROM email WHERE queue = ? AND priority = ? AND {IS_WAITING}"
)
# All probes with one statement, where each would be a round trip.
_NEXT_DUE_OF: Final = (
    f"SELECT MIN(({_NEXT_DUE.replace('?', '{}')}))".format("line.queue", "line.priority")
    + " FROM (SELECT * FROM UNNEST(?::bigint[]) AS queues (queue)"
    " CROSS JOIN UNNEST(?::integer[]) AS priorities (priority)) AS line"
)
# The status is wrapped so that SQLite goes by the ids and not, three times, by an index on it.
_STILL_WAITING: Final = IS_WAITING.replace("status", "status || ''")
# The transition CLAIMED; the contract suite compares it with `Email.claimed`.
_CLAIM: Final = (
    f"UPDATE email SET status = '{Status.SENDING}', phase = '{Phase.CLAIMED}',"
    " attempt_no = attempt_no + 1, owner = ?, updated_at = ?"
)
_CLAIM_FOR: Final = _CLAIM.replace(" owner = ?", " account_id = ?, owner = ?")
# by the ids here too
_STILL_HELD: Final = f"owner = ? AND status || '' = '{Status.SENDING}' AND attempt_no = ? AND id "
# The transition COMMITTING; the contract suite compares it with `Email.committing`.
_MARK: Final = f"UPDATE email SET phase = '{Phase.COMMITTING}' WHERE {_STILL_HELD}"
_MARKED: Final = f"SELECT id FROM email WHERE phase = '{Phase.COMMITTING}' AND {_STILL_HELD}"
_HELD: Final = (
    f"SELECT {_COLUMNS} FROM email WHERE owner = ? AND status = 'sending' ORDER BY id LIMIT ?"
)
_EXPIRED: Final = (
    f"SELECT {_COLUMNS} FROM email WHERE live = 1 AND {IS_WAITING} AND expires_at <= ?"
    " ORDER BY expires_at, id LIMIT ?"
)
# Along the index of those that expire: once through what waits, however much has ended.
_FROM_THE_FUTURE: Final = (
    f"SELECT {_COLUMNS} FROM email WHERE live = 1 AND status IN ('queued', 'retry')"
    " AND updated_at > ? AND (expires_at, id) > (?, ?) ORDER BY expires_at, id LIMIT ?"
)
# `+ 0` keeps the planner off the account index: few emails are sending, while an account may have
# millions. With 100,000 of them: 4 us instead of 8 ms.
_SENDING: Final = "SELECT COUNT(*) FROM email WHERE status = 'sending' AND account_id + 0 = ?"


class SqlEmails:
    """The EmailRepository port."""

    def __init__(self, session: Session, status_counts: StatusCounts) -> None:
        self._session = session
        self._status_counts = status_counts
        # what a work is about to change is passed over by the other processes
        self._held_rows = _HELD + session.skip_locked
        self._expired_rows = _EXPIRED + session.skip_locked

    # -- one email ----------------------------------------------------------------------------

    def add(self, email: Email, octets: bytes) -> Email:
        """One of `add_all`."""
        return self.add_all([(email, octets)])[0]

    def add_all(self, emails: Sequence[tuple[Email, bytes]]) -> Sequence[Email]:
        """Insert into three tables."""
        for email, _ in emails:
            refuse_unclaimable(email)
        new = [rows.new_email(email) for email, _ in emails]
        ids = self._session.insert_numbered(_INTO_EMAIL, new)
        added = [email.stored_as(n) for n, (email, _) in zip(ids, emails, strict=True)]
        messages = [(n, octets) for n, (_, octets) in zip(ids, emails, strict=True)]
        self._session.insert(_INTO_BODY, messages)
        self._session.insert(
            _INTO_RECIPIENT,
            [
                rows.new_recipient(email.id, position, recipient)
                for email in added
                for position, recipient in enumerate(email.recipients)
            ],
        )
        for (queue, status), number in Counter(map(_QUEUE_AND_STATUS_OF_NEW, new)).items():
            self._status_counts.move(queue, status, number)
        return added

    def get(self, email_id: int) -> Email:
        """One email with its recipients."""
        row = self._session.execute(_GET, (email_id,)).fetchone()
        if row is None:
            raise NotFound(f"there is no email {email_id}")
        return self._with_recipients([row])[0]

    def octets(self, email_id: int) -> bytes:
        """The message."""
        row = self._session.execute(_OCTETS, (email_id,)).fetchone()
        if row is None:
            raise NotFound(f"there is no message of an email {email_id}")
        return bytes(row[0])

    def messages(self, email_ids: Sequence[int]) -> Mapping[int, bytes]:
        """Several messages in one query."""
        among, listed = self._session.among(email_ids)
        found = self._session.execute(f"{_MESSAGES} {among}", listed).fetchall()
        if len(found) != len(set(email_ids)):
            raise NotFound(f"not all of the emails {list(email_ids)} are there")
        return {email_id: bytes(octets) for email_id, octets in found}

    def mark_committing(
        self, claims: Iterable[tuple[int, int]], *, instance: int
    ) -> Collection[tuple[int, int]]:
        """A fenced update for each number of an attempt: mostly there is one.

        Which of them it has marked is asked only if it was not all: RETURNING would cost SQLite
        eight times the update.
        """
        by_attempt: dict[int, set[int]] = {}
        for email_id, attempt_no in claims:
            by_attempt.setdefault(attempt_no, set()).add(email_id)
        marked: set[tuple[int, int]] = set()
        for attempt_no, ids in by_attempt.items():
            among, listed = self._session.among(tuple(ids))
            values = (instance, attempt_no, *listed)
            changed = [("email", email_id) for email_id in ids]
            number = self._session.execute_unflushed(_MARK + among, values, rows=changed).rowcount
            found = (
                ids
                if number == len(ids)
                else [email_id for (email_id,) in self._session.execute(_MARKED + among, values)]
            )
            marked.update((email_id, attempt_no) for email_id in found)
        return marked

    def save(self, email: Email, *, was: Email) -> None:
        """One guarded update of the columns that changed, and one for each changed recipient.

        In a group they wait for those of other emails.
        """
        refuse_unclaimable(email)
        changes = rows.email_changes(email, was) or {"updated_at": micros(email.updated_at)}
        stood, stands = was.status.value, email.status._value_
        guard = (email.id, stood, was.attempt_no)
        self._session.buffer(_update(tuple(changes)), (*changes.values(), *guard))
        if email.recipients is not was.recipients:
            self._save_recipients(email, was)
        if "status" in changes or "queue" in changes:
            queue = rows.queue_of(was)
            self._status_counts.move(queue, stood, -1)
            self._status_counts.move(changes.get("queue", queue), stands, 1)

    def _save_recipients(self, email: Email, was: Email) -> None:
        for position, (new, old) in enumerate(zip(email.recipients, was.recipients, strict=True)):
            if new is not old:
                outcome = rows.recipient_outcome(new)
                self._session.buffer(_SAVE_RECIPIENT, (*outcome, email.id, position))

    # -- the queue ----------------------------------------------------------------------------

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
        """Probe, choose, and take the chosen with one update."""
        without = tuple(last)
        for _ in range(_MOST_LOOKS):
            policy = ClaimPolicy(
                account, limit=limit, units=units, urgent_units=urgent_units, shared=shared
            )
            due_rows = DueRows(self._session, policy, micros(now), without=without)
            if limit > 0:
                due_rows.fetch(in_each=limit, in_all=2 * limit)
                policy.choose_most_urgent(partial(due_rows.of, limit=limit))
            if fair > 0 and policy.full:
                due_rows.fetch(in_each=fair, in_all=2 * len(PRIORITIES) * fair)
                policy.choose_longest_due(due_rows.heads(2 * fair), more=fair)
            if not policy.chosen:
                if not last:
                    break
                # nothing else is due
                without, last = tuple(n for n in without if n not in last), ()
                continue
            chosen: Sequence[int] = tuple(policy.chosen)
            found = due_rows.rows_of(chosen)
            if known := _with_history(found):
                if left := _passed_over(known, account, crashes=crashes):
                    without = (*without, *left)
                    continue
                chosen, found = _together(chosen, found, strict=limit)
            return self._take(chosen, found, account_id=account.id, instance=instance, now=now)
        return []

    def _take(
        self,
        chosen: Sequence[int],
        found: Sequence[rows.Row],
        *,
        account_id: int,
        instance: int,
        now: datetime,
    ) -> Sequence[Email]:
        at = micros(now)
        same = [row for row in found if row[ACCOUNT_AT] == account_id]
        self._claim_rows(same, _CLAIM, (instance, at))
        others = [row for row in found if row[ACCOUNT_AT] != account_id]
        self._claim_rows(others, _CLAIM_FOR, (account_id, instance, at))
        recipients = self._recipients_of(chosen)
        before = {row[0]: row for row in found}
        return [
            claimed_email(
                before[email_id],
                recipients[email_id],
                account_id=account_id,
                instance=instance,
                updated_at=now,
            )
            for email_id in chosen
        ]

    def _claim_rows(self, found: Sequence[rows.Row], claim: str, values: tuple[int, ...]) -> None:
        """Take these rows with one update; an account that stays the same leaves its index alone.

        Nobody else can have come between the probe and the update: a write is alone, or its probe
        has locked the rows. If they disagree all the same the work is rolled back rather than an
        email given out that is not held.
        """
        if not found:
            return
        among, listed = self._session.among([row[0] for row in found])
        self._session.change(
            f"{claim} WHERE id {among} AND {_STILL_WAITING}",
            (*values, *listed),
            len(found),
            lambda taken: StaleAttempt(
                f"{len(found)} emails were chosen, but only {taken} still wait"
            ),
        )
        numbers: dict[tuple[int, str], int] = {}
        for place in map(_QUEUE_AND_STATUS, found):
            numbers[place] = numbers.get(place, 0) + 1
        for (queue, status), number in numbers.items():
            self._status_counts.move(queue, status, -number)
            self._status_counts.move(queue, Status.SENDING.value, number)

    def held_by(self, instance: int, *, limit: int) -> Sequence[Email]:
        """By the partial index on what is sending."""
        return self._with_recipients(
            self._session.execute(self._held_rows, (instance, limit)).fetchall()
        )

    def expired(self, *, now: datetime, limit: int) -> Sequence[Email]:
        """By the partial index on what waits."""
        found = self._session.execute(self._expired_rows, (micros(now), limit)).fetchall()
        return self._with_recipients(found)

    def from_the_future(
        self, *, now: datetime, after: tuple[datetime, int] | None, limit: int
    ) -> Sequence[Email]:
        """One walk along the partial index on what waits."""
        place = (-(2**62), 0) if after is None else (micros(after[0]), after[1])
        values = (micros(now), *place, limit)
        found = self._session.execute(_FROM_THE_FUTURE, values).fetchall()
        return self._with_recipients(found)

    def next_due(self, account_ids: Sequence[int], *, urgent_only: bool = False) -> datetime | None:
        """A probe for each priority of each account."""
        if not account_ids:
            return None
        execute = self._session.execute
        queues = {ANY_ACCOUNT, *account_ids}
        priorities = [one for one in PRIORITIES if is_urgent(one) or not urgent_only]
        if self._session.shared:
            lines = (array(queues), array(priorities))
            (earliest,) = execute(_NEXT_DUE_OF, lines).fetchone()
        else:
            probes = (execute(_NEXT_DUE, line) for line in product(queues, priorities))
            heads = (probe.fetchone()[0] for probe in probes)
            earliest = min((head for head in heads if head is not None), default=None)
        return None if earliest is None else moment(earliest)

    # -- overviews ----------------------------------------------------------------------------

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
        """A list for people."""
        look_up = partial(email_search.page, search=search) if search else email_lists.page
        return look_up(
            self._session,
            status=status,
            account_id=account_id,
            key_id=key_id,
            among=among,
            before=before,
            limit=limit,
        )

    def depth(self, account_id: int | None) -> int:
        """From the counts."""
        counts = self._status_counts.of(ANY_ACCOUNT if account_id is None else account_id)
        return sum(counts[status] for status in WAITING)

    def waiting(self, account_id: int | None = None) -> Waiting:
        """From the counts, except for what one account is sending: that is few."""
        counts = self.counts() if account_id is None else self._status_counts.of(account_id)
        waiting = sum(counts[status] for status in WAITING)
        if account_id is None:
            return Waiting(waiting=waiting, sending=counts[Status.SENDING])
        (sending,) = self._session.execute(_SENDING, (account_id,)).fetchone()
        return Waiting(waiting=waiting, sending=sending)

    def failed(self, *, since: datetime, limit: int) -> Sequence[FailedEmail]:
        """Along the index of the emails that have ended and have their message."""
        return email_lists.failed(self._session, since=since, limit=limit)

    def counts(self) -> Mapping[Status, int]:
        """From the counts."""
        return self._status_counts.counts()

    def _with_recipients(self, found: Sequence[rows.Row]) -> list[Email]:
        of = self._recipients_of([row[0] for row in found])
        return [rows.email_of(row, of[row[0]]) for row in found]

    def _recipients_of(self, ids: Sequence[int]) -> Mapping[int, Sequence[rows.Row]]:
        of: dict[int, list[rows.Row]] = {email_id: [] for email_id in ids}
        for start in range(0, len(ids), _MOST_PARAMETERS):
            some = ids[start : start + _MOST_PARAMETERS]
            among, listed = self._session.among(some)
            sql = f"{_RECIPIENTS} {among} ORDER BY email_id, position"
            read = self._session.execute_unflushed(sql, listed, tables=_READ)
            for recipient in read.fetchall():
                of[recipient[0]].append(recipient)
        return of


def _with_history(found: Sequence[rows.Row]) -> Sequence[rows.Row]:
    """Those of which there is more to know before they are taken: hardly any."""
    return [
        row
        for row in found
        if has_history(
            reason_code=row[REASON_AT], claim_count=row[CRASHES_AT], asides=row[ASIDES_AT]
        )
    ]


def _passed_over(known: Sequence[rows.Row], account: Account, *, crashes: int) -> Sequence[int]:
    """The ids of those that this account leaves."""
    return [
        row[0] for row in known if passed_over(rows.email_of(row, ()), account, crashes=crashes)
    ]


def _together(
    chosen: Sequence[int], found: Sequence[rows.Row], *, strict: int
) -> tuple[Sequence[int], Sequence[rows.Row]]:
    """Those that are claimed together; a suspect is claimed alone."""
    by_id = {row[0]: row for row in found}
    emails = [rows.email_of(by_id[email_id], ()) for email_id in chosen]
    kept = [chosen[place] for place in alone(emails, strict=strict)]
    return kept, [by_id[email_id] for email_id in kept]


@lru_cache(maxsize=256)
def _update(columns: tuple[str, ...]) -> Change:
    return update(EmailRow, columns, ("id", "status", "attempt_no"), key=1, refusal=_stale)


def _stale(values: rows.Row) -> StaleAttempt:
    email_id, status, attempt_no = values[-3:]
    return StaleAttempt(f"email {email_id} is no longer {status} in attempt {attempt_no}")

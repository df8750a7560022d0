"""The queue, the ledger and the leases as one would draw them on paper: no store, no threads.

`QueueModel` is told what committed and says what must stand now. It shares nothing with the
service but words (statuses, phases). Every rule in it is written anew from
docs/building/guarantees.md, so a mistake goes unseen only if it is made twice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

MAX_RETRIES: Final = 2
DELAYS: Final = (timedelta(seconds=5), timedelta(seconds=20))
MAX_AGE: Final = timedelta(hours=2)
POISON: Final = 5
MARGIN: Final = timedelta(seconds=1)
WINDOWS: Final = {"minute": timedelta(seconds=10), "hour": timedelta(seconds=60)} | {
    "day": timedelta(seconds=120)
}
WAITS: Final = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
WITNESSES: Final = {"busy": 2, "silent": 3}  # distinct emails, with no success between
SIDE_BY_SIDE: Final = 1  # crashes that an email may have met to be tried beside others like it
WAITING: Final = frozenset({"queued", "retry"})
TERMINAL: Final = frozenset({"sent", "failed", "cancelled"})


class Outcome(StrEnum):
    """What the mail server does with one email."""

    TAKES = "takes"
    BUSY = "busy"  # 421 at MAIL
    DEFERS = "defers"  # 451 after the final dot
    REFUSES = "refuses"  # 550 after the final dot
    FALLS_SILENT = "falls_silent"  # after the final dot, without having taken it
    TAKES_SILENTLY = "takes_silently"  # takes it and drops the line

    @property
    def reaches_dot(self) -> bool:
        return self is not Outcome.BUSY

    @property
    def makes_copy(self) -> bool:
        return self in (Outcome.TAKES, Outcome.TAKES_SILENTLY)

    @property
    def unknown(self) -> bool:
        return self in (Outcome.FALLS_SILENT, Outcome.TAKES_SILENTLY)


@attrs.frozen(kw_only=True)
class Quota:
    """An account as the model sees it."""

    id: int
    limits: dict[str, int]
    by_recipients: bool = False
    hold: bool = False

    def units(self, recipients: int) -> int:
        return recipients if self.by_recipients else 1


@attrs.define(kw_only=True)
class Row:
    """One email."""

    id: int
    priority: int
    recipients: int
    pinned: int | None
    at_most_once: bool
    eligible_at: datetime
    expires_at: datetime
    status: str = "queued"
    phase: str | None = None
    account: int | None = None
    instance: int | None = None
    attempt: int = 0
    crashes: int = 0
    begun: bool = False
    asides: int = 0
    ended_at: datetime | None = None  # its last attempt
    changed_at: datetime | None = None
    retries: int = 0
    unknowns: int = 0
    reason: str | None = None
    lives: int = 1  # a person who asks for it again gives it another one
    resolved: bool = False

    @property
    def suspect(self) -> bool:
        return self.crashes > 0 or self.reason == "crashed"

    @property
    def shown(self) -> tuple[object, ...]:
        """What must be equal in the store; the time only while it waits for it."""
        due = self.eligible_at if self.status in WAITING else None
        where = (self.instance, self.account) if self.status == "sending" else None
        counts = (self.attempt, self.crashes, self.retries, self.unknowns, self.asides)
        return (self.status, self.phase, where, counts, due, self.reason)


@attrs.define
class Entry:
    """One row of the ledger."""

    account: int
    units: int
    charged_at: datetime | None = None


class QueueModel:
    """What must stand, given what committed."""

    def __init__(self, quotas: Iterable[Quota]) -> None:
        self.quotas = {quota.id: quota for quota in quotas}
        self.rows: dict[int, Row] = {}
        self.ledger: dict[tuple[int, int], Entry] = {}
        self.evidence: dict[int, dict[str, set[int]]] = {}
        self.sent_at: dict[int, datetime] = {}
        self.forgive()

    def forgive(self, *accounts: int) -> None:
        """An account has sent something, or a person has looked at it."""
        for account in accounts or self.quotas:
            self.evidence[account] = {kind: set() for kind in WITNESSES}

    # -- what waits ---------------------------------------------------------------------------

    def submitted(self, email_id: int, *, now: datetime, **fields: object) -> None:
        self.rows[email_id] = Row(
            id=email_id,
            eligible_at=now,
            expires_at=now + MAX_AGE,
            changed_at=now,
            **fields,  # type: ignore[arg-type]
        )

    def due(self, account: int, *, now: datetime) -> list[Row]:
        """What this account may claim, in order."""
        quota = self.quotas[account]
        largest = min(quota.limits.values())
        rows = (
            row
            for row in self.rows.values()
            if row.status in WAITING
            and row.eligible_at <= now
            and row.pinned in (None, account)
            and not self._stays_with_another(row, account)
            and quota.units(row.recipients) <= largest
        )
        return sorted(rows, key=lambda row: (row.priority, row.eligible_at, row.id))

    def _stays_with_another(self, row: Row, account: int) -> bool:
        """It had trouble with one account; the next one has to prove to be well first."""
        if row.pinned is not None or row.asides != 1 or row.account in (None, account):
            return False
        sent_at = self.sent_at.get(account)
        return sent_at is None or row.changed_at is None or sent_at <= row.changed_at

    def claimable(self, account: int, *, now: datetime, room: int, crashes: int) -> list[Row]:
        """What comes first for this account, and how much of it goes together."""
        rows = [row for row in self.due(account, now=now) if row.crashes <= crashes]
        brought_trouble = set().union(*self.evidence[account].values())
        others = [row for row in rows if row.id not in brought_trouble]
        if others and self.quotas[account].units(others[0].recipients) <= room:
            rows = others
        if rows and rows[0].suspect:
            return rows[:1]
        return [row for row in rows if not row.suspect]

    def used(self, account: int, window: str, *, steady: datetime) -> int:
        start = steady - WINDOWS[window] - MARGIN
        return sum(
            entry.units
            for entry in self.ledger.values()
            if entry.account == account and (entry.charged_at is None or entry.charged_at > start)
        )

    def room(self, account: int, *, steady: datetime) -> int:
        limits = self.quotas[account].limits
        return min(
            limit - self.used(account, window, steady=steady) for window, limit in limits.items()
        )

    def claimed(
        self,
        email_ids: Sequence[int],
        *,
        account: int,
        instance: int,
        now: datetime,
        steady: datetime,
        crashes: int,
    ) -> None:
        """One batch was taken: it must be the head of the queue and fit into the room."""
        room = self.room(account, steady=steady)
        rows = self.claimable(account, now=now, room=room, crashes=crashes)
        wanted = [row.id for row in rows][: len(email_ids)]
        assert list(email_ids) == wanted, f"claimed {email_ids}, but {wanted} were first"
        quota = self.quotas[account]
        units = sum(quota.units(self.rows[email_id].recipients) for email_id in email_ids)
        assert units <= room, f"claimed {units} units where {room} were left"
        for email_id in email_ids:
            row = self.rows[email_id]
            row.status, row.phase, row.instance, row.account = (
                "sending",
                "claimed",
                instance,
                account,
            )
            row.attempt += 1
            row.begun = email_id == email_ids[0]
            row.changed_at = now
            key = (email_id, row.attempt)
            assert key not in self.ledger
            self.ledger[key] = Entry(account, quota.units(row.recipients))

    # -- one attempt --------------------------------------------------------------------------

    def marked(self, email_id: int, attempt: int, *, instance: int) -> bool:
        """The last permission before the final dot."""
        row = self.rows[email_id]
        if (row.status, row.attempt, row.instance) != ("sending", attempt, instance):
            return False
        row.phase = "committing"
        return True

    def begins(self, email_id: int, attempt: int) -> None:
        """The dialogue of an attempt begins, if it is still current."""
        if self.holds(email_id, attempt):
            self.rows[email_id].begun = True

    def holds(self, email_id: int, attempt: int) -> bool:
        """Whether a result of this attempt may still be written."""
        row = self.rows[email_id]
        return row.status == "sending" and row.attempt == attempt

    def settled(self, email_id: int, outcome: Outcome, *, now: datetime, steady: datetime) -> bool:
        """The result of an attempt that is still current; whether its account is held up now."""
        row = self.rows[email_id]
        account = row.account
        assert account is not None
        passed = self._others_passed(row, account)
        if outcome.makes_copy or outcome.unknown:
            self._charge(row, steady=steady)
        else:
            self._free(row)
        held_up = False
        match outcome:
            case Outcome.TAKES:
                self._end(row, "sent", "accepted")
                self.forgive(account)
                self.sent_at[account] = now
            case Outcome.REFUSES:
                self._end(row, "failed", "message_refused")
            case Outcome.FALLS_SILENT | Outcome.TAKES_SILENTLY:
                held_up = not passed and self._witnessed(row, account, "silent")
                self._unknown(row, now=now, steady=steady)
            case _ if steady >= row.expires_at:
                if outcome is Outcome.BUSY and not passed:
                    held_up = self._witnessed(row, account, "busy")
                self._end(row, "failed", "expired")
            case Outcome.BUSY:
                held_up = not passed and self._witnessed(row, account, "busy")
                self._step_aside(row, passed=passed, held_up=held_up, now=now)
            case Outcome.DEFERS if row.retries >= MAX_RETRIES:
                self._end(row, "failed", "deferred")
            case Outcome.DEFERS:
                self._retry(row, "deferred", DELAYS[min(row.retries, 1)], now=now)
        row.ended_at = row.changed_at = now
        return held_up

    def _others_passed(self, row: Row, account: int) -> bool:
        """Whether the account has sent other mail since this email had trouble last."""
        sent_at = self.sent_at.get(account)
        if not row.asides or sent_at is None:
            return False
        return row.ended_at is None or sent_at >= row.ended_at

    def _witnessed(self, row: Row, account: int, kind: str) -> bool:
        """One more email as evidence; whether there are enough of them."""
        seen = self.evidence[account][kind]
        seen.add(row.id)
        return len(seen) >= WITNESSES[kind]

    def _step_aside(self, row: Row, *, passed: bool, held_up: bool, now: datetime) -> None:
        row.asides += not held_up or not row.asides or passed
        if row.asides <= 2 or not passed:
            self._back(row, "server_busy")
            if not held_up:
                row.eligible_at = now + WAITS[min(row.asides, 3) - 1]
        elif row.retries >= MAX_RETRIES:
            self._end(row, "failed", "server_busy")
        else:
            wait = max(DELAYS[min(row.retries, 1)], WAITS[-1])
            self._retry(row, "server_busy", wait, now=now)

    def came_late(self, email_id: int, attempt: int, outcome: Outcome) -> None:
        """The result of an attempt that was taken away: only an acceptance still counts."""
        row = self.rows[email_id]
        if outcome is not Outcome.TAKES:
            return
        newer = row.status == "sending" and row.phase == "claimed"
        unknown = row.status == "failed" and row.reason == "outcome_unknown"
        if newer or row.status == "retry" or unknown:
            if newer:
                self._free(row)
            row.status, row.phase, row.instance, row.reason = "sent", None, None, "accepted"

    def lapsed(self, email_id: int, reason: str, *, now: datetime, steady: datetime) -> None:
        """Released without a result: by its holder, or taken from a dead one ("crashed")."""
        row = self.rows[email_id]
        crashed = reason == "crashed"
        if (row.begun and crashed) or row.phase == "committing":
            row.ended_at = now  # what was put back before its dialogue was no attempt
        row.changed_at = now
        if row.phase == "committing":
            self._charge(row, steady=steady)
            self._unknown(row, now=now, steady=steady)
            return
        self._free(row)
        crashes = row.crashes + (crashed and row.begun)
        if crashes >= POISON:
            self._end(row, "failed", "poison")
            return
        self._back(row, reason)
        row.crashes = crashes

    def held_by(self, instance: int) -> list[Row]:
        rows = (
            row
            for row in self.rows.values()
            if row.status == "sending" and row.instance == instance
        )
        return sorted(rows, key=lambda row: row.id)

    # -- what people and the sweep do ----------------------------------------------------------

    def expire(self, *, steady: datetime) -> None:
        for row in self.rows.values():
            if row.status in WAITING and steady >= row.expires_at:
                self._end(row, "failed", "expired")

    def from_the_future(self, *, now: datetime) -> list[Row]:
        """What waits since a time that this clock has not reached: it was set back."""
        return [
            row
            for row in self.rows.values()
            if row.status in WAITING and row.changed_at and row.changed_at > now + MARGIN
        ]

    def clock_set_back(self, row: Row, *, now: datetime) -> None:
        """It waits for as long as it was asked to, from now."""
        assert row.changed_at is not None
        row.eligible_at = now + max(row.eligible_at - row.changed_at, timedelta(0))
        row.changed_at = now

    def pruned(self, before: datetime) -> None:
        """What left every window long ago is forgotten."""
        self.ledger = {
            key: entry
            for key, entry in self.ledger.items()
            if entry.charged_at is None or entry.charged_at >= before
        }

    def cancelled(self, email_id: int) -> None:
        row = self.rows[email_id]
        row.status, row.reason = "cancelled", "cancelled"

    def reopened(self, email_id: int, *, now: datetime) -> None:
        """A person asked for it to be tried again."""
        row = self.rows[email_id]
        row.status, row.eligible_at, row.expires_at = "retry", now, now + MAX_AGE
        row.changed_at = now
        row.retries = row.crashes = row.unknowns = row.asides = 0
        row.lives += 1

    def resolved_as_sent(self, email_id: int) -> None:
        row = self.rows[email_id]
        row.status, row.reason, row.resolved = "sent", "resolved", True

    def most_copies(self, row: Row) -> int:
        """How many copies of it there may be at the most."""
        holds = row.at_most_once or any(q.hold for q in self.quotas.values())
        once = 1 if holds and self._always_held(row) else 2
        return once * row.lives

    def _always_held(self, row: Row) -> bool:
        return row.at_most_once or (row.pinned is not None and self.quotas[row.pinned].hold)

    # -- how the arrows are taken --------------------------------------------------------------

    def _charge(self, row: Row, *, steady: datetime) -> None:
        entry = self.ledger.get((row.id, row.attempt))
        if entry is not None:
            entry.charged_at = steady

    def _free(self, row: Row) -> None:
        entry = self.ledger.get((row.id, row.attempt))
        if entry is not None and entry.charged_at is None:
            del self.ledger[row.id, row.attempt]

    def _unknown(self, row: Row, *, now: datetime, steady: datetime) -> None:
        row.unknowns += 1
        row.pinned = row.account  # another account would send another message
        hold = row.at_most_once or (row.account is not None and self.quotas[row.account].hold)
        if hold or row.unknowns > 1 or steady >= row.expires_at:
            self._end(row, "failed", "outcome_unknown")
        else:
            self._retry(row, "outcome_unknown", DELAYS[0], now=now)

    def _retry(self, row: Row, reason: str, wait: timedelta, *, now: datetime) -> None:
        row.status, row.phase, row.instance, row.reason = "retry", None, None, reason
        row.retries += 1
        row.crashes = 0
        row.eligible_at = now + wait

    def _back(self, row: Row, reason: str) -> None:
        row.status = "retry" if row.retries else "queued"
        row.phase, row.instance, row.reason, row.crashes = None, None, reason, 0

    def _end(self, row: Row, status: str, reason: str) -> None:
        row.status, row.phase, row.instance, row.reason, row.crashes = status, None, None, reason, 0

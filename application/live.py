"""What an operator watches: how accounts fare, what waits, and what has failed last.

Made to be asked every other second beside a service under load: looks along indexes and sums that
the store keeps, whose cost does not grow with the emails.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from application.delivery.due import room_at
from application.ports.store import StoreReader, Transaction
from application.ports.system import Clock
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account, AccountState
from domain.account.health import LearnedLimit
from domain.account.limits import PRIORITIES, Window, WindowLengths
from domain.email.backlog import WaitingGroup
from domain.email.claim_policy import ANY_ACCOUNT
from domain.email.gates import AccountUse, holdup
from domain.email.listing import EmailSummary
from domain.email.status import Status

COUNTED: Final = 200  # of each line; what is beyond is estimated
FAILURES: Final = 5


@attrs.frozen(kw_only=True)
class AccountLine:
    """An account: *used* counts what is under way too, *limits* has the windows with a limit.

    *handed_off* is how many in the last minute, *waiting* what waits for it by name. *why* is the
    reason for which mail waits, "" for none, *until* when that may change by itself.
    """

    id: int
    name: str
    state: AccountState
    why: str
    until: datetime | None
    used: Mapping[Window, int]
    limits: Mapping[Window, int]
    learned: Sequence[LearnedLimit]
    waiting: int
    handed_off: int


@attrs.frozen(kw_only=True)
class PriorityLine:
    """What waits with one priority. *due_since* is of the one that is due the longest."""

    priority: int
    due: int
    later: int
    due_since: datetime | None


@attrs.frozen(kw_only=True)
class LiveView:
    """All of it as of one moment. *shared* waits for any account; failures, the newest first."""

    at: datetime
    emails: Mapping[Status, int]
    shared: int
    accounts: Sequence[AccountLine]
    priorities: Sequence[PriorityLine]
    failures: Sequence[EmailSummary]


class Live:
    """Reads it."""

    def __init__(self, *, store: StoreReader, clock: Clock, windows: WindowLengths) -> None:
        self._store = store
        self._clock = clock
        self._windows = windows

    def look(self, *, caller: Caller = LOCAL) -> LiveView:
        """As of now. Forbidden without the scope `admin`, or for some accounts only."""
        caller.require(Scope.ADMIN)
        caller.require_every_account("see all of them")
        now = self._clock.now()
        return self._store.read(lambda tx: self._look(tx, now=now))

    def _look(self, tx: Transaction, *, now: datetime) -> LiveView:
        accounts = tx.accounts.all()
        totals = tx.ledger.totals_of([one.id for one in accounts], self._windows)
        queues = [ANY_ACCOUNT, *(one.id for one in accounts)]
        return LiveView(
            at=now,
            emails=tx.emails.counts(),
            shared=tx.emails.depth(None),
            accounts=[self._account_line(tx, one, totals[one.id], now=now) for one in accounts],
            priorities=_priorities(tx.backlog.groups(queues, now=now, most=COUNTED), now=now),
            failures=tx.emails.page(status=Status.FAILED, limit=FAILURES).emails,
        )

    def _account_line(
        self,
        tx: Transaction,
        account: Account,
        totals: Mapping[Window, tuple[int, int]],
        *,
        now: datetime,
    ) -> AccountLine:
        used = {window: units for window, (units, _) in totals.items()}
        room = room_at(tx.ledger, account, self._windows, urgent=False, now=now)
        found = holdup(account, AccountUse(used=used, room_at=room), now=now)
        return AccountLine(
            id=account.id,
            name=account.name,
            state=account.state(now),
            why="" if found is None else found.reason,
            until=None if found is None else found.until,
            used=used,
            limits=account.limits_at(now).finite(),
            learned=account.health.learned,
            waiting=tx.emails.depth(account.id),
            handed_off=totals[Window.MINUTE][1],
        )


def _priorities(groups: Sequence[WaitingGroup], *, now: datetime) -> Sequence[PriorityLine]:
    """A line for each priority of which something waits."""
    lines = []
    for priority in PRIORITIES:
        of_it = [group for group in groups if group.priority == priority]
        due = [group for group in of_it if group.due_at <= now]
        if of_it:
            lines.append(
                PriorityLine(
                    priority=priority,
                    due=sum(group.emails for group in due),
                    later=sum(group.emails for group in of_it) - sum(g.emails for g in due),
                    due_since=min((group.due_at for group in due), default=None),
                )
            )
    return lines

"""Which account gets the next free connection, and how much is claimed for it.

Memory here only shapes the order and the size of claims: what may be sent is decided by rows.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from math import sqrt
from threading import Lock
from typing import Final

import attrs

from application.ports.store import Transaction
from domain.account import Account
from domain.email import SUSPECT_CRASHES, Email
from domain.limits import WindowLengths

# A batch is about this much work: long enough to make one commit cheap, short enough that an
# urgent email does not wait behind it. Whichever of an account's connections is through first takes
# what is most urgent, so that where many are in use each may take more: with the square root of
# their number it is hardly ever longer than this until the first of them claims again.
BATCH_SECONDS: Final = 0.05
LARGEST_BATCH: Final = 50
# Of a server that is far away that would be one email, for which a claim is as much work as the
# dialogue: a few are claimed together, if the server does not take too long for them. How long our
# own store takes must not count here: smaller claims would make it slower still.
A_FEW: Final = 8
A_FEW_SECONDS: Final = 0.2
# Accounts that may send the same mail may differ by so much of what each of them was given.
UNEVEN: Final = 0.03


@attrs.frozen(kw_only=True)
class Plan:
    """How much one connection of one account may claim now; of mail for any account, *shared*."""

    limit: int
    units: int
    urgent_units: int
    fair: int
    shared: int | None = None


class Placing:
    """Spreads a process's workers over accounts and follows how fast each server is."""

    def __init__(self, *, windows: WindowLengths, fairness_every: int) -> None:
        self._windows = windows
        self._fairness_every = fairness_every
        self._lock = Lock()
        self._members: frozenset[int] = frozenset()
        self._busy: dict[int, int] = defaultdict(int)
        self._pace: dict[int, float] = {}
        self._server_pace: dict[int, float] = {}
        self._claimed: dict[int, int] = defaultdict(int)
        self._looks = count(1)
        self._looked_at: dict[int, int] = defaultdict(int)
        self._allowed: dict[int, int] = {}  # connections of this process, when it looked last
        self._found: dict[int, bool] = {}
        self._deep: dict[int, bool] = {}  # whether the last claim found as much as it asked for
        self._shared: dict[int, int] = defaultdict(int)  # emails for any account that it was given
        self._rivals: dict[int, int] = {}  # headroom of those that may take such mail now
        self._each_expects = 0  # of the mail for any account that waits
        self._suspects = 0

    def order(
        self,
        tx: Transaction,
        *,
        owner: int,
        members: Sequence[int],
        now: datetime,
        in_turn: bool = False,
    ) -> Sequence[tuple[Account, int]]:
        """The accounts that may take mail, the freest first, with the connections of each that
        this process may still open; *in_turn* the one first whose turn is the longest ago. Those
        whose server has failed come last.
        """
        free = [
            (account, left)
            for account in tx.accounts.all()
            if _is_open(account, now)
            and (left := self._free_connections(account, owner=owner, members=members)) > 0
        ]
        headroom = {account.id: self._headroom(tx, account, now=now) for account, _ in free}
        self._rivals = {
            account.id: headroom[account.id] for account, _ in free if not account.health.failures
        }

        if len(self._rivals) > 1:
            self._each_expects = tx.emails.depth(None) // len(self._rivals)

        def key(pair: tuple[Account, int]) -> tuple[int, ...]:
            account = pair[0]
            fails = int(account.health.failures > 0)
            busy, room = self._busy[account.id], -headroom[account.id]
            if in_turn:
                return (busy, self._looked_at[account.id], fails, room, account.id)
            return (fails, busy, room, account.id)

        return sorted(free, key=key)

    def looked_at(self, account_id: int) -> None:
        """This account has had its turn, whether there was anything to claim or not."""
        with self._lock:
            self._looked_at[account_id] = next(self._looks)

    def plan(self, tx: Transaction, account: Account, *, now: datetime) -> Plan | None:
        """What one more connection of this account may claim, or None if it may not."""
        if not _is_open(account, now):
            return None
        limits = account.limits_at(now)
        used = tx.ledger.used(account.id, self._windows) if limits.finite() else {}
        urgent = limits.room(used)
        if urgent <= 0:
            return None
        limit = 1 if account.health.failures else self.batch_size(account.id)
        limit = min(limit, urgent)
        return Plan(
            limit=limit,
            units=limits.room(used, urgent=False),
            urgent_units=urgent,
            fair=self.fair_places(account.id, limit),
            shared=self.shared_places(account.id),
        )

    def shared_places(self, account_id: int) -> int | None:
        """How much of the mail for any account this one may take before others have had as much;
        None for as much as it likes.
        """
        rivals = self._rivals
        others = [room for rival, room in rivals.items() if rival != account_id]
        if not others or account_id not in rivals:
            return None
        uneven = 1 + int(UNEVEN * (self._shared[account_id] + self._each_expects))
        return max(0, rivals[account_id] - max(others) + uneven)

    def may_take_suspects(self) -> bool:
        """Whether no email is under way that several crashes have met."""
        return not self._suspects

    def has_free(self, account_id: int) -> bool:
        """Whether another connection of this account stands free."""
        return self._busy[account_id] < self._allowed.get(account_id, 0)

    def next_due(
        self, tx: Transaction, *, owner: int, members: Sequence[int], now: datetime
    ) -> datetime | None:
        """When something may become claimable: now, later, or None if only a change can tell.

        An account without a free connection is left out: its next result will tell. Without
        *members* every connection counts, whoever it belongs to.
        """
        times = []
        for account in tx.accounts.all():
            opens = account.opens_at(now)
            if opens is None or not self._free_connections(account, owner=owner, members=members):
                continue
            due = self._due(tx, account, now=now)
            if due is not None:
                times.append(max(opens, due))
                if times[-1] <= now:
                    break  # there is no earlier time than now
        return min(times, default=None)

    def _due(self, tx: Transaction, account: Account, *, now: datetime) -> datetime | None:
        """When one of its emails is due and there is room for it; the reserve is for some only."""
        due = tx.emails.next_due([account.id])
        if due is None:
            return None
        returns = room_at(tx, account, self._windows, urgent=False, now=now)
        times = [] if returns is None else [max(due, returns)]
        if account.limits.priority_reserve and returns != now:
            urgent = tx.emails.next_due([account.id], urgent_only=True)
            returns = room_at(tx, account, self._windows, urgent=True, now=now) if urgent else None
            if urgent is not None and returns is not None:
                times.append(max(urgent, returns))
        return min(times, default=None)

    def joined(self, members: Sequence[int]) -> bool:
        """Whether a process has come since the last time."""
        with self._lock:
            before, self._members = self._members, frozenset(members)
            return bool(before) and not self._members <= before

    def may_go_on(self, account: Account, *, owner: int, members: Sequence[int]) -> bool:
        """Whether a connection in use may take more: it is not one too many meanwhile."""
        most = account.health.connections(account.limits.max_connections)
        ours = share(account.id, most, owner=owner, members=members)
        self._allowed[account.id] = ours
        return self._busy[account.id] <= ours

    def found(self, account_id: int, emails: int, *, asked: int) -> None:
        """How many a claim found of those it asked for; it counts from `looked` on."""
        self._found[account_id] = emails >= asked

    def looked(self) -> None:
        """The claim is over: the next one knows whether more waited than it took."""
        self._deep.update(self._found)
        self._found.clear()

    def took_more(self, account_id: int, emails: Sequence[Email], *, back: bool = False) -> None:
        """A connection that was in use already goes on with these, or does not (*back*)."""
        with self._lock:
            self._count(account_id, emails, -1 if back else 1)

    def took(self, account_id: int, emails: Sequence[Email]) -> None:
        """A connection of this account is in use, for these emails."""
        with self._lock:
            self._busy[account_id] += 1
            self._count(account_id, emails, 1)
            self._suspects += _grave(emails)

    def took_back(self, account_id: int, emails: Sequence[Email]) -> None:
        """It is not: the work that took it did not commit, or is run again."""
        with self._lock:
            self._busy[account_id] -= 1
            self._count(account_id, emails, -1)
            self._suspects -= _grave(emails)

    def gave_back(self, account_id: int, emails: Sequence[Email]) -> None:
        """A connection of this account is free again; these were taken for it at first."""
        with self._lock:
            self._busy[account_id] -= 1
            self._suspects -= _grave(emails)

    def _count(self, account_id: int, emails: Sequence[Email], sign: int) -> None:
        self._claimed[account_id] += sign * len(emails)
        if account_id in self._rivals:
            shared = sign * sum(not email.pinned for email in emails)
            self._shared[account_id] += shared
            self._rivals[account_id] -= shared

    def took_time(self, account_id: int, seconds: float, *, of_server: float) -> None:
        """How long one email took, and how much of it the server did."""
        with self._lock:
            for pace, now in ((self._pace, seconds), (self._server_pace, of_server)):
                before = pace.get(account_id, now)
                pace[account_id] = before + (now - before) / 8

    def _free_connections(self, account: Account, *, owner: int, members: Sequence[int]) -> int:
        most = account.health.connections(account.limits.max_connections)
        ours = share(account.id, most, owner=owner, members=members)
        self._allowed[account.id] = ours
        return max(0, ours - self._busy[account.id])

    def _headroom(self, tx: Transaction, account: Account, *, now: datetime) -> int:
        """What its limits leave; of those without, the one comes first that was given the least."""
        limits = account.limits_at(now)
        if not limits.finite():
            return limits.room({}) - self._shared[account.id]
        return limits.room(tx.ledger.used(account.id, self._windows))

    def batch_size(self, account_id: int) -> int:
        """How many emails one connection of this account claims together, limits aside."""
        pace = self._pace.get(account_id)
        if pace is None:
            return 1
        few = _emails_in(A_FEW_SECONDS, self._server_pace[account_id], most=A_FEW)
        if not self._deep.get(account_id) and self._busy[account_id] + 1 < self._allowed.get(
            account_id, 0
        ):
            few = 1  # where little waits and connections stand free, each takes some of it
        seconds = BATCH_SECONDS * sqrt(max(1, self._busy[account_id]))
        return max(1, few, _emails_in(seconds, pace, most=LARGEST_BATCH))

    def fair_places(self, account_id: int, limit: int) -> int:
        """How many of the next *limit* places go to the longest due, whatever their priority."""
        every = self._fairness_every
        return (self._claimed[account_id] % every + limit) // every if every else 0

    def arranged(
        self, account_id: int, strict: Sequence[Email], favoured: Sequence[Email]
    ) -> Sequence[Email]:
        """One batch in the order of its hand-off: each tenth place is a favoured one's.

        Where fewer were due than the places there were, nobody was favoured: the longest due of
        them come into those places then.
        """
        number = len(strict) + len(favoured)
        missing = self.fair_places(account_id, number) - len(favoured)
        waited = sorted(strict, key=lambda email: (email.eligible_at, email.id))
        ahead = deque([*favoured, *waited[:missing]] if missing > 0 else favoured)
        chosen = {email.id for email in ahead}
        others = deque(email for email in strict if email.id not in chosen)
        first = self._claimed[account_id] + 1
        return [
            (
                ahead
                if not others or (ahead and not (first + n) % self._fairness_every)
                else others
            ).popleft()
            for n in range(number)
        ]


def share(account_id: int, connections: int, *, owner: int, members: Sequence[int]) -> int:
    """How many of an account's connections are this process's, of all that deliver.

    Each account ranks the members by a hash of its own and deals its connections out in that order
    (rendezvous hashing), so that every process comes to the same answer without asking, and no
    member has two more than another one.
    """
    if len(members) <= 1:
        return connections
    ranked = _ranked(account_id, tuple(members))
    if owner not in ranked:
        return 0
    return len(range(ranked.index(owner), connections, len(ranked)))


@lru_cache(maxsize=4096)
def _ranked(account_id: int, members: tuple[int, ...]) -> tuple[int, ...]:
    def weight(member: int) -> bytes:
        # not a checksum: those of neighbouring numbers differ by the same bits for every account
        return blake2b(f"{account_id}/{member}".encode(), digest_size=8).digest()

    return tuple(sorted(members, key=weight))


def _grave(emails: Sequence[Email]) -> int:
    """How many of these have met several crashes."""
    return sum(email.claim_count >= SUSPECT_CRASHES for email in emails)


def _emails_in(seconds: float, pace: float, *, most: int) -> int:
    return min(most, int(seconds / max(pace, 1e-6)))


def _is_open(account: Account, now: datetime) -> bool:
    opens = account.opens_at(now)
    return opens is not None and opens <= now


def room_at(
    tx: Transaction, account: Account, windows: WindowLengths, *, urgent: bool, now: datetime
) -> datetime | None:
    """When the account has room for one more unit: *now*, later, or None if it cannot be told.

    Only *urgent* mail may use the reserve.
    """
    limits = account.limits_at(now).finite()
    if not limits:
        return now
    used = tx.ledger.used(account.id, windows)
    latest = now
    for window in limits:
        over = used.get(window, 0) - account.limits.share(window, urgent=urgent) + 1
        if over <= 0:
            continue
        returns = tx.ledger.room_returns_at(account.id, window, windows, units=over)
        if returns is None:
            return None
        latest = max(latest, returns)
    return latest

"""One account in a forecast: its windows, its pauses and its speed, as time goes on.

Times are seconds from the moment of the forecast.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Final

import attrs

from domain.account.account import Account, AccountState
from domain.account.limits import UNLIMITED, Limits, LimitUnit, Window, WindowLengths
from domain.email.backlog import WaitingGroup

# What was charged is taken together in so many parts of a window, so that a forecast has few steps.
PARTS: Final = 30
PACE_STEP_S: Final = 10.0  # how often a pace that grows is looked at
_STATES: Final = {
    AccountState.INACTIVE: "account_inactive",
    AccountState.PAUSED: "account_paused",
    AccountState.UNREACHABLE: "server_unreachable",
}


@attrs.frozen(kw_only=True)
class Outlook:
    """One account now: what its windows count, and when what counts was charged (oldest first).

    *seconds_each*: how long its server takes for an email on one connection; None if unknown.
    """

    account: Account
    used: Mapping[Window, int]
    charged: Mapping[Window, Sequence[tuple[datetime, int]]]
    seconds_each: float | None = None


class Lane:
    """What an account may hand off as the time of a forecast goes on."""

    def __init__(self, outlook: Outlook, *, windows: WindowLengths, now: datetime) -> None:
        account = outlook.account
        self.id = account.id
        self.claimed = 0
        self.busy_until = 0.0
        self._account = account
        self._now = now
        self._by_recipients = account.limits.unit is LimitUnit.RECIPIENTS
        opens = account.opens_at(now)
        self.opens = inf if opens is None else max(0.0, (opens - now).total_seconds())
        self._limits = _with_learned(account, account.limits)
        self._paced_until = _pace_ends(account, now)
        self._rolling = {
            window: _Rolling(window, outlook, windows, now)
            for window in Window
            if self._limits.of(window) is not None
            or (window is Window.MINUTE and self._paced_until)
        }
        connections = account.health.concurrency.of(account.limits.max_connections)
        each = outlook.seconds_each
        self.per_second = connections / each if each else inf

    @property
    def unlimited(self) -> bool:
        """Whether nothing that is known holds its mail up."""
        return not self._rolling and not self.opens and self.per_second == inf

    @property
    def shortest(self) -> float:
        """The length of its shortest window that has a limit."""
        return min((rolling.length for rolling in self._rolling.values()), default=inf)

    def size(self, group: WaitingGroup) -> float:
        """What one email of the group counts as."""
        if not self._by_recipients:
            return 1
        return max(1.0, group.recipients / max(1, group.emails))

    def is_open(self, at: float) -> bool:
        """Whether it takes mail, limits aside."""
        return self.opens <= at and self.busy_until <= at

    def room(self, at: float) -> tuple[float, float]:
        """Units for urgent mail, and for other mail."""
        limits = self._limits_at(at)
        urgent = other = float(UNLIMITED)
        for window, rolling in self._rolling.items():
            used = rolling.used_at(at)
            urgent = min(urgent, limits.room_in(window, used))
            other = min(other, limits.room_in(window, used, urgent=False))
        return urgent, other

    def charge(self, at: float, units: float) -> None:
        """Count *units* as handed off *at* this time."""
        for rolling in self._rolling.values():
            rolling.charge(at, units)

    def next_room(self, at: float, size: float, *, urgent: bool) -> float:
        """When it may take an email of *size*, after *at*."""
        ready = max(self.opens, self.busy_until)
        if ready > at:
            return ready
        limits = self._limits_at(at)
        found = at
        for window, rolling in self._rolling.items():
            free = limits.share(window, urgent=urgent) - size
            returns = rolling.falls_to(max(0.0, free), at)
            found = max(found, returns)
        if at < self._paced_until:
            found = min(found, at + PACE_STEP_S)
        return found

    def obstacle(self, at: float, *, urgent: bool) -> str:
        """What holds its mail up *at* this time."""
        if self.opens > at:
            return _STATES.get(self._account.state(self._now), "account_paused")
        if self.busy_until > at:
            return "connections"
        limits = self._limits_at(at)
        least = min(
            self._rolling,
            key=lambda window: (
                limits.room_in(window, self._rolling[window].used_at(at), urgent=urgent),
                -self._rolling[window].length,
            ),
            default=None,
        )
        if least is None:
            return "connections"
        paced = least is Window.MINUTE and limits.minute != self._limits.minute
        return "slowed_down" if paced else f"{least.value}_limit"

    def steady(self, *, urgent: bool) -> float:
        """Units a second in the long run."""
        shares = (
            self._limits.share(window, urgent=urgent) / rolling.length
            for window, rolling in self._rolling.items()
            if self._limits.of(window) is not None
        )
        return 0.0 if self.opens == inf else min(self.per_second, *shares, inf)

    def _limits_at(self, at: float) -> Limits:
        if at >= self._paced_until:
            return self._limits
        paced = self._account.limits_at(self._now + timedelta(seconds=at))
        return _with_learned(self._account, paced)


class _Rolling:
    """What one window counts, and when that leaves it."""

    def __init__(
        self, window: Window, outlook: Outlook, windows: WindowLengths, now: datetime
    ) -> None:
        self.length = windows.of(window).total_seconds()
        used = outlook.used.get(window, 0)
        self._leaving: deque[tuple[float, float]] = deque()
        self._used = 0.0
        known = [
            ((at - now).total_seconds() + self.length, units)
            for at, units in outlook.charged.get(window, ())
        ]
        surplus = sum(units for _, units in known) - used  # of a part that has left in part
        for leaves, units in known:
            gone = min(units, max(0, surplus))
            surplus -= gone
            if units > gone:
                self._add(max(0.0, leaves), units - gone)
        if surplus < 0:  # what is reserved now is charged soon
            self._add(self.length, -surplus)

    def used_at(self, at: float) -> int:
        """The units that count *at* this time, which never goes back."""
        while self._leaving and self._leaving[0][0] <= at:
            self._used -= self._leaving.popleft()[1]
        return round(self._used)

    def charge(self, at: float, units: float) -> None:
        """Count *units* from *at* on."""
        self._add(at + self.length, units)

    def falls_to(self, most: float, at: float) -> float:
        """When at most so many units count; never if all leave and it still is not so."""
        over = self.used_at(at) - most
        if over <= 0:
            return at
        for leaves, units in self._leaving:
            over -= units
            if over <= 0:
                return leaves
        return inf

    def _add(self, leaves: float, units: float) -> None:
        """Keep it in order; what leaves soon after another part leaves with the later one."""
        self._used += units
        if self._leaving and leaves - self._leaving[-1][0] < self.length / PARTS / 2:
            leaves = max(leaves, self._leaving[-1][0])
            units += self._leaving.pop()[1]
        self._leaving.append((leaves, units))


def _with_learned(account: Account, limits: Limits) -> Limits:
    """The limits, with what the provider was seen to refuse."""
    if limits.unit is LimitUnit.RECIPIENTS:
        return limits  # what a provider refused was counted in messages
    lowest = {window: limits.of(window) for window in Window}
    for learned in account.health.learned:
        limit, least = lowest[learned.window], max(1, learned.least)
        lowest[learned.window] = least if limit is None else min(limit, least)
    return attrs.evolve(
        limits,
        minute=lowest[Window.MINUTE],
        hourly=lowest[Window.HOUR],
        daily=lowest[Window.DAY],
    )


def _pace_ends(account: Account, now: datetime) -> float:
    """Until when the pace holds mail back."""
    pace, at = account.health.pace, 0.0
    while pace is not None and pace.now(now + timedelta(seconds=at)) is not None:
        at += 60.0
    return at

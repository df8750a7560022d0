"""Why an email has not been sent yet: every gate it must pass, in order, with its state."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

import attrs

from domain.account.account import Account
from domain.account.health import Pause
from domain.account.limits import Window, is_urgent
from domain.email.status import WAITING, Status

IN_LINE: Final = "in_line"  # nothing holds it up


class WaitingEmail(Protocol):
    """What the gates ask of an email: the whole of it, or one row of a list."""

    @property
    def status(self) -> Status: ...

    @property
    def priority(self) -> int: ...

    @property
    def attempt_no(self) -> int: ...

    @property
    def eligible_at(self) -> datetime: ...


@attrs.frozen(kw_only=True)
class Gate:
    """One condition. *until* is when it opens by itself; None if it is open or that is unknown."""

    name: str
    open: bool
    detail: str = ""
    until: datetime | None = None


@attrs.frozen(kw_only=True)
class AccountUse:
    """What an account has used of its limits."""

    used: Mapping[Window, int]
    room_at: datetime | None


def gates(
    email: WaitingEmail,
    account: Account | None,
    use: AccountUse | None,
    *,
    open_count: int,
    now: datetime,
) -> Sequence[Gate]:
    """Every gate between *email* and its next attempt on *account*; none if it waits no more.

    *open_count*: how many recipients that attempt names.
    """
    if email.status not in WAITING:
        return ()
    due = email.eligible_at <= now
    found = [
        Gate(
            name="scheduled" if not email.attempt_no else "retry_delay",
            open=due,
            detail="" if due else f"not before {email.eligible_at:%Y-%m-%dT%H:%M:%SZ}",
            until=None if due else email.eligible_at,
        )
    ]
    if account is None or use is None:
        return [
            *found,
            Gate(name="no_account", open=False, detail="no SMTP configuration is active"),
        ]
    return [*found, *_account_gates(email, account, use, open_count=open_count, now=now)]


def first_closed(gates: Sequence[Gate]) -> Gate:
    """The one that an email waits for; `in_line`, which is open, if all are open."""
    return next((gate for gate in gates if not gate.open), Gate(name=IN_LINE, open=True))


def waiting_reason(gates: Sequence[Gate]) -> str | None:
    """The name of the first gate that is closed; `in_line` if all are open, None without gates."""
    if not gates:
        return None
    return first_closed(gates).name


def next_attempt_at(gates: Sequence[Gate], *, now: datetime) -> datetime | None:
    """When all gates will be open, as far as is known; None if one needs a person."""
    if not gates:
        return None
    closed = [gate.until for gate in gates if not gate.open]
    known = [until for until in closed if until is not None]
    return max(known, default=now) if len(known) == len(closed) else None


def holdup(account: Account, use: AccountUse, *, now: datetime) -> Pause | None:
    """Why mail waits for this account, whatever holds it up; None if nothing does."""
    health = account.health
    if health.pause is not None and health.paused(now):
        return health.pause
    if not account.active:
        return Pause(reason="account_inactive", text="it is not active", since=account.updated_at)
    if health.breaker.failures:
        return Pause(
            reason=health.breaker.reason or "server_unreachable",
            text=health.last_reply,
            since=health.breaker.opened_at or now,
            until=health.breaker.until,
        )
    limits = account.limits_at(now)
    for window, limit in limits.finite().items():
        used = use.used.get(window, 0)
        kept = limits.kept(limit)
        if used >= limit - kept:
            reserve = f", {kept} kept for priorities 1 and 2" if kept else ""
            paced = window is Window.MINUTE and limits.minute != account.limits.minute
            return Pause(
                reason="slowed_down" if paced else f"{window.value}_limit",
                text=f"{used} of {limit} used{reserve}",
                since=now,
                until=use.room_at,
            )
    return None


def _account_gates(
    email: WaitingEmail, account: Account, use: AccountUse, *, open_count: int, now: datetime
) -> Sequence[Gate]:
    health = account.health
    paused, broken = health.paused(now), health.breaker.is_open(now)
    pause = health.pause
    found = [
        Gate(
            name="account_inactive",
            open=account.active,
            detail="" if account.active else f"{account.name} is not active",
        ),
        Gate(
            name="account_paused",
            open=not paused,
            detail=f"{pause.reason}: {pause.text}".rstrip(": ") if pause and paused else "",
            until=pause.until if pause and paused else None,
        ),
        Gate(
            # a server that speaks is busy; only one that does not answer is unreachable
            name="server_busy" if health.answers else "server_unreachable",
            open=not broken,
            detail=health.last_reply if broken else "",
            until=health.breaker.until if broken else None,
        ),
    ]
    urgent = is_urgent(email.priority)
    limits = account.limits_at(now)
    for window, limit in limits.finite().items():
        used = use.used.get(window, 0)
        room = limits.room_in(window, used, urgent=urgent)
        fits = limits.units(open_count) <= room
        kept = 0 if urgent else limits.kept(limit)
        reserve = f", {kept} kept for priorities 1 and 2" if kept else ""
        found.append(
            Gate(
                name=f"{window.value}_limit",
                open=fits,
                detail=f"{used} of {limit} used{reserve}",
                until=None if fits else use.room_at,
            )
        )
    return found

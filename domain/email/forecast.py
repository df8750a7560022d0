"""How many of the emails that were accepted together go now, and when the last one is due.

An estimate from what is known at acceptance: the limits, what they already count, and how many
emails wait before. It knows nothing of how fast the server is and of what is accepted later.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs

from domain.account.account import Account, AccountState
from domain.account.limits import LimitUnit, Window, WindowLengths, is_urgent
from domain.email.lifecycle import Email


@attrs.frozen(kw_only=True)
class Forecast:
    """``go_now`` emails fit the limits now. None where nothing limits them, or it is not known."""

    go_now: int | None = None
    last_due_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Outlook:
    """One account before the emails: what its windows count, and how many emails wait for it.

    *returns_at* gives the time when so many units of a window will have left it, None if unknown.
    """

    account: Account
    used: dict[Window, int]
    waiting: int
    returns_at: Callable[[Window, int], datetime | None]


def forecast(
    emails: Sequence[Email], outlook: Outlook, *, windows: WindowLengths, now: datetime
) -> Forecast:
    """What becomes of *emails*, which all go by the account of *outlook*."""
    limits = outlook.account.limits
    if not limits.finite() or not emails:
        return Forecast()
    if outlook.account.state(now) is not AccountState.OPEN:
        return Forecast(go_now=0)
    if limits.unit is LimitUnit.RECIPIENTS and outlook.waiting:
        return Forecast()  # how many recipients those before have is not counted
    go_now = _fitting(emails, outlook, now=now)
    return Forecast(go_now=go_now, last_due_at=_last_due_at(emails, outlook, windows, now=now))


def combined(forecasts: Sequence[Forecast]) -> Forecast:
    """The forecast of emails that go by several accounts; unknown if it is for one of them."""
    go_now = [each.go_now for each in forecasts]
    last = [each.last_due_at for each in forecasts]
    known, dues = [n for n in go_now if n is not None], [due for due in last if due is not None]
    return Forecast(
        go_now=sum(known) if known and len(known) == len(go_now) else None,
        last_due_at=max(dues) if dues and len(dues) == len(last) else None,
    )


def _fitting(emails: Sequence[Email], outlook: Outlook, *, now: datetime) -> int:
    """As a claim packs them: the most urgent first, until one does not fit.

    Those that wait are taken to be of the priorities that may not use the reserve.
    """
    limits = outlook.account.limits
    room, other = limits.room(outlook.used), limits.room(outlook.used, urgent=False)
    fitting, before = 0, outlook.waiting
    for email in sorted(emails, key=lambda each: each.priority):
        if email.eligible_at > now:
            continue
        units = limits.units(len(email.open_recipients))
        if not is_urgent(email.priority):
            room, other, before = room - before, other - before, 0
            if units > other:
                break
            other -= units
        if units > room:
            break
        room -= units
        fitting += 1
    return fitting


def _last_due_at(
    emails: Sequence[Email], outlook: Outlook, windows: WindowLengths, *, now: datetime
) -> datetime:
    limits = outlook.account.limits
    units = sum(limits.units(len(email.open_recipients)) for email in emails)
    urgent = all(is_urgent(email.priority) for email in emails)
    place = units + (0 if urgent else outlook.waiting)
    dues = [
        _due_in(window, place, outlook, windows, urgent=urgent, now=now)
        for window in limits.finite()
    ]
    return max(*dues, *(email.eligible_at for email in emails), now)


def _due_in(
    window: Window,
    place: int,
    outlook: Outlook,
    windows: WindowLengths,
    *,
    urgent: bool,
    now: datetime,
) -> datetime:
    """When the unit at *place* of the line fits the window.

    A window's share leaves as it came, so that each place repeats one share later.
    """
    length = windows.of(window)
    share = max(1, outlook.account.limits.share(window, urgent=urgent))
    rounds = max(0, -(-(place - share) // share))
    first = place - rounds * share
    room = share - outlook.used.get(window, 0)
    if first <= room:
        return now + rounds * length
    returns = outlook.returns_at(window, first - room)
    return (now + length if returns is None else max(returns, now)) + rounds * length

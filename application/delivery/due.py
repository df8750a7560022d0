"""When there will be something to claim, as far as the rows can tell."""

from collections.abc import Sequence
from datetime import datetime

from application.delivery.connections import Connections
from application.delivery.rows import QueueRows
from application.ports.accounts import Ledger
from domain.account.account import Account
from domain.account.limits import WindowLengths


def next_due(
    tx: QueueRows,
    connections: Connections,
    windows: WindowLengths,
    *,
    instance: int,
    members: Sequence[int],
    now: datetime,
) -> datetime | None:
    """When something may become claimable: now, later, or None if only a change can tell.

    An account without a free connection is left out: its next result will tell. Without
    *members* every connection counts, whoever it belongs to.
    """
    times = []
    for account in tx.accounts.all():
        opens = account.opens_at(now)
        if opens is None or not connections.free(account, instance=instance, members=members):
            continue
        due = _due(tx, account, windows, now=now)
        if due is not None:
            times.append(max(opens, due))
            if times[-1] <= now:
                break  # there is no earlier time than now
    return min(times, default=None)


def _due(
    tx: QueueRows, account: Account, windows: WindowLengths, *, now: datetime
) -> datetime | None:
    """When one of its emails is due and there is room for it; the reserve is for some only."""
    due = tx.emails.next_due([account.id])
    if due is None:
        return None
    returns = room_at(tx.ledger, account, windows, urgent=False, now=now)
    times = [] if returns is None else [max(due, returns)]
    if account.limits.priority_reserve and returns != now:
        urgent = tx.emails.next_due([account.id], urgent_only=True)
        returns = room_at(tx.ledger, account, windows, urgent=True, now=now) if urgent else None
        if urgent is not None and returns is not None:
            times.append(max(urgent, returns))
    return min(times, default=None)


def room_at(
    ledger: Ledger, account: Account, windows: WindowLengths, *, urgent: bool, now: datetime
) -> datetime | None:
    """When the account has room for one more unit: *now*, later, or None if it cannot be told.

    Only *urgent* mail may use the reserve.
    """
    limits = account.limits_at(now).finite()
    if not limits:
        return now
    used = ledger.used(account.id, windows)
    latest = now
    for window in limits:
        over = used.get(window, 0) - account.limits.share(window, urgent=urgent) + 1
        if over <= 0:
            continue
        returns = ledger.room_returns_at(account.id, window, windows, units=over)
        if returns is None:
            return None
        latest = max(latest, returns)
    return latest

"""Why the emails of a list wait, asked once for a whole page of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from application.intake.routing import with_most_room
from application.ports.store import Transaction
from domain.access import Caller
from domain.account.account import Account
from domain.account.limits import Window, WindowLengths, is_urgent
from domain.email.gates import AccountUse, Gate, first_closed, gates
from domain.email.listing import EmailSummary
from domain.email.status import WAITING


def hold_ups_of(
    tx: Transaction,
    emails: Sequence[EmailSummary],
    caller: Caller,
    *,
    windows: WindowLengths,
    now: datetime,
) -> Mapping[int, Gate]:
    """What each of *emails* waits for, of those that wait, by its id: `in_line` for nothing.

    Two reads for all of them. When a limit has room again is left out: that would be a read for
    each account.
    """
    waiting = [email for email in emails if email.status in WAITING]
    if not waiting:
        return {}
    accounts = {one.id: one for one in tx.accounts.all() if caller.may_use(one.id)}
    used = _used(tx, accounts, waiting, windows, now=now)
    freest = {
        urgent: with_most_room(
            list(accounts.values()), lambda one: used[one.id], urgent=urgent, now=now
        )
        for urgent in {is_urgent(email.priority) for email in waiting if not email.pinned}
    }
    found = {}
    for email in waiting:
        account = freest.get(is_urgent(email.priority)) if not email.pinned else None
        if account is None:
            account = accounts.get(email.account_id or 0)
        use = None if account is None else AccountUse(used=used[account.id], room_at=None)
        found[email.id] = first_closed(
            gates(email, account, use, open_count=email.open_count, now=now)
        )
    return found


def _used(
    tx: Transaction,
    accounts: Mapping[int, Account],
    waiting: Sequence[EmailSummary],
    windows: WindowLengths,
    *,
    now: datetime,
) -> Mapping[int, Mapping[Window, int]]:
    """What is used of the limits of the accounts that may take them."""
    asked = {email.account_id or 0 for email in waiting}
    any_account = not all(email.pinned for email in waiting)
    wanted = [
        account.id
        for account in accounts.values()
        if (any_account or account.id in asked) and account.limits_at(now).finite()
    ]
    totals = tx.ledger.totals_of(wanted, windows) if wanted else {}
    return {
        account_id: {window: units for window, (units, _) in totals.get(account_id, {}).items()}
        for account_id in accounts
    }

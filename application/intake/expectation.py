"""When emails that are about to be stored will go."""

from collections.abc import Sequence
from datetime import datetime

from application.ports.accounts import AccountRepository
from application.ports.queue import EmailRepository
from application.ports.store import StoreReader, Transaction
from domain.account.account import Account
from domain.account.limits import WindowLengths
from domain.email.forecast import Forecast, Outlook, combined, forecast
from domain.email.lifecycle import Email


def expect(
    store: StoreReader, emails: Sequence[Email], *, windows: WindowLengths, now: datetime
) -> Forecast:
    """What to expect of emails that are about to be stored: one look, whatever their number."""

    def look(tx: Transaction) -> Forecast:
        by_account = _by_account(tx, emails)
        if by_account is None:
            return Forecast()
        return combined(
            [
                forecast(some, _outlook(tx, account, windows), windows=windows, now=now)
                for account, some in by_account
            ]
        )

    return store.read_latest(look) if emails else Forecast()


def _outlook(tx: Transaction, account: Account, windows: WindowLengths) -> Outlook:
    return Outlook(
        account=account,
        used=dict(tx.ledger.used(account.id, windows)) if account.limits.finite() else {},
        waiting=waiting_for(account, accounts=tx.accounts, emails=tx.emails),
        returns_at=lambda window, units: tx.ledger.room_returns_at(
            account.id, window, windows, units=units
        ),
    )


def _by_account(
    tx: Transaction, emails: Sequence[Email]
) -> Sequence[tuple[Account, Sequence[Email]]] | None:
    """The emails by the account that each will go by; None if several might take one of them."""
    accounts = tx.accounts.all()
    active = [account for account in accounts if account.active]
    shared = active[0].id if len(active) == 1 else None
    found: dict[int, list[Email]] = {}
    for email in emails:
        account_id = email.account_id if email.pinned else shared
        if account_id is None:
            return None
        found.setdefault(account_id, []).append(email)
    return [(account, found[account.id]) for account in accounts if account.id in found]


def waiting_for(account: Account, *, accounts: AccountRepository, emails: EmailRepository) -> int:
    """How many emails wait that this account may have to send: its own, and the unpinned ones if
    no other account could take them.
    """
    own = emails.waiting(account.id).waiting
    known = accounts.all()
    if any(other.active for other in known if other.id != account.id):
        return own
    pinned = sum(emails.waiting(each.id).waiting for each in known)
    return own + emails.waiting().waiting - pinned

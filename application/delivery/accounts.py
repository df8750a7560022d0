"""The account of an email, as it stands in a transaction."""

from application.ports.accounts import AccountRepository
from domain.account.account import Account
from domain.account.limits import LimitUnit
from domain.email.lifecycle import Email
from domain.errors import NotFound


def find(accounts: AccountRepository, account_id: int | None) -> Account | None:
    if account_id is None:
        return None
    try:
        return accounts.get(account_id)
    except NotFound:
        return None


def find_locked(accounts: AccountRepository, account: Account) -> Account | None:
    """The account as it is now; None if it is gone or its owner has changed what it speaks to."""
    try:
        current = accounts.lock(account.id)
    except NotFound:
        return None
    return current if current.version == account.version else None


def lock_if_limited(accounts: AccountRepository, account: Account) -> Account:
    """The account, locked if it has limits; else nothing must be read and written alone."""
    return accounts.lock(account.id) if account.limits.finite() else account


def units_of(account: Account, email: Email) -> int:
    if account.limits.unit is LimitUnit.MESSAGES:
        return 1
    return account.limits.units(len(email.open_recipients))

"""Which account an email goes by."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Final

from application.intake.draft import Draft
from application.ports.accounts import Ledger
from application.ports.store import Transaction
from domain.access import Caller
from domain.account.account import LONGEST_FROM, Account, AccountState
from domain.account.limits import Window, WindowLengths, is_urgent
from domain.errors import Conflict, FieldError, InvalidInput, MessageTooLarge
from domain.mailbox import Mailbox

FROM_NOT_ALLOWED: Final = "from_not_allowed"
NO_ACCOUNT: Final = "there is no SMTP configuration yet: create one first"


class Routing:
    """Which account each draft of one call goes by; what they share is looked up once."""

    def __init__(
        self, tx: Transaction, caller: Caller, *, windows: WindowLengths, now: datetime
    ) -> None:
        self._tx = tx
        self._caller = caller
        self._windows = windows
        self._now = now
        self._named: dict[int, Account] = {}

    def account_for(self, draft: Draft) -> Account | None:
        """The one it names; else the one with most headroom.

        None if none is active and it stays unpinned.
        """
        draft.check(now=self._now)
        if draft.account_id is not None:
            account = self._get(draft.account_id)
            _check_sender(draft, account)
            _check_fits(draft, account)
            return account
        if draft.sender is not None:
            return self._by_sender(draft, draft.sender)
        if not self._usable:
            raise Conflict(NO_ACCOUNT)
        urgent = is_urgent(draft.priority)
        most = self._with_most_headroom_for_urgent if urgent else self._with_most_headroom
        if self._caller.accounts is None:
            return most
        # it will be pinned: if none is active now, it waits for the first of them
        chosen = most or self._usable[0]
        _check_fits(draft, chosen)
        return chosen

    @cached_property
    def smallest_size(self) -> int | None:
        """A message of so many octets is taken by all accounts that may send it; None: any is."""
        known = (account.max_octets for account in self._usable)
        sizes = [most - LONGEST_FROM for most in known if most is not None]
        return min(sizes, default=None)

    def account_that_takes(self, draft: Draft, size: int) -> Account | None:
        """The one that it goes by and stays with, for some of them do not take it.

        None if all do. MessageTooLarge if none does, of those that it may go by.
        """
        if draft.account_id is not None:
            candidates: Sequence[Account] = [self._get(draft.account_id)]
        elif draft.sender is not None:
            candidates = [a for a in self._usable if a.may_send_as(draft.sender.address)]
        else:
            candidates = self._usable
        fitting = [account for account in candidates if account.takes(size)]
        if not fitting:
            most = max(account.max_octets or 0 for account in candidates)
            message = f"the message has {size} octets, and the mail server takes {most}"
            raise MessageTooLarge(FieldError("", message))
        if len(fitting) == len(candidates):
            return None
        urgent = is_urgent(draft.priority)
        chosen = most_headroom(
            self._tx.ledger, fitting, windows=self._windows, urgent=urgent, now=self._now
        )
        return chosen or fitting[0]

    def _by_sender(self, draft: Draft, sender: Mailbox) -> Account:
        candidates = [one for one in self._usable if one.may_send_as(sender.address)]
        if not candidates:
            raise _not_allowed("no SMTP configuration has this address, or an alias for it")
        urgent = is_urgent(draft.priority)
        chosen = most_headroom(
            self._tx.ledger, candidates, windows=self._windows, urgent=urgent, now=self._now
        )
        chosen = chosen or candidates[0]
        _check_fits(draft, chosen)
        return chosen

    def _get(self, account_id: int) -> Account:
        if account_id not in self._named:
            self._caller.check_account(account_id)
            self._named[account_id] = self._tx.accounts.get(account_id)
        return self._named[account_id]

    @cached_property
    def _usable(self) -> Sequence[Account]:
        return [a for a in self._tx.accounts.all() if self._caller.may_use(a.id)]

    @cached_property
    def _with_most_headroom(self) -> Account | None:
        return self._most_headroom(urgent=False)

    @cached_property
    def _with_most_headroom_for_urgent(self) -> Account | None:
        return self._most_headroom(urgent=True)

    def _most_headroom(self, *, urgent: bool) -> Account | None:
        return most_headroom(
            self._tx.ledger, self._usable, windows=self._windows, urgent=urgent, now=self._now
        )


def most_headroom(
    ledger: Ledger,
    accounts: Sequence[Account],
    *,
    windows: WindowLengths,
    urgent: bool,
    now: datetime,
) -> Account | None:
    """The active account with the most room left in its limits; None if none is active."""
    return with_most_room(
        accounts,
        lambda account: ledger.used(account.id, windows) if account.limits.finite() else {},
        urgent=urgent,
        now=now,
    )


def with_most_room(
    accounts: Sequence[Account],
    used: Callable[[Account], Mapping[Window, int]],
    *,
    urgent: bool,
    now: datetime,
) -> Account | None:
    """The same with what is *used* of the limits of each.

    Only *urgent* mail may use their reserves. Accounts that are open now come before those that are
    paused or unreachable.
    """
    active = [account for account in accounts if account.active]
    usable = [a for a in active if a.state(now) is AccountState.OPEN] or active
    if len(usable) <= 1:
        return next(iter(usable), None)

    def room(account: Account) -> tuple[int, int]:
        return account.limits.room(used(account), urgent=urgent), -account.id

    return max(usable, key=room)


def _check_sender(draft: Draft, account: Account) -> None:
    if draft.sender is not None and not account.may_send_as(draft.sender.address):
        raise _not_allowed(
            f"the SMTP configuration {account.id} does not have this address, or an alias for it"
        )


def _not_allowed(message: str) -> InvalidInput:
    return InvalidInput(FieldError("sender", message), code=FROM_NOT_ALLOWED)


def _check_fits(draft: Draft, account: Account) -> None:
    urgent = is_urgent(draft.priority)
    if not account.limits.ever_fits(draft.number_of_recipients, urgent=urgent):
        most = account.limits.smallest(urgent=urgent)
        raise InvalidInput(
            FieldError(
                "to",
                f"more recipients than the limits of this SMTP configuration ever allow ({most})",
            )
        )

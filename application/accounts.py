"""What the owner of the accounts does: set them up, change, pause, resume, verify, remove them."""

from collections.abc import Callable
from datetime import datetime

from application.account_writer import (
    AccountFields,
    AccountWriter,
    ChangesOf,
    Updated,
    is_unsigned,
    note,
)
from application.ports.accounts import AccountRepository
from application.ports.queue import EmailRepository
from application.ports.sender import Sender
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe, Wake
from application.telling import save_account
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account
from domain.account.verification import Verification
from domain.address import Address
from domain.errors import Conflict
from domain.events import Event


class AccountService:
    """The owner's use cases."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sender: Sender,
        writer: AccountWriter,
        wake: Wake,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sender = sender
        self._writer = writer
        self._wake = wake
        self._observe = observe

    def create(self, fields: AccountFields, *, caller: Caller = LOCAL) -> int:
        """The id of the new account. Forbidden, NameTaken, InvalidInput, NotAccepting."""
        caller.require(Scope.ADMIN)
        caller.require_every_account("create one")
        now = self._clock.now()
        account = self._store.write(
            lambda tx: self._writer.created(tx, fields, caller=caller, now=now)
        )
        self.announce(account, "account_created")
        return account.id

    def update(
        self, account_id: int, changes: AccountFields | ChangesOf, *, caller: Caller = LOCAL
    ) -> Updated:
        """The account with *changes*, in force from the next claim on.

        It may await its password or a person's consent then: see `Account.changed`.
        Forbidden, NotFound, NameTaken, InvalidInput, NotAccepting.
        """
        _allow(caller, account_id)
        now = self._clock.now()
        updated = self._store.write(
            lambda tx: self._writer.updated(tx, account_id, changes, caller=caller, now=now)
        )
        self._sender.retire(account_id)
        self.announce(updated.account, "account_updated")
        return updated

    def delete(self, account_id: int, *, caller: Caller = LOCAL) -> None:
        """Remove it. Conflict while mail waits on it or is being sent by it.

        Mail that names no account waits on it too, when no other active one could take it.
        """
        _allow(caller, account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> Account:
            account = tx.accounts.lock(account_id)
            held = _held(tx, account)
            if held:
                raise Conflict(
                    f"{held} emails wait on the SMTP configuration {account.name!r}: "
                    "cancel them or let them be sent first"
                )
            tx.accounts.delete(account_id)
            tx.throughput.keep(account_id)
            tx.dkim_keys.remove(account_id)
            tx.hooks.remove(account_id)
            tx.credentials.remove(account_id)
            tx.inboxes.remove(account_id)
            tx.authorizations.remove_of(account_id)
            note(tx.audit, caller, "account_deleted", account, at=now)
            return account

        account = self._store.write(work)
        self._sender.retire(account_id)
        self.announce(account, "account_deleted")

    def pause(self, account_id: int, *, reason: str = "", caller: Caller = LOCAL) -> Account:
        """Hand nothing off until it is resumed; *reason* is for other people. InvalidInput."""
        return self._set_health(
            account_id,
            "account_paused",
            lambda account, now: account.paused_by_hand(now=now, text=reason),
            caller=caller,
        )

    def resume(self, account_id: int, *, caller: Caller = LOCAL) -> Account:
        """Forget its faults and hand mail off again. Conflict while it awaits its password."""
        return self._set_health(
            account_id, "account_resumed", lambda account, _: account.resumed(), caller=caller
        )

    def verify(
        self, account_id: int, *, recipient: Address | None = None, caller: Caller = LOCAL
    ) -> Verification:
        """Connect, TLS, AUTH, MAIL and RCPT to *recipient* or the account itself; sends nothing."""
        _allow(caller, account_id)

        def work(tx: Transaction) -> tuple[Account, bool]:
            account = tx.accounts.get(account_id)
            return account, is_unsigned(tx, account)

        account, unsigned = self._store.read(work)
        steps = self._sender.verify(account, recipient=recipient or account.address)
        return Verification(account, steps, unsigned=unsigned)

    def _set_health(
        self,
        account_id: int,
        name: str,
        step: Callable[[Account, datetime], Account],
        *,
        caller: Caller,
    ) -> Account:
        _allow(caller, account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> Account:
            before = tx.accounts.lock(account_id)
            account = step(before, now)
            save_account(tx, account, was=before, at=now)
            note(tx.audit, caller, name, account, at=now)
            return account

        account = self._store.write(work)
        self.announce(account, name)
        return account

    def announce(self, account: Account, name: str) -> None:
        """Tell of a change that is stored: look for mail, and an event of this *name*."""
        self._wake()
        self._observe(Event(name=name, account_id=account.id, fields={"account": account.name}))


def _held(tx: Transaction, account: Account) -> int:
    """How many emails would be stranded without the account."""
    waiting = _waiting_for(account, accounts=tx.accounts, emails=tx.emails)
    return waiting + tx.emails.waiting(account.id).sending


def _waiting_for(account: Account, *, accounts: AccountRepository, emails: EmailRepository) -> int:
    """How many emails wait that this account may have to send: its own, and the unpinned ones if
    no other account could take them.
    """
    own = emails.waiting(account.id).waiting
    known = accounts.all()
    if any(other.active for other in known if other.id != account.id):
        return own
    pinned = sum(emails.waiting(each.id).waiting for each in known)
    return own + emails.waiting().waiting - pinned


def _allow(caller: Caller, account_id: int) -> None:
    caller.require(Scope.ADMIN)
    caller.check_account(account_id)

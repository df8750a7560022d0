"""What the owner of an account writes about its inbox."""

from datetime import timedelta

import attrs

from application.ports.store import Transaction
from application.ports.system import Vault
from domain.account.account import Account
from domain.account.inbox import DEFAULT_POLL, TLS_PORT, Inbox, check_inbox
from domain.account.network import NetworkPolicy
from domain.errors import FieldError, InvalidInput, SecretUnreadable


@attrs.frozen(kw_only=True)
class InboxWish:
    """An inbox as it is to be. *username* None is the account's; *password* None keeps the one
    that was given for the same host, port and username.
    """

    host: str
    port: int = TLS_PORT
    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    folder: str = "INBOX"
    poll: timedelta = DEFAULT_POLL


@attrs.frozen(kw_only=True)
class AccountInbox:
    """Checks what is written, and stores it sealed."""

    vault: Vault
    network: NetworkPolicy

    def check(self, wish: InboxWish | None) -> None:
        """InvalidInput for a server that this service may not connect to."""
        if wish is not None and not self.network.allows_host(wish.host):
            raise InvalidInput(
                FieldError("inbox/host", "is not a server this service may connect to")
            )

    def store(self, tx: Transaction, account: Account, wish: InboxWish | None) -> None:
        """Write it, or with None remove it. InvalidInput if a password is missing."""
        if wish is None:
            tx.inboxes.remove(account.id)
            return
        stored, inbox = self.compared(tx, account, wish)
        if inbox is not None and inbox != stored:
            tx.inboxes.save(inbox)

    def compared(
        self, tx: Transaction, account: Account, wish: InboxWish | None
    ) -> tuple[Inbox | None, Inbox | None]:
        """The inbox as it is stored, and as *wish* makes it. InvalidInput if that cannot be."""
        stored = tx.inboxes.find(account.id)
        if wish is None:
            return stored, None
        inbox = self.wanted(account, wish, stored)
        check_inbox(inbox, account)
        return stored, inbox

    def has_password(self, stored: Inbox, password: str) -> bool:
        """Whether it is the one that is stored with the inbox."""
        if stored.sealed_password is None:
            return False
        try:
            return self.vault.open(stored.sealed_password, context=stored.context) == password
        except SecretUnreadable:
            return False

    def wanted(self, account: Account, wish: InboxWish, stored: Inbox | None) -> Inbox:
        """What *wish* makes of what is *stored*."""
        new = Inbox(
            account_id=account.id,
            host=wish.host,
            port=wish.port,
            username=wish.username or account.username or str(account.address),
            folder=wish.folder,
            poll=wish.poll,
        )
        if wish.password:
            sealed = self.vault.seal(wish.password, context=new.context)
            new = attrs.evolve(new, sealed_password=sealed)
        return new if stored is None else stored.changed(new, password_given=bool(wish.password))

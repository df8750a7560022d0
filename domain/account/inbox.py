"""The mailbox to which reports about an account's mail come, and how far it was read.

It is read over IMAP and never changed: no message is marked or removed.
"""

from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.account.account import Account
from domain.account.oauth import OAuthProvider
from domain.address import is_loopback
from domain.errors import FieldError, InvalidInput

TLS_PORT: Final = 993
PORTS: Final = frozenset({143, TLS_PORT})
DEFAULT_POLL: Final = timedelta(seconds=60)
# Of a mailbox that is read for the first time, or was made anew: reports come within days.
FIRST_DAYS: Final = 7
# Whose mailboxes a provider's token is for; of another provider it is the account's own server.
TOKEN_HOSTS: Final = {
    OAuthProvider.GOOGLE: "imap.gmail.com",
    OAuthProvider.MICROSOFT: "outlook.office365.com",
}
LONGEST_PAUSE: Final = timedelta(minutes=15)
LONGEST_ERROR: Final = 300  # characters


@attrs.frozen
class InboxPlace:
    """Behind which message the next one is read; UIDs rise as long as *uidvalidity* is the same."""

    uidvalidity: int
    uid: int


@attrs.frozen(kw_only=True)
class Inbox:
    """The inbox of one account. *sealed_password* None: it logs in with the account's OAuth token.

    *version* rises when another mailbox or login is set. *failures* counts those in a row.
    """

    account_id: int
    version: int = 1
    host: str
    port: int = TLS_PORT
    username: str
    sealed_password: bytes | None = attrs.field(default=None, repr=False)
    folder: str = "INBOX"
    poll: timedelta = DEFAULT_POLL
    place: InboxPlace | None = None
    tried_at: datetime | None = None
    read_at: datetime | None = None
    failures: int = 0
    last_error: str = ""

    @property
    def context(self) -> str:
        """What its password is sealed for."""
        return f"inbox:{self.account_id}"

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to look; after failures it is waited longer and longer."""
        if self.tried_at is None or self.tried_at > now:
            return True
        wait = self.poll
        if self.failures:
            wait = max(wait, min(self.poll * 2 ** min(self.failures - 1, 10), LONGEST_PAUSE))
        return now >= self.tried_at + wait

    def changed(self, new: "Inbox", *, password_given: bool) -> "Inbox":
        """As the owner writes it. Another host, port or username forgets the password; another
        mailbox is read from its beginning.
        """
        moved = (new.host, new.port, new.username) != (self.host, self.port, self.username)
        sealed = new.sealed_password
        if not password_given:
            sealed = None if moved else self.sealed_password
        if moved or new.folder != self.folder or password_given:
            same_box = not moved and new.folder == self.folder
            return attrs.evolve(
                new,
                version=self.version + 1,
                sealed_password=sealed,
                place=self.place if same_box else None,
                read_at=self.read_at if same_box else None,
            )
        return attrs.evolve(self, poll=new.poll)

    def tried(self, now: datetime) -> "Inbox":
        """It is being read."""
        return attrs.evolve(self, tried_at=now)

    def was_read(self, place: InboxPlace, now: datetime) -> "Inbox":
        """As far as *place*."""
        return attrs.evolve(self, place=place, tried_at=now, read_at=now, failures=0, last_error="")

    def failed(self, text: str, now: datetime) -> "Inbox":
        """It could not be read."""
        return attrs.evolve(
            self, tried_at=now, failures=self.failures + 1, last_error=text[:LONGEST_ERROR]
        )


def takes_token(inbox: Inbox, account: Account) -> bool:
    """Whether the account's token may be shown to the inbox's server: it is its provider's.

    Who may write the inbox of an account must not learn what it logs in with.
    """
    if account.oauth is None:
        return False
    known = TOKEN_HOSTS.get(account.oauth.provider)
    return inbox.host == (account.host if known is None else known)


def check_inbox(inbox: Inbox, account: Account) -> None:
    """InvalidInput names what does not go together."""
    errors = []
    if inbox.sealed_password is None and account.oauth is None:
        errors.append(FieldError("inbox/password", "is required without OAuth"))
    elif inbox.sealed_password is None and not takes_token(inbox, account):
        errors.append(FieldError("inbox/password", "is required: the token is not for this server"))
    if inbox.port not in PORTS and not is_loopback(inbox.host):
        errors.append(FieldError("inbox/port", "must be 993, or 143 for STARTTLS"))
    if errors:
        raise InvalidInput(*errors)

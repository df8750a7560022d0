"""The messages of one account's emails, read from the store some at a time, and signed."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from application.delivery.signing import AccountSigner, Signing
from application.delivery.whole_message import StoredMessage, stored_messages
from application.ports.store import Store
from domain.account.account import Account
from domain.email.lifecycle import Email
from domain.errors import SecretUnreadable, StoreUnavailable
from domain.message.compose import from_line
from domain.outcome.handoff import Parcel

READ_AHEAD: Final = 1024 * 1024  # octets of the messages that a worker holds at once


class MessageCache:
    """The messages of an account's emails as it sends them, read some at a time."""

    def __init__(self, store: Store, account: Account, signing: Signing) -> None:
        self._store = store
        self._account = account
        self._signing = signing
        self._signer: AccountSigner | None = None
        self._from_header = from_line(account.address, account.display_name)
        self._read: dict[int, StoredMessage] = {}
        self._parcels: dict[tuple[int, int], Parcel] = {}

    def of(self, email: Email, after: Iterable[Email] = ()) -> Parcel:
        """What is handed over for one attempt; others *after* it may be read with it.

        The same object each time, until others are read. StoreUnavailable; SecretUnreadable if
        the account signs and a key of it cannot be opened.
        """
        attempt = (email.id, email.attempt_no)  # a later one may name fewer recipients
        if attempt not in self._parcels:
            if email.id not in self._read:
                some = _together(email, after)
                self._read = self._store.read_latest(lambda tx: stored_messages(tx, some))
                self._parcels = {}
            self._parcels[attempt] = self._parcel(email, self._read.pop(email.id))
        return self._parcels[attempt]

    def first_of(self, emails: Sequence[Email]) -> Parcel | None:
        """What is handed over for the first of them; None if there is none, or it cannot be made
        now.
        """
        try:
            return self.of(emails[0], islice(emails, 1, None)) if emails else None
        except (StoreUnavailable, SecretUnreadable):
            return None  # its own turn finds it out

    def _parcel(self, email: Email, stored: StoredMessage) -> Parcel:
        parcel = self._behind(email, stored)
        if not self._account.signs:
            return parcel
        if self._signer is None:
            self._signer = self._signing.of(self._account, self._store)
        signatures = self._signer.signatures(parcel.pieces(), created_at=email.created_at)
        return self._behind(email, stored, signatures)

    def _behind(self, email: Email, stored: StoredMessage, signatures: bytes = b"") -> Parcel:
        octets, parts = stored.behind(self._from_header, self._store, signatures=signatures)
        return Parcel(email.envelope(self._account.address), octets, parts)


def _together(email: Email, after: Iterable[Email]) -> Sequence[Email]:
    """The email, and as many of the next ones as fit into READ_AHEAD octets."""
    size = email.size
    some = [email]
    for following in after:
        size += following.size
        if size > READ_AHEAD:
            break
        some.append(following)
    return some

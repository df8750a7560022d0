"""The messages of one account's emails, read from the store some at a time."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from application.ports.store import Store
from domain.account.account import Account
from domain.email.lifecycle import Email
from domain.errors import StoreUnavailable
from domain.message.compose import from_line
from domain.outcome.handoff import Parcel

READ_AHEAD: Final = 1024 * 1024  # octets of the messages that a worker holds at once


class MessageCache:
    """The messages of an account's emails as it sends them, read some at a time."""

    def __init__(self, store: Store, account: Account) -> None:
        self._store = store
        self._account = account
        self._from_header = from_line(account.address, account.display_name)
        self._read: dict[tuple[int, int], Parcel] = {}

    def of(self, email: Email, after: Iterable[Email] = ()) -> Parcel:
        """What is handed over for one attempt; others *after* it may be read with it.

        StoreUnavailable.
        """
        attempt = _attempt(email)
        if attempt not in self._read:
            self._read = self._parcels(_together(email, after))
        return self._read[attempt]

    def first_of(self, emails: Sequence[Email]) -> Parcel | None:
        """What is handed over for the first of them; None if there is none, or no store."""
        try:
            return self.of(emails[0], islice(emails, 1, None)) if emails else None
        except StoreUnavailable:
            return None  # its own turn finds it out

    def _parcels(self, emails: Sequence[Email]) -> dict[tuple[int, int], Parcel]:
        ids = [email.id for email in emails]
        stored = self._store.read_latest(lambda tx: tx.emails.messages(ids))
        return {
            _attempt(email): Parcel(
                email.envelope(self._account.address), self._from_header + stored[email.id]
            )
            for email in emails
        }


def _attempt(email: Email) -> tuple[int, int]:
    """What an email is known by here: a later attempt may name fewer recipients."""
    return email.id, email.attempt_no


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

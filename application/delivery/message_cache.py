"""The messages of one account's emails, read from the store some at a time, and signed."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import attrs

from application.delivery.signing import AccountSigner, Signing
from application.ports.store import Store, Transaction
from domain.account.account import Account
from domain.email.lifecycle import Email
from domain.errors import SecretUnreadable, StoreUnavailable
from domain.message.compose import from_line
from domain.message.skeleton import PlacedBlob
from domain.outcome.handoff import LargeParts, Parcel

READ_AHEAD: Final = 1024 * 1024  # octets of the messages that a worker holds at once


class MessageCache:
    """The messages of an account's emails as it sends them, read some at a time."""

    def __init__(self, store: Store, account: Account, signing: Signing) -> None:
        self._store = store
        self._account = account
        self._signing = signing
        self._signer: AccountSigner | None = None
        self._from_header = from_line(account.address, account.display_name)
        self._read: dict[int, bytes] = {}
        self._placed: Mapping[int, Sequence[PlacedBlob]] = {}
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
                stored, self._placed = self._store.read_latest(lambda tx: _messages(tx, some))
                self._read, self._parcels = dict(stored), {}
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

    def _parcel(self, email: Email, octets: bytes) -> Parcel:
        placed = self._placed.get(email.id, ())
        parcel = self._with_head(email, self._from_header, octets, placed)
        if not self._account.signs:
            return parcel
        if self._signer is None:
            self._signer = self._signing.of(self._account, self._store)
        signatures = self._signer.signatures(parcel.pieces(), created_at=email.created_at)
        return self._with_head(email, signatures + self._from_header, octets, placed)

    def _with_head(
        self, email: Email, head: bytes, octets: bytes, placed: Sequence[PlacedBlob]
    ) -> Parcel:
        """The places of the parts are in the stored octets; *head* comes before those."""
        parts = None
        if placed:
            moved = [attrs.evolve(one, offset=one.offset + len(head)) for one in placed]
            parts = LargeParts(tuple(moved), self._chunk)
        return Parcel(email.envelope(self._account.address), head + octets, parts)

    def _chunk(self, digest: bytes, n: int) -> bytes:
        return self._store.read_latest(lambda tx: tx.blobs.chunk(digest, n))


def _messages(
    tx: Transaction, emails: Sequence[Email]
) -> tuple[Mapping[int, bytes], Mapping[int, Sequence[PlacedBlob]]]:
    """What is stored of them, and what stands apart; that is looked for only if octets lack."""
    stored = tx.emails.messages([email.id for email in emails])
    lacking = [email.id for email in emails if len(stored[email.id]) < email.size]
    return stored, tx.blobs.of(lacking) if lacking else {}


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

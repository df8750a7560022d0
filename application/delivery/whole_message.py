"""The message as it is handed off: the one place that puts it together from what is stored."""

from collections.abc import Sequence
from typing import Final

import attrs

from application.ports.store import StoreReader, Transaction
from domain.email.lifecycle import Email
from domain.message.skeleton import PlacedBlob
from domain.outcome.handoff import LargeParts

_FROM: Final = b"From: "


@attrs.frozen
class StoredMessage:
    """The octets of a message as they are stored, and the large parts that stand apart."""

    octets: bytes = attrs.field(repr=False)
    blobs: Sequence[PlacedBlob] = ()

    def behind(
        self, from_header: bytes, store: StoreReader, *, signatures: bytes = b""
    ) -> tuple[bytes, LargeParts | None]:
        """The octets after *signatures* and the account's *from_header*, and the parts.

        A message that begins with a From line of its own does not get the account's. The chunks of
        the parts are read from *store* when asked.
        """
        own = self.octets.startswith(_FROM)
        head = signatures if own else signatures + from_header
        if not self.blobs:
            return head + self.octets, None
        moved = [attrs.evolve(one, offset=one.offset + len(head)) for one in self.blobs]

        def chunk(digest: bytes, n: int) -> bytes:
            return store.read_latest(lambda tx: tx.blobs.chunk(digest, n))

        return head + self.octets, LargeParts(tuple(moved), chunk)


def stored_messages(tx: Transaction, emails: Sequence[Email]) -> dict[int, StoredMessage]:
    """What is stored of each, by its id. Parts are looked for only if its octets are too few."""
    stored = tx.emails.messages([email.id for email in emails])
    lacking = [email.id for email in emails if len(stored[email.id]) < email.size]
    blobs = tx.blobs.of(lacking) if lacking else {}
    return {
        email_id: StoredMessage(octets, blobs.get(email_id, ()))
        for email_id, octets in stored.items()
    }

"""From a message and its envelope to the draft of the use case.

The message passes as it is, but that 8-bit text is encoded, and `entrypoints.smtp.orders` leave it.
What is dropped of any message that a client made, `domain.message.raw` says.
"""

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

import attrs

from application.intake.draft import Draft
from application.intake.idempotency import IdempotencyKey
from domain.address import Address
from domain.email.labels import NO_LABELS, labels
from domain.mailbox import Mailbox
from domain.message.raw import RawMessage, one_mailbox, read_raw
from domain.message.seven_bit import seven_bit
from domain.throughput import Via
from entrypoints.smtp.orders import Orders, orders_of, without_orders

# All that may stand beside an address in To and Cc. What they say is only shown to people.
_BESIDE_ADDRESS: Final = re.compile(r"[\s<>,;:\"()]+")
# No key that a client gives has a blank: none of ours is one of theirs.
_OURS: Final = "smtp "


@attrs.frozen(kw_only=True)
class Submitted:
    """A draft, and what makes it the same as one that came before; None if nothing does."""

    draft: Draft
    idempotency: IdempotencyKey | None


def submitted(octets: bytes, recipients: Sequence[Address], *, scope: str) -> Submitted:
    """What the message in *octets* asks for; *recipients* are those of its envelope. InvalidInput.

    *scope* is the caller's, for the same key of another caller is another one.
    """
    raw = read_raw(seven_bit(octets))
    orders = orders_of(raw)
    envelope = tuple(dict.fromkeys(recipients))
    draft = Draft(
        subject=raw.subject,
        to=_named(raw, "to", envelope),
        cc=_named(raw, "cc", envelope),
        envelope=envelope,
        sender=raw.sender,
        via=Via.SMTP,
        topic=orders.topic,
        labels=labels(orders.tags, {}) if orders.tags else NO_LABELS,
        raw=without_orders(raw) if orders.template is None else None,
    )
    if orders.template is not None:
        draft = _written_by_template(draft, raw, orders)
    key = _idempotency(raw, orders, octets, recipients, scope=scope)
    return Submitted(draft=draft, idempotency=key)


def _written_by_template(draft: Draft, raw: RawMessage, orders: Orders) -> Draft:
    """The same to the same people; of the message itself only From and Reply-To count."""
    return attrs.evolve(
        draft,
        subject="",
        reply_to=_reply_to(raw),
        template=orders.template,
        variables=orders.variables,
    )


def _reply_to(raw: RawMessage) -> tuple[Mailbox, ...]:
    return tuple(one_mailbox(field) for field in raw.fields if field.key == "reply-to")


def _named(raw: RawMessage, key: str, envelope: Iterable[Address]) -> tuple[Address, ...]:
    """Those of *envelope* that a header names; who is in no header gets a blind copy."""
    names = {
        word.lower()
        for field in raw.fields
        if field.key == key
        for word in _BESIDE_ADDRESS.split(field.value)
        if "@" in word
    }
    return tuple([address for address in envelope if str(address).lower() in names])


def _idempotency(
    raw: RawMessage,
    orders: Orders,
    octets: bytes,
    recipients: Iterable[Address],
    *,
    scope: str,
) -> IdempotencyKey | None:
    """By the key that the client gives; else by its Message-ID, the envelope and all octets.

    A client that gives a key may make its message anew, with another date and other boundaries.
    """
    envelope = " ".join(sorted(map(str, recipients)))
    if orders.key is not None:
        told = f"{envelope}\n{raw.sender.address}\n{raw.subject}".encode()
        return IdempotencyKey(key=orders.key, scope=scope, digest=sha256(told).hexdigest())
    if raw.message_id is None:
        return None  # a program that is run every hour may send the same each time
    digest = sha256(f"{envelope}\n".encode() + octets).hexdigest()
    return IdempotencyKey(key=f"{_OURS}{digest}", scope=scope, digest=digest)

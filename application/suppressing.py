"""Leaving out who gets no mail: asked as an email is accepted, and again as it is claimed.

And counting whose mailbox is full.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from application.ports.events import EventLog
from application.ports.suppression import SuppressionRepository
from application.ports.watching import FullMailboxes
from application.telling import suppress
from domain.address import Address
from domain.email.recipient import Recipient, RecipientStatus
from domain.erasure import pseudonym
from domain.suppression import (
    FULL_WITHIN,
    Suppression,
    SuppressionReason,
    address_key,
    full_too_often,
    is_suppressed,
)


class FullRows(Protocol):
    """What is written of a full mailbox."""

    @property
    def suppressions(self) -> SuppressionRepository: ...

    @property
    def events(self) -> EventLog: ...

    @property
    def full_mailboxes(self) -> FullMailboxes: ...


def keys_of(recipients: Sequence[Recipient]) -> list[str]:
    """How those that are open stand in the list."""
    return [address_key(one.address) for one in recipients if one.status is RecipientStatus.OPEN]


def entries_of(
    suppressions: SuppressionRepository,
    keys: Iterable[str],
    *,
    secret: bytes | None,
    wait: bool = True,
) -> Sequence[Suppression]:
    """What the list has of the addresses with these *keys*: as `SuppressionRepository.of`.

    With the *secret* of pseudonyms also what it has of those that were erased, as if they had their
    addresses.
    """
    asked = set(keys)
    if secret is None:
        return suppressions.of(asked, wait=wait)
    names = {pseudonym(key, secret=secret): key for key in asked}
    found = suppressions.of({*asked, *names}, wait=wait)
    return [attrs.evolve(one, address=names.get(one.address, one.address)) for one in found]


def unwanted(
    recipients: Sequence[Recipient],
    listed: Mapping[str, Sequence[Suppression]],
    *,
    topic: str | None,
    account_id: int | None,
    bypassed: Collection[SuppressionReason],
    email_id: int | None = None,
    now: datetime,
) -> Collection[Address]:
    """Which of the *recipients* get none of this mail; *listed* are the suppressions by address."""
    return {
        one.address
        for one in recipients
        if is_suppressed(
            listed.get(address_key(one.address), ()),
            topic=topic,
            account_id=account_id,
            bypassed=bypassed,
            email_id=email_id,
            now=now,
        )
    }


def note_full(tx: FullRows, address: str, *, email_id: int, now: datetime) -> bool:
    """Note that this email did not get into the mailbox of *address* (as in `address_key`) because
    that is full; whether the address is suppressed for it now.

    A refusal (5.2.2) or a report that says so counts once for an email. To be called within the
    work that stores it. Nobody is waited for.
    """
    tx.full_mailboxes.add(address, email_id=email_id, at=now)
    times = tx.full_mailboxes.count(address, since=now - FULL_WITHIN)
    suppression = full_too_often(address, times=times, email_id=email_id, now=now)
    if suppression is None:
        return False
    tx.full_mailboxes.forget(address)
    suppress(tx, suppression, wait=False)
    return True

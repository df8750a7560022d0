"""From what a report says about recipients to what stands in a `Report`."""

from collections.abc import Iterable

import attrs

from domain.bounce.judge import Judge, status_of
from domain.bounce.report import (
    LONGEST_DIAGNOSTIC,
    MOST_RECIPIENTS,
    BounceKind,
    ReportedRecipient,
    Told,
)
from domain.bounce.status_fields import address_in


def judged(
    told: Told, judge: Judge, *, delayed: bool = False, kind: BounceKind | None = None
) -> ReportedRecipient | None:
    """What *told* comes to, of this *kind* where it is known; None if it names no address."""
    recipient = address_in(told.recipient)
    if not recipient:
        return None
    text = " ".join(told.diagnostic.split())[:LONGEST_DIAGNOSTIC]
    kind = kind or judge.kind(attrs.evolve(told, diagnostic=text), said_delayed=delayed)
    status = None if kind is BounceKind.COMPLAINT else status_of(told.status, text, kind=kind)
    return ReportedRecipient(recipient=recipient, status=status, kind=kind, diagnostic=text)


def each_once(recipients: Iterable[ReportedRecipient | None]) -> tuple[ReportedRecipient, ...]:
    """Each address once, at most `MOST_RECIPIENTS`; those that are None are left out."""
    found: dict[str, ReportedRecipient] = {}
    for one in recipients:
        if one is not None:
            found.setdefault(one.recipient.lower(), one)
            if len(found) >= MOST_RECIPIENTS:
                break
    return tuple(found.values())

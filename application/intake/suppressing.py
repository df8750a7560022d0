"""Leaving out, at acceptance, who gets no mail."""

from collections.abc import Mapping, Sequence

import attrs

from application.intake.prepared import Prepared
from application.ports.store import Transaction
from application.suppressing import entries_of, keys_of, unwanted
from domain.email.withdrawal import without
from domain.suppression import Suppression, by_address


def suppress_unwanted(
    tx: Transaction, prepared: Sequence[Prepared], *, secret: bytes | None
) -> Sequence[Prepared]:
    """The same without those on the list: who is left gets it, and if nobody is, it has ended.

    One query for all recipients. An account is judged only where it is certain to be the one that
    sends; otherwise the claim judges it. *secret* is that of the pseudonyms.
    """
    keys = {key for one in prepared for key in keys_of(one.email.recipients)}
    found = entries_of(tx.suppressions, keys, secret=secret)
    if not found:
        return prepared
    listed = by_address(found)
    return [_without_unwanted(one, listed) for one in prepared]


def _without_unwanted(prepared: Prepared, listed: Mapping[str, Sequence[Suppression]]) -> Prepared:
    email, subscription = prepared.email, prepared.subscription
    out = unwanted(
        email.recipients,
        listed,
        topic=None if subscription is None else subscription.topic,
        account_id=email.account_id if email.pinned else None,
        bypassed=prepared.detail.bypassed,
        now=email.created_at,
    )
    if not out:
        return prepared
    return attrs.evolve(prepared, email=without(email, out, now=email.created_at))

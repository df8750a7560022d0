"""Claimed mail to recipients that were put on the suppression list after it was accepted."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from application.delivery.rows import ListRows
from application.suppressing import entries_of, keys_of, unwanted
from application.telling import save_email
from domain.account.account import Account
from domain.email.lifecycle import Email
from domain.email.status import TERMINAL
from domain.email.withdrawal import without
from domain.suppression import Suppression, account_scope, by_address, is_of_topic


def without_unwanted(
    tx: ListRows,
    account: Account,
    claimed: Sequence[Email],
    ended: list[Email],
    *,
    now: datetime,
    secret: bytes | None,
) -> Sequence[Email]:
    """Those that may be sent, without recipients who get none of it. Where nobody is left, the
    email is ended in this work and added to *ended*.

    To be called before anything is reserved for them. The list is asked again only for what was
    accepted before its latest entry, and for mail of any account where it has entries of this one.
    It is asked without waiting: who puts an address on it may wait for the rows of this claim.
    *secret* is that of the pseudonyms.
    """
    if not claimed:
        return claimed
    additions = tx.suppressions.additions(account_scope(account.id))
    asking = [
        email
        for email in claimed
        if email.id <= additions.until or (additions.of_scope and not email.pinned)
    ]
    if not asking:
        return claimed
    keys = {key for email in asking for key in keys_of(email.recipients)}
    found = entries_of(tx.suppressions, keys, secret=secret, wait=False)
    if not found:
        return claimed
    listed = by_address(found)
    asked_again = {email.id for email in asking}
    left = []
    for email in claimed:
        changed = (
            _changed(tx, account, email, listed, now=now) if email.id in asked_again else email
        )
        if changed is not email:
            save_email(tx, changed, was=email)
        if changed.status in TERMINAL:
            ended.append(changed)
        else:
            left.append(changed)
    return left


def _changed(
    tx: ListRows,
    account: Account,
    email: Email,
    listed: Mapping[str, Sequence[Suppression]],
    *,
    now: datetime,
) -> Email:
    """The email without those on the list; itself if none of its recipients is."""
    about_it = [one for key in keys_of(email.recipients) for one in listed.get(key, ())]
    if not about_it:
        return email
    topic = tx.topics.of(email.id) if any(map(is_of_topic, about_it)) else None
    out = unwanted(
        email.open_recipients,
        listed,
        topic=None if topic is None else topic.topic,
        account_id=account.id,
        bypassed=tx.details.of(email.id).bypassed,
        email_id=email.id,
        now=now,
    )
    return without(email, out, now=now) if out else email

"""How a work changes emails, accounts and the suppression list: with the events that tell it and
what is counted of it, in the same commit.

Nothing else in the application calls `save` of the repositories of emails and accounts,
`save_health`, or what adds to the list and removes from it: what is changed elsewhere would be told
to nobody, nor counted.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from application.ports.accounts import AccountRepository
from application.ports.events import EventLog
from application.ports.queue import EmailRepository
from application.ports.suppression import SuppressionRepository
from application.ports.throughput import ThroughputRepository
from domain.account.account import Account
from domain.email.lifecycle import Email
from domain.email.status import TERMINAL
from domain.event.telling import told_by, told_of_account, told_of_suppression
from domain.event.types import EventType
from domain.suppression import Suppression, by_address
from domain.throughput import Via


class EmailChange(Protocol):
    """What the change of an email writes."""

    @property
    def emails(self) -> EmailRepository: ...

    @property
    def events(self) -> EventLog: ...

    @property
    def throughput(self) -> ThroughputRepository: ...


class AccountChange(Protocol):
    """What the change of an account writes."""

    @property
    def accounts(self) -> AccountRepository: ...

    @property
    def events(self) -> EventLog: ...


class ListChange(Protocol):
    """What a change of the suppression list writes."""

    @property
    def suppressions(self) -> SuppressionRepository: ...

    @property
    def events(self) -> EventLog: ...


def save_email(tx: EmailChange, email: Email, *, was: Email) -> None:
    """Write what a transition changed, tell and count it. As `EmailRepository.save`."""
    tx.emails.save(email, was=was)
    if email.status is not was.status and email.status in TERMINAL:
        tx.throughput.end(email)
    for event_type in told_by(was, email):
        tx.events.tell_email(event_type, email)


def tell_accepted(tx: EmailChange, emails: Iterable[tuple[Email, Via]]) -> None:
    """Tell of emails that were just stored, and count them."""
    for email, via in emails:
        tx.throughput.accept(email, via=via)
        if email.status in TERMINAL:
            tx.throughput.end(email)
        for event_type in told_by(None, email):
            tx.events.tell_email(event_type, email)


def save_account(tx: AccountChange, account: Account, *, was: Account, at: datetime) -> None:
    """Write all of an account, and tell what has become of its pause.

    As `AccountRepository.save`.
    """
    tx.accounts.save(account)
    _tell_account(tx.events, account, was, at)


def save_account_health(tx: AccountChange, account: Account, *, was: Account, at: datetime) -> None:
    """Write an account's health, and tell what has become of its pause.

    As `AccountRepository.save_health`; *was* must be locked by this work, so that its version is
    the stored one.
    """
    tx.accounts.save_health(account)
    _tell_account(tx.events, account, was, at)


def _tell_account(events: EventLog, account: Account, was: Account, at: datetime) -> None:
    for event in told_of_account(was, account, at=at):
        events.tell(event)


def suppress(tx: ListChange, suppression: Suppression, *, wait: bool = True) -> bool:
    """Put it on the list; whether it was stored, as `SuppressionRepository.put`.

    It is told unless it only prolongs one that holds.
    """
    known = tx.suppressions.of([suppression.address], wait=False)
    stored = tx.suppressions.put(suppression, wait=wait)
    if stored:
        _tell_if_new(tx, suppression, known)
    return stored


def suppress_all(tx: ListChange, suppressions: Sequence[Suppression]) -> Sequence[Suppression]:
    """Put them on the list, each in the place of one of its address, scope and reason; as stored.

    Those are told that take no place of one that holds.
    """
    addresses = {one.address for one in suppressions}
    tx.suppressions.lock(addresses)
    known = by_address(tx.suppressions.of(addresses, wait=False))
    stored = []
    # in one order: who adds without waiting for others may add the same
    for one in sorted(suppressions, key=lambda each: each.key):
        stored.append(tx.suppressions.replace(one))
        _tell_if_new(tx, one, known.get(one.address, ()))
    return stored


def unsuppress(tx: ListChange, suppressions: Sequence[Suppression], *, at: datetime) -> None:
    """Remove these from the list, and tell it."""
    tx.suppressions.remove(suppressions)
    for one in suppressions:
        tx.events.tell(told_of_suppression(EventType.SUPPRESSION_DELETED, one, at=at))


def _tell_if_new(tx: ListChange, added: Suppression, known: Iterable[Suppression]) -> None:
    now = added.created_at
    if not any(one.key == added.key and one.holds(now=now) for one in known):
        tx.events.tell(told_of_suppression(EventType.SUPPRESSION_CREATED, added, at=now))

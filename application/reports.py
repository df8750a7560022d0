"""What follows from a report about sent mail: delivery reports and complaints, wherever they come.

A report is believed only if it names the email by something that a stranger cannot guess: the
reference that stands in every message, the Message-ID, or the provider's own name; and a recipient
of that email. An address or a subject alone names nothing: anybody can write a report.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final, Protocol

import attrs

from application.ports.bounces import BounceRepository
from application.ports.events import EventLog
from application.ports.queue import EmailRepository
from application.ports.store import Store
from application.ports.suppression import SuppressionRepository
from application.ports.system import Clock, Observe
from application.ports.watching import FullMailboxes
from application.suppressing import note_full
from application.telling import suppress
from domain.bounce.bounce import (
    Bounce,
    BounceType,
    addresses_of,
    bounces_of,
    is_named,
    is_of,
    references_to_emails,
    suppression_of,
)
from domain.bounce.report import BounceKind, Report
from domain.email.lifecycle import Email
from domain.email.listing import lower_ascii
from domain.errors import NotFound
from domain.event.event import reported_of
from domain.events import Event
from domain.suppression import FULL, address_key

_LOGGED: Final = {
    BounceType.BOUNCED: "email_bounced",
    BounceType.COMPLAINED: "email_complained",
    BounceType.DELAYED: "email_delayed",
}
_LOOKED_AT: Final = 20  # emails with one reference and one of the recipients


class ReportRows(Protocol):
    """What the record of a report reads and writes."""

    @property
    def emails(self) -> EmailRepository: ...

    @property
    def bounces(self) -> BounceRepository: ...

    @property
    def suppressions(self) -> SuppressionRepository: ...

    @property
    def events(self) -> EventLog: ...

    @property
    def full_mailboxes(self) -> FullMailboxes: ...


@attrs.frozen(kw_only=True)
class Recorded:
    """What came of a report: the email that it is about, None if none was found, and what of it
    was new. *suppressed* is how many recipients get no mail any more because of it.
    """

    email: Email | None = None
    bounces: Sequence[Bounce] = ()
    suppressed: int = 0


class Reports:
    """The use case of whatever receives reports: inboxes, and the hooks of providers."""

    def __init__(self, *, store: Store, clock: Clock, observe: Observe) -> None:
        self._store = store
        self._clock = clock
        self._observe = observe

    def record(
        self,
        report: Report,
        *,
        source: str,
        account_id: int | None,
        report_id: str,
        at: datetime | None = None,
    ) -> Recorded:
        """Write down what *report* tells, in one work; the same report again changes nothing.

        *source* and *report_id* are for the log: where it came from, and its name there.
        *account_id* is the account whose source it is: a name that a provider gave finds only its
        emails. *at* is when it was made; now, if nobody knows.
        """
        recorded = self._store.write(
            lambda tx: self.record_in(tx, report, account_id=account_id, at=at)
        )
        self.tell(recorded, source=source, report_id=report_id)
        return recorded

    def record_in(
        self,
        tx: ReportRows,
        report: Report,
        *,
        account_id: int | None,
        at: datetime | None = None,
    ) -> Recorded:
        """The same in a work of the caller's, who calls `tell` once that is durable."""
        email = _email_of(tx, report, account_id)
        if email is None:
            return Recorded()
        tx.bounces.lock(email.id)
        now = self._clock.now()
        known = tx.bounces.of(email.id)
        told = [
            one
            for one in bounces_of(report, email, at=min(at or now, now))
            if one.adds_to(next((other for other in known if one.is_of(other)), None))
        ]
        return Recorded(email=email, bounces=told, suppressed=_write(tx, email, told, now=now))

    def tell(self, recorded: Recorded, *, source: str, report_id: str) -> None:
        """Log what was new, after the commit."""
        email = recorded.email
        if email is None:
            return
        for one in recorded.bounces:
            self._observe(
                Event(
                    name=_LOGGED[one.type],
                    email_id=email.id,
                    account_id=email.account_id,
                    fields={
                        "kind": one.kind.value,
                        "status": one.status,
                        "source": source,
                        "report": report_id,
                    },
                )
            )


def _write(tx: ReportRows, email: Email, told: Sequence[Bounce], *, now: datetime) -> int:
    suppressed = 0
    for one in told:
        tx.bounces.put(one)
        if one.position is not None:
            suppression = suppression_of(one, email.recipients[one.position], now=now)
            if suppression is not None:
                suppressed += suppress(tx, suppression)
            elif one.status == FULL and one.kind is BounceKind.SOFT:
                key = address_key(email.recipients[one.position].address)
                suppressed += note_full(tx, key, email_id=email.id, now=now)
    for _, some in groupby(sorted(told, key=lambda one: one.type), key=lambda one: one.type):
        tx.events.tell_reported(reported_of(email, list(some), at=now))
    return suppressed


def _email_of(tx: ReportRows, report: Report, account_id: int | None) -> Email | None:
    """The newest email that the report names and that has one of its recipients."""
    if not report.recipients and not report.is_complaint:
        return None
    for email in _emails(tx, _named(tx.bounces, report)):
        if is_of(report, email) and is_named(report.references, email):
            return email
    names = report.references.provider_ids
    ids = (found for name in names for found in tx.bounces.by_name(name, limit=_LOOKED_AT))
    for email in _emails(tx, ids):
        if is_of(report, email) and account_id in (None, email.account_id):
            return email
    return None


def _named(bounces: BounceRepository, report: Report) -> Iterator[int]:
    among = None
    if not report.is_complaint:
        among = sorted({lower_ascii(key) for key in addresses_of(report.recipients)})
        if not among:
            return
    for reference in references_to_emails(report.references):
        yield from bounces.by_reference(reference, among=among, limit=_LOOKED_AT)


def _emails(tx: ReportRows, ids: Iterable[int]) -> Iterator[Email]:
    for email_id in ids:
        try:
            yield tx.emails.get(email_id)
        except NotFound:
            continue

"""Erasing a person: asked for by an administrator, done a little at a time, whoever dies meanwhile.

Each step is a work of a bounded size that notes how far it has come in the same commit. To do one
twice changes nothing.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import attrs

from application.cluster.membership import Membership
from application.maintenance.slices import Slices
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe, Scrub
from application.pseudonyms import Pseudonyms
from application.telling import save_email
from domain.access import LOCAL, Caller, Scope
from domain.address import Address
from domain.email.lifecycle import Email
from domain.email.status import TERMINAL, Status
from domain.email.withdrawal import without
from domain.erasure import Erasure, Person, Step
from domain.errors import NotFound, StaleAttempt
from domain.events import Event
from domain.suppression import address_key

BUDGET_S: Final = 1.0  # of one run in the process that delivers
MESSAGES: Final = 20  # read at once: together they may be a megabyte
# A file that was stored so recently may be on its way into an email of somebody else.
FILE_AGE: Final = timedelta(minutes=1)
CHUNKS: Final = 4
# By then every process has looked for the secret and knows of pseudonyms.
KNOWN_AFTER: Final = timedelta(seconds=5)


@attrs.frozen(kw_only=True)
class Progress:
    """An erasure, and how many emails it waits for: they are still to be sent, or being sent."""

    erasure: Erasure
    waiting: int


class ErasureSteps:
    """The steps of an erasure, each done in slices."""

    def __init__(self, *, store: Store, clock: Clock, scrub: Scrub) -> None:
        self._store = store
        self._clock = clock
        self._scrub = scrub
        self._slices = Slices(store=store, clock=clock)
        self._steps: Mapping[Step, Callable[[Erasure], Erasure | None]] = {
            Step.RECIPIENTS: self._find_recipients,
            Step.TEXTS: self._find_texts,
            Step.MESSAGES: self._find_messages,
            Step.EMAILS: self._erase_emails,
            Step.FILES: self._remove_files,
            Step.SUPPRESSIONS: self._rename_suppressions,
            Step.EVENTS: self._redact_texts,
            Step.AUDIT: self._redact_texts,
            Step.ACCOUNTS: self._redact_texts,
            Step.IDEMPOTENCY: self._redact_texts,
            Step.SCRUB: self._overwrite,
        }

    def take(self, erasure: Erasure) -> Erasure | None:
        """The erasure after a slice of its step, or None if it has to wait."""
        return self._steps[erasure.step](erasure)

    def _find_recipients(self, erasure: Erasure) -> Erasure:
        person = erasure.person

        def work(tx: Transaction) -> Erasure:
            limit = self._slices.size
            found = tx.erasures.emails_to(
                person, after=erasure.place, until=erasure.until, limit=limit
            )
            tx.erasures.note(erasure.id, found)
            return self._saved(tx, erasure, found[-1] if len(found) == limit else None)

        return self._write(work)

    def _find_texts(self, erasure: Erasure) -> Erasure:
        end = min(erasure.place + 10 * self._slices.size, erasure.until)

        def work(tx: Transaction) -> Erasure:
            found = tx.erasures.emails_naming(erasure.person, after=erasure.place, until=end)
            tx.erasures.note(erasure.id, found)
            return self._saved(tx, erasure, end if end < erasure.until else None)

        return self._write(work)

    def _find_messages(self, erasure: Erasure) -> Erasure:
        """Messages are read without a lock: they never change."""
        found = self._store.read_latest(
            lambda tx: tx.erasures.messages(
                after=erasure.place, until=erasure.until, limit=MESSAGES
            )
        )
        person = erasure.person
        naming = [number for number, octets in found.items() if person.is_named_in_message(octets)]
        place = max(found) if len(found) == MESSAGES else None

        def work(tx: Transaction) -> Erasure:
            tx.erasures.note(erasure.id, naming)
            return self._saved(tx, erasure, place)

        return self._write(work)

    def _erase_emails(self, erasure: Erasure) -> Erasure | None:
        """Those that have ended. What waits for this person is ended first; for what is being sent,
        or waits for others, the erasure waits.
        """
        size = min(self._slices.size, 100)
        some = self._store.read_latest(
            lambda tx: tx.erasures.noted(erasure.id, after=erasure.place, limit=size)
        )
        for email_id in some:
            # gone, or claimed meanwhile: then it is seen again the next time
            with suppress(NotFound, StaleAttempt):
                self._store.write(partial(self._withdraw, email_id=email_id, person=erasure.person))

        def work(tx: Transaction) -> Erasure:
            number = tx.erasures.redact(erasure, some, now=self._clock.now())
            changed = attrs.evolve(
                erasure, emails=erasure.emails + number, place=some[-1] if some else 0
            )
            tx.erasures.save(changed)
            return changed

        if some:
            return self._write(work)
        return self._all_ended(erasure)

    def _all_ended(self, erasure: Erasure) -> Erasure | None:
        """After the last note: look again for what was not committed when it began."""

        def work(tx: Transaction) -> Erasure | None:
            found = tx.erasures.emails_to(erasure.person, after=0, until=erasure.until, limit=100)
            tx.erasures.note(erasure.id, found)
            if tx.erasures.waiting(erasure.id):
                tx.erasures.save(erasure.at(0))
                return None
            return self._saved(tx, erasure, None)

        return self._store.write(work)

    def _withdraw(self, tx: Transaction, *, email_id: int, person: Person) -> None:
        """End a waiting email to nobody else, or leave this person out of it."""
        email = tx.emails.get(email_id)
        if email.status in TERMINAL or email.status is Status.SENDING:
            return
        changed = self._without(email, person)
        if changed is not email:
            save_email(tx, changed, was=email)

    def _without(self, email: Email, person: Person) -> Email:
        theirs = [
            one.address for one in email.open_recipients if address_key(one.address) == person.key
        ]
        now = self._clock.now()
        if not theirs:
            return email
        if len(theirs) == len(email.recipients):
            return email.cancelled(now=now)
        return without(email, theirs, now=now)

    def _remove_files(self, erasure: Erasure) -> Erasure | None:
        digests = self._store.write(lambda tx: tx.erasures.files(erasure.id, limit=100))
        if not digests:
            return self._write(lambda tx: self._saved(tx, erasure, None))
        before = self._clock.steady() - FILE_AGE
        removed = False
        for digest in digests:
            discard = partial(_discard, digest=digest, before=before)
            while self._store.write(discard):
                removed = True
        left = self._store.write(lambda tx: tx.erasures.files(erasure.id, limit=100))
        return erasure if removed or left != digests else None

    def _rename_suppressions(self, erasure: Erasure) -> Erasure | None:
        if self._clock.now() < erasure.requested_at + KNOWN_AFTER:
            return None

        def work(tx: Transaction) -> Erasure:
            tx.erasures.rename_suppressions(erasure.person)
            return self._saved(tx, erasure, None)

        return self._write(work)

    def _redact_texts(self, erasure: Erasure) -> Erasure:
        def work(tx: Transaction) -> Erasure:
            place = tx.erasures.redact_texts(
                erasure.step, erasure.person, after=erasure.place, limit=10 * self._slices.size
            )
            return self._saved(tx, erasure, place)

        return self._write(work)

    def _overwrite(self, erasure: Erasure) -> Erasure | None:
        """The row of the erasure has lost the address by now."""
        if not self._scrub(BUDGET_S):
            return None
        return self._store.write(lambda tx: self._saved(tx, erasure, None))

    def _saved(self, tx: Transaction, erasure: Erasure, place: int | None) -> Erasure:
        """So far has it come; the step is over if *place* is None."""
        over = place is None
        changed = erasure.advanced(now=self._clock.now()) if over else erasure.at(place or 0)
        tx.erasures.save(changed)
        return changed

    def _write(self, work: Callable[[Transaction], Erasure]) -> Erasure:
        """Measured: the next slice has the size that fits."""
        answers: list[Erasure] = []

        def measured(tx: Transaction) -> int:
            answers[:] = [work(tx)]
            return 0

        self._slices.write(measured)
        return answers[0]


class Erasing:
    """The use cases of erasures. All of them take the scope `admin`, without a limit to
    accounts.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        membership: Membership,
        pseudonyms: Pseudonyms,
        scrub: Scrub,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._membership = membership
        self._pseudonyms = pseudonyms
        self._observe = observe
        self._steps = ErasureSteps(store=store, clock=clock, scrub=scrub)

    def request(self, address: Address, *, caller: Caller = LOCAL) -> Erasure:
        """Begin to erase the person with this address, from what there is now. Forbidden,
        Unavailable.
        """
        _check(caller)
        person = Person.of(address, secret=self._pseudonyms.secret())
        now = self._clock.now()

        def work(tx: Transaction) -> Erasure:
            stored = tx.erasures.add(
                Erasure(
                    address=person.key,
                    pseudonym=person.pseudonym,
                    until=tx.erasures.last_email(),
                    requested_at=now,
                )
            )
            # without the address: it must be in no table in the end
            tx.audit.add(caller.did("erasure_requested", f"erasure {stored.id}", at=now))
            return stored

        return self._store.write(work)

    def of(self, erasure_id: int, *, caller: Caller = LOCAL) -> Progress:
        """How far one has come. Forbidden, NotFound."""
        _check(caller)

        def look(tx: Transaction) -> Progress:
            found = tx.erasures.get(erasure_id)
            return Progress(erasure=found, waiting=tx.erasures.waiting(erasure_id))

        return self._store.read(look)

    def run(self) -> None:
        """Go on for a short time with what was asked for, if it is this process's part."""
        if self._unfinished() and self._membership.is_first():
            self.go_on(budget_s=BUDGET_S)

    def go_on(self, *, budget_s: float) -> bool:
        """Work on all erasures for so long, or until they have to wait; whether all are done."""
        deadline = self._clock.monotonic() + budget_s
        done = True
        for erasure in self._unfinished():
            done &= self._go_on(erasure, deadline)
        return done

    def _unfinished(self) -> "list[Erasure]":
        return list(self._store.read_latest(lambda tx: tx.erasures.unfinished()))

    def _go_on(self, erasure: Erasure, deadline: float) -> bool:
        going: Erasure | None = erasure
        while going is not None and self._clock.monotonic() < deadline:
            erasure = going
            if erasure.is_done:
                break
            going = self._steps.take(erasure)
        if not erasure.is_done:
            return False
        self._observe(
            Event(name="person_erased", fields={"erasure": erasure.id, "emails": erasure.emails})
        )
        return True


def _discard(tx: Transaction, *, digest: bytes, before: datetime) -> bool:
    return tx.blobs.discard(digest, before=before, chunks=CHUNKS)


def _check(caller: Caller) -> None:
    """Forbidden for who may not see all emails."""
    caller.require(Scope.ADMIN)
    caller.require_every_account("erase a person")

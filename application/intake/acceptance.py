"""Storing calls whose emails are prepared: recognised if they came before, counted, announced."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import TypeAlias

import attrs

from application.email_changes import email_event
from application.intake.admission import Admission
from application.intake.idempotency import IdempotencyKey, record_of, remembered
from application.intake.prepared import Prepared
from application.intake.quota import use_quota
from application.intake.storing import store_emails
from application.intake.suppressing import suppress_unwanted
from application.ports.store import Store, Transaction
from application.ports.system import Observe, Wake
from application.pseudonyms import Pseudonyms
from domain.access import Caller
from domain.email.lifecycle import Email
from domain.email.recipient import SUPPRESSED
from domain.errors import EmailServiceError, StoreUnavailable


@attrs.frozen
class PreparedCall:
    """The emails of one call, which are stored together or not at all.

    *idempotency* is what makes another call the same one.
    """

    emails: Sequence[Prepared]
    idempotency: IdempotencyKey | None = None


@attrs.frozen
class Stored:
    """The ids that a call got, and its emails; none if the same call was stored before."""

    ids: tuple[int, ...]
    emails: Sequence[Email] = ()


Outcome: TypeAlias = Stored | EmailServiceError


class Acceptance:
    """What stores emails that clients submit."""

    def __init__(
        self,
        *,
        store: Store,
        admission: Admission,
        pseudonyms: Pseudonyms,
        wake: Wake,
        observe: Observe,
    ) -> None:
        self._store = store
        self._admission = admission
        self._pseudonyms = pseudonyms
        self._wake = wake
        self._observe = observe

    def store(self, call: PreparedCall, caller: Caller) -> Stored:
        """What became of one call; durable when this returns. Errors as of `Submission.submit`."""
        stored = self._store.write(self._work([call], caller))
        self._announce([email for one in stored for email in one.emails])
        return stored[0]

    def store_if(
        self,
        prepared: Sequence[Prepared],
        caller: Caller,
        *,
        wanted: Callable[[Transaction], bool],
        stored: Callable[[Transaction, int], object],
    ) -> Sequence[Email]:
        """Store one email of ours if it is *wanted* by then; none if not.

        Both are called in the work that stores it, *stored* with its id.
        """
        secret = self._pseudonyms.known()

        def work(tx: Transaction) -> Sequence[Email]:
            if not wanted(tx):
                return ()
            added = self._add(tx, prepared, caller, secret=secret)
            stored(tx, added[0].id)
            return added

        added = self._store.write(work)
        self._announce(added)
        return added

    def store_each(self, calls: Sequence[PreparedCall], caller: Caller) -> Sequence[Outcome]:
        """What became of each of them, in order; durable when this returns.

        They are written by one work, with one statement for many rows. If that is refused it was
        not written, and each is written by a work of its own: it may be refused for one of them.
        Calls that have the same idempotency key are written one after the other.
        """
        if not calls:
            return []
        outcomes: dict[int, Outcome] = {}
        together = _first_of_each_key(calls)
        try:
            work = self._work([calls[place] for place in together], caller)
            outcomes.update(zip(together, self._store.write(work), strict=True))
        except EmailServiceError as error:
            # what a lost connection has written is not known; any other refusal may be of one
            if isinstance(error, StoreUnavailable) or len(together) == 1:
                outcomes.update(dict.fromkeys(together, error))
        posted = {
            place: self._store.post(self._work([call], caller))
            for place, call in enumerate(calls)
            if place not in outcomes
        }
        outcomes.update((place, _outcome(answer)) for place, answer in posted.items())
        in_order = [outcomes[place] for place in range(len(calls))]
        stored = [one for one in in_order if isinstance(one, Stored)]
        self._announce([email for one in stored for email in one.emails])
        return in_order

    def _add(
        self, tx: Transaction, prepared: Sequence[Prepared], caller: Caller, *, secret: bytes | None
    ) -> Sequence[Email]:
        """Rows of the queue, if there is still room for all of them. *secret*: of `Pseudonyms`."""
        emails = [one.email for one in prepared]
        self._admission.check_depth(tx.emails, emails)
        for account_id in sorted({e.account_id for e in emails if e.pinned and e.account_id}):
            tx.accounts.get(account_id)
        named = sum(len(email.recipients) for email in emails)
        use_quota(tx.key_usage, caller, named, now=emails[0].created_at)
        prepared = suppress_unwanted(tx, prepared, secret=secret)
        return store_emails(tx, prepared)

    def _announce(self, emails: Sequence[Email]) -> None:
        """Wake the delivery, and observe what was stored."""
        if emails:
            self._wake()
        for email in emails:
            self._observe(email_event("email_accepted", email))
            if email.reason_code == SUPPRESSED:
                self._observe(email_event("email_suppressed", email))

    def _work(
        self, calls: Sequence[PreparedCall], caller: Caller
    ) -> Callable[[Transaction], Sequence[Stored]]:
        """What stores them all, or is refused. No two of them have the same idempotency key."""
        secret = self._pseudonyms.known()

        def work(tx: Transaction) -> Sequence[Stored]:
            known = [_remembered(tx, call) for call in calls]
            new = [call for call, ids in zip(calls, known, strict=True) if ids is None]
            prepared = [one for call in new for one in call.emails]
            added = iter(self._add(tx, prepared, caller, secret=secret) if prepared else ())
            return [
                _added(tx, call, tuple(islice(added, len(call.emails))))
                if ids is None
                else Stored(ids)
                for call, ids in zip(calls, known, strict=True)
            ]

        return work


def _remembered(tx: Transaction, call: PreparedCall) -> tuple[int, ...] | None:
    return None if call.idempotency is None else remembered(tx.idempotency, call.idempotency)


def _added(tx: Transaction, call: PreparedCall, emails: Sequence[Email]) -> Stored:
    ids = tuple(email.id for email in emails)
    if call.idempotency is not None:
        tx.idempotency.add(record_of(call.idempotency, ids, now=emails[0].created_at))
    return Stored(ids, emails)


def _first_of_each_key(calls: Sequence[PreparedCall]) -> Sequence[int]:
    """The places of those that have a key that none before them has, or none."""
    seen = set[str]()
    places = []
    for place, call in enumerate(calls):
        if call.idempotency is not None:
            if call.idempotency.key in seen:
                continue
            seen.add(call.idempotency.key)
        places.append(place)
    return places


def _outcome(answer: "Future[Sequence[Stored]]") -> Outcome:
    try:
        return answer.result()[0]
    except EmailServiceError as error:
        return error

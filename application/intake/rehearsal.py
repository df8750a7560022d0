"""What submitting would say of drafts, and what came of those of a call before: stores nothing."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from application.intake.draft import Draft
from application.intake.submit import Submission
from application.ports.store import Store, Transaction
from application.ports.system import Clock
from domain.access import Caller
from domain.email.forecast import Forecast
from domain.email.lifecycle import Email
from domain.errors import FieldError, InvalidInput, NotFound


class Rehearsal:
    """For ways in that let a client try out a call, or that tell more than ids."""

    def __init__(self, *, store: Store, clock: Clock, submission: Submission) -> None:
        self._store = store
        self._clock = clock
        self._submission = submission

    @property
    def now(self) -> datetime:
        """The time by the service's clock."""
        return self._clock.now()

    def check(self, drafts: Sequence[Draft]) -> None:
        """InvalidInput for what no account could make good, at the places of the drafts."""
        wrong: list[FieldError] = []
        for place, draft in enumerate(drafts):
            try:
                draft.check(now=self.now)
            except InvalidInput as error:
                wrong += [attrs.evolve(one, index=place) for one in error.errors]
        if wrong:
            raise InvalidInput(*wrong)

    def validate(self, drafts: Sequence[Draft], *, caller: Caller) -> None:
        """Raise what submitting these *drafts* would raise.

        Quotas and the depth of the queue are not looked at: nothing of them is used.
        """
        self._submission.prepare(drafts, caller)

    def forecast(self, drafts: Sequence[Draft], *, number: int, caller: Caller) -> Forecast:
        """What submitting *number* emails like these would answer. Errors of `validate`."""
        if not drafts or number < 1:
            return Forecast()
        prepared = self._submission.prepare(drafts, caller)
        alike = [prepared[place % len(prepared)] for place in range(number)]
        return self._submission.expect(alike, now=self.now)

    def stored_before(self, ids: Sequence[int]) -> Sequence[Email]:
        """The emails with these *ids*, which the caller got before, as far as they are there."""

        def look(tx: Transaction) -> Sequence[Email]:
            return [email for email in (_found(tx, one) for one in ids) if email is not None]

        return self._store.read_latest(look)


def _found(tx: Transaction, email_id: int) -> Email | None:
    try:
        return tx.emails.get(email_id)
    except NotFound:
        return None

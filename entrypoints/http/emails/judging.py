"""Whether a call that submits email may be accepted, judged before its addresses and contents cost
anything. Every call that submits shares it, whatever the form of its body.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import attrs

from application.intake.budget import Budget
from application.intake.idempotency import IdempotencyKey
from application.intake.submit import Submission
from domain.errors import EmailServiceError, FieldError, InvalidInput, NotAccepting, TooMany
from domain.intake import digest
from entrypoints.http.access import the_caller
from entrypoints.http.emails.intake import Headers, count_named, demand_of
from entrypoints.http.emails.schemas import EmailRequest
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import JsonObject
from entrypoints.http.requests import the_request
from entrypoints.http.validation import MOST_ERRORS, parse

_TEST_ID: Final = "X-Test-Id"
_TEST_ID_VALUE: Final = re.compile(r"[ -~]{1,200}")
_IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,256}")


class Judging:
    """Looks at emails as the body of POST /api/emails has them, still unparsed."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._limits = submission.limits

    def early(self, body: JsonObject, emails: Sequence[object]) -> tuple[int, ...] | None:
        """Refuse a call that cannot be accepted before its addresses and contents cost anything.

        The ids that it got when it was made before, with the same Idempotency-Key: the quota may be
        used up since, by the call itself.
        """
        try:
            budget = self._submission.budget(caller=the_caller())
            budget.check(*[demand_of(fields) for fields in emails if isinstance(fields, dict)])
        except (TooMany, NotAccepting):
            key = _idempotency_key()
            known = None if key is None else self._answered(key, body)
            if known is None:
                raise
            return known
        return None

    def one(self, fields: object, budget: Budget) -> EmailRequest | EmailServiceError:
        """One email of a batch, or why it is refused: what costs least is looked at first."""
        if not isinstance(fields, dict):
            return InvalidInput(RequestError("", "must be an object"))
        try:
            refuse(self.too_many(fields))
            demand = demand_of(fields)
            budget.check(demand)
            with self.counting([fields]):
                wanted = parse(EmailRequest, fields)
        except EmailServiceError as error:
            return error
        budget.spend(demand)
        return wanted

    @contextmanager
    def counting(self, emails: Sequence[object]) -> Iterator[None]:
        """Count the recipients of what is refused: they were validated for nothing."""
        try:
            yield
        except InvalidInput:
            named = sum(count_named(fields) for fields in emails if isinstance(fields, dict))
            self._submission.refused(named, caller=the_caller())
            raise

    def too_many(self, body: JsonObject) -> tuple[FieldError, ...]:
        """More recipients than an email may have."""
        return self._limits.errors_of_email(count_named(body))

    def too_many_in_call(self, emails: Sequence[object]) -> tuple[FieldError, ...]:
        """More emails or recipients than one call may have: of those nothing else is looked at."""
        return self._limits.errors_of_call(
            [count_named(fields) if isinstance(fields, dict) else 0 for fields in emails]
        )

    def too_many_of(self, emails: Sequence[object]) -> tuple[FieldError, ...]:
        """The emails that have more recipients than an email may have, each at its place."""
        return tuple(
            attrs.evolve(error, index=place)
            for place, fields in enumerate(emails)
            if isinstance(fields, dict)
            for error in self.too_many(fields)
        )

    def _answered(self, key: str, body: JsonObject) -> tuple[int, ...] | None:
        return self._submission.answered(
            key, scope=the_caller().idempotency_scope, digest=lambda: digest(body)
        )


def refuse(errors: Sequence[FieldError]) -> None:
    """InvalidInput if there are any."""
    if errors:
        raise InvalidInput(*errors[:MOST_ERRORS])


def passed_on(*, test_ids: bool) -> Headers:
    """The current request's headers that the message gets too: with *test_ids* a test recognises
    its mail by them.
    """
    value = the_request().headers.get(_TEST_ID) if test_ids else None
    if value is None:
        return ()
    if not _TEST_ID_VALUE.fullmatch(value):
        message = f"the {_TEST_ID} header must be 1 to 200 printable ASCII characters"
        raise InvalidInput(RequestError("", message), code="invalid_test_id")
    return ((_TEST_ID, value),)


def idempotency_of(body: JsonObject) -> IdempotencyKey | None:
    """What makes the current call the same as another one; None without an Idempotency-Key."""
    key = _idempotency_key()
    if key is None:
        return None
    scope = the_caller().idempotency_scope
    return IdempotencyKey(key=key, scope=scope, digest=digest(body))


def _idempotency_key() -> str | None:
    key: str | None = the_request().environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidInput(
            RequestError(
                "", "the Idempotency-Key header must be 1 to 256 visible ASCII characters"
            ),
            code="invalid_idempotency_key",
        )
    return key

"""Takes the orders of every dialect, as POST /api/emails takes its own calls."""

import re
from collections.abc import Sequence
from typing import Final

import attrs

from application import Application
from application.intake.draft import Draft
from application.intake.submit import Accepted
from domain.access import TESTER
from domain.email.forecast import Forecast
from domain.errors import Conflict, EmailServiceError, FieldError, InvalidInput
from domain.throughput import Via
from entrypoints.http.access import the_caller
from entrypoints.http.dialects.dialect import AddressError, Order, Outcome, Receipt, Wanted
from entrypoints.http.dialects.reading import Room
from entrypoints.http.emails.intake import Headers, draft_of, is_costly
from entrypoints.http.emails.judging import Judging, idempotency_of, passed_on, refuse
from entrypoints.http.emails.raw import raw_draft
from entrypoints.http.emails.schemas import EmailRequest, RawEmailRequest
from entrypoints.http.fields import about_one_email
from entrypoints.http.json_reader import JsonObject
from entrypoints.http.requests import the_request
from entrypoints.http.validation import MOST_ERRORS, parse

_ADDRESS: Final = re.compile(
    r"/(?:(?P<field>recipients|cc|bcc|reply_to|from)(?:/(?P<place>[0-9]+))?)(?:/|\Z)"
)


class DialectIntake:
    """Makes drafts of what a dialect has read, and submits them."""

    def __init__(self, application: Application, *, test_ids: bool) -> None:
        self._admission = application.admission
        self._submission = application.submission
        self._rehearsal = application.rehearsal
        self._judging = Judging(application.submission)
        self._test_ids = test_ids

    def check(self) -> None:
        """NotAccepting, before a body of megabytes is read for nothing."""
        self._admission.check()

    def take(self, order: Order) -> Receipt:
        """What became of *order*. Everything is durable when this returns."""
        emails = [one.fields for one in order.wanted if isinstance(one, Wanted)]
        if len(order.wanted) > 1:
            refuse(self._judging.too_many_in_call(emails))
            _refuse_too_much(order)
        compared = {"path": the_request().path, "body": order.compared}
        headers = passed_on(test_ids=self._test_ids)
        if _is_costly(order) and not (order.dry_run or the_caller() is TESTER):
            known = self._judging.early(compared, emails)
            if known is not None and not order.each:
                return self._receipt(known)
        if order.each:
            return self._take_each(order, compared, headers)
        accepted = self._submit(self._drafts(order, headers), compared, dry_run=order.dry_run)
        return self._receipt(accepted.ids, accepted)

    def _drafts(self, order: Order, headers: Headers) -> Sequence[Draft]:
        """All that is wanted. InvalidInput names all that is wrong, at the places of the emails."""
        drafts: list[Draft] = []
        wrong: list[FieldError] = []
        code: str | None = None
        for place, one in enumerate(order.wanted):
            try:
                drafts.append(self._draft(one, headers))
            except InvalidInput as error:
                if len(order.wanted) == 1:
                    raise
                code = code or error.code
                wrong += [attrs.evolve(found, index=place) for found in error.errors]
        if wrong:
            raise InvalidInput(*wrong[:MOST_ERRORS], code=code)
        return drafts

    def _submit(self, drafts: Sequence[Draft], compared: JsonObject, *, dry_run: bool) -> Accepted:
        try:
            if the_caller() is TESTER:
                self._rehearsal.check(drafts)
            elif dry_run:
                self._rehearsal.validate(drafts, caller=the_caller())
            else:
                return self._submission.submit(
                    drafts, idempotency=idempotency_of(compared), caller=the_caller()
                )
        except InvalidInput as error:
            if len(drafts) > 1:
                raise
            raise about_one_email(error) from None
        return Accepted((0,) * len(drafts), Forecast())

    def _take_each(self, order: Order, compared: JsonObject, headers: Headers) -> Receipt:
        """The valid emails of a call are accepted together; the others have their errors."""
        refused: dict[int, Outcome] = {}
        drafts: dict[int, Draft] = {}
        for place, one in enumerate(order.wanted):
            try:
                drafts[place] = self._draft(one, headers)
            except EmailServiceError as error:
                refused[place] = error
        accepted = Accepted((), Forecast())
        while drafts:
            try:
                accepted = self._submit_valid(list(drafts.values()), compared, order)
                break
            except InvalidInput as error:
                wrong = _by_place(error, list(drafts))
                if not wrong:
                    raise
                refused |= wrong
                drafts = {place: one for place, one in drafts.items() if place not in wrong}
        outcomes = refused | dict(zip(drafts, accepted.ids, strict=True))
        return self._receipt([outcomes[place] for place in range(len(order.wanted))], accepted)

    def _submit_valid(
        self, drafts: Sequence[Draft], compared: JsonObject, order: Order
    ) -> Accepted:
        """InvalidInput names those that are not valid."""
        accepted = self._submit(drafts, compared, dry_run=order.dry_run)
        if len(accepted.ids) != len(drafts):  # those of the same call before: some were not valid
            self._rehearsal.validate(drafts, caller=the_caller())
            raise Conflict("other emails of this call were valid when it was made before")
        return accepted

    def _draft(self, one: Wanted | InvalidInput, headers: Headers) -> Draft:
        """What is to be submitted. InvalidInput at the fields of this one email."""
        if isinstance(one, InvalidInput):
            raise one
        refuse(self._judging.too_many(one.fields))
        try:
            with self._judging.counting([one.fields]):
                if "raw" in one.fields:
                    draft = raw_draft(parse(RawEmailRequest, one.fields), headers)
                else:
                    draft = draft_of(parse(EmailRequest, one.fields), headers, one.files)
                return attrs.evolve(draft, via=Via.DIALECT)
        except InvalidInput as error:
            raise _with_addresses(error, one.fields) from None

    def _receipt(self, outcomes: Sequence[Outcome], accepted: Accepted | None = None) -> Receipt:
        emails = () if accepted is None else accepted.emails
        ids = [one for one in outcomes if isinstance(one, int) and one]
        if len(emails) < len(ids):
            emails = self._rehearsal.stored_before(ids)
        return Receipt(
            outcomes=outcomes,
            at=self._rehearsal.now,
            emails={email.id: email for email in emails},
        )


def _is_costly(order: Order) -> bool:
    """Whether to parse and compose it costs far more than to ask the store for the quota."""
    if len(order.wanted) > 1:
        return True
    return any(
        isinstance(one, Wanted) and (one.files or "raw" in one.fields or is_costly(one.fields))
        for one in order.wanted
    )


def _refuse_too_much(order: Order) -> None:
    """InvalidInput if more comes of a call than a body may have."""
    room = Room()
    for one in order.wanted:
        room.take(_size(one))


def _size(one: Wanted | InvalidInput) -> int:
    """How many characters and octets an email has, as far as that can be told at once."""
    if isinstance(one, InvalidInput):
        return 0
    size = sum(len(file.octets) for file in one.files if isinstance(file.octets, bytes))
    for name in ("html_content", "text_content", "raw"):
        text = one.fields.get(name)
        size += len(text) if isinstance(text, str) else 0
    files = one.fields.get("attachments")
    for file in files if isinstance(files, list) else ():
        content = file.get("content")
        size += len(content) if isinstance(content, str) else 0
    return size


def _with_addresses(error: InvalidInput, email: JsonObject) -> InvalidInput:
    """*error*, with the address that came where it is about one."""
    return type(error)(*[_with_address(one, email) for one in error.errors], code=error.code)


def _with_address(error: FieldError, email: JsonObject) -> FieldError:
    found = _ADDRESS.match(error.field)
    if found is None:
        return error
    one = email[found["field"]]
    if found["place"] is not None:
        one = one[int(found["place"])]
    given = one.get("address", "") if isinstance(one, dict) else one
    return AddressError(error.field, error.message, error.index, given=str(given))


def _by_place(error: InvalidInput, places: Sequence[int]) -> dict[int, Outcome]:
    """The error of each draft that *error* names, by its place in the call."""
    found: dict[int, list[FieldError]] = {}
    for one in error.errors:
        place = 0 if one.index is None and len(places) == 1 else one.index
        if place is not None:
            found.setdefault(places[place], []).append(attrs.evolve(one, index=None))
    return {place: type(error)(*errors, code=error.code) for place, errors in found.items()}

"""The emails of the API: submit, look, list, explain, cancel, retry, resolve."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from typing import Final, TypeAlias
from urllib.parse import urlencode

import attrs
from flask import Blueprint, Response
from pydantic import TypeAdapter

from application import Application
from application.overview import EmailView
from application.submission import Budget, Demand, Draft, IdempotencyKey
from domain.email import Attempt, Email, EmailSummary, Kind, Page, Recipient, Status
from domain.errors import (
    EmailServiceError,
    FieldError,
    InvalidInput,
    NotAccepting,
    TooMany,
)
from domain.forecast import Forecast
from domain.gates import Gate, next_attempt_at, waiting_reason
from domain.handoff import Reply
from entrypoints.http.access import the_caller
from entrypoints.http.cursors import cursor_after, email_id_before
from entrypoints.http.json_reader import BATCH, JsonObject, read_object, read_optional_object
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.requests import the_request
from entrypoints.http.schemas import (
    MOST_EMAILS,
    AttemptReply,
    BatchAccepted,
    BatchError,
    BatchRequest,
    BatchResult,
    EmailAccepted,
    EmailQuery,
    EmailReply,
    EmailRequest,
    EmailRow,
    EmailsByStatusQuery,
    ExplainReply,
    FieldProblem,
    GateReply,
    LooseBatch,
    NoFields,
    RecipientReply,
    ResolveRequest,
    RetryRequest,
    StatusChanged,
)
from entrypoints.http.times import rfc3339_if_any, shown, shown_if_any, writer
from entrypoints.http.validation import MOST_ERRORS, parse, parse_query

PREFIX: Final = "/api/emails"
_ROWS: Final = TypeAdapter(list[EmailRow])
_IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,256}")
_TEST_ID: Final = "X-Test-Id"
_TEST_ID_VALUE: Final = re.compile(r"[ -~]{1,200}")
_ADDRESS_FIELDS: Final = ("recipients", "cc", "bcc")
_TEXT_FIELDS: Final = ("html_content", "text_content")
# An email of up to so much is parsed, composed and refused where it is stored in two milliseconds.
CHEAP_RECIPIENTS: Final = 4
CHEAP_TEXT: Final = 20_000
_RESOLVED: Final = {
    "sent": "Email resolved as sent",
    "resend": "Email queued to be sent again",
}

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Emails:
    """The calls under /api/emails. With *test_ids* an X-Test-Id is passed on with the message."""

    def __init__(
        self,
        application: Application,
        *,
        max_recipients: int,
        max_call_recipients: int,
        test_ids: bool = False,
    ) -> None:
        self._admission = application.admission
        self._submission = application.submission
        self._overview = application.overview
        self._max_recipients = max_recipients
        self._max_call_recipients = max_call_recipients
        self._test_ids = test_ids

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint("emails", __name__, url_prefix=PREFIX)
        routes.post("")(self.submit)
        routes.post("/batch")(self.submit_batch)
        routes.get("")(self.page)
        routes.get("/status/<status>")(self.page_by_status)
        routes.get("/<id:email_id>")(self.show)
        routes.get("/<id:email_id>/explain")(self.explain)
        routes.post("/<id:email_id>/cancel")(self.cancel)
        routes.post("/<id:email_id>/retry")(self.retry)
        routes.post("/<id:email_id>/resolve")(self.resolve)
        return routes

    def submit(self) -> Response:
        """Accept an email: 201 once it is durable."""
        self._admission.check()  # before a body of megabytes is read for nothing
        headers = self._passed_on()
        body = read_object()
        too_many = self._too_many(body)
        if _is_costly(body):
            self._refuse_too_many(too_many)
            known = self._judged_early(body, [body])
            if known is not None:
                return _accepted(known[0])
        with self._counting([body]):
            wanted = parse(EmailRequest, body, *too_many)
        email_id = self._submission.submit(
            _draft(wanted, headers), idempotency=_idempotency(body), caller=the_caller()
        )
        return _accepted(email_id)

    def submit_batch(self) -> Response:
        """Accept many emails at once: all of them or none, or each that is right."""
        self._admission.check()
        headers = self._passed_on()
        body = read_object(times=BATCH)
        emails = body.get("emails")
        fields = emails if isinstance(emails, list) else []
        self._refuse_too_many(self._too_many_in_call(fields))
        if body.get("mode") == "each":
            return self._submit_each(parse(LooseBatch, body).emails, headers)
        self._refuse_too_many(self._too_many_of(fields))
        known = self._judged_early(body, fields)
        if known is not None:
            return _batch_reply(list(known), None, Forecast())
        with self._counting(fields):
            wanted = parse(BatchRequest, body)
        try:
            accepted = self._submission.submit_all(
                [_draft(one, headers) for one in wanted.emails],
                idempotency=_idempotency(body),
                caller=the_caller(),
            )
        except InvalidInput as error:
            raise _under_emails(error) from None
        return _batch_reply(list(accepted.ids), None, accepted.forecast)

    def _submit_each(self, emails: list[object], headers: Headers) -> Response:
        budget = self._submission.budget(caller=the_caller())
        judged = [self._judged(fields, budget) for fields in emails]
        right = [_draft(one, headers) for one in judged if isinstance(one, EmailRequest)]
        done, forecast = self._submission.submit_each(right, caller=the_caller())
        answers = iter(done)
        outcomes = [next(answers) if isinstance(one, EmailRequest) else one for one in judged]
        ids = [outcome for outcome in outcomes if isinstance(outcome, int)]
        return _batch_reply(ids, [_batch_result(outcome) for outcome in outcomes], forecast)

    def _judged(self, fields: object, budget: Budget) -> EmailRequest | EmailServiceError:
        """One email of a batch, or why it is refused: what costs least is looked at first."""
        if not isinstance(fields, dict):
            return InvalidInput(FieldError("", "must be an object"))
        try:
            self._refuse_too_many(self._too_many(fields))
            demand = _demand(fields)
            budget.check(demand)
            with self._counting([fields]):
                wanted = parse(EmailRequest, fields)
        except EmailServiceError as error:
            return error
        budget.spend(demand)
        return wanted

    def _judged_early(self, body: JsonObject, emails: list[object]) -> tuple[int, ...] | None:
        """Refuse a call that cannot be accepted before its addresses and contents cost anything.

        The ids that it got when it was made before, with the same Idempotency-Key: the quota may be
        used up since, by the call itself.
        """
        try:
            budget = self._submission.budget(caller=the_caller())
            budget.check(*[_demand(fields) for fields in emails if isinstance(fields, dict)])
        except (TooMany, NotAccepting):
            key = _idempotency_key()
            known = None if key is None else self._answered(key, body)
            if known is None:
                raise
            return known
        return None

    @contextmanager
    def _counting(self, emails: list[object]) -> Iterator[None]:
        """Count the recipients of what is refused: they were validated for nothing."""
        try:
            yield
        except InvalidInput:
            named = sum(_named(fields) for fields in emails if isinstance(fields, dict))
            self._submission.refused(named, caller=the_caller())
            raise

    def _answered(self, key: str, body: JsonObject) -> tuple[int, ...] | None:
        return self._submission.answered(
            key, scope=the_caller().idempotency_scope, digest=lambda: _digest(body)
        )

    def _too_many_in_call(self, emails: list[object]) -> tuple[FieldError, ...]:
        """More emails or recipients than one call may have: of those nothing else is looked at."""
        if len(emails) > MOST_EMAILS:
            return (FieldError("/emails", f"must have at most {MOST_EMAILS} items"),)
        named = sum(_named(fields) for fields in emails if isinstance(fields, dict))
        if named <= self._max_call_recipients:
            return ()
        most = self._max_call_recipients
        return (FieldError("/emails", f"at most {most} recipients over all emails, not {named}"),)

    def _refuse_too_many(self, errors: tuple[FieldError, ...]) -> None:
        if errors:
            raise InvalidInput(*errors[:MOST_ERRORS])

    def _too_many_of(self, emails: list[object]) -> tuple[FieldError, ...]:
        return tuple(
            attrs.evolve(error, pointer=f"/emails/{place}{error.pointer}")
            for place, fields in enumerate(emails)
            if isinstance(fields, dict)
            for error in self._too_many(fields)
        )

    def show(self, email_id: int) -> Response:
        """One email."""
        return reply(_email_reply(self._overview.email(email_id, caller=the_caller())))

    def explain(self, email_id: int) -> Response:
        """Why it has not been sent yet."""
        view = self._overview.email(email_id, caller=the_caller())
        return reply(
            ExplainReply(
                id=view.email.id,
                status=view.email.status.value,
                waiting_reason=waiting_reason(view.gates),
                next_attempt_at=shown_if_any(next_attempt_at(view.gates, now=view.now)),
                gates=[_gate_reply(gate) for gate in view.gates],
            )
        )

    def page(self) -> Response:
        """One page of the list, newest first."""
        query = parse_query(EmailQuery)
        page = self._overview.emails(
            status=None if query.status is None else Status(query.status),
            account_id=query.smtp_config_id,
            before=_before(query.cursor),
            limit=query.limit,
            caller=the_caller(),
        )
        return _page_reply(page, query.given())

    def page_by_status(self, status: str) -> Response:
        """One page of the emails of one status, newest first."""
        query = parse_query(EmailsByStatusQuery)
        page = self._overview.emails(
            status=_status(status),
            before=_before(query.cursor),
            limit=query.limit,
            caller=the_caller(),
        )
        return _page_reply(page, query.given())

    def cancel(self, email_id: int) -> Response:
        """Take a waiting email back."""
        parse(NoFields, read_optional_object())
        email = self._submission.cancel(email_id, caller=the_caller())
        return _changed(email, "Email cancelled successfully")

    def retry(self, email_id: int) -> Response:
        """Put a failed email back to the queue."""
        wanted = parse(RetryRequest, read_optional_object())
        email = self._submission.retry(
            email_id, account_id=wanted.smtp_config_id, caller=the_caller()
        )
        return _changed(email, "Email queued for retry")

    def resolve(self, email_id: int) -> Response:
        """Settle an unknown outcome."""
        wanted = parse(ResolveRequest, read_object())
        email = self._submission.resolve(
            email_id,
            as_sent=wanted.verdict == "sent",
            account_id=wanted.smtp_config_id,
            caller=the_caller(),
        )
        return _changed(email, _RESOLVED[wanted.verdict])

    def _passed_on(self) -> Headers:
        """The request's headers that the message gets too: a test recognises its mail by them."""
        value = the_request().headers.get(_TEST_ID) if self._test_ids else None
        if value is None:
            return ()
        if not _TEST_ID_VALUE.fullmatch(value):
            message = f"the {_TEST_ID} header must be 1 to 200 printable ASCII characters"
            raise InvalidInput(FieldError("", message), code="invalid_test_id")
        return ((_TEST_ID, value),)

    def _too_many(self, body: JsonObject) -> tuple[FieldError, ...]:
        named = _named(body)
        if named <= self._max_recipients:
            return ()
        message = f"at most {self._max_recipients} over recipients, cc and bcc, not {named}"
        return (FieldError("/recipients", message),)


def _accepted(email_id: int) -> Response:
    accepted = reply(
        EmailAccepted(message="Email created and queued successfully", email_id=email_id), 201
    )
    # spelled out: to build it from the routes takes longer than to store the email
    accepted.headers["Location"] = f"{the_request().script_root}{PREFIX}/{email_id}"
    return accepted


def _named(body: JsonObject) -> int:
    """How many addresses it has, whatever they are."""
    named = 0
    for field in _ADDRESS_FIELDS:
        addresses = body.get(field)
        if isinstance(addresses, list):
            named += len(addresses)
    return named


def _is_costly(body: JsonObject) -> bool:
    """Whether to parse and compose it costs far more than to ask the store for the quota."""
    length = 0
    for field in _TEXT_FIELDS:
        text = body.get(field)
        if isinstance(text, str):
            length += len(text)
    return length > CHEAP_TEXT or _named(body) > CHEAP_RECIPIENTS


def _demand(body: JsonObject) -> Demand:
    """What it asks for, as far as that can be told at once."""
    named: set[str] = set()
    for field in _ADDRESS_FIELDS:
        addresses = body.get(field)
        if isinstance(addresses, list):
            named.update(text.lower() for text in addresses if isinstance(text, str))
    account_id = body.get("smtp_config_id")
    known = isinstance(account_id, int) and not isinstance(account_id, bool)
    return Demand(recipients=len(named), account_id=account_id if known else None)


def _draft(wanted: EmailRequest, headers: Headers) -> Draft:
    return Draft(
        subject=wanted.subject,
        html=wanted.html_content,
        text=wanted.text_content,
        to=tuple(wanted.recipients),
        cc=tuple(wanted.cc),
        bcc=tuple(wanted.bcc),
        headers=headers,
        priority=wanted.priority,
        account_id=wanted.smtp_config_id,
        send_at=wanted.send_at,
        at_most_once=wanted.at_most_once,
    )


def _under_emails(error: InvalidInput) -> InvalidInput:
    fields = (attrs.evolve(field, pointer=f"/emails{field.pointer}") for field in error.errors)
    return InvalidInput(*fields, code=error.code)


def _batch_reply(ids: list[int], results: list[BatchResult] | None, forecast: Forecast) -> Response:
    accepted = BatchAccepted(
        message=f"{len(ids)} emails created and queued successfully",
        email_ids=ids,
        results=results,
        go_now=forecast.go_now,
        last_due_at=rfc3339_if_any(forecast.last_due_at),
    )
    return reply(accepted, 201)


def _batch_result(outcome: int | EmailServiceError) -> BatchResult:
    if isinstance(outcome, int):
        return BatchResult(email_id=outcome, error=None)
    wrong = outcome.errors if isinstance(outcome, InvalidInput) else ()
    return BatchResult(
        email_id=None,
        error=BatchError(
            code=outcome.code,
            detail=str(outcome),
            errors=[FieldProblem(pointer=one.pointer, message=one.message) for one in wrong],
        ),
    )


def _idempotency(body: JsonObject) -> IdempotencyKey | None:
    key = _idempotency_key()
    if key is None:
        return None
    scope = the_caller().idempotency_scope
    return IdempotencyKey(key=key, scope=scope, digest=_digest(body))


def _idempotency_key() -> str | None:
    key: str | None = the_request().environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidInput(
            FieldError("", "the Idempotency-Key header must be 1 to 256 visible ASCII characters"),
            code="invalid_idempotency_key",
        )
    return key


def _digest(body: JsonObject) -> str:
    # the same object in another order or spacing is the same request
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


def _status(word: str) -> Status:
    try:
        return Status(word)
    except ValueError:
        known = ", ".join(Status)
        raise InvalidInput(FieldError("/status", f"must be one of {known}")) from None


def _before(cursor: str | None) -> int | None:
    return None if cursor is None else email_id_before(cursor)


def _page_reply(page: Page, query: Mapping[str, object]) -> Response:
    write_time = writer()
    response = reply_list(_ROWS, [_row(email, write_time) for email in page.emails])
    if page.next_before is not None:
        asked = the_request()
        following = urlencode({**query, "cursor": cursor_after(page.next_before)})
        response.headers["Link"] = f'<{asked.script_root}{asked.path}?{following}>; rel="next"'
    return response


def _changed(email: Email, message: str) -> Response:
    return reply(StatusChanged(message=message, status=email.status.value))


def _row(email: EmailSummary, write_time: Callable[[datetime], str]) -> EmailRow:
    return EmailRow(
        id=email.id,
        subject=email.subject,
        status=email.status.value,
        priority=email.priority,
        retry_count=email.retry_count,
        created_at=write_time(email.created_at),
    )


def _email_reply(view: EmailView) -> EmailReply:
    email, account = view.email, view.account
    scheduled = email.status is Status.SCHEDULED
    return EmailReply(
        id=email.id,
        subject=email.subject,
        sender=str(account.address) if account else None,
        sender_name=account.display_name if account else None,
        recipients=_addresses(email, Kind.TO),
        cc=_addresses(email, Kind.CC),
        bcc=_addresses(email, Kind.BCC),
        status=email.status.value,
        priority=email.priority,
        retry_count=email.retry_count,
        smtp_config=_account_name(view),
        created_at=shown(email.created_at),
        updated_at=shown(email.updated_at),
        sent_at=shown_if_any(email.sent_at),
        send_at=shown(email.eligible_at) if scheduled else None,
        error_message=email.error_message,
        reason_code=email.reason_code,
        waiting_reason=waiting_reason(view.gates),
        next_attempt_at=shown_if_any(next_attempt_at(view.gates, now=view.now)),
        message_id=email.message_id,
        at_most_once=email.at_most_once,
        partial=email.partial,
        possibly_delivered=email.possibly_delivered,
        rejected_recipients=[str(recipient.address) for recipient in email.rejected_recipients],
        recipient_status=[_recipient_reply(recipient) for recipient in email.recipients],
        attempts=[_attempt_reply(attempt) for attempt in view.attempts],
    )


def _addresses(email: Email, kind: Kind) -> list[str]:
    return [str(recipient.address) for recipient in email.recipients if recipient.kind is kind]


def _account_name(view: EmailView) -> str | None:
    """That of its account; of one that was deleted, as the last attempt knew it."""
    if view.account is not None:
        return view.account.name
    return view.attempts[-1].account_name if view.attempts else None


def _recipient_reply(recipient: Recipient) -> RecipientReply:
    code, enhanced, text = _reply_parts(recipient.reply)
    return RecipientReply(
        address=str(recipient.address),
        kind=recipient.kind.value,
        status=recipient.fate.value,
        reason=recipient.reason,
        code=code,
        enhanced_code=enhanced,
        text=text,
    )


def _attempt_reply(attempt: Attempt) -> AttemptReply:
    code, enhanced, _ = _reply_parts(attempt.reply)
    duration = attempt.duration
    return AttemptReply(
        attempt=attempt.attempt_no,
        account=attempt.account_name,
        started_at=shown(attempt.started_at),
        ended_at=shown_if_any(attempt.ended_at),
        stage=attempt.stage.value if attempt.stage else None,
        code=code,
        enhanced_code=enhanced,
        text=attempt.text,
        result=attempt.result.value if attempt.result else None,
        reason=attempt.reason,
        duration_ms=None if duration is None else round(duration.total_seconds() * 1000, 3),
    )


def _reply_parts(server: Reply | None) -> tuple[int | None, str | None, str | None]:
    return (server.code, server.enhanced, server.text) if server else (None, None, None)


def _gate_reply(gate: Gate) -> GateReply:
    return GateReply(
        name=gate.name, open=gate.open, detail=gate.detail, until=shown_if_any(gate.until)
    )

"""The calls that submit email: one, or many in a batch."""

from typing import ClassVar, Final

from flask import Blueprint, Response

from application import Application
from domain.access import Scope
from domain.email.forecast import Forecast
from domain.errors import InvalidInput
from domain.intake import MOST_EMAILS
from entrypoints.http.access import the_caller
from entrypoints.http.emails import examples
from entrypoints.http.emails.intake import Headers, draft_of, is_costly
from entrypoints.http.emails.judging import Judging, idempotency_of, passed_on, refuse
from entrypoints.http.emails.raw import about_the_message, compared, raw_draft
from entrypoints.http.emails.replies import batch_result
from entrypoints.http.emails.schemas import (
    BatchAccepted,
    BatchBody,
    BatchRequest,
    BatchResult,
    EmailAccepted,
    EmailRequest,
    LooseBatch,
    RawEmailRequest,
    TemplatedBatch,
)
from entrypoints.http.emails.submitted import read_submitted
from entrypoints.http.emails.templated import (
    about_the_template,
    emails_asked_for,
    is_templated,
    templated_drafts,
)
from entrypoints.http.fields import about_one_email
from entrypoints.http.json_reader import BATCH, JsonObject, read_object
from entrypoints.http.multipart import FORM
from entrypoints.http.openapi import Answer, Body, Tag, add_routes, operation
from entrypoints.http.replies import reply
from entrypoints.http.requests import the_request
from entrypoints.http.times import rfc3339_if_any
from entrypoints.http.validation import parse

PREFIX: Final = "/api/emails"


class Submissions:
    """The calls that submit email. With *test_ids* an X-Test-Id is passed on with the message."""

    BLUEPRINT: ClassVar = "submissions"

    def __init__(self, application: Application, *, test_ids: bool = False) -> None:
        self._admission = application.admission
        self._submission = application.submission
        self._judging = Judging(application.submission)
        self._test_ids = test_ids

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "POST",
        "/api/emails",
        name="submitEmail",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        idempotent=True,
        body=Body(
            model=EmailRequest,
            examples={
                "shortest": examples.LEAST,
                "everything": examples.MOST,
                "template": examples.BY_TEMPLATE,
            },
            others={FORM: examples.FORM},
        ),
        answer=Answer(
            status=201,
            description="Accepted; Location is the path of the email.",
            model=EmailAccepted,
            example={"message": "Email created and queued successfully", "email_id": 1},
            headers=("Location",),
            links=("showEmail", "explainEmail", "cancelEmail", "retryEmail", "resolveEmail"),
        ),
        refusals=(404, 409),
    )
    def submit(self) -> Response:
        """Send an email.

        The email is stored durably before the reply: after a 201 it survives a crash. It is handed
        off through the named SMTP configuration, or the active one with the most room within its
        limits. 404 if the named one does not exist; 409 if there is none at all, or if the
        Idempotency-Key was used with another body before.
        """
        self._admission.check()  # before a body of megabytes is read for nothing
        headers = passed_on(test_ids=self._test_ids)
        submitted = read_submitted()
        body = submitted.fields
        too_many = self._judging.too_many(body)
        if submitted.files or is_costly(body):
            refuse(too_many)
            known = self._judging.early(submitted.compared, [body])
            if known is not None:
                return _accepted(known[0])
        with self._judging.counting([body]):
            wanted = parse(EmailRequest, body, *too_many)
        try:
            accepted = self._submission.submit(
                (draft_of(wanted, headers, submitted.files),),
                idempotency=idempotency_of(submitted.compared),
                caller=the_caller(),
            )
        except InvalidInput as error:
            raise about_one_email(error) from None
        return _accepted(accepted.ids[0])

    @operation(
        "POST",
        "/api/emails/raw",
        name="submitRawEmail",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        idempotent=True,
        body=Body(model=RawEmailRequest, examples={"message": examples.RAW}),
        answer=Answer(
            status=201,
            description="Accepted; Location is the path of the email.",
            model=EmailAccepted,
            example={"message": "Email created and queued successfully", "email_id": 1},
            headers=("Location",),
            links=("showEmail", "explainEmail", "cancelEmail", "retryEmail", "resolveEmail"),
        ),
        refusals=(404, 409),
    )
    def submit_raw(self) -> Response:
        """Send a message that you made.

        Its parts are sent as they are, its headers but for these: Bcc, Return-Path and DKIM
        signatures for the domain in From are dropped; Date, Message-ID and To are added where they
        lack. From must be one address, and the SMTP configuration must be allowed to send as it.
        """
        self._admission.check()
        headers = passed_on(test_ids=self._test_ids)
        body = read_object()
        refuse(self._judging.too_many(body))
        told = compared(body)
        known = self._judging.early(told, [body])
        if known is not None:
            return _accepted(known[0])
        try:
            with self._judging.counting([body]):
                draft = raw_draft(parse(RawEmailRequest, body), headers)
            body.clear()  # it may hold megabytes
            accepted = self._submission.submit(
                (draft,), idempotency=idempotency_of(told), caller=the_caller()
            )
        except InvalidInput as error:
            raise about_the_message(error) from None
        return _accepted(accepted.ids[0])

    @operation(
        "POST",
        "/api/emails/batch",
        name="submitEmails",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        idempotent=True,
        body=Body(
            model=BatchBody,
            examples={
                "two": {"emails": [examples.LEAST, examples.MOST], "mode": "all"},
                "template": examples.BATCH_BY_TEMPLATE,
            },
        ),
        answer=Answer(
            status=201,
            description="Accepted.",
            model=BatchAccepted,
            example={
                "message": "2 emails created and queued successfully",
                "email_ids": [1, 2],
                "results": None,
                "go_now": 2,
                "last_due_at": "2026-01-31T09:30:00.000000Z",
            },
        ),
        refusals=(404, 409),
    )
    def submit_batch(self) -> Response:
        """Send many emails.

        Up to 500 emails in one call, with up to 10,000 recipients in all (MAX_CALL_RECIPIENTS).
        Mode all (the default) accepts every email, or none and names every invalid field. Mode each
        accepts the valid emails, and results has one entry for each email, in order.

        With template, common and to instead of emails, a template writes one email for each entry
        of to; all are accepted or none, and email_ids is in their order.
        """
        self._admission.check()
        headers = passed_on(test_ids=self._test_ids)
        body = read_object(times=BATCH)
        if is_templated(body):
            return self._submit_templated(body, headers)
        emails = body.get("emails")
        fields = emails if isinstance(emails, list) else []
        refuse(self._judging.too_many_in_call(fields))
        if body.get("mode") == "each":
            return self._submit_each(parse(LooseBatch, body).emails, headers)
        refuse(self._judging.too_many_of(fields))
        known = self._judging.early(body, fields)
        if known is not None:
            return _batch_reply(list(known), None, Forecast())
        with self._judging.counting(fields):
            wanted = parse(BatchRequest, body)
        accepted = self._submission.submit(
            [draft_of(one, headers) for one in wanted.emails],
            idempotency=idempotency_of(body),
            caller=the_caller(),
            with_forecast=True,
        )
        return _batch_reply(list(accepted.ids), None, accepted.forecast)

    def _submit_templated(self, body: JsonObject, headers: Headers) -> Response:
        emails = emails_asked_for(body)
        if len(emails) <= MOST_EMAILS:  # else the models say so
            known = self._judging.early(body, emails)
            if known is not None:
                return _batch_reply(list(known), None, Forecast())
        with self._judging.counting(emails):
            wanted = parse(TemplatedBatch, body)
        try:
            accepted = self._submission.submit(
                templated_drafts(wanted, headers),
                idempotency=idempotency_of(body),
                caller=the_caller(),
                with_forecast=True,
            )
        except InvalidInput as error:
            raise about_the_template(error) from None
        return _batch_reply(list(accepted.ids), None, accepted.forecast)

    def _submit_each(self, emails: list[object], headers: Headers) -> Response:
        budget = self._submission.budget(caller=the_caller())
        judged = [self._judging.one(fields, budget) for fields in emails]
        right = [draft_of(one, headers) for one in judged if isinstance(one, EmailRequest)]
        done, forecast = self._submission.submit_each(right, caller=the_caller())
        answers = iter(done)
        outcomes = [next(answers) if isinstance(one, EmailRequest) else one for one in judged]
        ids = [outcome for outcome in outcomes if isinstance(outcome, int)]
        return _batch_reply(ids, [batch_result(outcome) for outcome in outcomes], forecast)


def _accepted(email_id: int) -> Response:
    accepted = reply(
        EmailAccepted(message="Email created and queued successfully", email_id=email_id), 201
    )
    # spelled out: to build it from the routes takes longer than to store the email
    accepted.headers["Location"] = f"{the_request().script_root}{PREFIX}/{email_id}"
    return accepted


def _batch_reply(ids: list[int], results: list[BatchResult] | None, forecast: Forecast) -> Response:
    accepted = BatchAccepted(
        message=f"{len(ids)} emails created and queued successfully",
        email_ids=ids,
        results=results,
        go_now=forecast.go_now,
        last_due_at=rfc3339_if_any(forecast.last_due_at),
    )
    return reply(accepted, 201)

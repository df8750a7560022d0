"""The calls about emails that were submitted: look, list, explain, reschedule, cancel, retry,
resolve.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from flask import Blueprint, Response
from pydantic import TypeAdapter

from application import Application
from domain.access import Scope
from domain.email.lifecycle import Email
from domain.email.listing import Page, Search
from domain.email.status import Status
from domain.errors import ContentPurged, InvalidInput
from entrypoints.http.access import the_caller
from entrypoints.http.cursors import email_id_before
from entrypoints.http.emails import examples
from entrypoints.http.emails.replies import email_reply, email_row, explain_reply
from entrypoints.http.emails.schemas import (
    EmailQuery,
    EmailReply,
    EmailRow,
    EmailsByStatusQuery,
    ExplainReply,
    RescheduleRequest,
    ResolveRequest,
    RetryRequest,
    StatusChanged,
)
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import read_object, read_optional_object
from entrypoints.http.openapi import NO_FIELDS, Answer, Body, Tag, add_routes, operation
from entrypoints.http.paging import link_next
from entrypoints.http.problems import problem
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.schemas import NoFields
from entrypoints.http.times import writer
from entrypoints.http.validation import parse, parse_query

MESSAGE: Final = "message/rfc822"
_ROWS: Final = TypeAdapter(list[EmailRow])
_RESOLVED: Final = {
    "sent": "Email resolved as sent",
    "resend": "Email queued to be sent again",
}


def _new_status(example: Mapping[str, str]) -> Answer:
    return Answer(description="The new status.", model=StatusChanged, example=example)


class Emails:
    """The calls under /api/emails that submit nothing."""

    BLUEPRINT: ClassVar = "emails"

    def __init__(self, application: Application) -> None:
        self._queries = application.queries
        self._changes = application.email_changes

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "GET",
        "/api/emails",
        name="listEmails",
        tag=Tag.EMAILS,
        scope=Scope.READ,
        query=EmailQuery,
        answer=Answer(
            description="One page.",
            model=EmailRow,
            many=True,
            example=[examples.ROW],
            headers=("Link",),
        ),
    )
    def page(self) -> Response:
        """List emails, or search them.

        Newest first, one page at a time; the Link header has the next page. All conditions must
        hold. If many emails meet each condition, but few all of them, a page may have fewer emails
        than limit, or none: go on as long as there is a Link header.
        """
        query = parse_query(EmailQuery)
        page = self._queries.emails(
            _search(query),
            status=None if query.status is None else Status(query.status),
            account_id=query.smtp_config_id,
            before=_before(query.cursor),
            limit=query.limit,
            caller=the_caller(),
        )
        return _page_reply(page, query.given())

    @operation(
        "GET",
        "/api/emails/status/{status}",
        name="listEmailsByStatus",
        tag=Tag.EMAILS,
        scope=Scope.READ,
        query=EmailsByStatusQuery,
        answer=Answer(
            description="One page.",
            model=EmailRow,
            many=True,
            example=[examples.ROW],
            headers=("Link",),
        ),
    )
    def page_by_status(self, status: str) -> Response:
        """List emails with one status.

        Newest first, one page at a time; the Link header has the next page.
        """
        query = parse_query(EmailsByStatusQuery)
        page = self._queries.emails(
            status=_status(status),
            before=_before(query.cursor),
            limit=query.limit,
            caller=the_caller(),
        )
        return _page_reply(page, query.given())

    @operation(
        "GET",
        "/api/emails/{email_id}",
        name="showEmail",
        tag=Tag.EMAILS,
        scope=Scope.READ,
        answer=Answer(
            description="The email, its recipients and its attempts.",
            model=EmailReply,
            example=examples.SHOWN,
        ),
    )
    def show(self, email_id: int) -> Response:
        """Show an email.

        Its status, the result for each recipient, and every attempt.
        """
        return reply(email_reply(self._queries.email(email_id, caller=the_caller())))

    @operation(
        "GET",
        "/api/emails/{email_id}/raw",
        name="downloadEmail",
        tag=Tag.EMAILS,
        scope=Scope.READ,
        answer=Answer(
            description="The message, as a file.",
            media_type=MESSAGE,
            headers=("Content-Disposition",),
        ),
        refusals=(410,),
    )
    def raw(self, email_id: int) -> Response:
        """Download the message of an email.

        As it was handed off, or would be now, but for DKIM signatures. The From line is that of the
        SMTP configuration as it is now; it is missing if there is none, or if it was removed. Some
        time after the email has ended the message is removed.
        """
        try:
            pieces = self._queries.message(email_id, caller=the_caller())
        except ContentPurged as error:
            return problem(410, code=error.code, detail=str(error))
        response = Response(pieces, content_type=MESSAGE)
        response.headers["Content-Disposition"] = f'attachment; filename="email-{email_id}.eml"'
        return response

    @operation(
        "GET",
        "/api/emails/{email_id}/explain",
        name="explainEmail",
        tag=Tag.EMAILS,
        scope=Scope.READ,
        answer=Answer(
            description="The gates; none if the email does not wait.",
            model=ExplainReply,
            example=examples.EXPLAINED,
        ),
    )
    def explain(self, email_id: int) -> Response:
        """Explain why an email waits.

        Every condition (gate) for its next attempt, in order, and which of them are closed. And the
        forecast: when it will go, as far as is known now.
        """
        view = self._queries.email(email_id, with_forecast=True, caller=the_caller())
        return reply(explain_reply(view))

    @operation(
        "PATCH",
        "/api/emails/{email_id}",
        name="rescheduleEmail",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        body=Body(
            model=RescheduleRequest, examples={"later": {"send_at": "2026-01-31T09:30:00+01:00"}}
        ),
        answer=_new_status({"message": "Email rescheduled successfully", "status": "scheduled"}),
        refusals=(409,),
    )
    def reschedule(self, email_id: int) -> Response:
        """Send an email at another time.

        Possible while it waits; 409 once it is being sent. One that was tried before stays in
        retry, and is not tried sooner than it would have been.
        """
        wanted = parse(RescheduleRequest, read_object())
        email = self._changes.reschedule(email_id, wanted.send_at, caller=the_caller())
        return _changed(email, "Email rescheduled successfully")

    @operation(
        "POST",
        "/api/emails/{email_id}/cancel",
        name="cancelEmail",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        body=NO_FIELDS,
        answer=_new_status({"message": "Email cancelled successfully", "status": "cancelled"}),
        refusals=(409,),
    )
    def cancel(self, email_id: int) -> Response:
        """Cancel an email.

        Possible while it waits; 409 once it is being sent.
        """
        parse(NoFields, read_optional_object())
        email = self._changes.cancel(email_id, caller=the_caller())
        return _changed(email, "Email cancelled successfully")

    @operation(
        "POST",
        "/api/emails/{email_id}/retry",
        name="retryEmail",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        body=Body(
            model=RetryRequest,
            examples={"as before": {}, "elsewhere": {"smtp_config_id": 2}},
            required=False,
        ),
        answer=_new_status({"message": "Email queued for retry", "status": "retry"}),
        refusals=(409,),
    )
    def retry(self, email_id: int) -> Response:
        """Retry a failed email.

        It is sent only to the recipients that no server has accepted. 409 unless it has failed, or
        if its SMTP configuration was removed and no other one is named.
        """
        wanted = parse(RetryRequest, read_optional_object())
        email = self._changes.retry(email_id, account_id=wanted.smtp_config_id, caller=the_caller())
        return _changed(email, "Email queued for retry")

    @operation(
        "POST",
        "/api/emails/{email_id}/resolve",
        name="resolveEmail",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        body=Body(
            model=ResolveRequest, examples={"sent": {"as": "sent"}, "resend": {"as": "resend"}}
        ),
        answer=_new_status({"message": "Email resolved as sent", "status": "sent"}),
        refusals=(409,),
    )
    def resolve(self, email_id: int) -> Response:
        """Resolve an unknown outcome.

        For an email whose server did not reply after it received the message; 409 for any other.
        """
        wanted = parse(ResolveRequest, read_object())
        email = self._changes.resolve(
            email_id,
            as_sent=wanted.verdict == "sent",
            account_id=wanted.smtp_config_id,
            caller=the_caller(),
        )
        return _changed(email, _RESOLVED[wanted.verdict])


def _status(word: str) -> Status:
    try:
        return Status(word)
    except ValueError:
        known = ", ".join(Status)
        raise InvalidInput(RequestError("/status", f"must be one of {known}")) from None


def _search(query: EmailQuery) -> Search:
    return Search(
        recipient=query.recipient,
        tag=query.tag,
        metadata=tuple(sorted((query.metadata or {}).items())),
        subject=query.subject,
        since=query.since,
        until=query.until,
    )


def _before(cursor: str | None) -> int | None:
    return None if cursor is None else email_id_before(cursor)


def _page_reply(page: Page, query: Mapping[str, object]) -> Response:
    write_time = writer()
    response = reply_list(_ROWS, [email_row(email, write_time) for email in page.emails])
    return link_next(response, query, page.next_before)


def _changed(email: Email, message: str) -> Response:
    return reply(StatusChanged(message=message, status=email.status.value))

"""The call that examines an SMTP configuration and the DNS of its sending domain."""

from typing import Annotated, Any, ClassVar, Final, Literal

from flask import Blueprint, Response
from pydantic import Field

from application import Application
from application.doctor import Diagnosis
from domain.access import Scope
from domain.doctor.finding import Finding
from entrypoints.advice import advice
from entrypoints.http.access import the_caller
from entrypoints.http.json_reader import read_optional_object
from entrypoints.http.openapi import Answer, Body, Tag, add_routes, operation
from entrypoints.http.replies import reply
from entrypoints.http.schemas import Absent, EmailAddress, Instant, ReplyModel, RequestModel
from entrypoints.http.times import rfc3339
from entrypoints.http.validation import parse

_MOST_MESSAGE: Final = 1_000_000
_EXAMPLE: Final[dict[str, Any]] = {
    "config_id": 1,
    "name": "Main",
    "domain": "example.com",
    "status": "fail",
    "checked_at": "2026-11-30T09:30:00.000000Z",
    "findings": [
        {
            "code": "auth",
            "status": "ok",
            "found": "235 2.7.0 accepted",
            "expected": "the server takes the login",
            "fix": "",
            "source": "RFC 5321",
        },
        {
            "code": "spf_one_record",
            "status": "fail",
            "found": "2 records: v=spf1 -all, v=spf1 include:_spf.google.com -all",
            "expected": "exactly one TXT record that begins with v=spf1",
            "fix": "Merge them into one and remove the others: with two, SPF fails for all mail.",
            "source": "RFC 7208, 4.5",
        },
    ],
}

_Status = Literal["ok", "warn", "fail", "unknown"]


class DoctorRequest(RequestModel):
    """What helps with the examination; nothing is sent."""

    recipient: Annotated[
        Absent[EmailAddress],
        Field(
            description="Whom RCPT names. If left out: the address of the SMTP configuration.",
        ),
    ] = None
    message: Annotated[
        Absent[str],
        Field(
            min_length=1,
            max_length=_MOST_MESSAGE,
            description="A message that was sent through this SMTP configuration, with its headers:"
            " it tells who signs it and where bounces go. Only its headers are read.",
            examples=["Return-Path: <me@example.com>\r\nFrom: me@example.com\r\n\r\nHello"],
        ),
    ] = None


class FindingReply(ReplyModel):
    """One thing that was looked at."""

    code: Annotated[str, Field(examples=["spf_one_record"])]
    status: Annotated[
        _Status,
        Field(description="unknown: it could not be found out, which says nothing about it."),
    ]
    found: str
    expected: str
    fix: Annotated[str, Field(description="What a person should do; empty if nothing.")]
    source: Annotated[str, Field(description="Where it is written down.")]


class DoctorReply(ReplyModel):
    """Everything that was found."""

    config_id: int
    name: str
    domain: Annotated[str, Field(description="The sending domain that was examined.")]
    status: Annotated[
        _Status,
        Field(description="The worst of the findings: fail before unknown before warn before ok."),
    ]
    checked_at: Instant
    findings: list[FindingReply]


def doctor_reply(diagnosis: Diagnosis) -> DoctorReply:
    """A diagnosis as the API shows it."""
    return DoctorReply(
        config_id=diagnosis.account.id,
        name=diagnosis.account.name,
        domain=diagnosis.domain,
        status=diagnosis.status.value,
        checked_at=rfc3339(diagnosis.at),
        findings=list(map(_finding, diagnosis.findings)),
    )


def _finding(finding: Finding) -> FindingReply:
    return FindingReply(
        code=finding.code,
        status=finding.status.value,
        found=finding.found,
        expected=finding.expected,
        fix=finding.fix,
        source=finding.source,
    )


class DoctorCalls:
    """The call under /api/smtp-configs/{config_id}/doctor."""

    BLUEPRINT: ClassVar = "doctor"

    def __init__(self, application: Application) -> None:
        self._doctor = application.doctor

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "POST",
        "/api/smtp-configs/{config_id}/doctor",
        name="examineSmtpConfig",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        body=Body(
            model=DoctorRequest,
            examples={
                "own address": {},
                "with a message": {
                    "message": "Return-Path: <me@example.com>\r\nFrom: me@example.com\r\n\r\nHello"
                },
            },
            required=False,
        ),
        answer=Answer(
            description="What was found, what is expected, and how to mend it.",
            model=DoctorReply,
            example=_EXAMPLE,
        ),
    )
    def examine(self, config_id: int) -> Response:
        """Examine an SMTP configuration and its domain.

        Does what verify does; then looks up SPF, DKIM, DMARC, MX, PTR and MTA-STS of the sending
        domain, and compares them with what Gmail, Outlook.com and Yahoo ask of bulk senders.
        Sends nothing. It may take a minute where servers do not answer.
        """
        wanted = parse(DoctorRequest, read_optional_object())
        message = None if wanted.message is None else wanted.message.encode("utf-8", "replace")
        diagnosis = self._doctor.examine(
            config_id,
            advise=advice,
            message=message,
            recipient=wanted.recipient,
            caller=the_caller(),
        )
        return reply(doctor_reply(diagnosis))

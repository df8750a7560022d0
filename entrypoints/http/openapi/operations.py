"""Every call of the API, one row each: what it takes, what it answers, what it refuses.

A test proves that each route of the application has exactly one row here, and no row lacks a route.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import attrs

from domain.access import Scope
from entrypoints.http.openapi import examples as shown
from entrypoints.http.schemas import (
    BatchAccepted,
    BatchRequest,
    Done,
    EmailAccepted,
    EmailQuery,
    EmailReply,
    EmailRequest,
    EmailRow,
    EmailsByStatusQuery,
    ExplainReply,
    Health,
    NoFields,
    PauseChanged,
    ReplyModel,
    RequestModel,
    ResolveRequest,
    RetryRequest,
    SmtpConfigChanges,
    SmtpConfigCreated,
    SmtpConfigReply,
    SmtpConfigRequest,
    SmtpConfigRow,
    StatusChanged,
    VerifyReply,
    VerifyRequest,
    Welcome,
)

JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"


class Tag(StrEnum):
    """The chapters of the document."""

    EMAILS = "Emails"
    ACCOUNTS = "SMTP configurations"
    OPERATIONS = "Operations"


@attrs.frozen(kw_only=True)
class Body:
    """What a call takes. A body that is not *required* may be left out."""

    model: type[RequestModel]
    examples: Mapping[str, object]
    required: bool = True


@attrs.frozen(kw_only=True)
class Answer:
    """What a call answers when all is well; *many* stands for a list of the model.

    *headers* and *links* are names of shared headers and of operations that take the new id. With
    *page* it is a page too, for who asks for HTML.
    """

    description: str
    status: int = 200
    model: type[ReplyModel] | None = None
    many: bool = False
    media_type: str = JSON
    example: object = None
    headers: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    page: bool = False


@attrs.frozen(kw_only=True)
class Operation:
    """One call. *refusals* are the statuses that do not follow from the rest of the row."""

    id: str
    endpoint: str
    method: str
    path: str
    tag: Tag
    summary: str
    description: str = ""
    scope: Scope | None = None
    query: type[RequestModel] | None = None
    idempotent: bool = False
    body: Body | None = None
    answer: Answer
    refusals: tuple[int, ...] = ()

    @property
    def problems(self) -> tuple[int, ...]:
        """Every status of an error that it may answer with."""
        # everywhere: 400 for an unknown query parameter, 403 for a proxy while the API is open
        found = {400, 403, 500, *self.refusals}
        if self.scope is not None:
            found |= {401, 429, 503}
        if self.body is not None:
            found |= {413, 415}
        if "{" in self.path:
            found.add(404)
        return tuple(sorted(found))


_NOTHING: Final = Body(model=NoFields, examples={"nothing": {}}, required=False)
_ONE_EMAIL: Final = "/api/emails/{email_id}"
_ONE_CONFIG: Final = "/api/smtp-configs/{config_id}"


def _email_change(
    verb: str, summary: str, description: str, *, body: Body, example: Mapping[str, Any]
) -> Operation:
    return Operation(
        id=f"{verb}Email",
        endpoint=f"emails.{verb}",
        method="POST",
        path=f"{_ONE_EMAIL}/{verb}",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        summary=summary,
        description=description,
        body=body,
        answer=Answer(description="Its new status.", model=StatusChanged, example=example),
        refusals=(409,),
    )


def _config_change(
    verb: str,
    summary: str,
    description: str,
    *,
    example: Mapping[str, Any],
    refusals: tuple[int, ...] = (),
) -> Operation:
    return Operation(
        id=f"{verb}SmtpConfig",
        endpoint=f"smtp_configs.{verb}",
        method="POST",
        path=f"{_ONE_CONFIG}/{verb}",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        summary=summary,
        description=description,
        body=_NOTHING,
        answer=Answer(description="Its new state.", model=PauseChanged, example=example),
        refusals=refusals,
    )


_EMAILS: Final = (
    Operation(
        id="submitEmail",
        endpoint="emails.submit",
        method="POST",
        path="/api/emails",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        summary="Send an email",
        description=(
            "The email is on disk before the answer comes: what got a 201 survives a crash. It is "
            "handed off through the named SMTP configuration, or the active one with most room. "
            "404 if the named one does not exist, 409 if there is none at all or the "
            "Idempotency-Key came with another body before."
        ),
        idempotent=True,
        body=Body(
            model=EmailRequest,
            examples={"shortest": shown.EMAIL_LEAST, "everything": shown.EMAIL_MOST},
        ),
        answer=Answer(
            status=201,
            description="Accepted; Location is where to look after it.",
            model=EmailAccepted,
            example=shown.EMAIL_ACCEPTED,
            headers=("Location",),
            links=("showEmail", "explainEmail", "cancelEmail", "retryEmail", "resolveEmail"),
        ),
        refusals=(404, 409),
    ),
    Operation(
        id="submitEmails",
        endpoint="emails.submit_batch",
        method="POST",
        path="/api/emails/batch",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        summary="Send many emails",
        description=(
            "Up to 500 in one call, up to 10,000 recipients in all (MAX_CALL_RECIPIENTS). With "
            "mode all (the default) every email is accepted, or none and every wrong field of "
            "every email is named. With mode each those that are right are accepted, and results "
            "tells in order what became of each."
        ),
        idempotent=True,
        body=Body(model=BatchRequest, examples={"two": shown.BATCH}),
        answer=Answer(
            status=201,
            description="Accepted.",
            model=BatchAccepted,
            example=shown.BATCH_ACCEPTED,
        ),
        refusals=(404, 409),
    ),
    Operation(
        id="listEmails",
        endpoint="emails.page",
        method="GET",
        path="/api/emails",
        tag=Tag.EMAILS,
        scope=Scope.READ,
        summary="List emails",
        description="Newest first, a page at a time; the Link header leads to the next page.",
        query=EmailQuery,
        answer=Answer(
            description="One page.",
            model=EmailRow,
            many=True,
            example=[shown.EMAIL_ROW],
            headers=("Link",),
        ),
    ),
    Operation(
        id="listEmailsByStatus",
        endpoint="emails.page_by_status",
        method="GET",
        path="/api/emails/status/{status}",
        tag=Tag.EMAILS,
        scope=Scope.READ,
        summary="List emails of one status",
        description="Newest first, a page at a time; the Link header leads to the next page.",
        query=EmailsByStatusQuery,
        answer=Answer(
            description="One page.",
            model=EmailRow,
            many=True,
            example=[shown.EMAIL_ROW],
            headers=("Link",),
        ),
    ),
    Operation(
        id="showEmail",
        endpoint="emails.show",
        method="GET",
        path=_ONE_EMAIL,
        tag=Tag.EMAILS,
        scope=Scope.READ,
        summary="Look at an email",
        description="Its status, what became of each recipient, and every attempt.",
        answer=Answer(
            description="Everything that is known.", model=EmailReply, example=shown.EMAIL
        ),
    ),
    Operation(
        id="explainEmail",
        endpoint="emails.explain",
        method="GET",
        path=f"{_ONE_EMAIL}/explain",
        tag=Tag.EMAILS,
        scope=Scope.READ,
        summary="Ask why an email waits",
        description="Every gate it must pass, in order, and which of them is closed.",
        answer=Answer(
            description="The gates; none if it waits no more.",
            model=ExplainReply,
            example=shown.EXPLAINED,
        ),
    ),
    _email_change(
        "cancel",
        "Take an email back",
        "Possible while it waits; 409 once it is being sent.",
        body=_NOTHING,
        example=shown.CANCELLED,
    ),
    _email_change(
        "retry",
        "Try a failed email again",
        "Only recipients that nothing was accepted for get it; 409 unless it has failed, and if"
        " its SMTP configuration was removed and no other one is named.",
        body=Body(
            model=RetryRequest,
            examples={"as before": {}, "elsewhere": {"smtp_config_id": 2}},
            required=False,
        ),
        example=shown.RETRIED,
    ),
    _email_change(
        "resolve",
        "Settle an unknown outcome",
        "For an email whose server went silent after it had the message; 409 for any other.",
        body=Body(
            model=ResolveRequest, examples={"sent": {"as": "sent"}, "resend": {"as": "resend"}}
        ),
        example=shown.RESOLVED,
    ),
)

_ACCOUNTS: Final = (
    Operation(
        id="createSmtpConfig",
        endpoint="smtp_configs.create",
        method="POST",
        path="/api/smtp-configs",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        summary="Add a configuration",
        description=(
            "use_tls and use_ssl exclude each other; with neither, a password goes to this machine "
            "only. username and password come together. 409 if the name is taken."
        ),
        body=Body(
            model=SmtpConfigRequest,
            examples={"sandbox": shown.CONFIG_LEAST, "provider": shown.CONFIG_MOST},
        ),
        answer=Answer(
            status=201,
            description="Stored; Location is where to look at it.",
            model=SmtpConfigCreated,
            example=shown.CONFIG_CREATED,
            headers=("Location",),
            links=("showSmtpConfig", "changeSmtpConfig", "pauseSmtpConfig", "deleteSmtpConfig"),
        ),
        refusals=(409,),
    ),
    Operation(
        id="listSmtpConfigs",
        endpoint="smtp_configs.index",
        method="GET",
        path="/api/smtp-configs",
        tag=Tag.ACCOUNTS,
        scope=Scope.READ,
        summary="List configurations",
        answer=Answer(
            description="All of them.",
            model=SmtpConfigRow,
            many=True,
            example=[shown.CONFIG_ROW],
        ),
    ),
    Operation(
        id="showSmtpConfig",
        endpoint="smtp_configs.show",
        method="GET",
        path=_ONE_CONFIG,
        tag=Tag.ACCOUNTS,
        scope=Scope.READ,
        summary="Look at a configuration",
        description="Its settings, what its limits have left, and why it is paused if it is.",
        answer=Answer(
            description="Everything but its password.",
            model=SmtpConfigReply,
            example=shown.CONFIG,
        ),
    ),
    Operation(
        id="changeSmtpConfig",
        endpoint="smtp_configs.update",
        method="PUT",
        path=_ONE_CONFIG,
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        summary="Change a configuration",
        description=(
            "What is left out stays as it is; at least one field is named. In force from the next "
            "email on. New credentials or another server end a pause that was their fault. Another "
            "server, port, TLS mode or username without password forgets the password: the "
            "configuration is paused (password_missing) until it is sent, and message says so."
        ),
        body=Body(model=SmtpConfigChanges, examples={"switch off": shown.CONFIG_CHANGES}),
        answer=Answer(description="Changed.", model=Done, example=shown.CONFIG_CHANGED),
        refusals=(409,),
    ),
    Operation(
        id="deleteSmtpConfig",
        endpoint="smtp_configs.delete",
        method="DELETE",
        path=_ONE_CONFIG,
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        summary="Remove a configuration",
        description="409 while mail waits on it; what it sent keeps its name.",
        answer=Answer(description="Removed.", model=Done, example=shown.CONFIG_DELETED),
        refusals=(409,),
    ),
    _config_change(
        "pause",
        "Pause a configuration",
        "Nothing more is handed off through it until it is resumed; its mail waits.",
        example=shown.CONFIG_PAUSED,
    ),
    _config_change(
        "resume",
        "Resume a configuration",
        "Forgets its faults, whoever paused it, and hands mail off again. 409 while its password "
        "is missing: send that instead.",
        example=shown.CONFIG_RESUMED,
        refusals=(409,),
    ),
    Operation(
        id="verifySmtpConfig",
        endpoint="smtp_configs.verify",
        method="POST",
        path=f"{_ONE_CONFIG}/verify",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        summary="Try a configuration out",
        description="Connects, secures the connection, logs in, and names the sender and a "
        "recipient; sends nothing.",
        body=Body(
            model=VerifyRequest,
            examples={"own address": {}, "another": {"recipient": "ada@example.org"}},
            required=False,
        ),
        answer=Answer(
            description="How far it got, and why no further.",
            model=VerifyReply,
            example=shown.VERIFIED,
        ),
    ),
)

_OPERATIONS: Final = (
    Operation(
        id="isAlive",
        endpoint="operations.alive",
        method="GET",
        path="/healthz",
        tag=Tag.OPERATIONS,
        summary="Ask whether it is alive",
        description="This process answers; nothing else is looked at.",
        answer=Answer(description="It is.", model=Health, example=shown.ALIVE),
    ),
    Operation(
        id="isReady",
        endpoint="operations.ready",
        method="GET",
        path="/readyz",
        tag=Tag.OPERATIONS,
        summary="Ask whether it takes email",
        description="The store can be read and email is accepted; 503 while it is not.",
        answer=Answer(description="It does.", model=Health, example=shown.READY),
        refusals=(503,),
    ),
    Operation(
        id="welcome",
        endpoint="operations.welcome",
        method="GET",
        path="/",
        tag=Tag.OPERATIONS,
        summary="Find everything",
        description="A browser, or whoever asks for HTML, gets it as a page.",
        answer=Answer(
            description="What this is, and where to go from here.",
            model=Welcome,
            example=shown.WELCOME,
            page=True,
        ),
    ),
    Operation(
        id="openapi",
        endpoint="docs.openapi",
        method="GET",
        path="/api/openapi.json",
        tag=Tag.OPERATIONS,
        summary="Read this document",
        description="In production it needs a key, of any scope.",
        answer=Answer(description="OpenAPI 3.1."),
        refusals=(401, 403, 429, 503),
    ),
    Operation(
        id="docs",
        endpoint="docs.page",
        method="GET",
        path="/docs",
        tag=Tag.OPERATIONS,
        summary="Read this document as a page",
        answer=Answer(description="A page for people.", media_type=HTML),
    ),
)

OPERATIONS: Final = (*_EMAILS, *_ACCOUNTS, *_OPERATIONS)

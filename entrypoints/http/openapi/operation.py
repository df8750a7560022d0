"""What one call takes, answers and refuses: declared at the function that answers it.

`operation` decorates a method of a class of handlers. The routes, the scopes and the OpenAPI
document are all made from that declaration.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Protocol, TypeVar

import attrs
from flask import Blueprint, Response
from pydantic import Field

from domain.access import Scope
from domain.message.template import NAME
from entrypoints.http.schemas import (
    EmailAddress,
    Id,
    NoFields,
    ReplyModel,
    RequestModel,
    Selector,
    StatusName,
)

H = TypeVar("H", bound=Callable[..., Response])

JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"
CSV: Final = "text/csv; charset=utf-8"
MEMBER: Final = re.compile(r"{(\w+)}")
_DECLARED: Final = "operation"  # the attribute of a handler


class Tag(StrEnum):
    """The chapters of the document."""

    EMAILS = "Emails"
    TEMPLATES = "Templates"
    SUPPRESSIONS = "Suppressions"
    ACCOUNTS = "SMTP configurations"
    PROVIDERS = "Providers"
    DKIM = "DKIM"
    HOOKS = "Event hooks"
    EVENTS = "Events"
    WEBHOOKS = "Webhooks"
    KEYS = "API keys"
    OPERATIONS = "Operations"


@attrs.frozen(kw_only=True)
class PathParameter:
    """What may stand in a path: the converter of the route, and its type in the document."""

    converter: str
    type: Any
    example: object


PATH_PARAMETERS: Final = {
    "hook_id": PathParameter(converter="id", type=Id, example=1),
    "email_id": PathParameter(converter="id", type=Id, example=1),
    "config_id": PathParameter(converter="id", type=Id, example=1),
    "erasure_id": PathParameter(converter="id", type=Id, example=1),
    "webhook_id": PathParameter(converter="id", type=Id, example=1),
    "name": PathParameter(
        converter="string",
        type=Annotated[str, Field(pattern=f"^{NAME.pattern}$")],
        example="welcome",
    ),
    "prefix": PathParameter(
        converter="string",
        type=Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")],
        example="0a1b2c3d",
    ),
    "provider_id": PathParameter(
        converter="string",
        type=Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,39}$")],
        example="gmail",
    ),
    # an address may have a slash
    "address": PathParameter(converter="path", type=EmailAddress, example="ada@example.org"),
    "selector": PathParameter(converter="string", type=Selector, example="mail"),
    "status": PathParameter(converter="string", type=StatusName, example="queued"),
}


@attrs.frozen(kw_only=True)
class Body:
    """What a call takes. A body that is not *required* may be left out.

    Without a *model* it is no JSON. *others* are the schemas of other media types that it takes;
    ``*/*`` stands for any. *upload* is a file that an example sends as it is.
    """

    model: type[RequestModel] | None = None
    examples: Mapping[str, object] = attrs.field(factory=dict)
    required: bool = True
    others: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    upload: str | None = None

    def takes(self, media_type: str) -> bool:
        """Whether a body that is no JSON may have this type."""
        return media_type in self.others or "*/*" in self.others


NO_FIELDS: Final = Body(model=NoFields, examples={"nothing": {}}, required=False)


@attrs.frozen(kw_only=True)
class Answer:
    """What a call answers when all is well; *many* stands for a list of the model.

    *headers* and *links* are names of shared headers and of operations that take the new id. With
    *page* it is a page too, for who asks for HTML, with *csv* a table, for who asks for that.
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
    csv: bool = False


@attrs.frozen(kw_only=True)
class Operation:
    """One call. *refusals* are the statuses that do not follow from the rest.

    *handler* is the name of the method that answers, *endpoint* Flask's name for its route.
    """

    id: str
    handler: str
    endpoint: str = ""
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

    @property
    def rule(self) -> str:
        """Its path as Flask writes it."""
        return MEMBER.sub(
            lambda found: f"<{PATH_PARAMETERS[found[1]].converter}:{found[1]}>", self.path
        )


class Handlers(Protocol):
    """A class whose methods answer calls."""

    BLUEPRINT: ClassVar[str]


def operation(
    method: str,
    path: str,
    *,
    name: str,
    tag: Tag,
    answer: Answer,
    scope: Scope | None = None,
    query: type[RequestModel] | None = None,
    idempotent: bool = False,
    body: Body | None = None,
    refusals: tuple[int, ...] = (),
) -> Callable[[H], H]:
    """Declare that the decorated method answers *method* *path*; *name* is the operationId.

    The first line of its docstring is the summary of the operation, the rest its description.
    """

    def declare(handler: H) -> H:
        summary, _, description = inspect.cleandoc(handler.__doc__ or "").partition("\n\n")
        declared = Operation(
            id=name,
            handler=handler.__name__,
            method=method,
            path=path,
            tag=tag,
            summary=summary.removesuffix("."),
            description=" ".join(description.split()),
            scope=scope,
            query=query,
            idempotent=idempotent,
            body=body,
            answer=answer,
            refusals=refusals,
        )
        setattr(handler, _DECLARED, declared)
        return handler

    return declare


def operations_of(handlers: type[Handlers]) -> tuple[Operation, ...]:
    """What the methods of *handlers* answer, in the order they are written."""
    declared = (getattr(member, _DECLARED, None) for member in vars(handlers).values())
    return tuple(
        attrs.evolve(one, endpoint=f"{handlers.BLUEPRINT}.{one.handler}")
        for one in declared
        if isinstance(one, Operation)
    )


def add_routes(blueprint: Blueprint, handlers: Handlers) -> None:
    """Route every operation of *handlers* to the method that declares it."""
    for one in operations_of(type(handlers)):
        answer = getattr(handlers, one.handler)
        blueprint.add_url_rule(one.rule, one.handler, answer, methods=[one.method])

"""From the declared operations and the models' JSON schemas to the OpenAPI document."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from entrypoints.http.openapi.components import ALLOWANCE, HEADERS, PARAMETERS, SECURITY_SCHEMES
from entrypoints.http.openapi.operation import (
    CSV,
    HTML,
    JSON,
    MEMBER,
    PATH_PARAMETERS,
    Answer,
    Body,
    Operation,
    Tag,
)
from entrypoints.http.openapi.refusals import REFUSALS, Refusal
from entrypoints.http.openapi.samples import samples
from entrypoints.http.schemas import PUBLISHED_TIME, Problem, RequestModel

JsonSchema = dict[str, Any]

_PUBLISHED_TIME: Final = re.compile(PUBLISHED_TIME)
_PROBLEM_JSON: Final = "application/problem+json"
_PAGE: Final[JsonSchema] = {HTML: {"schema": {"type": "string"}}}
_TABLE: Final[JsonSchema] = {CSV: {"schema": {"type": "string"}}}
_ABOUT: Final = """\
You post an email. It is stored durably before you get the reply, handed off through one of your \
SMTP configurations within the limits of that configuration, and retried when a retry makes sense. \
You can look up its result at any time.

Every error is `application/problem+json` (RFC 9457) with a stable `code` and, for wrong input, a \
JSON pointer to every fault. Times are UTC. A path that does not exist is a 404; a method that is \
not described is a 405.
"""
_TAGS: Final = {
    Tag.EMAILS: "Send, list, explain, retry and cancel emails.",
    Tag.TEMPLATES: "Emails that are written once and filled in for each recipient.",
    Tag.SUPPRESSIONS: "The addresses that get no mail.",
    Tag.ACCOUNTS: "The servers and logins that email is handed off through.",
    Tag.PROVIDERS: "What is known of the mail providers: servers, limits and ways to sign in.",
    Tag.DKIM: "The keys that email is signed with, and what to publish of them in the DNS.",
    Tag.HOOKS: "URLs that Amazon SES, SendGrid, Mailgun and Postmark report bounces to.",
    Tag.EVENTS: "What became of emails and SMTP configurations, without asking for each.",
    Tag.WEBHOOKS: "URLs of your own programs that are called with events.",
    Tag.KEYS: "Who may call: keys are created, listed and revoked.",
    Tag.OPERATIONS: "For the person who runs the service.",
}


class _Schemas(GenerateJsonSchema):
    """The names of fields speak for themselves: no titles made from them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def build_document(
    operations: Sequence[Operation], *, version: str, rfc3339_times: bool = False
) -> JsonSchema:
    """The OpenAPI 3.1 document of *operations*. It takes some milliseconds: keep what it gives.

    With *rfc3339_times* every time has a Z, as with API_TIMES=rfc3339.
    """
    document = _document(operations, version)
    return _with_rfc3339_times(document) if rfc3339_times else document


def _with_rfc3339_times(part: Any) -> Any:
    """The same document where the published form of a time gives way to RFC 3339."""
    if isinstance(part, str):
        return f"{part}Z" if _PUBLISHED_TIME.fullmatch(part) else part
    if isinstance(part, list):
        return [_with_rfc3339_times(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("pattern") == PUBLISHED_TIME:
        others = {name: value for name, value in part.items() if name != "pattern"}
        told = str(part.get("description", "")).replace("UTC, without a suffix.", "UTC.")
        part = {**others, "format": "date-time", "description": told}
    return {name: _with_rfc3339_times(value) for name, value in part.items()}


def _document(operations: Sequence[Operation], version: str) -> JsonSchema:
    schemas = _schemas(operations)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Email Service",
            "version": version,
            "summary": "One safe HTTP endpoint in front of your SMTP servers.",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag.value, "description": text} for tag, text in _TAGS.items()],
        "paths": _paths(operations, schemas),
        "components": {
            "schemas": {name: schemas[name] for name in sorted(_shared(operations, schemas))},
            "responses": {refusal.name: _refusal(at) for at, refusal in REFUSALS.items()},
            "headers": HEADERS,
            "parameters": PARAMETERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _schemas(operations: Sequence[Operation]) -> JsonSchema:
    """The JSON schema of every model that a call names, and of those within."""
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for operation in operations:
        if operation.query:
            wanted[operation.query, "validation"] = None
        if operation.body and operation.body.model:
            wanted[operation.body.model, "validation"] = None
        if operation.answer.model:
            wanted[operation.answer.model, "serialization"] = None
    _, made = models_json_schema(
        list(wanted), ref_template="#/components/schemas/{model}", schema_generator=_Schemas
    )
    schemas: JsonSchema = made["$defs"]
    return schemas


def _shared(operations: Sequence[Operation], schemas: JsonSchema) -> set[str]:
    """Those that others refer to; a query's is told parameter by parameter."""
    return set(schemas) - {row.query.__name__ for row in operations if row.query}


def _paths(operations: Sequence[Operation], schemas: JsonSchema) -> JsonSchema:
    by_id = {operation.id: operation for operation in operations}
    paths: JsonSchema = {}
    for operation in operations:
        methods = paths.setdefault(operation.path, {})
        methods[operation.method.lower()] = _operation(operation, by_id, schemas)
    return paths


def _operation(row: Operation, by_id: Mapping[str, Operation], schemas: JsonSchema) -> JsonSchema:
    found: JsonSchema = {
        "tags": [row.tag.value],
        "operationId": row.id,
        "summary": row.summary,
        "description": row.description,
        "parameters": _parameters(row, schemas),
        "requestBody": _body(row.body) if row.body else None,
        "responses": {
            str(row.answer.status): _answer(row, by_id),
            **{str(at): _ref("responses", REFUSALS[at].name) for at in row.problems},
        },
        "x-required-scope": row.scope.value if row.scope else None,
        # the calls that submit email are those that programs are written for
        "x-codeSamples": samples(row.path, row.body.examples)
        if row.idempotent and row.body
        else None,
        "security": [{name: []} for name in SECURITY_SCHEMES] if row.scope else [],
    }
    return {name: value for name, value in found.items() if value or name == "security"}


def _parameters(row: Operation, schemas: JsonSchema) -> Sequence[JsonSchema]:
    return [
        *_in_path(row.path),
        *_in_query(row.query, schemas),
        *([_ref("parameters", "IdempotencyKey")] if row.idempotent else []),
        _ref("parameters", "RequestId"),
    ]


def _in_path(path: str) -> Iterator[JsonSchema]:
    for name in MEMBER.findall(path):
        parameter = PATH_PARAMETERS[name]
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": TypeAdapter(parameter.type).json_schema(),
            "example": parameter.example,
        }


def _in_query(model: type[RequestModel] | None, schemas: JsonSchema) -> Iterator[JsonSchema]:
    if model is None:
        return
    required = schemas[model.__name__].get("required", ())
    for name, schema in schemas[model.__name__]["properties"].items():
        bare = {key: value for key, value in schema.items() if key != "description"}
        # no parameter of OpenAPI is a family of names: this one stands for all of them
        shown = "metadata.key" if name == "metadata" else name
        found = {"name": shown, "in": "query", "schema": bare}
        if "description" in schema:
            found["description"] = schema["description"]
        if name in required:
            found |= {"required": True, "example": bare["examples"][0]}
        yield found


def _body(body: Body) -> JsonSchema:
    content: JsonSchema = {}
    if body.model:
        content[JSON] = {
            "schema": _ref("schemas", body.model.__name__),
            "examples": {name: {"value": value} for name, value in body.examples.items()},
        }
    content |= {media_type: {"schema": schema} for media_type, schema in body.others.items()}
    found: JsonSchema = {"required": body.required, "content": content}
    if body.upload:
        found["x-upload"] = body.upload
    return found


def _answer(row: Operation, by_id: Mapping[str, Operation]) -> JsonSchema:
    answer = row.answer
    content: JsonSchema = {"schema": _answer_schema(answer)}
    if answer.example is not None:
        content["examples"] = {"reply": {"value": answer.example}}
    found: JsonSchema = {
        "description": answer.description,
        "headers": _header_refs(*answer.headers, *(ALLOWANCE if row.scope else ())),
        "content": {
            answer.media_type: content,
            **(_PAGE if answer.page else {}),
            **(_TABLE if answer.csv else {}),
        },
    }
    if answer.links:
        found["links"] = {name: _link(by_id[name], after=row) for name in answer.links}
    return found


def _answer_schema(answer: Answer) -> JsonSchema:
    if answer.model is None:
        return {"type": "object" if answer.media_type == JSON else "string"}
    schema = _ref("schemas", answer.model.__name__)
    return {"type": "array", "items": schema} if answer.many else schema


def _link(row: Operation, *, after: Operation) -> JsonSchema:
    """What may be called next, with the id that was just given out behind those of that path."""
    known = MEMBER.findall(after.path)
    return {
        "operationId": row.id,
        "parameters": {
            name: f"$request.path.{name}" if name in known else f"$response.body#/{name}"
            for name in MEMBER.findall(row.path)
        },
    }


def _refusal(status: int) -> JsonSchema:
    refusal: Refusal = REFUSALS[status]
    codes = ", ".join(f"`{code}`" for code in refusal.codes)
    return {
        "description": f"{refusal.meaning} Code: {codes}.",
        "headers": _header_refs(*refusal.headers),
        "content": {
            _PROBLEM_JSON: {
                "schema": _ref("schemas", Problem.__name__),
                "examples": {refusal.codes[0]: {"value": refusal.example(status)}},
            }
        },
        "x-codes": list(refusal.codes),
    }


def _header_refs(*names: str) -> JsonSchema:
    return {name: _ref("headers", name) for name in ("X-Request-Id", *names)}


def _ref(kind: str, name: str) -> JsonSchema:
    return {"$ref": f"#/components/{kind}/{name}"}

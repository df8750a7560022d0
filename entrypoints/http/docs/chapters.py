"""The OpenAPI document as pages tell it: chapters of calls, with a sample for each example.

Made from the document alone, so that what people read and what programs read cannot differ.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from entrypoints.http.docs.fields import FieldReader, Row
from entrypoints.http.openapi import JsonSchema
from entrypoints.http.openapi.operation import JSON
from entrypoints.http.openapi.samples import SampleCall

# guides have them; once is enough
_EVERYWHERE: Final = ("X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


@attrs.frozen(kw_only=True)
class Refused:
    """An error status that a call may answer with."""

    status: str
    title: str
    text: str
    codes: tuple[str, ...]
    example: str | None


@attrs.frozen(kw_only=True)
class Example:
    """A call that may be made as it stands; *name* is "" where the operation has one only."""

    name: str
    path: str
    call: SampleCall

    def at(self, root: str, *, keyed: bool = True) -> SampleCall:
        """The call; *root* is where the service is. Unless *keyed* no call needs a key."""
        url = root.rstrip("/") + self.path
        return attrs.evolve(self.call, url=url, keyed=keyed and self.call.keyed)


@attrs.frozen(kw_only=True)
class Call:
    """An operation."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str | None
    parameters: tuple[Row, ...]
    fields: tuple[Row, ...]
    examples: tuple[Example, ...]
    status: str
    answer: str
    answer_fields: tuple[Row, ...]
    headers: tuple[Row, ...]
    reply: str | None
    refusals: tuple[Refused, ...]
    blanks: tuple["Blank", ...]


@attrs.frozen(kw_only=True)
class Blank:
    """A parameter to be filled in when the call is tried. *place* is path, query or header."""

    name: str
    place: str
    required: bool
    example: str


@attrs.frozen(kw_only=True)
class Chapter:
    """The calls of one tag."""

    id: str
    name: str
    text: str
    calls: tuple[Call, ...]


def chapters(document: JsonSchema) -> Sequence[Chapter]:
    """The calls, by chapter, in the document's order."""
    reader = _CallReader(document)
    calls = [
        (operation["tags"][0], reader.call(method, path, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return [
        Chapter(
            id=chapter_id(tag["name"]),
            name=tag["name"],
            text=tag["description"],
            calls=tuple(call for name, call in calls if name == tag["name"]),
        )
        for tag in document["tags"]
    ]


def chapter_id(tag: str) -> str:
    """The name of a chapter in a path: ``smtp-configs``, as the calls have it."""
    return tag.lower().replace(" ", "-").replace("configurations", "configs")


def refused_of(response: JsonSchema) -> Refused:
    """An error of the document."""
    [content] = response["content"].values()
    [example] = content["examples"].values()
    problem = example["value"]
    return Refused(
        status=str(problem["status"]),
        title=problem["title"],
        text=response["description"].partition(" Code: ")[0].replace("`", ""),
        codes=tuple(response["x-codes"]),
        example=_lines(problem),
    )


class _CallReader:
    """Reads the operations of one document."""

    def __init__(self, document: JsonSchema) -> None:
        self._fields = FieldReader(document)

    def call(self, method: str, path: str, operation: JsonSchema) -> Call:
        """One operation."""
        found = self._fields.found
        parameters = [found(parameter) for parameter in operation["parameters"]]
        shown = [one for one in parameters if one["name"] not in _EVERYWHERE]
        (status, answer), *refused = operation["responses"].items()
        content, *_ = answer["content"].values()
        body = operation.get("requestBody")
        return Call(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            description=operation.get("description", ""),
            scope=operation.get("x-required-scope"),
            parameters=tuple(map(self._fields.parameter, shown)),
            fields=tuple(self._fields.fields(_json(body)["schema"]))
            if body and _has_json(body)
            else (),
            examples=tuple(_examples(method.upper(), _filled(path, parameters), operation)),
            status=status,
            answer=answer["description"],
            answer_fields=tuple(self._fields.fields(content["schema"], reply=True)),
            headers=tuple(
                self._fields.header(name, found(header))
                for name, header in answer["headers"].items()
                if name not in _EVERYWHERE
            ),
            reply=_reply(content),
            refusals=tuple(refused_of(found(response)) for _, response in refused),
            blanks=tuple(map(_blank, shown)),
        )


def _blank(parameter: JsonSchema) -> Blank:
    required = bool(parameter.get("required"))
    return Blank(
        name=parameter["name"],
        place=parameter["in"],
        required=required,
        example=str(parameter["example"]) if required else "",
    )


def _has_json(body: JsonSchema) -> bool:
    return JSON in body["content"]


def _json(thing: JsonSchema) -> JsonSchema:
    content: JsonSchema = thing["content"][JSON]
    return content


def _reply(content: JsonSchema) -> str | None:
    for example in content.get("examples", {}).values():
        return _lines(example["value"])
    return None


def _filled(path: str, parameters: Sequence[JsonSchema]) -> str:
    """*path* with the examples of what stands in it, and of what its query must have."""
    needed = {}
    for parameter in parameters:
        name, example = parameter["name"], str(parameter.get("example"))
        path = path.replace(f"{{{name}}}", example)
        if parameter["in"] == "query" and parameter.get("required"):
            needed[name] = example
    return f"{path}?{urlencode(needed, safe='@')}" if needed else path


def _examples(method: str, path: str, operation: JsonSchema) -> Iterator[Example]:
    (_, answer), *_ = operation["responses"].items()
    kind, *_ = answer["content"]
    call = SampleCall(
        method=method, url=path, keyed="x-required-scope" in operation, json=kind == JSON
    )
    body = operation.get("requestBody", {"content": {}})
    upload = body.get("x-upload")
    bodies: Mapping[str, Any] = {"": None}
    if _has_json(body):
        named = _json(body)["examples"]
        without: Any = {} if body["required"] else None  # a body that may be left out is left out
        bodies = {
            name if len(named) > 1 else "": one["value"] or without for name, one in named.items()
        }
    for name, example in bodies.items():
        made = attrs.evolve(call, body=example, file=upload)
        yield Example(name=name, path=path, call=made)


def _lines(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)

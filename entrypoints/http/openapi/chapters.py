"""The OpenAPI document as a page tells it: chapters of calls, and tables of their fields.

Made from the document alone, so that what people read and what programs read cannot differ.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from entrypoints.http.openapi.document import JsonSchema
from entrypoints.http.openapi.samples import BASE, CURL

_LARGE: Final = 2**53  # a bound beyond is the machine's, and no reader wants to know it
_BOUNDS: Final = (
    ("minimum", "at least {:,}"),
    ("maximum", "at most {:,}"),
    ("minLength", "at least {:,} characters"),
    ("maxLength", "at most {:,} characters"),
    ("minItems", "at least {:,}"),
)
_DULL: Final = {"minLength": 1, "minItems": 1}  # "not empty" says it better
# the introduction has them; once is enough
_EVERYWHERE: Final = ("X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_FORMATS: Final = {"email": "email address", "date-time": "time with an offset"}


@attrs.frozen(kw_only=True)
class Row:
    """A parameter or a field as a line of a table; *rows* are the fields within it."""

    name: str
    type: str
    required: bool = False
    text: str = ""
    notes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    rows: "tuple[Row, ...]" = ()


@attrs.frozen(kw_only=True)
class Refused:
    """An error that a call may answer with."""

    status: str
    title: str
    text: str
    codes: tuple[str, ...]
    example: str


@attrs.frozen(kw_only=True)
class Request:
    """A named example of a call, to be typed into a shell."""

    name: str
    words: tuple[str, ...]
    path: str

    def curl(self, root: str) -> str:
        """The command; *root* is where the service is."""
        first, *rest = self.words
        return " \\\n  ".join([f"{first} {shlex.quote(root.rstrip('/') + self.path)}", *rest])


@attrs.frozen(kw_only=True)
class Program:
    """A call in a program; *label* has its language, and the name of the example."""

    label: str
    source: str

    def at(self, root: str) -> str:
        """The program; *root* is where the service is."""
        return self.source.replace(BASE, root.rstrip("/"))


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
    requests: tuple[Request, ...]
    programs: tuple[Program, ...]
    status: str
    answer: str
    answer_fields: tuple[Row, ...]
    headers: tuple[Row, ...]
    reply: str | None
    refusals: tuple[Refused, ...]


@attrs.frozen(kw_only=True)
class Chapter:
    """The calls of one tag."""

    id: str
    name: str
    text: str
    calls: tuple[Call, ...]


def chapters(document: JsonSchema) -> Sequence[Chapter]:
    """The calls, by chapter, in the document's order."""
    reader = _Reader(document)
    calls = [
        (operation["tags"][0], reader.call(method, path, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return [
        Chapter(
            id=tag["name"].lower().replace(" ", "-"),
            name=tag["name"],
            text=tag["description"],
            calls=tuple(call for name, call in calls if name == tag["name"]),
        )
        for tag in document["tags"]
    ]


def refusals(document: JsonSchema) -> Sequence[Refused]:
    """Every error there is."""
    return [_refused(response) for response in document["components"]["responses"].values()]


def _refused(response: JsonSchema) -> Refused:
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


class _Reader:
    """Follows the references of one document."""

    def __init__(self, document: JsonSchema) -> None:
        self._document = document

    def call(self, method: str, path: str, operation: JsonSchema) -> Call:
        """One operation."""
        parameters = [self._found(parameter) for parameter in operation["parameters"]]
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
            parameters=tuple(
                self._parameter(parameter)
                for parameter in parameters
                if parameter["name"] not in _EVERYWHERE
            ),
            fields=tuple(self._fields(_json(body)["schema"])) if body and _has_json(body) else (),
            requests=tuple(_requests(method.upper(), _filled(path, parameters), operation)),
            programs=tuple(
                Program(label=sample["label"], source=sample["source"])
                for sample in operation.get("x-codeSamples", ())
                if not sample["label"].startswith(CURL)
            ),
            status=status,
            answer=answer["description"],
            answer_fields=tuple(self._fields(content["schema"], reply=True)),
            headers=tuple(
                self._header(name, self._found(header))
                for name, header in answer["headers"].items()
                if name not in _EVERYWHERE
            ),
            reply=_example(content),
            refusals=tuple(_refused(self._found(response)) for _, response in refused),
        )

    def _found(self, thing: JsonSchema) -> JsonSchema:
        """*thing*, or what it refers to."""
        reference = thing.get("$ref")
        if reference is None:
            return thing
        found = self._document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        return found

    def _parameter(self, parameter: JsonSchema) -> Row:
        row = self._row(parameter["name"], parameter["schema"], required="required" in parameter)
        where = f"in the {parameter['in']}"
        return attrs.evolve(row, text=parameter.get("description", ""), notes=(where, *row.notes))

    def _header(self, name: str, header: JsonSchema) -> Row:
        return attrs.evolve(self._row(name, header["schema"]), text=header["description"])

    def _fields(self, schema: JsonSchema, *, reply: bool = False) -> Iterator[Row]:
        """The fields of an object, or of the objects in a list."""
        schema = self._found(schema)
        if schema.get("type") == "array":
            schema = self._found(schema["items"])
        if "type" not in schema:
            schema = self._object_among(schema.get("anyOf", ()))
        required = () if reply else schema.get("required", ())  # a reply has all of its fields
        for name, field in schema.get("properties", {}).items():
            yield self._row(name, field, required=name in required)

    def _row(self, name: str, schema: JsonSchema, *, required: bool = False) -> Row:
        bare, nullable = _without_null(schema)
        inner = self._found(bare.get("items", bare))
        return Row(
            name=name,
            type=self._type(bare) + (" or null" if nullable else ""),
            required=required,
            text=schema.get("description") or bare.get("description") or "",
            notes=tuple(_notes(bare)),
            values=tuple(str(value) for value in bare.get("enum", ())),
            rows=tuple(self._fields(inner, reply=True)),
        )

    def _object_among(self, choices: Iterable[JsonSchema]) -> JsonSchema:
        """The first of them that is an object; an empty schema if none is."""
        return next((one for one in map(self._found, choices) if one["type"] == "object"), {})

    def _type(self, schema: JsonSchema) -> str:
        schema = self._found(schema)
        if "type" not in schema:
            return " or ".join(map(self._type, schema["anyOf"]))
        if schema["type"] == "array":
            return f"list of {self._items(schema['items'])}".replace("addresss", "addresses")
        kind: str = schema["type"]
        return _FORMATS.get(schema.get("format", ""), kind)

    def _items(self, schema: JsonSchema) -> str:
        choices = schema.get("anyOf", [schema]) if "type" not in schema else [schema]
        return " or ".join(f"{self._type(one)}s" for one in choices)


def _without_null(schema: JsonSchema) -> tuple[JsonSchema, bool]:
    choices = schema.get("anyOf")
    if choices is None or {"type": "null"} not in choices:
        return schema, False
    [bare] = [choice for choice in choices if choice != {"type": "null"}]
    return bare, True


def _notes(schema: JsonSchema) -> Iterator[str]:
    """What a value must keep to."""
    if any(schema.get(key) == bound for key, bound in _DULL.items()):
        yield "not empty"
    if "minimum" in schema and schema.get("maximum", _LARGE) < _LARGE:
        yield f"{schema['minimum']:,} to {schema['maximum']:,}"
        return
    for key, text in _BOUNDS:
        if key in schema and key not in _DULL and schema[key] < _LARGE:
            yield text.format(schema[key])


def _has_json(body: JsonSchema) -> bool:
    return "application/json" in body["content"]


def _json(thing: JsonSchema) -> JsonSchema:
    content: JsonSchema = thing["content"]["application/json"]
    return content


def _example(content: JsonSchema) -> str | None:
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


def _requests(method: str, path: str, operation: JsonSchema) -> Iterator[Request]:
    bodies: Mapping[str, Any] = {"": None}
    body = operation.get("requestBody")
    if body is not None and "x-upload" in body:
        words = ["curl -s", '-H "X-API-Key: $API_KEY"', "-H 'Content-Type: application/pdf'"]
        yield Request(name="", words=(*words, f"--data-binary @{body['x-upload']}"), path=path)
        return
    if body is not None and _has_json(body) and body["required"]:
        examples = _json(body)["examples"]
        bodies = {name: example["value"] for name, example in examples.items()}
    keyed = "x-required-scope" in operation
    for name, body in bodies.items():
        yield Request(name=name, words=tuple(_words(method, body, keyed=keyed)), path=path)


def _words(method: str, body: object, *, keyed: bool) -> Iterator[str]:
    implied = "GET" if body is None else "POST"
    yield "curl -s" if method == implied else f"curl -s -X {method}"
    if keyed:
        yield '-H "X-API-Key: $API_KEY"'
    if body is not None:
        yield "-H 'Content-Type: application/json'"
        yield f"-d {shlex.quote(_lines(body))}"


def _lines(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)

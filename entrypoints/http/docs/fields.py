"""The parameters and fields of the OpenAPI document as lines of tables."""

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from entrypoints.http.openapi import JsonSchema

_LARGE: Final = 2**53  # a bound beyond is the machine's, and no reader wants to know it
_BOUNDS: Final = (
    ("minimum", "at least {:,}"),
    ("maximum", "at most {:,}"),
    ("minLength", "at least {:,} characters"),
    ("maxLength", "at most {:,} characters"),
    ("minItems", "at least {:,}"),
)
_DULL: Final = {"minLength": 1, "minItems": 1}  # "not empty" says it better
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


class FieldReader:
    """Follows the references of one document."""

    def __init__(self, document: JsonSchema) -> None:
        self._document = document

    def found(self, thing: JsonSchema) -> JsonSchema:
        """*thing*, or what it refers to."""
        reference = thing.get("$ref")
        if reference is None:
            return thing
        found = self._document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        return found

    def parameter(self, parameter: JsonSchema) -> Row:
        """A parameter, with where it stands."""
        row = self._row(parameter["name"], parameter["schema"], required="required" in parameter)
        where = f"in the {parameter['in']}"
        return attrs.evolve(row, text=parameter.get("description", ""), notes=(where, *row.notes))

    def header(self, name: str, header: JsonSchema) -> Row:
        """A header of an answer."""
        return attrs.evolve(self._row(name, header["schema"]), text=header["description"])

    def fields(self, schema: JsonSchema, *, reply: bool = False) -> Iterator[Row]:
        """The fields of an object, or of the objects in a list."""
        schema = self.found(schema)
        if schema.get("type") == "array":
            schema = self.found(schema["items"])
        if "type" not in schema:
            schema = self._object_among(schema.get("anyOf", ()))
        required = () if reply else schema.get("required", ())  # a reply has all of its fields
        for name, field in schema.get("properties", {}).items():
            yield self._row(name, field, required=name in required)

    def _row(self, name: str, schema: JsonSchema, *, required: bool = False) -> Row:
        bare, nullable = _without_null(schema)
        inner = self.found(bare.get("items", bare))
        return Row(
            name=name,
            type=self._type(bare) + (" or null" if nullable else ""),
            required=required,
            text=schema.get("description") or bare.get("description") or "",
            notes=tuple(_notes(bare)),
            values=tuple(str(value) for value in bare.get("enum", ())),
            rows=tuple(self.fields(inner, reply=True)),
        )

    def _object_among(self, choices: Iterable[JsonSchema]) -> JsonSchema:
        """The first of them that is an object; an empty schema if none is."""
        return next((one for one in map(self.found, choices) if one["type"] == "object"), {})

    def _type(self, schema: JsonSchema) -> str:
        schema = self.found(schema)
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

"""The form of a template: its fields, and what they come to."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

from domain.errors import FieldError, InvalidInput
from domain.message.template import (
    SourceKind,
    TemplateSource,
    Value,
    Variable,
    VariableType,
)
from entrypoints.http.email_templates.replies import source_of
from entrypoints.http.email_templates.schemas import TemplateChanges
from entrypoints.http.json_reader import parse_object
from entrypoints.http.validation import parse

T = TypeVar("T")

FIELDS: Final = ("name", "locale", "subject", "kind", "body", "text", "variables", "values")
VALUE: Final = "value."  # before the name of a variable, in the name of its field
_LABELS: Final = {
    "name": "Name",
    "locale": "Locale",
    "subject": "Subject",
    "html": "Source",
    "mjml": "Source",
    "body": "Source",
    "text": "Plain text",
    "variables": "Variables",
    "values": "Values",
    "recipient": "Recipient",
    "to": "Recipient",
    "account_id": "Account",
}


def fields_of(source: TemplateSource) -> dict[str, str]:
    """The fields as they are filled in for a version."""
    return {
        "subject": source.subject,
        "kind": source.kind.value,
        "body": source.body,
        "text": source.text or "",
        "variables": declared_as_json(source.variables),
        "values": "",
    }


def source_in(form: Mapping[str, str]) -> TemplateSource:
    """The source that the form has. InvalidInput, by the same rules as the API's."""
    kind = "mjml" if form.get("kind") == SourceKind.MJML.value else "html"
    wanted: dict[str, object] = {
        # a browser sends every line end as two characters
        "subject": form.get("subject", ""),
        kind: _lines(form.get("body", "")),
    }
    if form.get("text", "").strip():
        wanted["text"] = _lines(form["text"])
    if form.get("variables", "").strip():
        wanted["variables"] = _json("variables", form["variables"])
    return source_of(parse(TemplateChanges, wanted))


def values_in(form: Mapping[str, str], declared: Sequence[Variable]) -> dict[str, Value]:
    """The values for a preview: those of the fields, over those of the JSON. InvalidInput."""
    text = form.get("values", "").strip()
    values: dict[str, Value] = dict(_json("values", text)) if text else {}
    for variable in declared:
        typed = form.get(f"{VALUE}{variable.name}", "")
        if typed:
            values[variable.name] = _value(variable, typed)
    return values


def declared_as_json(declared: Sequence[Variable]) -> str:
    """The variables as a person writes them: one a line, without what goes without saying."""
    if not declared:
        return ""
    lines = [f"  {_compact(one.name)}: {_compact(_said(one))}" for one in declared]
    return "{\n" + ",\n".join(lines) + "\n}"


def _said(variable: Variable) -> dict[str, Value]:
    said: dict[str, Value] = {"type": variable.type.value}
    if not variable.required:
        said["required"] = False
    if variable.default is not None:
        said["default"] = variable.default
    if variable.sample is not None:
        said["sample"] = variable.sample
    return said


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def example(variable: Variable) -> str:
    """What stands in for a variable without a value, as it would be typed."""
    value = variable.default if variable.sample is None else variable.sample
    if value is None:
        return ""
    return value if isinstance(value, str) else _compact(value)


def problems_of(error: InvalidInput) -> Sequence[str]:
    """What is wrong, each with what its field is called here."""
    return list(dict.fromkeys(_problems(error)))


def _problems(error: InvalidInput) -> Iterator[str]:
    for one in error.errors:
        name, _, part = one.field.lstrip("/").partition("/")
        label = _LABELS.get(name)
        where = f"{label} {part}".strip() if label else ""
        yield f"{where}: {one.message}" if where else f"The template {one.message}"


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def _value(variable: Variable, typed: str) -> Value:
    if variable.type is VariableType.STRING:
        return typed
    value: Value = _json("values", f'{{"value": {typed}}}')["value"]
    return value


def _json(field: str, text: str) -> dict[str, Value]:
    try:
        return parse_object(text.encode())
    except InvalidInput as error:
        message = f"must be an object in JSON ({error})"
        raise InvalidInput(FieldError(field, message)) from None

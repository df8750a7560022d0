"""A template: what is kept of it, what it is called, and which variables it takes.

A version never changes once it is published, and an email is rendered when it is accepted, so that
what was promised to a client is what goes out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

import attrs

from domain.errors import FieldError, InvalidInput

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
MAX_VARIABLES: Final = 50
MAX_VARIABLE_CHARACTERS: Final = 64 * 1024  # of all values together, as JSON
MAX_VALUE_DEPTH: Final = 10  # lists and objects within one another

Value: TypeAlias = "str | int | float | bool | Sequence[Value] | Mapping[str, Value] | None"


class VariableType(StrEnum):
    """What a value must be."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"


_PYTHON: Final[Mapping[VariableType, tuple[type, ...]]] = {
    VariableType.STRING: (str,),
    VariableType.NUMBER: (int, float),
    VariableType.BOOLEAN: (bool,),
    VariableType.LIST: (list, tuple),
    VariableType.OBJECT: (dict,),
}


@attrs.frozen(kw_only=True)
class Variable:
    """One variable. *default* stands in where it is not given; *sample* is for previews."""

    name: str
    type: VariableType = VariableType.STRING
    required: bool = True
    default: Value = None
    sample: Value = None


class SourceKind(StrEnum):
    """What the body of a template is written in."""

    HTML = "html"
    MJML = "mjml"


@attrs.frozen(kw_only=True)
class TemplateSource:
    """What a person writes. ``text=None`` is made from the rendered HTML."""

    subject: str
    kind: SourceKind
    body: str = attrs.field(repr=False)
    text: str | None = attrs.field(default=None, repr=False)
    variables: tuple[Variable, ...] = ()


@attrs.frozen(kw_only=True)
class Template:
    """One version of a template. ``locale=""`` is the default one.

    *published_at* is when it was published last; None for a draft.
    """

    id: int = 0
    name: str
    locale: str
    version: int
    source: TemplateSource
    created_at: datetime
    published_at: datetime | None = None


@attrs.frozen(kw_only=True)
class TemplateSummary:
    """A template in a list: its newest version, and the published one that is sent, if any.

    *id* is that of its first version, *created_at* the time of its newest one.
    """

    id: int
    name: str
    locale: str
    version: int
    subject: str
    created_at: datetime
    published_version: int | None = None
    published_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Rendered:
    """What a template came to."""

    subject: str
    html: str = attrs.field(repr=False)
    text: str = attrs.field(repr=False)


def check_name(name: str, *, field: str = "name") -> None:
    """InvalidInput if *name* cannot be that of a template."""
    if not NAME.fullmatch(name):
        problem = "must be 1 to 64 of a-z, 0-9, _ and -, and begin with a letter or a digit"
        raise InvalidInput(FieldError(field, problem))


def check_locale(locale: str, *, field: str = "locale") -> None:
    """InvalidInput if *locale* is no language tag such as ``de``, ``de-AT`` or ``zh-Hant-TW``."""
    if not LOCALE.fullmatch(locale):
        raise InvalidInput(FieldError(field, "must be a language tag such as de or de-AT"))


def check_variables(declared: Sequence[Variable], *, field: str = "variables") -> None:
    """InvalidInput ``template_error`` for names and values that cannot be those of variables."""
    errors = [FieldError(field, problem) for problem in _problems_of_all(declared)] or [
        FieldError(f"{field}/{variable.name}", problem)
        for variable in declared
        for problem in _problems_of(variable)
    ]
    if errors:
        raise InvalidInput(*errors, code="template_error")
    for variable in declared:
        _check_size({"default": variable.default, "sample": variable.sample}, field)


def _problems_of_all(declared: Sequence[Variable]) -> Iterator[str]:
    if len(declared) > MAX_VARIABLES:
        yield f"must have at most {MAX_VARIABLES} variables"


def _problems_of(variable: Variable) -> Iterator[str]:
    if not VARIABLE.fullmatch(variable.name):
        yield "must be called by 1 to 64 letters of ASCII, digits and _, and not begin with a digit"
    for word, value in (("default", variable.default), ("sample", variable.sample)):
        if value is not None and not _is_a(value, variable.type):
            yield f"its {word} must be a {variable.type}"


def samples(declared: Sequence[Variable], given: Mapping[str, Value]) -> dict[str, Value]:
    """*given*, and the sample of each variable that has one and is not given: for previews."""
    found = {one.name: one.sample for one in declared if one.sample is not None}
    return {**found, **given}


def fallbacks(locale: str | None) -> tuple[str, ...]:
    """The locales to look for, best first: ``de-AT``, ``de``, then the default ``""``."""
    if not locale:
        return ("",)
    subtags = locale.split("-")
    return (*("-".join(subtags[:n]) for n in range(len(subtags), 0, -1)), "")


def complete(
    declared: Sequence[Variable], given: Mapping[str, Value], *, field: str = "variables"
) -> dict[str, Value]:
    """The values for a rendering: *given* and the defaults. InvalidInput names each that is wrong.

    A template that declares nothing takes whatever is given.
    """
    _check_size(given, field)
    if not declared:
        return dict(given)
    known = {variable.name: variable for variable in declared}
    errors = [
        FieldError(f"{field}/{name}", "is no variable of this template")
        for name in given
        if name not in known
    ]
    values: dict[str, Value] = {}
    for name, variable in known.items():
        value = given.get(name)
        if value is None:
            value = variable.default
        if value is not None and not _is_a(value, variable.type):
            errors.append(FieldError(f"{field}/{name}", f"must be a {variable.type}"))
        elif value is None and variable.required:
            errors.append(FieldError(f"{field}/{name}", "is required"))
        elif value is not None:
            values[name] = value
    if errors:
        raise InvalidInput(*errors, code="template_error")
    return values


def _is_a(value: Value, kind: VariableType) -> bool:
    if isinstance(value, bool):
        return kind is VariableType.BOOLEAN
    return isinstance(value, _PYTHON[kind])


def _check_size(given: Mapping[str, Value], field: str) -> None:
    """Deep values overflow the stack of what renders them, and large ones its memory."""
    characters = 0
    pending: list[tuple[Value, int]] = [(given, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_VALUE_DEPTH:
            problem = f"has more than {MAX_VALUE_DEPTH} lists and objects within one another"
            raise InvalidInput(FieldError(field, problem), code="template_error")
        if isinstance(value, str):
            characters += len(value)
        elif isinstance(value, Mapping):
            characters += sum(len(key) for key in value) + len(value)
            pending.extend((each, depth + 1) for each in value.values())
        elif isinstance(value, Sequence):
            characters += len(value)
            pending.extend((each, depth + 1) for each in value)
        else:
            characters += 1 if not isinstance(value, int) else 1 + value.bit_length() // 3
        if characters > MAX_VARIABLE_CHARACTERS:
            problem = f"has more than {MAX_VARIABLE_CHARACTERS} characters in all"
            raise InvalidInput(FieldError(field, problem), code="template_error")

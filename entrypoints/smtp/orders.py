"""The headers of a message that are orders to the service, and leave it."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from application.intake.draft import TemplateChoice
from domain.errors import FieldError, InvalidInput
from domain.message.encoded_text import decoded
from domain.message.raw import RawMessage
from domain.message.template import Value
from entrypoints.http.json_reader import parse_object

_TAG: Final = "x-tag"
_TOPIC: Final = "x-topic"
_TEMPLATE: Final = "x-template"
_VERSION: Final = "x-template-version"
_LOCALE: Final = "x-template-locale"
_VARIABLES: Final = "x-template-variables"
_KEYS: Final = ("idempotency-key", "resend-idempotency-key")
_NAMES: Final = frozenset({*_KEYS, _TAG, _TOPIC, _TEMPLATE, _VERSION, _LOCALE, _VARIABLES})
_KEY: Final = re.compile(r"[!-~]{1,256}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


@attrs.frozen(kw_only=True)
class Orders:
    """What the headers ask for. *key* is the idempotency key that the client gives."""

    tags: tuple[str, ...] = ()
    topic: str | None = None
    key: str | None = None
    template: TemplateChoice | None = None
    variables: Mapping[str, Value] = attrs.field(factory=dict, repr=False)


def orders_of(raw: RawMessage) -> Orders:
    """Those of a message. InvalidInput."""
    found: dict[str, list[str]] = {}
    for field in raw.fields:
        if field.key in _NAMES:
            found.setdefault(field.key, []).append(decoded(field.value))
    if not found:
        return Orders()
    template = _template(found)
    if template is None and _VARIABLES in found:
        raise _wrong(_VARIABLES, "is of use only with X-Template")
    return Orders(
        tags=tuple(tag for value in found.get(_TAG, ()) for tag in _words(value)),
        topic=_only(found, _TOPIC),
        key=_key(found),
        template=template,
        variables=_variables(found),
    )


def without_orders(raw: RawMessage) -> RawMessage:
    """The message as others may see it."""
    kept = tuple([field for field in raw.fields if field.key not in _NAMES])
    return raw if len(kept) == len(raw.fields) else attrs.evolve(raw, fields=kept)


def _template(found: Mapping[str, list[str]]) -> TemplateChoice | None:
    name = _only(found, _TEMPLATE)
    if name is None:
        return None
    version = _only(found, _VERSION)
    if version is not None and not _NUMBER.fullmatch(version):
        raise _wrong(_VERSION, "must be a whole number, from 1 on")
    return TemplateChoice(name, None if version is None else int(version), _only(found, _LOCALE))


def _variables(found: Mapping[str, list[str]]) -> Mapping[str, Value]:
    written = _only(found, _VARIABLES)
    if written is None:
        return {}
    try:
        return parse_object(written.encode("utf-8", "replace"))
    except InvalidInput as error:
        raise _wrong(_VARIABLES, f"must be a JSON object: {error}") from None


def _key(found: Mapping[str, list[str]]) -> str | None:
    given = [value for name in _KEYS for value in found.get(name, ())]
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise _wrong("Idempotency-Key", "must be one, of 1 to 256 visible ASCII characters")
    return given[0]


def _only(found: Mapping[str, list[str]], name: str) -> str | None:
    values = found.get(name, [])
    if len(values) > 1:
        raise _wrong(name, "stands more than once")
    return values[0] if values else None


def _words(value: str) -> Iterator[str]:
    return filter(None, (word.strip() for word in value.split(",")))


def _wrong(name: str, message: str) -> InvalidInput:
    return InvalidInput(FieldError(f"headers/{name}", message))

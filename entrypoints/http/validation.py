"""From a JSON object or a query to a checked model, with every bad field told at once."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Final, TypeVar

from flask import request
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.errors import FieldError, InvalidInput
from entrypoints.http.fields import NAMED_FREELY, RequestError, pointer
from entrypoints.http.schemas import RequestModel

M = TypeVar("M", bound=RequestModel)

MOST_ERRORS: Final = 100
UNKNOWN_IN_QUERY: Final = "is unknown in this query"

_UNKNOWN: Final = "extra_forbidden"
_ALIKE: Final = 0.8  # of two names that differ in one letter or two
_LONGEST_GUESSED: Final = 40  # to compare names takes the square of their length
# What other services call it.
_ELSEWHERE: Final = {
    "to": "recipients",
    "sender": "from",
    "html": "html_content",
    "text": "text_content",
    "body": "text_content",
    "replyTo": "reply_to",
    "scheduled_at": "send_at",
    "host": "smtp_host",
    "port": "smtp_port",
    "user": "username",
    "email": "email_address",
}
_MESSAGES: Final = {
    "missing": "is required",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
    "list_type": "must be a list, in square brackets",
    "dict_type": "must be an object",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} items",
    "model_type": "must be an object",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}


def parse(
    model: type[M],
    fields: Mapping[str, object],
    *more: FieldError,
    unknown: str = "is unknown or read-only",
) -> M:
    """*fields* as a *model*. InvalidInput names all that is wrong, with what was found before.

    *unknown* says it of a field that the model does not have.
    """
    try:
        parsed = model.model_validate(fields)
    except ValidationError as error:
        raise _invalid(model, error, more, {**_MESSAGES, _UNKNOWN: unknown}) from None
    if more:
        raise InvalidInput(*more)
    return parsed


def parse_query(model: type[M]) -> M:
    """The query of the current request as a *model*."""
    twice = [
        RequestError(pointer((name,)), "stands more than once in the query")
        for name, values in request.args.lists()
        if len(values) > 1
    ]
    return parse(model, request.args.to_dict(), *twice[:MOST_ERRORS], unknown=UNKNOWN_IN_QUERY)


def refuse_unknown_query(known: Collection[str] = ()) -> None:
    """A parameter that nobody reads would be a wish that is ignored: InvalidInput names those."""
    if not request.query_string:
        return
    names = [name for name in request.args if name not in known][:MOST_ERRORS]
    if names:
        errors = [RequestError(pointer((name,)), UNKNOWN_IN_QUERY) for name in names]
        raise InvalidInput(*errors, code="unknown_field")


def _invalid(
    model: type[RequestModel],
    error: ValidationError,
    more: tuple[FieldError, ...],
    messages: Mapping[str, str],
) -> InvalidInput:
    details = error.errors(include_url=False, include_input=False)
    errors = [
        RequestError(_pointer(found), _message(found, messages) + _guess(model, found))
        for found in details[:MOST_ERRORS]
    ]
    unknown = any(found["type"] == _UNKNOWN for found in details)
    return InvalidInput(*[*more, *errors][:MOST_ERRORS], code="unknown_field" if unknown else None)


def _pointer(found: ErrorDetails) -> str:
    """Where it stands. Of a wrong name in an object pydantic says so in a step more."""
    *steps, last = found["loc"] or ("",)
    if last == "[key]" and steps and steps[-1] not in NAMED_FREELY:
        return pointer(tuple(steps))
    return pointer(found["loc"])


def _message(found: ErrorDetails, messages: Mapping[str, str]) -> str:
    template = messages.get(found["type"])
    return template.format(**found.get("ctx", {})) if template else found["msg"]


def _guess(model: type[RequestModel], found: ErrorDetails) -> str:
    """Which field of *model* is meant by one that it does not have, if that can be guessed."""
    if found["type"] != _UNKNOWN or len(found["loc"]) != 1:
        return ""
    name = str(found["loc"][0])
    known = [field.alias or own for own, field in model.model_fields.items()]
    meant = _ELSEWHERE.get(name)
    if meant not in known:
        short = name[:_LONGEST_GUESSED]
        meant = next(iter(get_close_matches(short, known, n=1, cutoff=_ALIKE)), None)
    return f": is {meant} meant?" if meant else ""

"""Where an error stands in a request: from the domain's names of fields to JSON pointers."""

from typing import Final

import attrs

from domain.errors import FieldError, InvalidInput

# The domain's name of a field -> the API's, where they differ.
_API_NAMES: Final = {
    "account_id": "smtp_config_id",
    "address": "email_address",
    "host": "smtp_host",
    "html": "html_content",
    "port": "smtp_port",
    "security": "use_tls",
    "sender": "from",
    "text": "text_content",
    "to": "recipients",
}

# The parts of these fields have names that the client chose, which may hold slashes.
NAMED_FREELY: Final = frozenset({"headers", "metadata", "variables"})

NEEDS_CONTENT: Final = "an email needs html_content, text_content or a template"


@attrs.frozen
class RequestError(FieldError):
    """One thing wrong with a request; *field* is a JSON pointer (RFC 6901) into it already."""


def pointer(path: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def pointer_of(error: FieldError) -> str:
    """The JSON pointer of what *error* is about."""
    if isinstance(error, RequestError):
        return error.field
    name, slash, rest = error.field.partition("/")
    place = () if error.index is None else ("emails", error.index)
    field = (_API_NAMES.get(name, name),) if name else ()
    parts = (rest,) if name in NAMED_FREELY else rest.split("/")
    return pointer((*place, *field, *(parts if slash else ())))


def about_one_email(error: InvalidInput) -> InvalidInput:
    """*error* of a call with one email, whose fields stand in the body itself."""
    errors = [attrs.evolve(one, index=None) for one in error.errors]
    return type(error)(*errors, code=error.code)

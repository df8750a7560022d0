"""What pages read of forms and addresses, and how they say what is wrong with it."""

from collections.abc import Mapping, Sequence

from domain.errors import Conflict, EmailServiceError, InvalidInput, NotFound
from entrypoints.http.requests import the_request
from entrypoints.ids import id_of

REFUSALS = (InvalidInput, Conflict)  # a page shows these above the form, and 400 or 409


def field(name: str) -> str:
    """What was typed in the field, without blanks around it; "" where it is missing."""
    return the_request().form.get(name, "").strip()


def checked(name: str) -> tuple[str, ...]:
    """The values of the boxes of that name that are checked."""
    return tuple(the_request().form.getlist(name))


def typed() -> Mapping[str, str]:
    """Every field as it was typed, to be shown again beside what is wrong with it."""
    return the_request().form.to_dict()


def without_blanks(**fields: object) -> dict[str, object]:
    """Those fields that something was typed in: a form sends the others as ""."""
    return {name: value for name, value in fields.items() if value not in ("", ())}


def number_in_query(name: str) -> int | None:
    """The number in the page's address, such as where a list goes on. NotFound if it is none."""
    text = the_request().args.get(name)
    if text is None:
        return None
    found = id_of(text)
    if found is None:
        raise NotFound(f"{name} is no number")
    return found


def told(error: EmailServiceError) -> Sequence[str]:
    """What is wrong, in words: one text for each field."""
    if not isinstance(error, InvalidInput):
        return [str(error)]
    return [
        f"{_name_of(one.field)}: {one.message}" if one.field else one.message
        for one in error.errors
    ]


def status_of(error: EmailServiceError) -> int:
    """400 or 409, for an error that a page shows above its form."""
    return 400 if isinstance(error, InvalidInput) else 409


def whole_number(text: str) -> int | str:
    """The number that was typed; the text itself if it is none, which the model then refuses."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text


def utc(text: str) -> str:
    """A date and a time of a field for them, read as UTC, as the API takes a time."""
    return f"{text}:00Z" if len(text) == len("2026-01-31T09:30") else text


def _name_of(field: str) -> str:
    """The field as the form calls it, without the place in its list."""
    return field.strip("/").partition("/")[0].replace("_", " ")

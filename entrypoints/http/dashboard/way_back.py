"""The way back from an email to the list as it was searched.

The address of an email's page carries the query of the list and nothing else of its address. Only
the list's own fields are taken from it, and the link is made anew from them: whatever stands there,
it leads to the list of this service.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from flask import url_for

from entrypoints.http.requests import the_request

NAME: Final = "back"
CURSOR: Final = "cursor"
FIELDS: Final = (
    "recipient", "subject", "tag", "status", "account", "queue", "since", "until",
)  # fmt: skip
_LONGEST: Final = 4000  # characters


def query_of(fields: Mapping[str, str]) -> str | None:
    """What an email's address carries of the list with these *fields*; None for all emails."""
    return urlencode({name: value for name, value in fields.items() if value}) or None


def carried() -> str | None:
    """The query of the list that this page was opened from, as far as it is one."""
    return query_of(_fields(the_request().args.get(NAME, "")))


def list_address(query: str | None) -> str:
    """The address of that list."""
    given: dict[str, Any] = dict(_fields(query or ""))
    return url_for("dashboard.emails", **given)


def _fields(query: str) -> Mapping[str, str]:
    if len(query) > _LONGEST:
        return {}
    try:
        found = parse_qsl(query, max_num_fields=2 * len(FIELDS))
    except ValueError:
        return {}
    return {name: value for name, value in found if name in (*FIELDS, CURSOR)}

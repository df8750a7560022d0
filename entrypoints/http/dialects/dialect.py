"""What a dialect is: another vendor's API in front of our use cases.

A dialect is declared in one module: which paths are its own, which header its key comes in, how a
request becomes emails, how it answers, and how it words an error. Everything else is shared.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import attrs

from domain.access import Scope
from domain.email.lifecycle import Email
from domain.errors import EmailServiceError, FieldError, InvalidInput, Unauthorized
from domain.message.attachment import Attachment
from entrypoints.http.failure import Failure
from entrypoints.http.fields import NEEDS_CONTENT, RequestError, pointer_of
from entrypoints.http.json_reader import JSON, JsonObject

CHALLENGE: Final = 'Bearer realm="email-service"'  # what a 401 asks for (RFC 6750)
Environ: TypeAlias = Mapping[str, Any]
Outcome: TypeAlias = "int | EmailServiceError"


class KeyMissing(Unauthorized):
    """The header that the dialect names has no API key."""

    code = "missing_api_key"


@attrs.frozen(kw_only=True)
class Reply:
    """An answer; *body* becomes JSON, and None is no body."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Wanted:
    """An email that a call asks for: the fields of a body of POST /api/emails, and its files.

    With a field ``raw`` they are those of POST /api/emails/raw.
    """

    fields: JsonObject = attrs.field(repr=False)
    files: tuple[Attachment, ...] = ()


@attrs.frozen(kw_only=True)
class Order:
    """What a call asks for; an email that cannot be read is its error, at its place.

    *compared* is what two calls with the same Idempotency-Key must have in common. With *each* the
    valid emails are accepted, else all or none; with *dry_run* nothing is stored. *ignored* are
    fields that change nothing here; *context* is for the dialect's own answer.
    """

    wanted: Sequence[Wanted | InvalidInput]
    compared: object = attrs.field(repr=False)
    each: bool = False
    dry_run: bool = False
    ignored: Sequence[str] = ()
    context: object = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Receipt:
    """The id of each email of an order, or why it was refused; *at* is the time of the answer.

    The ids of a dry run are 0. *emails* are those that were accepted, by their ids.
    """

    outcomes: Sequence[Outcome]
    at: datetime
    emails: Mapping[int, Email] = attrs.field(factory=dict)

    @property
    def ids(self) -> list[int]:
        """Those that were accepted."""
        return [one for one in self.outcomes if isinstance(one, int)]


@attrs.frozen(kw_only=True)
class Sending:
    """A call that submits email: *read* is given what stands in the path, as keywords."""

    path: str
    read: Callable[..., Order]
    answer: Callable[[Order, Receipt], Reply]
    media_types: tuple[str, ...] = (JSON,)
    method: str = "POST"
    scope: Scope = Scope.SEND


@attrs.frozen(kw_only=True)
class Asking:
    """Any other call: *answer* is given the use cases, and what stands in the path.

    *query* are the parameters that it reads; any other one is refused.
    """

    method: str
    path: str
    scope: Scope
    answer: Callable[..., Reply]
    media_types: tuple[str, ...] = (JSON,)
    query: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Dialect:
    """One vendor's API.

    *paths* matches every path that is its own, whether a call answers there or not: an error there
    has its shape. *key* reads the API key from the one header that it may stand in, which
    *key_hint* names. With *test_key* in its place a call is validated, and nothing stored.
    """

    name: str
    paths: re.Pattern[str]
    key: Callable[[Environ], str | None]
    key_hint: str
    calls: tuple[Sending | Asking, ...]
    error: Callable[[Failure], Reply]
    challenge: str = CHALLENGE
    test_key: str | None = None


IGNORED: Final = "X-Ignored"
# in the place of NEEDS_CONTENT, which names fields that a dialect does not have
_NEEDS_CONTENT: Final = "an email needs HTML, a text or a template"


@attrs.frozen
class AddressError(RequestError):
    """What is wrong with an address that came as *given*, which must not enter a log."""

    given: str = attrs.field(default="", kw_only=True, repr=False)


@attrs.frozen(kw_only=True)
class Fault:
    """One thing wrong with an email: its place in the call, the dialect's field, and why.

    *given* is the address as it came, if it is about one.
    """

    index: int | None
    field: str
    message: str
    given: str | None = attrs.field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def faults(failure: Failure, names: Mapping[str, str]) -> list[Fault]:
    """All that is wrong with the input, in the words of a dialect, which *names* gives for ours."""
    return [_fault(error, names) for error in failure.errors or ()]


def _fault(error: FieldError, names: Mapping[str, str]) -> Fault:
    first, *rest = pointer_of(attrs.evolve(error, index=None)).lstrip("/").split("/")
    parts = [names.get(first, first), *rest]
    return Fault(
        index=error.index,
        field=_joined([part.replace("~1", "/").replace("~0", "~") for part in parts if part]),
        message=_NEEDS_CONTENT if error.message == NEEDS_CONTENT else error.message,
        given=error.given if isinstance(error, AddressError) else None,
    )


def _joined(parts: Sequence[str]) -> str:
    """With dots between, but for a prefix such as Mailgun's ``h:``."""
    return ".".join(parts).replace(":.", ":")


def told(failure: Failure, names: Mapping[str, str]) -> str:
    """All that is wrong in one line."""
    return "; ".join(map(str, faults(failure, names))) or failure.detail

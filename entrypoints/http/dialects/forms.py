"""Reading the fields and files of a form, of either kind."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl

import attrs
from werkzeug.exceptions import UnsupportedMediaType

from domain.errors import InvalidInput
from domain.message.attachment import MAX_ATTACHMENTS, Attachment, type_of
from entrypoints.http.fields import RequestError, pointer
from entrypoints.http.json_reader import check_encoding, read_body
from entrypoints.http.multipart import Part, is_form, read_parts
from entrypoints.http.requests import the_request

MOST_FIELDS: Final = 3000
URLENCODED: Final = "application/x-www-form-urlencoded"
_INLINE: Final = "inline"


class FormNeeded(UnsupportedMediaType):
    """The body is no form."""


@attrs.frozen
class Form:
    """Fields, of which each may have several values, and files."""

    fields: Mapping[str, Sequence[str]] = attrs.field(repr=False)
    files: Sequence[Part] = ()

    def all(self, name: str) -> Sequence[str]:
        """Every value of a field."""
        return self.fields.get(name, ())

    def one(self, name: str) -> str | None:
        """The value of a field that may stand there once; None without it."""
        values = self.all(name)
        if len(values) > 1:
            raise InvalidInput(RequestError(pointer((name,)), "stands more than once in the form"))
        return values[0] if values else None

    def file(self, name: str) -> bytes:
        """The only file, which is that one."""
        octets = [part.octets for part in self.files if part.name == name]
        octets += [value.encode() for value in self.all(name)]
        if len(octets) != 1:
            raise InvalidInput(RequestError(pointer((name,)), "must be one part of the form"))
        return octets[0]

    def attachments(self, html: object) -> Iterator[Attachment]:
        """The files as attachments; those named inline that *html* shows stand within it."""
        if len(self.files) > MAX_ATTACHMENTS:  # the HTML is searched for each of them
            raise InvalidInput(RequestError("/attachment", f"at most {MAX_ATTACHMENTS}"))
        shown = html if isinstance(html, str) else ""
        for part in self.files:
            filename = part.filename or part.name
            within = part.name == _INLINE and f"cid:{filename}" in shown
            yield Attachment(
                filename=filename,
                content_type=part.content_type or type_of(filename),
                octets=part.octets,
                content_id=filename if within else None,
            )

    @property
    def compared(self) -> object:
        """What makes two forms the same."""
        files = [
            [part.name, part.filename, part.content_type, sha256(part.octets).hexdigest()]
            for part in self.files
        ]
        fields = {name: list(values) for name, values in self.fields.items()}
        return {"fields": fields, "files": files}


def read_form(*, files: Sequence[str]) -> Form:
    """The form in the body of the current request, whose *files* may have these names.

    InvalidInput ``invalid_form`` if it is none, 413, 415.
    """
    if is_form():
        return _of_parts(read_parts(most=MOST_FIELDS), files)
    check_encoding()
    if the_request().mimetype != URLENCODED:
        raise FormNeeded
    try:
        text = read_body().decode("ascii")
        fields = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise _refused("the body is not a form, or has too many fields") from None
    return Form(_by_name(fields))


def _by_name(fields: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


def _of_parts(parts: Sequence[Part], files: Sequence[str]) -> Form:
    fields, found = [], []
    for part in parts:
        if part.name in files and part.filename is not None:
            found.append(part)
        elif part.filename is not None:
            raise InvalidInput(RequestError(pointer((part.name,)), "must not be a file"))
        else:
            fields.append((part.name, _text(part)))
    return Form(_by_name(fields), found)


def _text(part: Part) -> str:
    try:
        return part.octets.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused("a field of the form is not UTF-8") from None


def _refused(reason: str) -> InvalidInput:
    return InvalidInput(RequestError("", reason), code="invalid_form")

"""What a call that submits one email has in its body: JSON, or a form with JSON and files."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import attrs

from domain.errors import InvalidInput
from domain.message.attachment import MAX_ATTACHMENTS, Attachment, type_of
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import JsonObject, is_json, parse_object, read_object
from entrypoints.http.multipart import Part, is_form, read_parts

EMAIL, FILE = "email", "file"  # the names of the parts
_MOST_PARTS: Final = MAX_ATTACHMENTS + 2  # so that one too many is told as what it is


@attrs.frozen
class Submitted:
    """The fields of an email, and the files beside them."""

    fields: JsonObject
    files: tuple[Attachment, ...] = ()

    @property
    def compared(self) -> JsonObject:
        """What makes two calls the same: the fields, and the digest of each file."""
        if not self.files:
            return self.fields
        return {
            EMAIL: self.fields,
            FILE: [
                [file.filename, file.content_type, file.content_id, _digest(file)]
                for file in self.files
            ],
        }


def read_submitted() -> Submitted:
    """What the current request submits. InvalidInput, 413, 415."""
    if is_json() or not is_form():
        return Submitted(read_object())
    parts = read_parts(most=_MOST_PARTS)
    emails = [part for part in parts if part.name == EMAIL]
    if len(emails) != 1:
        raise InvalidInput(
            RequestError(f"/{EMAIL}", "must be one part, with the email as JSON"),
            code="invalid_form",
        )
    try:
        fields = parse_object(emails[0].octets)
    except InvalidInput as error:
        told = [RequestError(f"/{EMAIL}", one.message) for one in error.errors]
        raise InvalidInput(*told, code=error.code) from None
    return Submitted(fields, tuple(_files(parts)))


def _files(parts: Sequence[Part]) -> list[Attachment]:
    files = []
    for part in parts:
        if part.name == EMAIL:
            continue
        if part.name != FILE or not part.filename:
            raise InvalidInput(
                RequestError(f"/{part.name}", f"files are parts named {FILE}, with a filename"),
                code="invalid_form",
            )
        files.append(
            Attachment(
                filename=part.filename,
                content_type=part.content_type or type_of(part.filename),
                octets=part.octets,
                content_id=part.content_id,
            )
        )
    return files


def _digest(file: Attachment) -> str:
    assert isinstance(file.octets, bytes), "a file of a form is in it"
    return sha256(file.octets).hexdigest()

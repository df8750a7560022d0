"""The call that uploads a file, to attach it to any number of emails."""

from typing import Annotated, Any, ClassVar, Final

from flask import Blueprint, Response
from pydantic import Field

from application import Application
from domain.access import Scope
from domain.errors import InvalidInput
from domain.message.attachment import type_of
from entrypoints.http.access import the_caller
from entrypoints.http.emails.submitted import FILE
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import check_encoding, read_body
from entrypoints.http.multipart import FORM, is_form, read_parts
from entrypoints.http.openapi import Answer, Body, Tag, add_routes, operation
from entrypoints.http.replies import reply
from entrypoints.http.requests import the_request
from entrypoints.http.schemas import ReplyModel

_FILE: Final[dict[str, Any]] = {"type": "string", "format": "binary", "minLength": 1}
_FILE_PART: Final[dict[str, Any]] = {
    "type": "object",
    "required": [FILE],
    "properties": {FILE: _FILE},
}
# what clients send that were told nothing about a file's type
_NO_TYPES: Final = frozenset({"", "application/x-www-form-urlencoded"})


class AttachmentStored(ReplyModel):
    """The file is stored and can be attached."""

    attachment_id: Annotated[
        str, Field(description="For attachments of emails that are submitted with the same key.")
    ]
    sha256: Annotated[str, Field(description="Of the file, in hexadecimal digits.")]
    size: Annotated[int, Field(description="Its octets.")]
    content_type: str


class Attachments:
    """The calls under /api/attachments."""

    BLUEPRINT: ClassVar = "attachments"

    def __init__(self, application: Application) -> None:
        self._admission = application.admission
        self._files = application.files

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "POST",
        "/api/attachments",
        name="uploadAttachment",
        tag=Tag.EMAILS,
        scope=Scope.SEND,
        body=Body(
            others={"*/*": _FILE, FORM: _FILE_PART},
            upload="invoice.pdf",
        ),
        answer=Answer(
            status=201,
            description="Stored.",
            model=AttachmentStored,
            example={
                "attachment_id": "5f0c8b0e1d9a4c53b1f0a2d7c6e5f401",
                "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
                "size": 51234,
                "content_type": "application/pdf",
            },
        ),
    )
    def upload(self) -> Response:
        """Upload a file.

        The body is the file as it is, with its media type as the Content-Type, or a form with one
        part named file. Attach it by its attachment_id to any number of emails. It is kept for 24
        hours, or as long as an email that carries it.
        """
        self._admission.check()
        octets, content_type = _form_file() if is_form() else _raw_file()
        if not octets:
            raise InvalidInput(RequestError("", "the file is empty"))
        upload = self._files.upload(octets, content_type=content_type, caller=the_caller())
        stored = AttachmentStored(
            attachment_id=upload.id,
            sha256=upload.blob.digest.hex(),
            size=upload.blob.size,
            content_type=upload.content_type,
        )
        return reply(stored, 201)


def _raw_file() -> tuple[bytes, str | None]:
    check_encoding()
    asked = the_request()
    known = asked.mimetype not in _NO_TYPES
    return read_body(), asked.content_type if known else None


def _form_file() -> tuple[bytes, str | None]:
    parts = read_parts(most=2)
    if len(parts) != 1 or parts[0].name != FILE:
        raise InvalidInput(
            RequestError(f"/{FILE}", "must be the only part, with the file"), code="invalid_form"
        )
    part = parts[0]
    # not every client says what its file is, and here it has a name
    return part.octets, part.content_type or type_of(part.filename or "")

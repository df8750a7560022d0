"""Reading a body of the type multipart/form-data (RFC 7578): its parts, each as it is.

Werkzeug's decoder finds them. The body is in memory already, within the limits of all bodies; what
is bounded here is how many parts there are and how long their headers may be.
"""

from collections.abc import Iterator
from typing import Final

import attrs
from werkzeug.datastructures import Headers
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from domain.errors import InvalidInput
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import check_encoding, read_body
from entrypoints.http.requests import the_request

FORM: Final = "multipart/form-data"
_FED: Final = 64 * 1024  # octets that the decoder gets at once: the headers of a part fit into it


@attrs.frozen(kw_only=True)
class Part:
    """One part; what its headers do not say is None."""

    name: str
    filename: str | None
    content_type: str | None
    content_id: str | None
    octets: bytes = attrs.field(repr=False)


def is_form() -> bool:
    """Whether the body of the current request says that it is a form, and how its parts end."""
    asked = the_request()
    return asked.mimetype == FORM and "boundary" in asked.mimetype_params


def read_parts(*, most: int) -> list[Part]:
    """The parts of the current request's body, in their order.

    InvalidInput ``invalid_form`` if it is none or has more than *most*, 413 if it is too large.
    """
    check_encoding()
    boundary = the_request().mimetype_params["boundary"]
    if not boundary.isascii() or not 1 <= len(boundary) <= 70:
        raise _refused("the Content-Type has no boundary of at most 70 characters")
    parts: list[Part] = []
    try:
        for part in _parts(read_body(), boundary.encode("ascii")):
            parts.append(part)
            if len(parts) > most:
                raise _refused(f"the body has more than {most} parts")
    except ValueError:
        raise _refused("the body is not multipart/form-data, or is cut off") from None
    return parts


def _parts(body: bytes, boundary: bytes) -> Iterator[Part]:
    decoder = MultipartDecoder(boundary)
    fed, begun = 0, 0
    opened: Field | File | None = None
    octets: list[bytes] = []
    while True:
        event = decoder.next_event()
        if isinstance(event, NeedData):
            if opened is None and fed - begun > _FED:
                raise _refused("the headers of a part are too long")
            decoder.receive_data(body[fed : fed + _FED] if fed < len(body) else None)
            fed += _FED
        elif isinstance(event, Field | File):
            opened, octets = event, []
        elif isinstance(event, Data):
            octets.append(event.data)
            if not event.more_data and opened is not None:
                yield _part(opened, b"".join(octets))
                opened, begun = None, fed
        elif isinstance(event, Epilogue):
            return


def _part(opened: Field | File, octets: bytes) -> Part:
    headers: Headers = opened.headers
    content_id = headers.get("Content-ID")
    return Part(
        name=opened.name or "",
        filename=opened.filename if isinstance(opened, File) else None,
        content_type=headers.get("Content-Type"),
        content_id=None if content_id is None else content_id.removeprefix("<").removesuffix(">"),
        octets=octets,
    )


def _refused(reason: str) -> InvalidInput:
    return InvalidInput(RequestError("", reason), code="invalid_form")

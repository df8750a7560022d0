"""Attachments: what may be attached, under which name and type, and the headers that tell it.

Names beyond ASCII are written twice: as RFC 2231 wants it, and as encoded words in ``name``, which
no standard allows and Outlook, Exchange and QQ need.
"""

import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Final, TypeAlias
from urllib.parse import quote

import attrs

from domain.errors import FieldError, InvalidInput
from domain.message.headers import encoded_words, unsafe_character

MAX_ATTACHMENTS: Final = 20
MAX_FILENAME: Final = 200  # characters
LINE: Final = 76  # characters of a line of base64
OCTETS_A_LINE: Final = LINE // 4 * 3
CHUNK: Final = 4598 * OCTETS_A_LINE  # octets of a stored chunk: whole lines of base64
INLINE_LIMIT: Final = 64 * 1024  # octets: smaller parts stand in the message itself
_SEGMENT: Final = 50  # characters of one segment of a file name (RFC 2231, 3)

# Gmail and Outlook refuse the whole message for one of them.
DENIED: Final = frozenset(
    "ade adp apk appx appxbundle bat cab chm cmd com cpl dll dmg ex ex_ exe hta img ins iso isp "
    "jar js jse lib lnk mde mjs msc msi msix msixbundle msp mst nsh pif ps1 scr sct shb sys vb vbe "
    "vbs vhd vxd wsc wsf wsh xll".split()
)

_TYPE: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
    r"(?:;\s?[A-Za-z0-9!#$&^_.+-]{1,40}="
    r"(?:[A-Za-z0-9!#$&^_.+-]{1,80}|\"[A-Za-z0-9 !#$&^_.+:/-]{1,80}\")){0,4}"
)
_CONTENT_ID: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,100}(?:@[A-Za-z0-9.-]{1,100})?",
)

OCTET_STREAM: Final = "application/octet-stream"
MESSAGE: Final = "message/rfc822"
# The types of what people attach. `mimetypes` would read the files of the machine it runs on.
TYPES: Final[Mapping[str, str]] = {
    "7z": "application/x-7z-compressed",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "bz2": "application/x-bzip2",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "eml": MESSAGE,
    "epub": "application/epub+zip",
    "gif": "image/gif",
    "gpx": "application/gpx+xml",
    "gz": "application/gzip",
    "heic": "image/heic",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "log": "text/plain",
    "m4a": "audio/mp4",
    "md": "text/markdown",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "ogg": "audio/ogg",
    "p7m": "application/pkcs7-mime",
    "p7s": "application/pkcs7-signature",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rtf": "application/rtf",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "zip": "application/zip",
    "zst": "application/zstd",
}


@attrs.frozen(kw_only=True)
class Blob:
    """Octets that are stored apart, once for all emails that carry them. *digest* is SHA-256."""

    digest: bytes
    size: int


def blob_of(octets: bytes) -> Blob:
    """The blob that holds them."""
    return Blob(digest=sha256(octets).digest(), size=len(octets))


Octets: TypeAlias = bytes | Blob


@attrs.frozen
class AsItIs:
    """A blob that stands in a message without an encoding: its lines are plain (`are_plain`)."""

    blob: Blob


@attrs.frozen(kw_only=True)
class Attachment:
    """A file of an email. With *content_id* it is shown inline, by ``cid:`` in the HTML.

    *plain*: of a blob it is known that its lines are (`domain/message/plain_lines.py`).
    """

    filename: str
    content_type: str
    octets: Octets = attrs.field(repr=False)
    content_id: str | None = None
    plain: bool = False

    @property
    def size(self) -> int:
        """Octets, before they are encoded."""
        return self.octets.size if isinstance(self.octets, Blob) else len(self.octets)

    @property
    def is_message(self) -> bool:
        """Whether it is a message: those are never encoded (RFC 2046, 5.2.1)."""
        return self.content_type.lower() == MESSAGE


def extension(filename: str) -> str:
    """What follows the last dot, in lower case; "" for nothing. Outer dots and blanks are cut."""
    return filename.rstrip(". ").rpartition(".")[2].lower() if "." in filename.strip(". ") else ""


def type_of(filename: str) -> str:
    """The media type that the name suggests."""
    return TYPES.get(extension(filename), OCTET_STREAM)


def check_attachment(
    attachment: Attachment, *, field: str, denied: Collection[str] = DENIED
) -> None:
    """Nothing, or InvalidInput that names each field at fault below *field*."""
    found = (
        _filename_error(attachment.filename, f"{field}/filename", denied),
        _type_error(attachment.content_type, f"{field}/content_type"),
        _content_id_error(attachment.content_id, f"{field}/content_id"),
    )
    errors = [error for error in found if error is not None]
    if errors:
        raise InvalidInput(*errors)


def _filename_error(filename: str, field: str, denied: Collection[str]) -> FieldError | None:
    if not 1 <= len(filename) <= MAX_FILENAME:
        return FieldError(field, f"must have 1 to {MAX_FILENAME} characters")
    character = unsafe_character(filename)
    if character is not None:
        return FieldError(field, f"must not contain the character {character}")
    if "/" in filename or "\\" in filename or not filename.strip(". "):
        return FieldError(field, "must be the name of a file, without a path")
    if extension(filename) in denied:
        return FieldError(field, f"files of the type .{extension(filename)} are not sent")
    return None


def check_type(content_type: str, *, field: str) -> None:
    """Nothing, or InvalidInput for what is no media type of one part."""
    error = _type_error(content_type, field)
    if error is not None:
        raise InvalidInput(error)


def _type_error(content_type: str, field: str) -> FieldError | None:
    if not _TYPE.fullmatch(content_type):
        return FieldError(field, "must be a media type such as application/pdf")
    if content_type.lower().startswith("multipart/"):
        return FieldError(field, "must be the type of one part")
    return None


def _content_id_error(content_id: str | None, field: str) -> FieldError | None:
    if content_id is None or _CONTENT_ID.fullmatch(content_id):
        return None
    return FieldError(field, "must be like logo or logo@example.org, without < and >")


def encoded_size(octets: int) -> int:
    """How many octets *octets* take as lines of base64, without the line end of the last one."""
    encoded = (octets + 2) // 3 * 4
    return encoded + 2 * max(0, (encoded + LINE - 1) // LINE - 1)


def chunks_of(size: int) -> int:
    """How many chunks a blob of *size* octets has."""
    return (size + CHUNK - 1) // CHUNK


def attachment_headers(attachment: Attachment, *, encoding: str = "base64") -> str:
    """The headers of the part with their CRLFs, without the empty line."""
    inline = attachment.content_id is not None
    lines = [
        f"Content-Type: {attachment.content_type};{_name_parameter(attachment.filename)}",
        f"Content-Transfer-Encoding: {encoding}",
        *((f"Content-ID: <{attachment.content_id}>",) if inline else ()),
        f"Content-Disposition: {'inline' if inline else 'attachment'};"
        + _filename_parameter(attachment.filename),
    ]
    return "\r\n".join(lines) + "\r\n"


def _name_parameter(filename: str) -> str:
    if _is_plain(filename):
        return f'\r\n name="{_escaped(filename)}"'
    words = encoded_words(filename, first=LINE - len(' name=""') - 1)
    return '\r\n name="' + "\r\n ".join(words) + '"'


def _filename_parameter(filename: str) -> str:
    if _is_plain(filename):
        return f'\r\n filename="{_escaped(filename)}"'
    segments = [""]
    for character in filename:
        piece = quote(character, safe="")
        if len(segments[-1]) + len(piece) > _SEGMENT:
            segments.append("")
        segments[-1] += piece
    lines = [
        f"\r\n filename*{number}*={'utf-8' + chr(39) * 2 if number == 0 else ''}{segment}"
        for number, segment in enumerate(segments)
    ]
    return ";".join(lines)


def _is_plain(filename: str) -> bool:
    return filename.isascii() and "=?" not in filename


def _escaped(filename: str) -> str:
    return filename.replace("\\", "\\\\").replace('"', '\\"')

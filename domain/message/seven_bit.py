"""A message that came by SMTP in a form that any server takes: ASCII in lines of 998 octets.

Clients send 8-bit text to a server with 8BITMIME (RFC 6152) and to others, and headers in UTF-8
(RFC 6532); not every server on the way takes it. Only the parts that need it are encoded, as RFC
6152 (3) has it; all other octets stay as they are. What is signed cannot be encoded: it is refused,
as RFC 1847 (2.1) demands that it be made in this form.
"""

import re
from binascii import b2a_qp
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from domain.errors import FieldError, InvalidInput
from domain.message.encoded_fields import INVALID, ascii_field
from domain.message.mime import lines_fit
from domain.message.mime_tree import base64_lines
from domain.message.raw import LARGEST_HEAD

DEEPEST: Final = 8  # levels of parts in parts
MOST_PARTS: Final = 1_000  # of one multipart
_CRLF: Final = b"\r\n"
_FIELD: Final = re.compile(rb"[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
_TYPE: Final = b"content-type"
_ENCODING: Final = b"content-transfer-encoding"
_VERSION: Final = b"mime-version"
_BOUNDARY: Final = re.compile(
    r';\s*boundary\s*=\s*(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE
)
_IDENTITY: Final = frozenset({"", "7bit", "8bit", "binary"})
_ASCII: Final = bytes(range(128))


def seven_bit(octets: bytes) -> bytes:
    """*octets*, a message in lines that end in CRLF, with what needs it encoded. InvalidInput."""
    if b"\0" in octets:
        return octets  # it is refused whatever it stands in
    return _entity(octets, depth=0, delimiters=())


def _entity(octets: bytes, *, depth: int, delimiters: tuple[bytes, ...]) -> bytes:
    """A message, or a part of one, of which no line may become one of *delimiters*."""
    if _is_plain(octets):
        return octets
    if depth > DEEPEST:
        raise _refused(f"it has more than {DEEPEST} levels of parts, and 8-bit text in the last")
    head, body = _split(octets)
    fields = [ascii_field(field) for field in _FIELD.findall(head)]
    if not _is_plain(body):
        fields, body = _encoded(fields, body, depth=depth, delimiters=delimiters)
    return b"".join((*fields, _CRLF, body))


def _encoded(
    fields: list[bytes], body: bytes, *, depth: int, delimiters: tuple[bytes, ...]
) -> tuple[list[bytes], bytes]:
    """The headers and the body of an entity whose body is not plain."""
    declared = _value(fields, _TYPE)
    kind = declared.partition(";")[0].strip().lower()
    if kind == "multipart/signed":
        raise _refused("what is signed must not have 8-bit characters or lines of over 998 octets")
    if kind.startswith("multipart/"):
        body = b"".join(_parts(body, declared, depth=depth, delimiters=delimiters))
        return _with_encoding(fields, "7bit"), body
    if kind == "message/rfc822":
        body = _entity(body, depth=depth + 1, delimiters=delimiters)
        return _with_encoding(fields, "7bit"), body
    if _value(fields, _ENCODING).lower() not in _IDENTITY:
        raise _refused("a part is not what its Content-Transfer-Encoding says")
    if not kind:
        fields = [*fields, f"Content-Type: text/plain; charset={_charset(body)}\r\n".encode()]
    if depth == 0 and not _has(fields, _VERSION):
        fields = [*fields, b"MIME-Version: 1.0\r\n"]
    readable = (not kind or kind.startswith("text/")) and _is_mostly_ascii(body)
    encoding, octets = "quoted-printable", _quoted(body) if readable else b""
    if not readable or any(delimiter in octets for delimiter in delimiters):
        encoding, octets = "base64", base64_lines(body)
    return _with_encoding(fields, encoding), octets


def _parts(
    body: bytes, declared: str, *, depth: int, delimiters: tuple[bytes, ...]
) -> Iterator[bytes]:
    """The body of a multipart, part by part. What stands around its parts is for nobody."""
    found = _BOUNDARY.search(declared)
    if found is None:
        raise _refused("a multipart has no boundary")
    delimiter = b"--" + (found[1] or found[2]).encode("ascii")
    line = re.compile(rb"(?:\A|\r\n)" + re.escape(delimiter) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    lines = list(islice(line.finditer(body), MOST_PARTS + 1))
    if not lines:
        raise _refused("a multipart has no parts")
    if len(lines) > MOST_PARTS:
        raise _refused(f"a multipart has more than {MOST_PARTS} parts")
    around = body[: lines[0].start()]
    yield around if _is_plain(around) else b""
    for place, begin in enumerate(lines):
        yield begin[0]
        end = lines[place + 1].start() if place + 1 < len(lines) else len(body)
        if begin[1]:
            around = body[begin.end() :]
            yield around if _is_plain(around) else _CRLF
            return
        part = body[begin.end() + 2 : end]
        yield _CRLF + _entity(part, depth=depth + 1, delimiters=(*delimiters, delimiter))


def _split(octets: bytes) -> tuple[bytes, bytes]:
    """The headers, and what comes after the empty line behind them."""
    if octets.startswith(_CRLF):
        return b"", octets[2:]
    head, end, body = octets.partition(b"\r\n\r\n")
    if not end:
        raise _refused("no empty line ends its headers, or those of a part")
    if len(head) > LARGEST_HEAD:
        raise _refused(f"its headers, or those of a part, have more than {LARGEST_HEAD} octets")
    return head + _CRLF, body


def _is_plain(octets: bytes) -> bool:
    return octets.isascii() and lines_fit(octets, ending=2)


def _is_mostly_ascii(body: bytes) -> bool:
    return 4 * len(body.translate(None, delete=_ASCII)) <= len(body)


def _quoted(body: bytes) -> bytes:
    # b2a_qp breaks lines as the first one ends; given LF it writes LF only
    return b2a_qp(body.replace(_CRLF, b"\n")).replace(b"\n", _CRLF)


def _charset(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError:
        return "unknown-8bit"  # RFC 1428
    return "utf-8"


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].strip(b" \t").lower()


def _has(fields: Sequence[bytes], name: bytes) -> bool:
    return any(_name(field) == name for field in fields)


def _value(fields: Sequence[bytes], name: bytes) -> str:
    """The value of the first header with this name, unfolded; "" if there is none."""
    for field in fields:
        if _name(field) == name:
            return field.partition(b":")[2].replace(_CRLF, b"").strip(b" \t").decode("ascii")
    return ""


def _with_encoding(fields: Sequence[bytes], encoding: str) -> list[bytes]:
    kept = [field for field in fields if _name(field) != _ENCODING]
    return [*kept, f"Content-Transfer-Encoding: {encoding}\r\n".encode("ascii")]


def _refused(reason: str) -> InvalidInput:
    return InvalidInput(FieldError("raw", reason), code=INVALID)

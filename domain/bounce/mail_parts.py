"""The parts of a received message, read without trust in its structure.

The standard library's parser needs seconds or the whole stack for some messages, and gives nothing
for others that people can read: a delivery-status that is encoded, a boundary with < and >. This
one reads lines, goes down a bounded number of levels, and never fails.
"""

import base64
import binascii
import codecs
import quopri
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

DEEPEST: Final = 12  # levels of nesting; no report needs more than four
MOST_PARTS: Final = 100
_HEADER: Final = re.compile(r"([!-9;-~]{1,100})[ \t]*:(.*)", re.DOTALL)
_MOST_HEADER_LINES: Final = 4000
_PARAMETER: Final = re.compile(
    r""";\s*([\w*-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.){0,300})"|([^;]{0,300}))"""
)
_TEXT_CHARSET: Final = re.compile(
    r"(utf-?8|utf-?16(le|be)?|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|windows-?125\d|cp\d{3,4}|"
    r"koi8-[ru]|gb2312|gbk|gb18030|big5|euc-(jp|kr)|shift_jis|iso-2022-(jp|kr)|ks_c_5601-1987)",
    re.IGNORECASE,
)
_RETURNS: Final = re.compile(rb"\r+\n?")
_TYPE: Final = re.compile(r"\s*([\w.+-]{1,80}/[\w.+-]{1,80})", re.ASCII)
_BLANK_LINE: Final = re.compile(rb"\n[ \t]*\n")
# a line that may be a boundary, with the header of a part below it
_BOUNDARY_LINE: Final = re.compile(rb"^--([^\n]{1,200}?)[ \t]*\nContent-[\w-]{1,40}:", re.M | re.I)
_UTF_16: Final = (
    ("utf-16-le", re.compile(rb"(?:[\x09-\x7e]\x00){4}")),
    ("utf-16-be", re.compile(rb"(?:\x00[\x09-\x7e]){4}")),
)
_ENCODED_WORD: Final = re.compile(r"=\?([\w.-]{2,30})(?:\*[\w-]*)?\?([BbQq])\?([^?\s]{0,500})\?=")


@attrs.frozen
class Part:
    """One part: its type in small letters, its headers in small letters, its decoded text.

    *depth* is 0 for the message itself; *returned* if it is inside of a message within the message.
    """

    kind: str
    headers: Mapping[str, Sequence[str]]
    octets: bytes = attrs.field(repr=False)
    depth: int = 0
    returned: bool = False

    @property
    def text(self) -> str:
        """The body, decoded by what it says of itself, or else as what it may be."""
        body = _decoded(self.octets, self.header("content-transfer-encoding"))
        declared = parameters(self.header("content-type")).get("charset", "")
        return in_text(body, declared)

    def header(self, name: str) -> str:
        """The first value of a header, unfolded; "" if there is none."""
        return next(iter(self.headers.get(name, ())), "")


def parts_of(octets: bytes) -> list[Part]:
    """The message and its parts from the top, at most `MOST_PARTS`, with LF line ends."""
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        octets = octets.decode("utf-16", "replace").encode("utf-8", "replace")
    octets = _RETURNS.sub(_line_ends, octets).lstrip(b"\n \t\xef\xbb\xbf")
    if octets.startswith((b"From ", b">From ")):  # a mailbox file
        octets = octets.partition(b"\n")[2]
    found: list[Part] = []
    for part in _walk(octets, depth=0, returned=False, usual="text/plain"):
        found.append(part)
        if len(found) >= MOST_PARTS:
            break
    return found


def _line_ends(found: re.Match[bytes]) -> bytes:
    """One where line ends were converted twice; a CR alone ends a line too."""
    return b"\n" if found[0].endswith(b"\n") else b"\n" * len(found[0])


def _walk(octets: bytes, *, depth: int, returned: bool, usual: str) -> Iterator[Part]:
    headers, body = split(octets)
    content_type = next(iter(headers.get("content-type", ())), "")
    named = _TYPE.match(content_type)
    kind = named[1].lower() if named else usual
    part = Part(kind, headers, body, depth, returned)
    yield part
    if depth >= DEEPEST:
        return
    if kind.startswith("multipart/"):
        inner_usual = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        for inner in _inner(body, parameters(content_type).get("boundary", "")):
            yield from _walk(inner, depth=depth + 1, returned=returned, usual=inner_usual)
    elif kind in ("message/rfc822", "message/global"):
        inner = _decoded(body, part.header("content-transfer-encoding"))
        yield from _walk(inner.lstrip(b"\n"), depth=depth + 1, returned=True, usual="text/plain")


def _inner(body: bytes, declared: str) -> Iterator[bytes]:
    """The parts of a multipart. One without its boundary is cut at what looks like one.

    Where nothing looks like one, all of it is one text without headers.
    """
    parts = _cut(body, declared.encode("utf-8", "replace"))
    first = next(parts, None)
    if first is None:
        found = _BOUNDARY_LINE.search(body)
        parts = _cut(body, found[1]) if found else iter(())
        first = next(parts, b"\n" + body)
    yield first
    yield from parts


def _cut(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the lines of the boundary. The last part may lack its end."""
    if not boundary:
        return
    line = re.compile(rb"^--" + re.escape(boundary) + rb"(--)?[ \t]*$", re.MULTILINE)
    start = None
    for found in line.finditer(body):
        if start is not None:
            yield body[start : max(found.start() - 1, start)]
        start = None if found[1] else found.end() + 1
        if found[1]:
            return
    if start is not None:
        yield body[start:]


def split(octets: bytes) -> tuple[dict[str, list[str]], bytes]:
    """Headers by their names in small letters, unfolded, and the body."""
    if octets.startswith(b"\n"):
        return {}, octets[1:]
    blank = _BLANK_LINE.search(octets)
    head, body = (
        (octets, b"") if blank is None else (octets[: blank.start()], octets[blank.end() :])
    )
    return fields(in_text(head, "")), body


def fields(head: str) -> dict[str, list[str]]:
    """The fields of a block of lines such as ``Name: value``, by their names in small letters."""
    found: dict[str, list[list[str]]] = {}
    lines: list[str] | None = None
    for line in head.split("\n", _MOST_HEADER_LINES)[:_MOST_HEADER_LINES]:
        if line[:1] in (" ", "\t"):
            if lines is not None:
                lines.append(line.strip())
            continue
        match = _HEADER.fullmatch(line)
        if match is None:
            lines = None
            continue
        lines = [match[2].strip()]
        found.setdefault(match[1].lower(), []).append(lines)
    return {name: [" ".join(lines) for lines in values] for name, values in found.items()}


def parameters(value: str) -> dict[str, str]:
    """The parameters of a Content-Type, by their names in small letters."""
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(value[:2000]):
        quoted = match[2]
        text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else (match[3] or "").strip()
        found.setdefault(match[1].lower().removesuffix("*"), text)
    return found


def _decoded(octets: bytes, encoding: str) -> bytes:
    encoding = encoding.strip().lower().partition(" ")[0].rstrip(";")
    if encoding == "base64":
        return _base64(octets)
    if encoding == "quoted-printable":
        return quopri.decodestring(octets)
    return octets


def _base64(octets: bytes) -> bytes:
    """What can be decoded; text that is no base64 at all stays, since servers claim it wrongly."""
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", octets.partition(b"=")[0])
    if len(letters) < 0.9 * len(re.sub(rb"[\s=]", b"", octets)) or b": " in octets:
        return octets
    try:
        return base64.b64decode(letters[: len(letters) // 4 * 4] + _rest(letters))
    except binascii.Error:
        return octets


def _rest(letters: bytes) -> bytes:
    rest = letters[len(letters) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""


def in_text(octets: bytes, charset: str) -> str:
    """*octets* as text: UTF-16 or UTF-8 if they are, else as declared or Latin-1. Never fails."""
    if b"\0" in octets:
        for name, letters in _UTF_16:
            if letters.search(octets[:200]):
                return octets.decode(name, "replace").lstrip("\ufeff")
    if charset.lower().startswith(("utf-16", "utf16", "iso-2022", "iso2022")):
        order: tuple[str, ...] = (charset, "utf-8")
    else:
        order = ("utf-8", charset)
    for name in order:
        if not _TEXT_CHARSET.fullmatch(name):
            continue
        try:
            return octets.decode(name)
        except (UnicodeError, LookupError):
            continue
    return octets.decode("latin-1")


def decoded_words(value: str) -> str:
    """A header's value with its encoded words (RFC 2047) decoded."""

    def word(found: re.Match[str]) -> str:
        text = found[3].encode("utf-8", "replace")
        raw = _base64(text) if found[2] in "Bb" else quopri.decodestring(text, header=True)
        return in_text(raw, found[1])

    return _ENCODED_WORD.sub(word, value)

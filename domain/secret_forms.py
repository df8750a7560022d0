"""Whether a text gives away a secret: a mail server may repeat what was said to it.

A reply of a server is stored, logged and shown. Some servers put the command, or the credentials
taken out of it, into the reply to a login; a malicious one may do so in another encoding, or over
several lines. Nothing is cut out of such a text: whoever judges it keeps none of it.
"""

import base64
import html
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

from domain.handoff import Reply

LONGEST_PIECE: Final = 6  # so many characters of a secret in a row give it away
_SHORTEST_PART: Final = 4  # of base64: three letters that a short secret gives stand in any text
_ENHANCED: Final = re.compile(r"^[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_QUOTED: Final = re.compile(rb"=([0-9A-F]{2})", re.IGNORECASE)
_BACKSLASHED: Final = re.compile(rb"\\x([0-9A-F]{2})", re.IGNORECASE)
_BACKSLASHED_U: Final = re.compile(r"\\u([0-9A-F]{4})", re.IGNORECASE)
_URLSAFE: Final = str.maketrans("-_", "+/")


class SecretForms:
    """A login's secret in every form in which it could stand in a text.

    The forms are made once; `in_lines` may be asked from many threads.
    """

    def __init__(self, *, username: str, password: str, said: Iterable[str] = ()) -> None:
        """*said* is what went over the wire in the place of the password: a CRAM-MD5 answer."""
        self._pieces = frozenset(
            piece
            for form in _forms(username, password, said)
            for comparable in _comparable(form)
            for piece in _pieces(comparable)
        )
        self._lengths = sorted({len(piece) for piece in self._pieces})

    def __repr__(self) -> str:
        return "SecretForms(***)"

    def kept_of(self, code: int, lines: Sequence[str]) -> Reply:
        """The reply as it may be kept: of one that gives the secret away, code and status alone."""
        reply = Reply.of(code, " ".join(lines))
        if not self.in_lines(lines):
            return reply
        return Reply(code, reply.enhanced or "", reply.enhanced)

    def in_lines(self, lines: Sequence[str]) -> bool:
        """Whether *lines*, the texts of one reply, hold six characters of a form in a row.

        A form that is shorter counts as a whole. Case and blanks make no difference, nor does it
        matter whether the characters are percent-encoded, quoted-printable, HTML entities or
        backslash escapes, or stand partly in one line and partly in the next.
        """
        if not self._pieces:
            return False
        return any(
            self._in(comparable) for text in _readings(lines) for comparable in _comparable(text)
        )

    def _in(self, text: str) -> bool:
        return any(
            text[at : at + length] in self._pieces
            for length in self._lengths
            for at in range(len(text) - length + 1)
        )


def _forms(username: str, password: str, said: Iterable[str]) -> Iterable[str]:
    if password:
        octets = password.encode()
        yield password
        yield octets.hex()
        yield _base64(b"\0" + username.encode() + b"\0" + octets)
        yield _base64(octets)
        # inside of a longer text the same octets give other letters, by where the secret begins
        for before in range(3):
            letters = _base64(bytes(before) + octets)
            inner = letters[-(-before * 4 // 3) : (before + len(octets)) * 4 // 3]
            if len(inner) >= _SHORTEST_PART:
                yield inner
    for text in said:
        yield text
        yield _base64(text.encode())


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _pieces(form: str) -> Iterable[str]:
    if len(form) <= LONGEST_PIECE:
        return (form,) if form else ()
    return [form[at : at + LONGEST_PIECE] for at in range(len(form) - LONGEST_PIECE + 1)]


def _comparable(text: str) -> Iterable[str]:
    """Without case; as it is, and without blanks and control characters."""
    text = text.casefold().translate(_URLSAFE)
    yield text
    squeezed = "".join([c for c in text if c.isprintable() and not c.isspace()])
    if squeezed != text:
        yield squeezed


def _readings(lines: Sequence[str]) -> Iterable[str]:
    """The text of *lines* as it stands and decoded; each line may begin with its own status."""
    bare = [_ENHANCED.sub("", line.strip()) for line in lines]
    for text in dict.fromkeys(("".join(lines), "".join(bare))):
        yield text
        if "%" in text:
            yield _text(unquote_to_bytes(text))
        if "&" in text:
            yield html.unescape(text)
        if "\\" in text:
            yield _text(_BACKSLASHED.sub(_octet, text.encode()))
            yield _BACKSLASHED_U.sub(_character, text)
    if any("=" in line for line in lines):
        soft = "".join([line.rstrip().removesuffix("=") for line in bare])
        yield _text(_QUOTED.sub(_octet, soft.encode()))


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _octet(found: "re.Match[bytes]") -> bytes:
    return bytes([int(found[1], 16)])


def _character(found: "re.Match[str]") -> str:
    return chr(int(found[1], 16))

"""What a login's secret looks like in a server's text, and what is kept of such a text.

A reply of a server is stored, logged and shown. Some servers put the command, or the credentials
taken out of it, into a reply; a malicious one may do so in another encoding, or over several lines.

While it logs in, a server has most to repeat: of a reply that holds a piece of the secret only the
code and the enhanced status are kept. In later replies the whole secret is masked.
"""

import base64
import html
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final
from urllib.parse import unquote_to_bytes

from domain.outcome.handoff import Reply

MASK: Final = "***"
LONGEST_PIECE: Final = 6  # so many characters of a secret in a row give it away
# A shorter secret is also a word of plain replies: it is looked for while logging in only.
SHORTEST: Final = 4
SHORT_TEXT: Final = 300  # most replies to a login are shorter
_SHORTEST_PART: Final = 4  # of base64: three letters that a short secret gives stand in any text
_ENHANCED: Final = re.compile(r"^[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_QUOTED: Final = re.compile(rb"=([0-9A-F]{2})", re.IGNORECASE)
_BACKSLASHED: Final = re.compile(rb"\\x([0-9A-F]{2})", re.IGNORECASE)
_BACKSLASHED_U: Final = re.compile(r"\\u([0-9A-F]{4})", re.IGNORECASE)
# Where something may stand for another character: "=1a" of a queue's id, for one, does not.
_ENCODED: Final = re.compile(r"%[0-9A-F]{2}|&#?\w|\\[xu]|=[2-9A-F][0-9A-F]|=\s*$", re.IGNORECASE)
_URLSAFE: Final = str.maketrans("+/", "-_")


class SecretForms:
    """A login's secret in every form in which it could stand in a text.

    Case and blanks make no difference, nor does it matter whether the characters are
    percent-encoded, quoted-printable, HTML entities or backslash escapes, or stand partly in one
    line and partly in the next. The forms are made once; any thread may ask.
    """

    def __init__(
        self, *, username: str, password: str, earlier: str = "", said: Iterable[str] = ()
    ) -> None:
        """*password* may be a token, and *earlier* the one that was shown before it. *said* is what
        went over the wire in the place of the password: a CRAM-MD5 answer.
        """
        forms = (*_forms(username, password, said), *_forms(username, earlier, ()))
        self._forms = tuple(dict.fromkeys(filter(None, forms)))
        bare = {_bare(form) for form in self._forms}
        self._long = sorted([form for form in bare if len(form) >= SHORTEST], key=len)
        # what is in none of these is in no longer one either
        self._wholes: list[str] = []
        for form in self._long:
            if not any(whole in form for whole in self._wholes):
                self._wholes.append(form)
        self._shortest = len(self._wholes[0]) if self._wholes else 0

    def __repr__(self) -> str:
        return "SecretForms(***)"

    # --- while logging in

    def kept_at_login(self, code: int, lines: Sequence[str]) -> Reply:
        """The reply as it may be kept: of one that gives the secret away, code and status alone."""
        reply = Reply.of(code, " ".join(lines))
        if not self.in_lines(lines):
            return reply
        return Reply(code, reply.enhanced or "", reply.enhanced)

    def in_lines(self, lines: Sequence[str]) -> bool:
        """Whether *lines*, the texts of one reply, hold six characters of a form in a row.

        A form that is shorter counts as a whole.
        """
        if not self._forms:
            return False
        return any(
            self._has_piece(comparable)
            for text in _readings(lines)
            for comparable in _comparable(text)
        )

    @cached_property
    def _comparables(self) -> tuple[str, ...]:
        return tuple(same for form in self._forms for same in _comparable(form))

    @cached_property
    def _joined(self) -> str:
        """Every form at once. No text that gives nothing away holds its end and a zero."""
        return "\0".join(self._comparables)

    @cached_property
    def _pieces(self) -> frozenset[str]:
        return frozenset(piece for form in self._comparables for piece in _pieces(form))

    @cached_property
    def _lengths(self) -> list[int]:
        return sorted({len(piece) for piece in self._pieces})

    def _has_piece(self, text: str) -> bool:
        if len(text) <= SHORT_TEXT:  # for so few the many pieces of a token need not be made
            ends = range(LONGEST_PIECE, len(text) + 1)
            if any(text[end - LONGEST_PIECE : end] in self._joined for end in ends):
                return True
            return any(form in text for form in self._comparables if len(form) <= LONGEST_PIECE)
        return any(
            text[at : at + length] in self._pieces
            for length in self._lengths
            for at in range(len(text) - length + 1)
        )

    # --- afterwards

    def masked(self, lines: Sequence[str]) -> Sequence[str]:
        """The texts of one reply without the secret.

        *lines* themselves if it is not in them. Otherwise one text with a mask in its place; only
        the enhanced status where it is encoded so that it cannot be cut out.
        """
        # nearly all replies end here: a short text is in none, and most encode nothing
        if len(lines) == 1:
            line = lines[0]
            if len(line) < self._shortest:
                return lines
            if not ("=" in line or "%" in line or "&" in line or "\\" in line) or (
                _ENCODED.search(line) is None
            ):
                text = _bare(line)
                for whole in self._wholes:
                    if whole in text:
                        break
                else:
                    return lines
        if not self._hold_whole(lines):
            return lines
        text = " ".join([lines[0], *map(_without_status, lines[1:])])
        text = self._cut_out(text)
        if self._hold_whole((text,)):
            status = _ENHANCED.match(text)
            text = status[0] if status else ""
        return (text,)

    def _hold_whole(self, lines: Sequence[str]) -> bool:
        return any(whole in text for text in map(_bare, _readings(lines)) for whole in self._wholes)

    def _cut_out(self, text: str) -> str:
        """*text* with a mask for every form, whatever blanks stand between its characters.

        In time that grows with the text and the forms alone: a regular expression of a token with
        blanks between its characters takes a second to make.
        """
        bare: list[str] = []
        origins: list[int] = []
        for at, character in enumerate(text):
            for same in _bare(character):
                bare.append(same)
                origins.append(at)
        compared = "".join(bare)
        spans = [
            (origins[start], origins[start + len(form) - 1] + 1)
            for form in self._long
            for start in _places(form, compared)
        ]
        kept, end = [], 0
        for first, last in sorted(spans):
            if first >= end:
                kept += [text[end:first], MASK]
            end = max(end, last)
        return "".join([*kept, text[end:]])


def _forms(username: str, password: str, said: Iterable[str]) -> Iterable[str]:
    if password:
        octets = password.encode()
        yield password
        yield password.replace(" ", "+")  # as HTML forms have it
        yield octets.hex()
        yield from _base64(b"\0" + username.encode() + b"\0" + octets)
        yield from _base64(octets)
        # inside of a longer text the same octets give other letters, by where the secret begins
        for before in range(3):
            for letters in _base64(bytes(before) + octets):
                inner = letters[-(-before * 4 // 3) : (before + len(octets)) * 4 // 3]
                if len(inner) >= _SHORTEST_PART:
                    yield inner
    for text in said:
        yield text
        yield from _base64(text.encode())


def _places(form: str, text: str) -> Iterable[int]:
    """Where *form* stands in *text*."""
    at = text.find(form)
    while at >= 0:
        yield at
        at = text.find(form, at + len(form))


def _base64(octets: bytes) -> Iterable[str]:
    """In both alphabets."""
    letters = base64.b64encode(octets).decode("ascii")
    yield letters
    if "+" in letters or "/" in letters:
        yield letters.translate(_URLSAFE)


def _pieces(form: str) -> Iterable[str]:
    if len(form) <= LONGEST_PIECE:
        return (form,) if form else ()
    return [form[at : at + LONGEST_PIECE] for at in range(len(form) - LONGEST_PIECE + 1)]


def _comparable(text: str) -> Iterable[str]:
    """Without case; as it is, and without blanks and control characters."""
    text = text.casefold()
    yield text
    bare = _bare(text)
    if bare != text:
        yield bare


def _bare(text: str) -> str:
    """Without case, blanks and control characters."""
    text = text.casefold()
    if text.isprintable():
        return text.replace(" ", "")
    return "".join([c for c in text if c.isprintable() and c != " "])


def _readings(lines: Sequence[str]) -> Iterable[str]:
    """The text of *lines* as it stands and decoded; each line may begin with its own status."""
    bare = [_without_status(line.strip()) for line in lines]
    for text in dict.fromkeys(("".join(lines), "".join(bare))):
        yield text
        if "%" in text:
            yield _text(unquote_to_bytes(text))
            yield _text(unquote_to_bytes(text.replace("+", " ")))
        if "&" in text:
            yield html.unescape(text)
        if "\\" in text:
            yield _text(_BACKSLASHED.sub(_octet, text.encode()))
            yield _BACKSLASHED_U.sub(_character, text)
    if any("=" in line for line in lines):
        soft = "".join([line.rstrip().removesuffix("=") for line in bare])
        yield _text(_QUOTED.sub(_octet, soft.encode()))


def _without_status(line: str) -> str:
    return _ENHANCED.sub("", line)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _octet(found: "re.Match[bytes]") -> bytes:
    return bytes([int(found[1], 16)])


def _character(found: "re.Match[str]") -> str:
    return chr(int(found[1], 16))

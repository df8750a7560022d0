"""Header values on the wire: folding (RFC 5322, 2.2.3), encoded words (RFC 2047), phrases.

We write every octet ourselves, because the library's generators decode what a caller wrote as an
encoded word and can put its line breaks on the wire (CVE-2024-6923). Only octets may be trusted,
so `domain.message.compose.verify_wire` reads the result again. Nothing here parses.
"""

import re
from binascii import b2a_base64
from collections.abc import Sequence
from typing import Final

from domain.address import Address
from domain.mailbox import NO_NAMES, Names

MAX_LINE: Final = 998  # octets without CRLF (RFC 5322, 2.1.1)
FOLD_AT: Final = 78
_MAX_WORD: Final = 75  # characters of one encoded word
_ENCODED_LINE: Final = 76  # characters of a line that encoded words stand in
_WORD_FRAME: Final = len("=?utf-8?b??=")
_SHORTEST_WORD: Final = _WORD_FRAME + 8  # room for the longest character, four octets

CRLF: Final = "\r\n"
_NEXT_LINE: Final = "\r\n "

# A header must hold neither a line end in any alphabet, nor what changes how the rest is displayed.
_UNSAFE: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_TOKEN: Final = re.compile(" *[^ ]+")
_QUOTABLE: Final = re.compile(r'["\\]')


def unsafe_character(value: str) -> str | None:
    """The first character of *value* that no header may hold, as ``U+000A``, or None."""
    found = _UNSAFE.search(value)
    return f"U+{ord(found[0]):04X}" if found else None


def safe(value: str) -> str:
    """*value* with U+FFFD in the place of each character that no header may hold."""
    return _UNSAFE.sub("\ufffd", value)


def unstructured(name: str, value: str) -> str:
    """The header with its CRLF; unfolded and decoded it is exactly *value*.

    ASCII stays readable unless a reader could take it for something else: for an encoded word, or
    for a value without its outer spaces, or it has a word that no line can hold.
    """
    if value.isascii() and "=?" not in value and value.strip(" ") == value:
        line = f"{name}: {value}"
        if len(line) <= FOLD_AT:
            return line + CRLF
        lines = _folded(name, value)
        if max(map(len, lines)) <= MAX_LINE:
            return CRLF.join(lines) + CRLF
    words = encoded_words(value, first=_ENCODED_LINE - len(name) - 2)
    return f"{name}: {_NEXT_LINE.join(words)}{CRLF}"


def address_list(name: str, addresses: Sequence[Address], names: Names = NO_NAMES) -> str:
    """The header with its CRLF, folded between addresses; those in *names* stand behind a name."""
    if names:
        return CRLF.join(_named(name, addresses, names)) + CRLF
    return CRLF.join(_folded(name, ", ".join(map(str, addresses)))) + CRLF


def _named(name: str, addresses: Sequence[Address], names: Names) -> list[str]:
    """The lines of a header of mailboxes; each encoded word and each address stays whole."""
    room = _ENCODED_LINE - len(name) - 2
    pieces: list[str] = []
    for address in addresses:
        phrase = _phrase(names.get(address, ""), first=room)
        pieces += [*phrase, f"<{address}>," if phrase else f"{address},"]
    pieces[-1] = pieces[-1].removesuffix(",")
    lines = [f"{name}: {pieces[0]}"]
    for piece in pieces[1:]:
        if len(lines[-1]) + 1 + len(piece) > _ENCODED_LINE:
            lines.append(f" {piece}")
        else:
            lines[-1] += f" {piece}"
    return lines


def _folded(name: str, value: str) -> list[str]:
    """The lines of a header, broken before runs of spaces, so that unfolding gives *value* back."""
    first, *rest = _TOKEN.findall(value)
    lines = [f"{name}: {first}"]
    for token in rest:
        if len(lines[-1]) + len(token) > FOLD_AT:
            lines.append(token)
        else:
            lines[-1] += token
    return lines


def encoded_words(value: str, *, first: int) -> list[str]:
    """*value* in encoded words of at most 75 characters, and *first* for the first one.

    Every word holds whole characters, as RFC 2047 (5) demands. The white space between two words is
    not part of the text, so spaces survive only inside.
    """
    octets = value.encode()
    words = []
    start, room = 0, max(first, _SHORTEST_WORD)
    while start < len(octets):
        end = _character_start(octets, start + (room - _WORD_FRAME) // 4 * 3)
        words.append(f"=?utf-8?b?{b2a_base64(octets[start:end], newline=False).decode()}?=")
        start, room = end, _MAX_WORD
    return words


def _character_start(octets: bytes, at: int) -> int:
    """The last place up to *at* where the UTF-8 *octets* can be cut."""
    while at < len(octets) and octets[at] & 0xC0 == 0x80:
        at -= 1
    return at


def mailbox(name: str, address: str, display_name: str) -> str:
    """The header with its CRLF: one address behind a display name that cannot hold another."""
    words = _phrase(display_name, first=_ENCODED_LINE - len(name) - 2)
    if not words:
        return f"{name}: {address}{CRLF}"
    last_line = len(words[-1]) + (len(name) + 2 if len(words) == 1 else 1)
    gap = " " if last_line + len(address) + 3 <= FOLD_AT else _NEXT_LINE
    return f"{name}: {_NEXT_LINE.join(words)}{gap}<{address}>{CRLF}"


def _phrase(text: str, *, first: int) -> list[str]:
    """A display name as the phrase of RFC 5322: atoms, a quoted string, or encoded words."""
    if not text:
        return []
    if text.isascii() and "=?" not in text:
        plain = text if _ATOMS.fullmatch(text) else _quoted_string(text)
        if len(plain) <= first:
            return [plain]
    return encoded_words(text, first=first)


def _quoted_string(text: str) -> str:
    return '"' + _QUOTABLE.sub(r"\\\g<0>", text) + '"'

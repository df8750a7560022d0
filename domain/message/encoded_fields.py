"""Headers in UTF-8 (RFC 6532) as ASCII: encoded words (RFC 2047), and parameters (RFC 2231)."""

import re
from typing import Final
from urllib.parse import quote

from domain.errors import FieldError, InvalidInput
from domain.message.headers import FOLD_AT, encoded_words, unsafe_character, unstructured

INVALID: Final = "invalid_message"
_ADDRESSES: Final = frozenset(
    {
        *("from", "sender", "reply-to", "to", "cc", "bcc"),
        *("resent-from", "resent-sender", "resent-to", "resent-cc", "resent-bcc"),
    }
)
_PARAMETERS: Final = frozenset({"content-type", "content-disposition"})
# A quote that does not end reaches to the end: else each one behind it would be tried as well.
_QUOTED: Final = r'"((?:[^"\\]++|\\.?+)*+)(?:"|(?P<open>\Z))'
# A quoted string, or words that stand beside each other: what a name before an address is made of.
_PHRASE: Final = re.compile(rf'{_QUOTED}|[^\s",;:<>()@]++(?:[ \t]++[^\s",;:<>()@]++)*')
_PARAMETER: Final = re.compile(
    rf'(?<![\w-])(?P<name>[\w-]++)[ \t]*+=[ \t]*+(?:{_QUOTED}|(?P<word>[^\s;"]++))', re.ASCII
)
_ESCAPED: Final = re.compile(r"\\(.)")
_SHORT: Final = 60  # characters of an encoded word that begins anywhere in a line


def ascii_field(field: bytes) -> bytes:
    """A header with its folded lines and its CRLF; as it is if it is ASCII. InvalidInput."""
    if field.isascii():
        return field
    try:
        name, colon, value = field.decode().partition(":")
    except UnicodeDecodeError:
        raise _refused("a header is neither ASCII nor UTF-8") from None
    if not colon or not name.isascii():
        raise _refused("a line of its headers is no header, such as Subject: Hello")
    value = value.replace("\r\n", "").strip(" \t")
    character = unsafe_character(value.replace("\t", " "))
    if character is not None:
        raise _refused(f"the header {name} has the character {character}")
    return _written(name, value).encode("ascii")


def _written(name: str, value: str) -> str:
    if name.lower() in _ADDRESSES:
        return _folded(name, _PHRASE.sub(_word, value))
    if name.lower() in _PARAMETERS:
        return _folded(name, _PARAMETER.sub(_parameter, value))
    return unstructured(name, value)


def _folded(name: str, value: str) -> str:
    if not value.isascii():
        raise _refused(f"the header {name} has what is not ASCII where it must be")
    line = f"{name}: {value}"
    if len(line) > FOLD_AT:
        line = line.replace(", ", ",\r\n ").replace("; ", ";\r\n ")
    return f"{line}\r\n"


def _word(found: re.Match[str]) -> str:
    """A phrase in encoded words. What touches an @ is an address, and stays what it is."""
    _check_quote(found)
    if found[0].isascii() or "@" in (_before(found), found.string[found.end() : found.end() + 1]):
        return found[0]
    text = found[0] if found[1] is None else _ESCAPED.sub(r"\1", found[1])
    return "\r\n ".join(encoded_words(text, first=_SHORT))


def _before(found: re.Match[str]) -> str:
    return found.string[max(0, found.start() - 1) : found.start()]


def _parameter(found: re.Match[str]) -> str:
    _check_quote(found)
    if found[0].isascii():
        return found[0]
    text = found["word"] if found["word"] is not None else _ESCAPED.sub(r"\1", found[2])
    return f"{found['name']}*=utf-8''{quote(text, safe='')}"


def _check_quote(found: re.Match[str]) -> None:
    if found["open"] is not None:
        raise _refused("a header has a quotation mark without another one")


def _refused(reason: str) -> InvalidInput:
    return InvalidInput(FieldError("raw", reason), code=INVALID)

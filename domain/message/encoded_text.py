"""What encoded words (RFC 2047) say, for people to read. Nothing that is decoded is ever sent."""

import re
from binascii import Error, a2b_base64, a2b_qp
from typing import Final

# no class holds the sign that ends it, so nothing is searched twice
_WORD: Final = re.compile(r"=\?([^?\s]{1,60})\?([BbQq])\?([^?\s]*)\?=")
_BETWEEN: Final = re.compile(r"(\?=)\s+(?==\?)")


def decoded(value: str) -> str:
    """*value* with its encoded words as text; those that cannot be decoded stay as they are."""
    if "=?" not in value:
        return value
    return _WORD.sub(_text, _BETWEEN.sub(r"\1", value))


def _text(word: re.Match[str]) -> str:
    charset, encoding, text = word.groups()
    try:
        octets = a2b_base64(text) if encoding in "Bb" else a2b_qp(text, header=True)
        return octets.decode(charset.partition("*")[0], "replace")
    except (Error, LookupError, ValueError):
        return word[0]

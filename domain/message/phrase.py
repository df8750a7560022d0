"""Names before an address, as people and programs write them (RFC 5322, 3.2.5): read strictly."""

import re
from typing import Final

from domain.mailbox import LONGEST_NAME
from domain.message.headers import unsafe_character

QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")
# those of RFC 5322, 3.2.3, but for the dot, which stands in many names
_SPECIAL: Final = re.compile(r'[()<>\[\]:;@\\,"]')


def written_name(written: str) -> str:
    """The name that is *written* before the angle bracket; ValueError.

    A name is literal text: an encoded word in it stays as it is written.
    """
    character = unsafe_character(written)
    if character is not None:
        raise ValueError(f"must not contain the character {character}")
    quoted = QUOTED.fullmatch(written)
    if quoted is None and _SPECIAL.search(written):
        raise ValueError(
            'must have the name in double quotes if it holds one of ()<>[]:;@\\", or a comma;'
            " or be an object with address and name"
        )
    name = written if quoted is None else _ESCAPED.sub(r"\1", quoted[1])
    if len(name) > LONGEST_NAME:
        raise ValueError(f"must have a name of at most {LONGEST_NAME} characters")
    return name

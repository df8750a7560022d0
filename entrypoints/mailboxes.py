"""Mail addresses with a name, as people write them: ``Ada Lovelace <ada@example.org>``.

This is a small part of RFC 5322, 3.4: one address behind a phrase or a quoted string. Comments,
groups and lists are refused, for readers disagree about what they name. A name is literal text:
an encoded word in it stays as it is written. What stands between the angle brackets is parsed as
any other address.
"""

import re
from typing import Final

from domain.address import Address
from domain.mailbox import LONGEST_NAME, Mailbox
from domain.message.headers import unsafe_character
from entrypoints.addresses import LONGEST_ADDRESS, email_address

# each character of a quoted name may have a backslash before it
LONGEST_MAILBOX: Final = 2 * LONGEST_NAME + len('"" <>') + LONGEST_ADDRESS
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")
# those of RFC 5322, 3.2.3, but for the dot, which stands in many names
_SPECIAL: Final = re.compile(r'[()<>\[\]:;@\\,"]')


def mailbox(text: object) -> Address | Mailbox:
    """The address that *text* is, as a Mailbox if it has a name. ValueError with what is wrong."""
    if not isinstance(text, str) or "<" not in text or text[0] == "<":
        return email_address(text)  # which takes no angle brackets without a name either
    if len(text) > LONGEST_MAILBOX:
        raise ValueError(f"must have at most {LONGEST_MAILBOX} characters")
    if text[0] == " " or text[-1] == " ":
        raise ValueError("must not have blanks before or after it")
    if text[-1] != ">":
        raise ValueError("must end with the address in angle brackets, if it has a name")
    written, _, address = text[:-1].rpartition("<")
    if "@" in address and "<" in _QUOTED.sub("", written):
        raise ValueError("must be one address: write each as an item of the list")
    name = _name(written.rstrip(" "))
    found = email_address(address)
    return Mailbox(found, name) if name else found


def _name(written: str) -> str:
    """The name that is *written* before the angle bracket; ValueError."""
    character = unsafe_character(written)
    if character is not None:
        raise ValueError(f"must not contain the character {character}")
    quoted = _QUOTED.fullmatch(written)
    if quoted is None and _SPECIAL.search(written):
        raise ValueError(
            'must have the name in double quotes if it holds one of ()<>[]:;@\\", or a comma;'
            " or be an object with address and name"
        )
    name = written if quoted is None else _ESCAPED.sub(r"\1", quoted[1])
    if len(name) > LONGEST_NAME:
        raise ValueError(f"must have a name of at most {LONGEST_NAME} characters")
    return name

"""What an envelope says so that reports about it can be understood (RFC 3461).

Failures and delays are reported, with the headers of the message, its reference and the address
that was asked for. Both are xtext: printable ASCII, in which "+" begins a character as two digits.
An address in UTF-8 is written in the form of RFC 6533 that is ASCII alone, which is safe everywhere
(its section 3).
"""

import re
from typing import Final

from domain.message.client_headers import reference_of

LONGEST_ENVID: Final = 100  # characters, encoded (RFC 3461, 4.4)
LONGEST_LINE: Final = 512  # octets with CRLF (RFC 5321, 4.5.3.1.4); RFC 3461 would allow more

_NOTIFY: Final = "NOTIFY=FAILURE,DELAY"
_XTEXT: Final = str.maketrans(
    {chr(code): f"+{code:02X}" for code in range(128) if not 33 <= code <= 126 or chr(code) in "+="}
)
# Most texts are their own xtext: to see that takes a third of the time of a translation.
_OWN_XTEXT: Final = re.compile(r"[!-*,-<>-~]*")


def xtext(text: str) -> str:
    """ASCII *text* as a parameter may carry it (RFC 3461, 4)."""
    return text if _OWN_XTEXT.fullmatch(text) else text.translate(_XTEXT)


def utf8_xtext(text: str) -> str:
    """*text* as ``utf-8-addr-xtext`` (RFC 6533, 3)."""
    return "".join(
        character if "!" <= character <= "~" and character not in "+=\\" else _embedded(character)
        for character in text
    )


def _embedded(character: str) -> str:
    return f"\\x{{{ord(character):02X}}}"


def mail_parameters(message_id: str) -> str:
    """What follows MAIL FROM, with a blank in front. A reference that is too long is left out."""
    envid = xtext(reference_of(message_id)) if message_id else ""
    return f" RET=HDRS ENVID={envid}" if 0 < len(envid) <= LONGEST_ENVID else " RET=HDRS"


def rcpt_line(address: str) -> bytes:
    """The command RCPT with its CRLF; without the original address if the line would be longer than
    servers must take.
    """
    said = f"rfc822;{xtext(address)}" if address.isascii() else f"utf-8;{utf8_xtext(address)}"
    line = f"RCPT TO:<{address}> {_NOTIFY} ORCPT={said}\r\n".encode()
    if len(line) > LONGEST_LINE:
        return f"RCPT TO:<{address}> {_NOTIFY}\r\n".encode()
    return line

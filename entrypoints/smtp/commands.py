"""The grammar of commands (RFC 5321, 4.1.1): octets in, verb, path and parameters out.

It is strict where readers differ, for what two readers take apart differently can be smuggled: a
line ends in CRLF and nothing else, and an address is what `email_address` takes for one.
"""

import re
from collections.abc import Mapping
from typing import Final

import attrs

from domain.address import Address
from entrypoints.addresses import email_address
from entrypoints.smtp import reply
from entrypoints.smtp.reply import Reply

LONGEST_LINE: Final = 2048  # octets; RFC 5321 has 512, and extensions add to it
LONGEST_SECRET: Final = 12_288  # of a line of AUTH (RFC 4954, 4)
_LARGEST: Final = 10**18
_UNSAFE: Final = re.compile(rb"[\r\n\0]")
_PATH: Final = re.compile(r"[ \t]*<([^<>]*)>(?: +(.*))?", re.DOTALL)
_PARAMETER: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\U0010ffff]*))?")
_BODIES: Final = frozenset({"7BIT", "8BITMIME"})
MAIL: Final = "FROM:"
RCPT: Final = "TO:"


class Refused(Exception):
    """The command is refused with *reply*."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


@attrs.frozen
class Command:
    """A verb in capitals, and what stands behind it."""

    verb: str
    argument: str


@attrs.frozen
class Sender:
    """What MAIL says. *size* is what the client expects the message to have; 0 if it does not."""

    size: int = 0
    smtputf8: bool = False


def command(line: bytes) -> Command:
    """The command that *line* is, without its CRLF. Refused."""
    if _UNSAFE.search(line):
        raise Refused(reply.BAD_LINE)
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise Refused(reply.BAD_LINE) from None
    verb, _, argument = text.rstrip(" \t").partition(" ")
    return Command(verb.upper(), argument)


def sender(argument: str, *, most: int) -> Sender:
    """What the argument of MAIL says. The address is not looked at: From counts. Refused."""
    address, parameters = _path(argument, MAIL)
    size, smtputf8 = 0, False
    for name, value in parameters.items():
        if name == "SIZE" and value is not None and value.isascii() and value.isdecimal():
            size = int(value[:19])
        elif name == "SMTPUTF8" and value is None:
            smtputf8 = True
        elif name == "BODY" and (value or "").upper() in _BODIES:
            continue
        elif name == "AUTH" and value is not None:
            continue  # RFC 4954, 5: taken, and not believed
        else:
            raise Refused(reply.BAD_PARAMETER)
    if not address:
        raise Refused(reply.NO_NULL_SENDER)
    if size > most:
        raise Refused(reply.TOO_LARGE)
    return Sender(min(size, _LARGEST), smtputf8)


def recipient(argument: str, *, smtputf8: bool) -> Address:
    """The address in the argument of RCPT. Refused."""
    text, parameters = _path(argument, RCPT)
    if parameters:
        raise Refused(reply.BAD_PARAMETER)
    if not smtputf8 and not text.isascii():
        raise Refused(reply.NEEDS_SMTPUTF8)
    try:
        return email_address(text)
    except ValueError as error:
        raise Refused(Reply(501, "5.1.3", f"The address {error}")) from None


def _path(argument: str, keyword: str) -> tuple[str, Mapping[str, str | None]]:
    """What stands between the angle brackets, and the parameters behind them. Refused."""
    given = argument[: len(keyword)].upper()
    found = _PATH.fullmatch(argument[len(keyword) :]) if given == keyword else None
    if found is None:
        raise Refused(Reply(501, "5.5.4", f"The form is {keyword}<address>"))
    parameters: dict[str, str | None] = {}
    for text in (found[2] or "").split():
        one = _PARAMETER.fullmatch(text)
        if one is None or one[1].upper() in parameters:
            raise Refused(reply.BAD_PARAMETER)
        parameters[one[1].upper()] = one[2]
    return found[1], parameters

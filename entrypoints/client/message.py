"""The message that a program gives to sendmail: its headers and its body, read as sendmail does.

Programs give what no mail server takes: no From, names without a domain, 8-bit text. What lacks is
added, and what is there stays as it is wherever it can.
"""

import re
from collections.abc import Iterator, Sequence
from email.errors import HeaderParseError
from email.utils import formataddr, parseaddr
from typing import Final, NamedTuple

from entrypoints.client.failures import WrongConfiguration, WrongMessage

_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:(.*\n?(?:[ \t].*\n?)*)")
# what the email library raises for headers and parts that it cannot read, by its tests and ours
UNREADABLE: Final = (HeaderParseError, AttributeError, LookupError, TypeError, ValueError)
_POSTMARK: Final = re.compile(rb">?From .*\n?")
_TO: Final = ("to", "cc", "bcc")
_RESENT_TO: Final = ("resent-to", "resent-cc", "resent-bcc")
# one address that the service reads as it is written
_PLAIN_FROM: Final = re.compile(
    rb'[^<>()@,;:"\\]*<[!-;=?-~]+@[!-;=?-~]+>|[^<>(), \t@]+@[^<>(), \t@]+'
)


class Field(NamedTuple):
    """A header: its name as it is written, and all behind its colon with the line ends (LF)."""

    name: str
    value: bytes

    @property
    def key(self) -> str:
        """The name by which it is compared."""
        return self.name.lower()

    @property
    def text(self) -> str:
        """The value on one line; what is no UTF-8 is taken for Latin-1."""
        octets = self.value.replace(b"\n", b"").strip()
        try:
            return octets.decode()
        except UnicodeDecodeError:
            return octets.decode("latin-1")

    @property
    def octets(self) -> bytes:
        """As it stands in the message."""
        return b"%b:%b" % (self.name.encode(), self.value)


class Message(NamedTuple):
    """Headers and body, whose lines end in LF."""

    fields: Sequence[Field]
    body: bytes | memoryview

    @property
    def pieces(self) -> tuple[bytes, bytes | memoryview]:
        """The octets: the headers with the empty line behind them, and the body."""
        return b"".join(field.octets for field in self.fields) + b"\n", self.body

    def first(self, key: str) -> Field | None:
        """The first header with this name, in small letters."""
        return next((field for field in self.fields if field.key == key), None)


def read_message(octets: bytes, *, ends_at_dot: bool = False) -> Message:
    """The message in *octets*. What is no header begins the body, even at the first line.

    *ends_at_dot*: a line with a dot alone is its end.
    """
    if b"\r" in octets:
        octets = octets.replace(b"\r\n", b"\n")
    if ends_at_dot:
        octets = _until_dot(octets)
    found = _POSTMARK.match(octets)
    at = found.end() if found else 0
    fields = []
    while field := _FIELD.match(octets, at):
        value = field[2] if field[2].endswith(b"\n") else field[2] + b"\n"
        fields.append(Field(field[1].decode("ascii"), value))
        at = field.end()
    if octets[at : at + 1] == b"\n":
        at += 1
    return Message(fields, memoryview(octets)[at:])


def _until_dot(octets: bytes) -> bytes:
    if octets.startswith(b".\n"):
        return b""
    end = octets.find(b"\n.\n")
    if end < 0 and octets.endswith(b"\n."):
        end = len(octets) - 2
    return octets if end < 0 else octets[: end + 1]


def named_recipients(message: Message) -> Iterator[str]:
    """The addresses in To, Cc and Bcc; of a message that is resent in those of its Resent-*.

    WrongMessage if a header cannot be read.
    """
    resent = any(field.key in _RESENT_TO for field in message.fields)
    for field in message.fields:
        if field.key in (_RESENT_TO if resent else _TO):
            yield from _addresses(field)


def _addresses(field: Field) -> Iterator[str]:
    from email.policy import default  # here: only -t needs it

    try:
        header = default.header_factory(field.name, field.text)
        addresses = header.addresses
    except UNREADABLE:
        raise WrongMessage(f"the header {field.name} is no list of addresses") from None
    for address in addresses:
        yield f"{address.username}@{address.domain}" if address.domain else address.username
    if header.defects and any("invalid" in str(one).lower() for one in header.defects):
        raise WrongMessage(f"the header {field.name} is no list of addresses: {field.text}")


def with_sender(message: Message, *, sender: str, name: str, usual: str) -> Message:
    """The message with one From that has a domain.

    What lacks is the address *sender* (of -f) if that has a domain, else *usual*; the name is that
    of From, else *name* (of -F), else the one that *usual* has for its address.
    WrongConfiguration if there is no address.
    """
    field = message.first("from")
    if field is not None and _PLAIN_FROM.fullmatch(field.value.strip()):
        return message
    written, address = parseaddr(field.text) if field is not None else ("", "")
    usual_name, usual_address = parseaddr(usual)
    if "@" not in address:
        address = sender if "@" in sender else usual_address
        written = written or name or (usual_name if address == usual_address else "")
    if "@" not in address:
        raise WrongConfiguration(
            "the message has no From with a domain: set EMAIL_SERVICE_FROM to the address of an"
            " SMTP configuration"
        )
    mended = Field("From", f" {_mailbox(written, address)}\n".encode())
    others = [one for one in message.fields if one is not field]
    return message._replace(fields=[mended, *others])


def _mailbox(name: str, address: str) -> str:
    if not (name + address).isprintable():
        raise WrongMessage("its From would have a control character")
    try:
        return formataddr((name, address))
    except UnicodeEncodeError:
        raise WrongMessage(f"{address} in From is not ASCII") from None

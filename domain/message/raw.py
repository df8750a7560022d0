"""Messages that a client made itself: read strictly, checked, and kept as they are.

Only the headers are read, by one pass over their lines: the parsers of libraries accept what mail
servers read differently, and take quadratic time for some. The MIME structure is the client's own.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import attrs

from domain.address import Address
from domain.errors import FieldError, InvalidInput
from domain.mailbox import LONGEST_NAME, Mailbox
from domain.message.client_headers import (
    REF,
    gives_orders,
    header_line,
    is_for_ses,
    reference_of,
)
from domain.message.compose import TO_NOBODY, date_value, verify_wire
from domain.message.encoded_text import decoded
from domain.message.headers import mailbox, safe, unsafe_character
from domain.message.mime import lines_fit
from domain.message.phrase import written_name
from domain.message.raw_blobs import Apart, apart
from domain.message.threads import is_message_id

INVALID: Final = "invalid_message"
LARGEST_HEAD: Final = 256 * 1024  # octets of all headers
MOST_FIELDS: Final = 1_000
LONGEST_SHOWN: Final = 989  # characters of the subject in lists

# Each of them stands once at most (RFC 5322, 3.6; RFC 2045): readers differ in which one they take.
SINGLE: Final = frozenset(
    {
        *("date", "from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to"),
        *("references", "subject", "mime-version", "content-type", "content-transfer-encoding"),
    }
)
# They would tell who got the message, or are for whoever delivers it to write.
DROPPED: Final = frozenset({"bcc", "resent-bcc", "return-path"})
_REPLACED: Final = frozenset({"from", "sender", REF.lower()})

_ONCE: Final = SINGLE | {REF.lower()}

_NAME: Final = re.compile(rb"([!-9;-~]+):[ \t]?")
_SIGNED_DOMAIN: Final = re.compile(r"(?:^|;)\s*d\s*=\s*([^\s;]+)")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPACE: Final = " \t"
_DAY: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DATE: Final = re.compile(
    rf"(?:{_DAY}, )?(?:0?[1-9]|[12]\d|3[01]) {_MONTH} (?:19|20)\d\d"
    r" (?:[01]\d|2[0-3]):[0-5]\d(?::(?:[0-5]\d|60))? (?:[+-]\d{4}|GMT|UT|Z)(?: \([A-Z]{1,5}\))?",
    re.ASCII,
)


@attrs.frozen
class Field:
    """A header of a message: its name as it is written, and its lines with their CRLFs.

    *key* is the name by which it is compared.
    """

    name: str
    lines: bytes = attrs.field(repr=False)
    key: str = attrs.field(init=False, repr=False)

    @key.default
    def _lower(self) -> str:
        return self.name.lower()

    @property
    def value(self) -> str:
        """What stands behind the colon, unfolded, without the blanks around it."""
        _, _, value = self.lines.decode("ascii").partition(":")
        return value.replace("\r\n", "").strip(_SPACE)


@attrs.frozen(kw_only=True)
class RawMessage:
    """A message that was checked. *fields* are the headers that are kept, without From.

    *octets* are all of it with CRLF line ends; its body begins at *body*. *subject* is decoded, for
    people. *message_id* and *dated* say whether it has those headers, in a form that others read.
    """

    octets: bytes = attrs.field(repr=False)
    body: int
    fields: tuple[Field, ...] = attrs.field(repr=False)
    sender: Mailbox
    subject: str
    message_id: str | None
    dated: bool

    def answered_to_sender(self) -> "RawMessage":
        """The same with its sender in Reply-To, unless it says already where replies go."""
        if any(field.key == "reply-to" for field in self.fields):
            return self
        line = mailbox("Reply-To", str(self.sender.address), self.sender.name)
        return attrs.evolve(self, fields=(*self.fields, Field("Reply-To", line.encode("ascii"))))


def read_raw(octets: bytes) -> RawMessage:
    """The message in *octets*, whose lines may end in CRLF or LF. InvalidInput."""
    octets = _with_crlf(octets)
    end = octets.find(b"\r\n\r\n", 0, LARGEST_HEAD)
    if end < 0:
        raise _invalid(
            f"no empty line ends its headers, or they have more than {LARGEST_HEAD} octets"
        )
    fields = tuple(_fields(octets[: end + 2]))
    found = {field.key: field for field in fields}
    _check_once(fields)
    sender = _sender(found)
    ident = found.get("message-id")
    dated = "date" in found and bool(_DATE.fullmatch(found["date"].value))
    message_id = ident.value if ident is not None and is_message_id(ident.value) else None
    lacking = {*(() if dated else ("date",)), *(() if message_id else ("message-id",))}
    return RawMessage(
        octets=octets,
        body=end + 4,
        fields=tuple([one for one in fields if _is_kept(one, sender) and one.key not in lacking]),
        sender=sender,
        subject=_shown(found["subject"].value) if "subject" in found else "",
        message_id=message_id,
        dated=dated,
    )


def compose_raw(
    raw: RawMessage,
    *,
    sender: Mailbox | None,
    message_id: str,
    date: datetime,
    headers: Sequence[tuple[str, str]] = (),
    for_ses: bool = False,
) -> Apart:
    """The message as it is stored, verified, its large files apart. MessageTooLarge, InvalidInput.

    *sender* stands in From; None: that is written when it is handed off. *message_id* and *date*
    stand in it where it lacks them; *headers* are further ones.
    Orders to Amazon SES are dropped unless the message is *for_ses*.
    """
    fields = [one for one in raw.fields if for_ses or not is_for_ses(one.name)]
    visible = any(field.key in ("to", "cc") for field in raw.fields)
    own = [
        *(
            (("From", mailbox("From", str(sender.address), sender.name)),)
            if sender is not None
            else ()
        ),
        *(() if raw.dated else (("Date", f"Date: {date_value(date)}\r\n"),)),
        *(() if raw.message_id else (("Message-ID", f"Message-ID: {message_id}\r\n"),)),
        (REF, f"{REF}: {reference_of(message_id)}\r\n"),
        *(() if visible else (("To", TO_NOBODY),)),
        *((name, header_line(name, value)) for name, value in headers),
    ]
    head = b"".join(
        (*(line.encode() for _, line in own), *(field.lines for field in fields), b"\r\n")
    )
    made = apart(head, raw.octets, raw.body)
    verify_raw(made.skeleton.octets, [name for name, _ in own] + [one.name for one in fields])
    return made


def verify_raw(octets: bytes, expected: Sequence[str]) -> None:
    """Nothing, if *octets* are a message of a client as it may be sent: what `verify_wire` says,
    and none of its headers is one of `DROPPED`, or stands twice though it is one of `SINGLE`.

    InvalidInput with the code ``unsafe_message``.
    """
    verify_wire(octets, expected)
    number = Counter(map(str.lower, expected))
    repeated = {name for name, times in number.items() if times > 1}
    if not DROPPED.isdisjoint(number) or not _ONCE.isdisjoint(repeated):
        raise InvalidInput(
            FieldError("", "the message is unsafe: a header is not allowed, or stands twice"),
            code="unsafe_message",
        )


def _with_crlf(octets: bytes) -> bytes:
    """The octets with CRLF at each line end and at the end. InvalidInput for what mail is not."""
    if not octets.isascii():
        raise _invalid(
            "it has 8-bit characters: encode bodies as quoted-printable or base64, and headers as"
            " encoded words (RFC 2047)"
        )
    if b"\0" in octets:
        raise _invalid("it has the character NUL")
    bare = octets.replace(b"\r", b"")
    whole = bare.replace(b"\n", b"\r\n")
    if len(bare) != len(octets) and whole != octets:
        bare = octets.replace(b"\r\n", b"\n")
        if b"\r" in bare:
            raise _invalid("it has a CR without an LF")
    if octets[:5] == b"From ":
        raise _invalid('it begins with the line "From " of a mailbox: leave that out')
    if not lines_fit(bare, ending=1):
        raise _invalid("a line is longer than 998 octets")
    return whole if whole.endswith(b"\n") else whole + b"\r\n"


def _fields(head: bytes) -> Iterator[Field]:
    """The headers in order, each with its folded lines. InvalidInput."""
    name, lines = "", list[bytes]()
    number = 0
    for line in head.splitlines(keepends=True):
        if _CONTROL.search(line):
            raise _invalid("a header has a control character")
        if line[0] in b" \t":
            _check_folded(line, begun=bool(name))
            lines.append(line)
            continue
        if name:
            yield Field(name, b"".join(lines))
        number += 1
        if number > MOST_FIELDS:
            raise _invalid(f"it has more than {MOST_FIELDS} headers")
        found = _NAME.match(line)
        if found is None:
            raise _invalid(f"line {number} of its headers is no header, such as Subject: Hello")
        name = found[1].decode("ascii")
        # a blank behind the colon, which some leave out
        lines = [b": ".join((found[1], line[found.end() :]))]
    if not name:
        raise _invalid("it has no headers")
    yield Field(name, b"".join(lines))


def _check_folded(line: bytes, *, begun: bool) -> None:
    if not begun:
        raise _invalid("its first line begins with a blank, as the rest of a folded header does")
    if not line.strip():
        raise _invalid("a folded header has a line of blanks, which some readers take for its end")


def _check_once(fields: Sequence[Field]) -> None:
    seen = set[str]()
    for field in fields:
        if field.key in SINGLE and field.key in seen:
            raise _invalid(f"it has the header {field.name} more than once")
        seen.add(field.key)
        if "=?" in field.value:
            _check_decoded(field)


def _check_decoded(field: Field) -> None:
    """Old gateways write down what they decode: it must not end the header."""
    text = decoded(field.value)
    if "\r" in text or "\n" in text or "\0" in text:
        raise _invalid(f"the header {field.name} has a line end or NUL in an encoded word")


def _sender(found: dict[str, Field]) -> Mailbox:
    field = found.get("from")
    if field is None:
        raise _invalid("it has no header From")
    sender = one_mailbox(field)
    other = found.get("sender")
    if other is not None and one_mailbox(other).address != sender.address:
        raise _invalid("its header Sender is not the address in From: leave it out")
    return sender


def one_mailbox(field: Field) -> Mailbox:
    """The only address in a header, with its name. InvalidInput."""
    try:
        return _mailbox(field.value)
    except ValueError as error:
        raise _invalid(
            f"its header {field.name} must have one address, such as Ada <ada@example.com>: {error}"
        ) from None


def _mailbox(value: str) -> Mailbox:
    if not value.endswith(">"):
        return Mailbox(Address.parse(value))
    written, _, address = value[:-1].rpartition("<")
    written = written.strip(_SPACE)
    name = written_name(written)
    if not written.startswith('"') and "=?" in written:
        name = decoded(written)
    character = unsafe_character(name)
    if character is not None:
        raise ValueError(f"its name has the character {character}")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"its name has more than {LONGEST_NAME} characters")
    return Mailbox(Address.parse(address), name)


def _is_kept(field: Field, sender: Mailbox) -> bool:
    if field.key in DROPPED | _REPLACED:
        return False
    if gives_orders(field.name) and not is_for_ses(field.name):
        return False
    return field.key != "dkim-signature" or not _is_ours(field, sender)


def _is_ours(signature: Field, sender: Mailbox) -> bool:
    """Whether it signs for From's domain: that is done at hand-off, over what is sent."""
    found = _SIGNED_DOMAIN.search(signature.value)
    return found is None or found[1].lower() == sender.address.domain


def _shown(value: str) -> str:
    return safe(decoded(value))[:LONGEST_SHOWN]


def _invalid(reason: str) -> InvalidInput:
    return InvalidInput(FieldError("raw", reason), code=INVALID)

"""The message: composed once at acceptance, verified on its final octets, never changed again.

The octets are rendered directly, by us, because an object model of a message costs thirty times as
much and decodes what it should carry literally. The account's ``From`` line is put in front at
hand-off; a message with a From of its own begins with that line instead. Bcc is an affair of the
envelope and never enters here.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import attrs

from domain.address import Address
from domain.errors import FieldError, InvalidInput
from domain.mailbox import NO_NAMES, Mailbox, Names
from domain.message.attachment import DENIED, Attachment
from domain.message.calendar import CalendarPart, check_calendar
from domain.message.client_headers import REF, header_line, reference_of
from domain.message.headers import address_list, mailbox, unsafe_character, unstructured
from domain.message.html_to_text import text_from_html
from domain.message.inline import check_attachments, may_have_inline
from domain.message.mime import alternative, lines_fit, plain
from domain.message.mime_tree import tree
from domain.message.skeleton import Skeleton, skeleton_of
from domain.message.threads import is_message_id, thread_lines

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_MESSAGE_ID: Final = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}")
# A header gives its name, the rest of a folded one an empty name; a blank rest would end a header
# block for some readers and is neither.
_HEADER_LINE: Final = re.compile(rb"^(?:([!-9;-~]+):[ \t]|[ \t]+[^ \t\r])", re.MULTILINE)
# An empty group (RFC 5322, 3.6.3): without a To, filters take a message for spam.
TO_NOBODY: Final = "To: undisclosed-recipients:;\r\n"
# Names that the composer writes, or that must come from the account and the envelope alone.
_OWN: Final = frozenset(
    {
        *("date", "message-id", "x-email-ref", "subject", "to", "cc", "bcc", "from", "sender"),
        *("mime-version", "in-reply-to", "references"),
    }
)


@attrs.frozen(kw_only=True)
class Content:
    """What a client sends, with the visible recipients: HTML, text or both.

    ``text=None`` is made from the HTML; without HTML the message is plain text alone.

    ``headers`` are further names and values; whether a client may set one is not decided here.
    ``sender`` is a From of its own, None for that of the account.
    ``references`` are the Message-IDs of its thread, the last one that of the message it answers.
    ``attachments`` with a Content-ID stand beside the HTML, the others after it.
    """

    subject: str
    html: str | None = attrs.field(default=None, repr=False)
    text: str | None = attrs.field(default=None, repr=False)
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    names: Names = NO_NAMES
    sender: Mailbox | None = None
    reply_to: tuple[Mailbox, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    references: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    calendar: CalendarPart | None = attrs.field(default=None, repr=False)

    @property
    def is_simple(self) -> bool:
        """Whether `compose` can make it: HTML and text alone, and no images in the HTML."""
        return not (
            self.attachments
            or self.calendar is not None
            or (self.html is not None and may_have_inline(self.html))
        )

    @property
    def needs_smtputf8(self) -> bool:
        """Whether a header holds an address in UTF-8, so that the server must offer SMTPUTF8."""
        if self.sender is not None and self.sender.address.needs_smtputf8:
            return True
        if self.reply_to and any(one.address.needs_smtputf8 for one in self.reply_to):
            return True
        return True in [address.needs_smtputf8 for address in self.to + self.cc]


def compose(content: Content, *, message_id: str, date: datetime, boundary: str) -> bytes:
    """The message but for the account's From line: verified, CRLF line ends, not dot-stuffed.

    *message_id* comes with its angle brackets. The same arguments give the same octets. Raises
    InvalidInput that names every field at fault, ValueError for a token that we made wrong.
    For content that `is_simple`; `compose_parts` makes any.
    """
    _check(content)
    _check_tokens(message_id=message_id, boundary=boundary)
    octets = b"".join(
        (
            _headers(content, message_id=message_id, date=date).encode(),
            _body(content, boundary=boundary),
        )
    )
    verify_wire(octets, header_names(content))
    return octets


def compose_parts(
    content: Content,
    *,
    message_id: str,
    date: datetime,
    boundary: str,
    denied: Collection[str] = DENIED,
) -> Skeleton:
    """What `compose` gives, for content with attachments or a calendar too.

    Blobs stay outside of the octets. Files with an extension in *denied* are refused. InvalidInput
    has the code ``cid_unknown`` if the HTML shows a part that is not there.
    """
    _check(content)
    _check_tokens(message_id=message_id, boundary=boundary)
    _check_parts(content, denied=denied)
    if not (content.attachments or content.calendar):
        return Skeleton(compose(content, message_id=message_id, date=date, boundary=boundary))
    text = content.text
    if text is None and content.html is not None:
        text = text_from_html(content.html)
    entity = tree(
        text=text,
        html=content.html,
        attachments=content.attachments,
        calendar=content.calendar,
        boundary=boundary,
    )
    head = _headers(content, message_id=message_id, date=date) + entity.headers + "\r\n"
    skeleton = skeleton_of([head.encode(), *entity.body, b"\r\n"])
    verify_wire(skeleton.octets, header_names(content))
    return skeleton


def _check_parts(content: Content, *, denied: Collection[str]) -> None:
    if content.calendar is not None:
        error = _body_error("calendar/content", content.calendar.content)
        if error is not None:
            raise InvalidInput(error)
        check_calendar(content.calendar)
    check_attachments(content.attachments, html=content.html, denied=denied)


def _body(content: Content, *, boundary: str) -> bytes:
    if content.html is None:
        return plain(content.text or "")
    text = text_from_html(content.html) if content.text is None else content.text
    return alternative(text=text, html=content.html, boundary=boundary)


def header_names(content: Content) -> tuple[str, ...]:
    """The headers that `compose` writes for *content*, each as often as it stands there."""
    return (
        *(("From",) if content.sender is not None else ()),
        "Date",
        "Message-ID",
        REF,
        "Subject",
        "To",
        *(("Cc",) if content.cc else ()),
        *(("Reply-To",) if content.reply_to else ()),
        *(("In-Reply-To", "References") if content.references else ()),
        *(name for name, _ in content.headers),
        "MIME-Version",
        "Content-Type",
        *(("Content-Transfer-Encoding",) if _is_one_part(content) else ()),
    )


def _is_one_part(content: Content) -> bool:
    return content.html is None and not content.attachments and content.calendar is None


def _headers(content: Content, *, message_id: str, date: datetime) -> str:
    lines = [
        f"Date: {date_value(date)}\r\nMessage-ID: {message_id}\r\n",
        f"{REF}: {reference_of(message_id)}\r\n",
        unstructured("Subject", content.subject),
    ]
    lines.append(address_list("To", content.to, content.names) if content.to else TO_NOBODY)
    if content.cc:
        lines.append(address_list("Cc", content.cc, content.names))
    if content.reply_to:
        lines.append(_reply_to(content.reply_to))
    if content.sender is not None:
        lines.insert(0, mailbox("From", str(content.sender.address), content.sender.name))
    if content.references:
        lines.append(thread_lines(content.references))
    lines.extend(header_line(name, value) for name, value in content.headers)
    lines.append("MIME-Version: 1.0\r\n")
    return "".join(lines)


def _reply_to(mailboxes: tuple[Mailbox, ...]) -> str:
    names = {one.address: one.name for one in mailboxes if one.name}
    return address_list("Reply-To", [one.address for one in mailboxes], names)


@lru_cache(maxsize=4)  # the emails of a batch have one date
def date_value(moment: datetime) -> str:
    """RFC 5322, 3.3, in UTC and in English whatever the locale."""
    if moment.tzinfo is None:
        raise ValueError("the date of a message must be an aware datetime")
    utc = moment.astimezone(UTC)
    return (
        f"{_DAYS[utc.weekday()]}, {utc.day:02} {_MONTHS[utc.month - 1]} {utc.year:04} "
        f"{utc.hour:02}:{utc.minute:02}:{utc.second:02} +0000"
    )


def _check_tokens(*, message_id: str, boundary: str) -> None:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError(f"not a Message-ID: {message_id!r}")
    if not _BOUNDARY.fullmatch(boundary):
        raise ValueError(f"not a MIME boundary: {boundary!r}")


def _check(content: Content) -> None:
    found = (
        _part_error(content),
        _header_error("subject", content.subject),
        _body_error("html", content.html or ""),
        _body_error("text", content.text or ""),
        *(_custom_error(name, value) for name, value in content.headers),
        *(_thread_error(one) for one in content.references),
        *(_name_errors(content) if content.names or content.reply_to else ()),
        *((_header_error("sender", content.sender.name),) if content.sender is not None else ()),
    )
    errors = [error for error in found if error is not None]
    if errors:
        raise InvalidInput(*errors)


def _part_error(content: Content) -> FieldError | None:
    if content.html is not None or content.text is not None:
        return None
    return FieldError("html", "an email needs HTML, text or both")


def _header_error(field: str, value: str) -> FieldError | None:
    character = unsafe_character(value)
    if character is None:
        return None
    return FieldError(field, f"must not contain the character {character}")


def _thread_error(reference: str) -> FieldError | None:
    if is_message_id(reference):
        return None
    return FieldError("in_reply_to", "must be a Message-ID such as <1a2b@example.com>")


def _name_errors(content: Content) -> Iterator[FieldError | None]:
    for field, addresses in (("to", content.to), ("cc", content.cc)):
        for address in addresses:
            yield _header_error(field, content.names.get(address, ""))
    for mailbox_ in content.reply_to:
        yield _header_error("reply_to", mailbox_.name)


def _body_error(field: str, value: str) -> FieldError | None:
    if "\0" in value:
        return FieldError(field, "must not contain the character U+0000")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        return FieldError(
            field, f"must not contain half a character: U+{ord(value[error.start]):04X}"
        )
    return None


def _custom_error(name: str, value: str) -> FieldError | None:
    field = f"headers/{name}"
    if name.lower() in _OWN or name.lower().startswith("content-"):
        return FieldError(field, "is written by the service")
    return _header_error(field, value)


def from_line(address: Address, display_name: str) -> bytes:
    """The From header with its CRLF; whatever the name says, its one address is *address*."""
    error = _header_error("display_name", display_name)
    if error is not None:
        raise InvalidInput(error)
    line = mailbox("From", str(address), display_name).encode()
    verify_wire(line + b"\r\n", ("From",))
    return line


def verify_wire(octets: bytes, expected: Sequence[str]) -> None:
    """Nothing, if *octets* are a message whose headers are exactly *expected*, in any order.

    The last check before anything is stored or sent; it trusts octets only, not what made them.
    Pure CRLF, no NUL, no line over 998 octets. Else InvalidInput with the code ``unsafe_message``.
    """
    if b"\0" in octets:
        raise _unsafe("it contains NUL")
    # to take CR away and put it back takes a quarter of the time of counting
    if octets.replace(b"\r", b"").replace(b"\n", b"\r\n") != octets:
        raise _unsafe("a line does not end in CRLF")
    if not lines_fit(octets, ending=2):
        raise _unsafe("a line is longer than 998 octets")
    end = octets.find(b"\r\n\r\n")
    if end < 0:
        raise _unsafe("no empty line ends its headers")
    if _names(octets[:end]) != sorted(map(str.lower, expected)):
        raise _unsafe("its headers are not the ones that were set")


def _names(head: bytes) -> list[str]:
    """The header names in order of the alphabet, lower case."""
    names: list[bytes] = _HEADER_LINE.findall(head)
    if len(names) != head.count(b"\n") + 1:
        raise _unsafe("a line of its headers is neither a header nor the rest of one")
    if not names[0]:
        raise _unsafe("its first line is the rest of a header")
    return sorted(b" ".join(names).lower().decode("ascii").split())


def _unsafe(reason: str) -> InvalidInput:
    return InvalidInput(FieldError("", f"the message is unsafe: {reason}"), code="unsafe_message")

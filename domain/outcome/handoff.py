"""What happened when an email was handed to a mail server, as data.

A sender never raises for what a server says or does: it returns a `Handoff`. What that means for
the email, its recipients and the account is judged elsewhere (`domain/outcome/verdict.py`), by
rules.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

import attrs

from domain.address import Address
from domain.message.skeleton import PlacedBlob, Skeleton, pieces_of

MAX_REPLY_TEXT: Final = 1024
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?=\s|$)")


class Stage(StrEnum):
    """How far a dialogue got, in order. Up to and including BODY nothing can have been accepted."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"  # from the first byte (port 465)
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"


class Problem(StrEnum):
    """Why there is no usable reply at the stage where the dialogue ended."""

    TIMEOUT = "timeout"  # the stage's deadline passed
    CLOSED = "closed"  # EOF, RST, EPIPE, and no pending reply could be read
    REFUSED = "refused"  # connection refused, host or network unreachable
    PROTOCOL = "protocol"  # not SMTP, mixed codes, over the caps, a 3xx where none is expected
    NOT_FOUND = "not_found"  # the name has no address
    DNS = "dns"  # the resolver failed for now
    BLOCKED = "blocked"  # our own policy forbids the address
    CERTIFICATE = "certificate"  # not trusted, expired, or for another name
    HANDSHAKE = "handshake"  # TLS failed in another way
    TLS_MODE = "tls_mode"  # TLS from the first byte where STARTTLS is spoken, or the other way
    NOT_OFFERED = "not_offered"  # STARTTLS is required and not offered, or bytes came before TLS
    NO_MECHANISM = "no_mechanism"  # no AUTH mechanism in common
    SECRET = "secret"  # noqa: S105 - our own key does not open the sealed password
    NO_PASSWORD = "password_missing"  # noqa: S105 - the account speaks AUTH and has none stored
    NEEDS_CONSENT = "needs_consent"  # OAuth: a person must authorize the account
    OAUTH_CLIENT = (
        "oauth_client"  # OAuth: the provider does not know the application, or its secret
    )
    TOKEN_SERVER = "token_server"  # noqa: S105 - OAuth: there is no token for now
    DKIM_KEY = "dkim_key"  # our own key does not open the account's DKIM key
    SMTPUTF8 = "smtputf8"  # an address needs SMTPUTF8 and the server does not offer it
    TOO_BIG = "too_big"  # larger than the SIZE the server announced
    STOPPED = "stopped"  # we gave up before the dot: fence lost, shutdown
    INTERNAL = "internal"  # our own bug


@attrs.frozen
class Reply:
    """One reply of a mail server: 200-599, the enhanced status if its class agrees, ≤ 1 kB of text.

    Control characters in *text* are replaced, lines are joined by one space.
    """

    code: int
    text: str = ""
    enhanced: str | None = None

    @classmethod
    def of(cls, code: int, text: str) -> "Reply":
        """The reply with its enhanced status (RFC 2034) taken out of *text*.

        An enhanced status whose class differs from the code's is ignored ("550 4.7.1").
        """
        clean = text
        if not text.isprintable():
            clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
        clean = clean[:MAX_REPLY_TEXT].strip()
        match = _ENHANCED.match(clean)
        enhanced = match[0] if match and int(match[1]) == code // 100 else None
        return cls(code, clean, enhanced)

    @property
    def positive(self) -> bool:
        """2xx."""
        return 200 <= self.code < 300

    @property
    def transient(self) -> bool:
        """4xx, and 503, which only ever means that the session is out of step."""
        return 400 <= self.code < 500 or self.code == 503

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()


def joined(lines: Sequence[str]) -> str:
    """One text of several lines. Servers repeat the enhanced status in each (RFC 2034, section 4):
    it is kept where it stands first.
    """
    status = _ENHANCED.match(lines[0])
    if status is None:
        return " ".join(lines)
    repeated = re.compile(rf"{re.escape(status[0])}(?:[ \t]+|$)")
    rest = [line[found.end() :] if (found := repeated.match(line)) else line for line in lines[1:]]
    return " ".join([lines[0], *rest])


@attrs.frozen(kw_only=True)
class Envelope:
    """Who it is from and whom this attempt names; ``smtputf8`` if an address or header needs it.

    ``message_id`` is that of the message, by which reports are to name it; "" for none.
    """

    sender: Address
    recipients: tuple[Address, ...]
    smtputf8: bool = False
    message_id: str = ""


@attrs.frozen
class LargeParts:
    """The parts of a message that are stored apart. *read* gives a chunk by digest and number."""

    blobs: tuple[PlacedBlob, ...]
    read: Callable[[bytes, int], bytes] = attrs.field(repr=False, eq=False)


@attrs.frozen
class Parcel:
    """What one attempt hands over: the envelope, and the message with CRLF line ends.

    Of a message with *parts* the octets hold all but them.
    """

    envelope: Envelope
    octets: bytes = attrs.field(repr=False)
    parts: LargeParts | None = None

    @property
    def size(self) -> int:
        """How many octets the message has, with its parts."""
        if self.parts is None:
            return len(self.octets)
        return Skeleton(self.octets, self.parts.blobs).size

    def pieces(self) -> Iterator[bytes]:
        """The message in pieces of a bounded size, read as they are asked for.

        No line goes beyond the end of a piece. StoreUnavailable.
        """
        return pieces_with(self.octets, self.parts)


def pieces_with(octets: bytes, parts: LargeParts | None) -> Iterator[bytes]:
    """A message in pieces, as `Parcel.pieces` has them."""
    if parts is None:
        yield octets
    else:
        yield from pieces_of(Skeleton(octets, parts.blobs), parts.read)


@attrs.frozen
class RecipientReply:
    """What the server said to one RCPT; None if it was not asked or did not answer."""

    address: Address
    reply: Reply | None


@attrs.frozen(kw_only=True)
class Handoff:
    """How far one attempt got and what the server said last.

    ``stage`` is where it ended. ``reply`` is the well-formed reply that ended it, or None with the
    ``problem``. ``recipients`` is in the order of the envelope and holds every RCPT that was
    answered. ``usable`` tells whether the session was left usable. ``delivered`` is how many emails
    this connection had taken before: a server may end a session after so many.
    ``by_token``: the account logs in with an OAuth token.
    ``max_octets`` is the largest message that the server takes, as it says (0: without a limit);
    None if it was not asked.
    ``announcement_refused``: the server broke on an envelope that was written together with a final
    dot (`domain/outcome/session.py`).
    ``dsn``: reports were asked for (`domain/outcome/notifications.py`).
    ``wait`` is how long the server wants no mail, where it says so apart from its reply's text, as
    HTTP does with Retry-After. ``doubted``: replies like this one are known to have come though the
    message was taken.
    """

    stage: Stage
    reply: Reply | None = None
    problem: Problem | None = None
    recipients: tuple[RecipientReply, ...] = ()
    detail: str = ""
    delivered: int = attrs.field(default=0, eq=False)
    usable: bool = attrs.field(default=False, eq=False)
    by_token: bool = attrs.field(default=False, eq=False)
    announcement_refused: bool = attrs.field(default=False, eq=False)
    dsn: bool = attrs.field(default=False, eq=False)
    max_octets: int | None = attrs.field(default=None, eq=False)
    wait: timedelta | None = None
    doubted: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the server took responsibility (2xx after the dot)."""
        return self.stage is Stage.DOT and self.reply is not None and self.reply.positive

    @property
    def unknown(self) -> bool:
        """Whether the server may have taken it: the dot was sent and no clear reply was read."""
        if self.stage is not Stage.DOT or self.problem is Problem.STOPPED:
            return False
        return self.reply is None or not (self.reply.positive or self.reply.code >= 400)

    @property
    def logged_in(self) -> bool:
        """Of a probe: whether the server was ready for an email."""
        return self.stage is Stage.MAIL and self.reply is None and self.problem is None

    @property
    def text(self) -> str:
        """What a person should read about it."""
        if self.reply is not None:
            return str(self.reply)
        return self.detail or (self.problem.value if self.problem else "")

"""What a server offers in its reply to EHLO, and the envelope's commands that follow from it."""

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from domain.dialogue.ends import ExchangeEnded
from domain.dialogue.notifications import mail_parameters, rcpt_line
from domain.dialogue.replies import ServerReply
from domain.outcome.handoff import Parcel, Problem

MAX_DIGITS: Final = 19  # no message is as large as a longer number


@attrs.frozen
class Extensions:
    """Keywords in capitals with their parameters; ``max_octets`` is 0 without a limit.

    ``dsn``: reports about each email are asked for.
    """

    keywords: Mapping[str, str] = attrs.field(factory=dict)
    pipelining: bool = False
    dsn: bool = False
    max_octets: int = 0

    @classmethod
    def of(cls, reply: ServerReply) -> "Extensions":
        """What the reply to EHLO names; its first line is the server's name."""
        offered: dict[str, str] = {}
        for line in reply.lines[1:]:
            keyword, _, parameters = line.replace("AUTH=", "AUTH ", 1).strip().partition(" ")
            known = offered.get(keyword.upper())
            offered[keyword.upper()] = f"{known} {parameters}" if known else parameters.strip()
        return cls(
            offered, "PIPELINING" in offered, "DSN" in offered, _number(offered.get("SIZE", ""))
        )

    @property
    def mechanisms(self) -> list[str]:
        """Those of AUTH, in small letters."""
        return self.keywords.get("AUTH", "").lower().split()

    def commands(self, parcel: Parcel) -> list[bytes]:
        """MAIL, each RCPT and DATA. ExchangeEnded if the server lacks what they need."""
        envelope, offered = parcel.envelope, self.keywords
        if self.dsn:
            rcpts = [rcpt_line(str(address)) for address in envelope.recipients]
        else:
            rcpts = [f"RCPT TO:<{address}>\r\n".encode() for address in envelope.recipients]
        ascii_only = envelope.sender.local.isascii() and b"".join(rcpts).isascii()
        utf8 = envelope.smtputf8 or not ascii_only
        size, parameters = parcel.size, ""
        if "SIZE" in offered:
            if 0 < self.max_octets < size:
                detail = f"{size} bytes; the server takes {self.max_octets}"
                raise ExchangeEnded(problem=Problem.TOO_BIG, detail=detail)
            parameters = f" SIZE={size}"
        if utf8 and "SMTPUTF8" not in offered:
            raise ExchangeEnded(problem=Problem.SMTPUTF8, detail="SMTPUTF8 is not offered")
        # its large parts are ASCII
        if "8BITMIME" in offered and not parcel.octets.isascii():
            parameters += " BODY=8BITMIME"
        if utf8:
            parameters += " SMTPUTF8"
        if self.dsn:
            parameters += mail_parameters(envelope.message_id)
        mail = f"MAIL FROM:<{envelope.sender}>{parameters}\r\n".encode()
        return [mail, *rcpts, b"DATA\r\n"]


def _number(text: str) -> int:
    """Its value, 0 if it is none or larger than any message."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else 0


def body_of(parcel: Parcel) -> Iterator[bytes]:
    """The body as it goes on the wire, up to the terminator, in pieces of a bounded size.

    StoreUnavailable.
    """
    if parcel.parts is None:
        return iter((dot_stuffed(parcel.octets),))
    return _stuffed_pieces(parcel)


def _stuffed_pieces(parcel: Parcel) -> Iterator[bytes]:
    """No line goes beyond the end of a piece, and no line of base64 begins with a dot."""
    for piece in parcel.pieces():
        if b"." in piece:
            yield dot_stuffed(piece)
        else:
            yield piece


def dot_stuffed(octets: bytes) -> bytes:
    """The body as it goes on the wire, up to the terminator (RFC 5321 section 4.5.2)."""
    stuffed = octets
    if octets.rfind(b"\r\n.") >= 0:  # hardly ever; found from the end in half of replace's time
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    if stuffed and not stuffed.endswith(b"\r\n"):
        stuffed += b"\r\n"
    return stuffed

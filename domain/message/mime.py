"""The body of a message: its text and its HTML, each in the simplest encoding that carries it.

Multipart/alternative (RFC 2046, 5.1.4) with the plain text first, or the text alone.
"""

from binascii import b2a_base64, b2a_qp
from typing import Final

from domain.message.headers import MAX_LINE

_CRLF: Final = b"\r\n"
_BASE64_LINE: Final = 76


def alternative(*, text: str, html: str, boundary: str) -> bytes:
    """The Content-Type header of the message and its whole body. Line ends become CRLF.

    Neither may hold NUL or a lone surrogate.
    """
    delimiter = f"--{boundary}".encode("ascii")
    return b"".join(
        (
            b"Content-Type: multipart/alternative;\r\n",
            f' boundary="{boundary}"\r\n\r\n'.encode("ascii"),
            *_part("plain", text, delimiter),
            *_part("html", html, delimiter),
            delimiter,
            b"--\r\n",
        )
    )


def plain(text: str) -> bytes:
    """The Content headers of a message that is plain text alone, and its whole body."""
    encoding, octets = transfer_encoded(text, delimiter=None)
    head = (
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return b"".join((head.encode("ascii"), octets, _CRLF))


def _part(subtype: str, text: str, delimiter: bytes) -> tuple[bytes, ...]:
    encoding, octets = transfer_encoded(text, delimiter=delimiter)
    head = (
        f"Content-Type: text/{subtype}; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return (delimiter, _CRLF, head.encode("ascii"), octets, _CRLF)


def transfer_encoded(text: str, *, delimiter: bytes | None) -> tuple[str, bytes]:
    """The Content-Transfer-Encoding of *text* and its octets in it (RFC 2045, 6).

    7bit if that is what it is, quoted-printable if it is mostly ASCII, else base64. No line of the
    result begins with *delimiter*, if there is one, or is longer than 998 octets.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    octets = text.encode()
    if _is_7bit(octets) and (delimiter is None or delimiter not in octets):
        return "7bit", octets.replace(b"\n", _CRLF)
    if _mostly_ascii(text, octets):
        # b2a_qp breaks lines as the first one ends; given LF it writes LF only
        quoted = b2a_qp(octets).replace(b"\n", _CRLF)
        if delimiter is None or delimiter not in quoted:
            return "quoted-printable", quoted
    return "base64", _base64(octets.replace(b"\n", _CRLF))


def _is_7bit(octets: bytes) -> bool:
    return octets.isascii() and lines_fit(octets, ending=1)


def _mostly_ascii(text: str, octets: bytes) -> bool:
    """Whether at most a quarter of it is not: Latin alphabets stay readable, others get shorter.

    A character beyond ASCII takes two to four octets, so their number is never underestimated.
    """
    at_most_non_ascii = 2 * (len(octets) - len(text))
    return 4 * at_most_non_ascii <= len(octets)


def _base64(octets: bytes) -> bytes:
    encoded = b2a_base64(octets, newline=False)
    return _CRLF.join(
        [encoded[at : at + _BASE64_LINE] for at in range(0, len(encoded), _BASE64_LINE)]
    )


def lines_fit(octets: bytes, *, ending: int) -> bool:
    """Whether no line is longer than 998 octets, its LF or CRLF of *ending* octets not counted.

    It jumps from the last line end within reach to the next, so most lines are never looked at.
    """
    at, reach, near = 0, MAX_LINE + ending, len(octets) - MAX_LINE
    last_before = octets.rfind
    while at < near:
        at = last_before(b"\n", at, at + reach) + 1
        if at == 0:
            return False
    return True

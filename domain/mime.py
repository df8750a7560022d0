"""The body of a message: its text and its HTML, each in the simplest encoding that carries it.

Multipart/alternative (RFC 2046, 5.1.4) with the plain text first. Text that a client did not give
is made from the HTML. The library's HTML parser is not used: it is quadratic on unclosed tags and
raises on some declarations.
"""

import html as entities
import re
from binascii import b2a_base64, b2a_qp
from typing import Final

from domain.encoding import MAX_LINE

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


def _part(subtype: str, text: str, delimiter: bytes) -> tuple[bytes, ...]:
    encoding, octets = transfer_encoded(text, delimiter=delimiter)
    head = (
        f"Content-Type: text/{subtype}; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return (delimiter, _CRLF, head.encode("ascii"), octets, _CRLF)


def transfer_encoded(text: str, *, delimiter: bytes) -> tuple[str, bytes]:
    """The Content-Transfer-Encoding of *text* and its octets in it (RFC 2045, 6).

    7bit if that is what it is, quoted-printable if it is mostly ASCII, else base64. No line of the
    result begins with *delimiter* or is longer than 998 octets.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    octets = text.encode()
    if _is_7bit(octets) and delimiter not in octets:
        return "7bit", octets.replace(b"\n", _CRLF)
    if _mostly_ascii(text, octets):
        # b2a_qp breaks lines as the first one ends; given LF it writes LF only
        quoted = b2a_qp(octets).replace(b"\n", _CRLF)
        if delimiter not in quoted:
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


# Every alternative takes all it can and gives nothing back (possessive): one pass, however hostile.
# What is not closed runs to the end, as in a browser. In a tag, quotes count only after "=".
_MARKUP: Final = re.compile(
    r"""
      <!--(?:-?>|.*?(?:-->|\Z))
    | <(?P<end>/?+)(?P<name>[a-zA-Z][^\s/>]*+)
      (?P<attributes>(?:[^>=]++|=\s*+(?:"[^"]*+"?+|'[^']*+'?+)?+)*+)>?+
    | <[!?/][^>]*+>?+
    """,
    re.VERBOSE | re.DOTALL,
)
_HREF: Final = re.compile(
    r"""(?<![^\s"'/])href\s*+=\s*+(?:"([^"]*+)|'([^']*+)|([^\s>]*+))""", re.IGNORECASE
)
_BLANKS: Final = re.compile("[ \t\n\r\f\u00a0]+")
# int() refuses more than 4,300 digits, and html.unescape does not expect it
_HUGE_REFERENCE: Final = re.compile("&#[0-9]{16,}+;?+")

_HIDDEN: Final = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "title", "template")
}
_PARAGRAPHS: Final = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "hr"}
    | {"article", "section"}
)
_LINES: Final = frozenset(
    {"div", "li", "tr", "dt", "dd", "caption", "header", "footer", "main", "nav", "aside"}
    | {"address", "center", "form", "figure", "body"}
)
_CELLS: Final = frozenset({"td", "th"})


def text_from_html(html: str) -> str:
    """What a reader without HTML should see, in time proportional to its length.

    Paragraphs stand apart by an empty line, list items begin with ``- ``, a link is ``text (url)``
    unless its text says the same. It reads, it does not sanitise: the result is plain text.
    """
    page = _PlainText()
    at = 0
    while markup := _MARKUP.search(html, at):
        page.text(html[at : markup.start()])
        at = markup.end()
        name = (markup["name"] or "").lower()
        if markup["end"]:
            page.closed(name)
        elif name in _HIDDEN:
            hidden_to = _HIDDEN[name].search(html, at)
            at = hidden_to.start() if hidden_to else len(html)
        elif name:
            page.opened(name, markup["attributes"])
    page.text(html[at:])
    return page.finished()


class _PlainText:
    """The text so far. White space is owed until something visible follows it."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._owed_breaks = 0
        self._owes_space = False
        self._owes_bullet = False
        self._link: str | None = None
        self._link_from = 0

    def text(self, source: str) -> None:
        """Text between two tags, its entities still in it."""
        if "&" in source:
            source = entities.unescape(_HUGE_REFERENCE.sub("\N{REPLACEMENT CHARACTER}", source))
        collapsed = _BLANKS.sub(" ", source)
        visible = collapsed.strip(" ")
        if not visible:
            self._owes_space |= bool(collapsed)
            return
        self._pay(space=collapsed[0] == " ")
        self._written.append(visible)
        self._owes_space = collapsed[-1] == " "

    def _pay(self, *, space: bool) -> None:
        if self._written and self._owed_breaks:
            self._written.append("\n" * self._owed_breaks)
        elif self._written and (space or self._owes_space) and not self._owes_bullet:
            self._written.append(" ")
        if self._owes_bullet:
            self._written.append("- ")
        self._owed_breaks = 0
        self._owes_space = self._owes_bullet = False

    def opened(self, name: str, attributes: str) -> None:
        """A start tag."""
        self._break(name)
        if name == "br":
            self._owed_breaks = min(self._owed_breaks + 1, 2)
        elif name == "li":
            self._owes_bullet = True
        elif name == "a":
            self._end_link()
            self._link = _href(attributes)
            self._link_from = len(self._written)

    def closed(self, name: str) -> None:
        """An end tag."""
        if name == "a":
            self._end_link()
        elif name == "li":
            self._owes_bullet = False
        self._break(name)

    def _break(self, name: str) -> None:
        if name in _PARAGRAPHS:
            self._owed_breaks = 2
        elif name in _LINES:
            self._owed_breaks = max(self._owed_breaks, 1)
        elif name in _CELLS:
            self._owes_space = True

    def _end_link(self) -> None:
        link, self._link = self._link, None
        if link is None:
            return
        label = "".join(self._written[self._link_from :]).strip()
        address = link.removeprefix("mailto:")
        if label.rstrip("/") in (link.rstrip("/"), address.rstrip("/")):
            return
        owes_space = self._owes_space
        self._pay(space=True)
        self._written.append(f"({address})")
        self._owes_space = owes_space

    def finished(self) -> str:
        """The whole of it."""
        self._end_link()
        return "".join(self._written)


def _href(attributes: str) -> str | None:
    """Where a link leads, if a reader could follow it from plain text."""
    found = _HREF.search(attributes)
    if not found:
        return None
    target = found[1] or found[2] or found[3] or ""
    link = _BLANKS.sub("", entities.unescape(_HUGE_REFERENCE.sub("", target)))
    return link if link.lower().startswith(("http://", "https://", "mailto:")) else None

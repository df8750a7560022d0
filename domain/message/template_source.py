"""What the source of a template may look like, checked before a template engine sees it.

Template engines and HTML libraries recurse: a chain of 30,000 operators or a tree 30,000 elements
deep overflows the stack of the whole process, which no limit on steps prevents. So the length of a
tag and the depth of a tree are bounded here. A placeholder is refused where escaping for HTML does
not protect: outside quotes within a tag, in scripts, in style sheets and in event handlers.

The syntax is that of Jinja: ``{{ expression }}``, ``{% statement %}``, ``{# comment #}``.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Final

import attrs

from domain.errors import FieldError, InvalidInput

MAX_SOURCE: Final = 256 * 1024  # characters
MAX_TAG: Final = 1000  # characters of one {{ … }} or {% … %}
MAX_DEPTH: Final = 200  # elements within one another

_OPENING: Final = re.compile(r"\{[{%#]")
_RAW: Final = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_ENDRAW: Final = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_AUTOESCAPE: Final = re.compile(r"\{%[-+]?\s*autoescape\b")
# A string, a bracket, or what may be the end of the tag.
_IN_TAG: Final = re.compile(
    r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[\[({]|[\])]|[%}]\}|\}", re.DOTALL
)
_QUOTE_OR_BRACKET: Final = re.compile(r"[\"'(\[{]")


class Piece(Enum):
    """What a part of a source is."""

    TEXT = auto()
    EXPRESSION = auto()
    STATEMENT = auto()


@attrs.frozen
class Part:
    """A part of a source, with the place where it begins."""

    piece: Piece
    text: str
    start: int


def parts(source: str) -> Iterator[Part]:
    """The texts and the tags of *source* in their order. Comments are left out.

    A tag that does not end reaches to the end of the source: the engine refuses it.
    """
    at = 0
    while (opening := _OPENING.search(source, at)) is not None:
        start = opening.start()
        if start > at:
            yield Part(Piece.TEXT, source[at:start], at)
        if source[start + 1] == "#":
            end = source.find("#}", start + 2)
            at = len(source) if end < 0 else end + 2
        elif (raw := _RAW.match(source, start)) is not None:
            closing = _ENDRAW.search(source, raw.end())
            end = len(source) if closing is None else closing.start()
            yield Part(Piece.TEXT, source[raw.end() : end], raw.end())
            at = len(source) if closing is None else closing.end()
        else:
            piece = Piece.EXPRESSION if source[start + 1] == "{" else Piece.STATEMENT
            at = _end_of_tag(source, start + 2, "}}" if piece is Piece.EXPRESSION else "%}")
            yield Part(piece, source[start:at], start)
    if at < len(source):
        yield Part(Piece.TEXT, source[at:], at)


def _end_of_tag(source: str, at: int, ending: str) -> int:
    """Where the tag ends: at the first *ending* outside of strings and brackets."""
    end = source.find(ending, at)
    if end >= 0 and _QUOTE_OR_BRACKET.search(source, at, end) is None:
        return end + 2
    depth = 0
    while (found := _IN_TAG.search(source, at)) is not None:
        mark = found.group()
        at = found.end()
        if mark in "[({":
            depth += 1
        elif depth == 0 and mark == ending:
            return at
        elif mark in "])}":
            depth = max(0, depth - 1)
        elif mark in ("}}", "%}"):
            # only its first character was this mark: the next one is looked at by itself
            at -= 1
            depth = max(0, depth - (mark == "}}"))
    return len(source)


def check_source(source: str, *, field: str, html: bool) -> None:
    """Nothing, or InvalidInput with the code ``template_error`` that points to *field*.

    *html* tells whether what is rendered is HTML, in which placeholders are escaped.
    """
    if len(source) > MAX_SOURCE:
        raise _error(field, f"has {len(source)} characters; {MAX_SOURCE} are the most")
    found = list(parts(source))
    for part in found:
        if part.piece is not Piece.TEXT and len(part.text) > MAX_TAG:
            raise _error(field, f"{_line(source, part)}: a tag of more than {MAX_TAG} characters")
    if not html:
        return
    where = _Place()
    for part in found:
        if part.piece is Piece.TEXT:
            where.read(part.text)
        elif part.piece is Piece.STATEMENT:
            if _AUTOESCAPE.match(part.text):
                raise _error(field, f"{_line(source, part)}: autoescape cannot be changed")
        elif (why := where.refusal()) is not None:
            raise _error(field, f"{_line(source, part)}: a placeholder {why} cannot be escaped")


def _line(source: str, part: Part) -> str:
    return f"line {source.count(chr(10), 0, part.start) + 1}"


def _error(field: str, message: str) -> InvalidInput:
    return InvalidInput(FieldError(field, message), code="template_error")


def places(found: Sequence[Part]) -> Iterator[str | None]:
    """For each expression of HTML where it stands: "" in text, in a tag the name of its attribute.

    None elsewhere: in a comment, say. The source was checked before.
    """
    where = _Place()
    for part in found:
        if part.piece is Piece.TEXT:
            where.read(part.text)
        elif part.piece is Piece.EXPRESSION:
            yield where.attribute()


class _Place:
    """Where in a page a text has come to, as far as it matters for escaping (HTML 13.2.5)."""

    _TAG: Final = re.compile(r"<(/?)([A-Za-z][^\s/>]*)|<!--")
    # blanks and the name of an attribute, with its sign of equality
    _ATTRIBUTE: Final = re.compile(r"[\s/]*([^\s/>=]+)\s*(=?)\s*|[\s/]*(>)|[\s/]+")

    def __init__(self) -> None:
        self._element = ""  # whose start tag is being read, "" between tags
        self._raw = ""  # script or style, whose content is no HTML
        self._in_comment = False
        self._attribute = ""
        self._quote = ""
        self._unquoted = False

    def refusal(self) -> str | None:
        """Why a placeholder cannot stand here, as the end of a sentence; None if it can."""
        if self._raw:
            return f"in <{self._raw}>"
        if not self._element:
            return None
        if not self._quote:
            return "outside quotes within a tag"
        if self._attribute.startswith("on"):
            return f"in {self._attribute}"
        return None

    def attribute(self) -> str | None:
        """As `places` has it."""
        if self._in_comment or self._raw:
            return None
        return (self._attribute or None) if self._element else ""

    def read(self, text: str) -> None:
        """Go on to the end of *text*."""
        at = 0
        while at < len(text):
            if self._in_comment:
                at = self._skip(text, at, "-->")
                self._in_comment = at < 0
            elif self._quote:
                at = self._skip(text, at, self._quote)
                self._quote = self._quote if at < 0 else ""
            elif self._element:
                at = self._read_tag(text, at)
            elif self._raw:
                at = self._read_raw(text, at)
            else:
                at = self._read_data(text, at)
            if at < 0:
                return

    @staticmethod
    def _skip(text: str, at: int, ending: str) -> int:
        end = text.find(ending, at)
        return end if end < 0 else end + len(ending)

    def _read_data(self, text: str, at: int) -> int:
        found = self._TAG.search(text, at)
        if found is None:
            # a placeholder behind a bare "<" would be the name of an element
            self._element = "?" if text.endswith(("<", "</")) else ""
            return -1
        if found.group() == "<!--":
            self._in_comment = True
        else:
            self._element = found.group(2).lower()
            if found.group(1):
                self._element = "/" + self._element
        return found.end()

    def _read_raw(self, text: str, at: int) -> int:
        end = re.compile(f"</{self._raw}(?=[\\s/>])", re.IGNORECASE).search(text, at)
        if end is None:
            return -1
        self._element, self._raw = f"/{self._raw}", ""
        return end.end()

    def _read_tag(self, text: str, at: int) -> int:
        if self._unquoted:
            while at < len(text) and not (text[at].isspace() or text[at] == ">"):
                at += 1
            self._unquoted = at == len(text)
            return at
        found = self._ATTRIBUTE.match(text, at)
        if found is None:
            return at + 1
        at = found.end()
        if found.group(3):
            self._raw = self._element if self._element in ("script", "style") else ""
            self._element = self._attribute = ""
        elif found.group(1) is not None:
            self._attribute = found.group(1).lower()
            if found.group(2) and at < len(text) and text[at] in "\"'":
                self._quote = text[at]
                at += 1
            else:
                self._unquoted = bool(found.group(2)) and at < len(text) and text[at] != ">"
        return at


# Elements without content, and those whose end tag may be left out (HTML 13.1.2, 13.1.2.4): the
# next one of their kind ends them, so they do not lie within one another.
_FLAT: Final = frozenset(
    "area base br col embed hr img input link meta source track wbr "
    "p li dt dd tr td th thead tbody tfoot colgroup caption option optgroup rp rt".split()
)
_ELEMENT: Final = re.compile(r"<(/?)([A-Za-z][^\s/>]{0,60})")
_LONGEST_START_TAG: Final = 4096  # looked through for "/>", which ends an element of MJML


def depth(markup: str) -> int:
    """How deep the elements of *markup* lie within one another at most: never too low a number, up
    to the first that is more than `MAX_DEPTH`.

    An end tag that does not belong to the innermost open element is not counted, as a parser may
    ignore it.
    """
    deepest = 0
    opened: list[str] = []
    for found in _ELEMENT.finditer(markup):
        name = found.group(2).lower()
        if name in _FLAT:
            continue
        if found.group(1):
            if opened and opened[-1] == name:
                opened.pop()
        elif not (name.startswith("mj-") and _is_empty(markup, found.end())):
            opened.append(name)
            deepest = max(deepest, len(opened))
            if deepest > MAX_DEPTH:
                break
    return deepest


def _is_empty(markup: str, at: int) -> bool:
    end = markup.find(">", at, at + _LONGEST_START_TAG)
    return end > 0 and markup[end - 1] == "/"

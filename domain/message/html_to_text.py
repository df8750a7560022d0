"""The plain text of an email that came as HTML only.

It reads HTML the way a mail reader shows it: blocks are lines, lists have markers, quotes have
``> ``, the cells of a table row are apart. It does not sanitise: the result is plain text. Time is
proportional to the length of the HTML, however hostile it is, so every depth here has a bound. The
standard library's HTML parser is not used: it is quadratic on unclosed tags and raises on some
declarations.
"""

import html as entities
import re
from typing import Final

import attrs

from domain.message.text_block import NOT_TEXT, VOID, Element, TextBlock, declarations

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
_ATTRIBUTE: Final = re.compile(
    r"""([^\s"'=/>]++)(?:\s*+=\s*+(?:"([^"]*+)"?+|'([^']*+)'?+|([^\s"'>]++)))?+"""
)
# int() refuses more than 4,300 digits, and html.unescape does not expect it
_HUGE_REFERENCE: Final = re.compile("&#[0-9]{16,}+;?+")
# Characters without width. Senders pad the preview line with hundreds of them between spaces.
_INVISIBLE: Final = re.compile("[\u00ad\u034f\u180e\u200b-\u200f\u2060\ufeff]")
_PADDING: Final = re.compile(
    "[ \t\n\r\f\u00a0\u2000-\u200a\u00ad\u034f\u180e\u200b-\u200f\u2060\ufeff]++"
)
# Inside of a word these change how it is written: emoji, Persian, Hindi, text in both directions.
_JOINERS: Final = frozenset("\u200c\u200d\u200e\u200f")

_CELLS: Final = frozenset({"td", "th"})
_TABLE: Final = _CELLS | {"table", "tr"}
_DEEPEST_TABLE: Final = 20  # the text of a cell is copied once for each table around it
_LONG_CELL: Final = 60  # two cells longer than this are columns of prose, not a row of data


def text_from_html(html: str) -> str:
    """What a reader without HTML should see, in time proportional to its length.

    Paragraphs stand apart by an empty line. A link is ``text (url)`` unless its text says the same,
    an image its alternative text. The cells of a row are separated by a tab, as innerText has it.
    What is hidden (``hidden``, ``display: none``, padding of the preview line) is left out.
    """
    page = _Page()
    at = 0
    while markup := _MARKUP.search(html, at):
        page.text(html[at : markup.start()])
        at = markup.end()
        name = (markup["name"] or "").lower()
        if markup["end"]:
            page.closed(name)
        elif name in NOT_TEXT:
            end = NOT_TEXT[name].search(html, at)
            at = end.start() if end else len(html)
        elif name:
            page.opened(name, markup["attributes"])
    page.text(html[at:])
    return page.finished()


@attrs.define
class _Table:
    """An open table. ``row`` holds the finished cells of the open row."""

    outside: "TextBlock"
    row: list[str] | None = None
    cell: "TextBlock | None" = None


class _Page:
    """The whole document: what is hidden, and which table cell is being written."""

    def __init__(self) -> None:
        self._block = TextBlock()
        self._tables: list[_Table] = []
        self._deeper_tables = 0
        self._hidden: Element | None = None

    def text(self, source: str) -> None:
        """Text between two tags, its entities still in it."""
        if source and self._hidden is None:
            self._block.text(_unescaped(source))

    def opened(self, name: str, attributes: str) -> None:
        """A start tag."""
        if self._hidden is not None:
            if not self._hidden.ends_with_start_of(name):
                return
            self._hidden = None
        given = _attributes(attributes) if "=" in attributes or "hidden" in attributes else {}
        if name not in VOID and given and _is_hidden(given):
            self._hidden = Element(name)
        elif name in _TABLE:
            self._open_table_part(name)
        else:
            self._block.opened(name, given)

    def closed(self, name: str) -> None:
        """An end tag."""
        if self._hidden is not None:
            if self._hidden.ends_with_end_of(name):
                ended, self._hidden = self._hidden.name, None
                if ended != name:
                    self.closed(name)
        elif name in _TABLE:
            self._close_table_part(name)
        else:
            self._block.closed(name)

    def finished(self) -> str:
        """The whole of it."""
        while self._tables:
            self._end_table()
        return self._block.finished()

    def _open_table_part(self, name: str) -> None:
        if name == "table":
            self._block.owe_breaks(2)
            if len(self._tables) == _DEEPEST_TABLE:
                self._deeper_tables += 1
            else:
                self._tables.append(_Table(self._block))
        elif not self._tables or self._deeper_tables:
            self._loose_part(name)
        elif name == "tr":
            self._end_row()
            self._tables[-1].row = []
        else:
            self._end_cell()
            table = self._tables[-1]
            if table.row is None:
                table.row = []
            table.cell = self._block = TextBlock()

    def _close_table_part(self, name: str) -> None:
        if name == "table":
            if self._deeper_tables:
                self._deeper_tables -= 1
            elif self._tables:
                self._end_table()
            self._block.owe_breaks(2)
        elif not self._tables or self._deeper_tables:
            self._loose_part(name)
        elif name == "tr":
            self._end_row()
        else:
            self._end_cell()

    def _loose_part(self, name: str) -> None:
        """A row or a cell that no table keeps together."""
        if name == "tr":
            self._block.owe_breaks(1)
        else:
            self._block.owe_space()

    def _end_table(self) -> None:
        self._end_row()
        self._tables.pop()

    def _end_row(self) -> None:
        self._end_cell()
        table = self._tables[-1]
        row, table.row = table.row, None
        if row:
            for line in _row_lines(row):
                table.outside.lines(line)

    def _end_cell(self) -> None:
        table = self._tables[-1]
        if table.cell is not None:
            assert table.row is not None
            table.row.append(table.cell.finished())
            table.cell = None
            self._block = table.outside


def _row_lines(row: list[str]) -> list[str]:
    """The cells of a row as one line, or one after the other where they hold blocks or prose."""
    filled = [cell for cell in row if cell]
    if len(filled) < 2:
        return filled
    prose = sum(len(cell) > _LONG_CELL for cell in filled) > 1
    if prose or any("\n" in cell for cell in filled):
        return filled
    return ["\t".join(row).rstrip("\t")]


def _unescaped(source: str) -> str:
    if "&" in source:
        source = entities.unescape(_HUGE_REFERENCE.sub("\N{REPLACEMENT CHARACTER}", source))
    if not source.isascii() and _INVISIBLE.search(source):
        source = _PADDING.sub(_without_padding, source)
    return source


def _without_padding(run: "re.Match[str]") -> str:
    """A run of spaces and invisible characters: a space, if there is one among them."""
    text = run[0]
    inside = run.start() > 0 and run.end() < len(run.string)
    if text in _JOINERS and inside:
        return text
    invisible = _INVISIBLE.sub("", text)
    if len(invisible) == len(text):
        return text
    return " " if invisible else ""


def _attributes(text: str) -> dict[str, str]:
    """Names in lower case; of two with one name the first counts."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        name, *values = match.groups()
        value = next((each for each in values if each), "")
        found.setdefault(name.lower(), _unescaped(value) if value else "")
    return found


def _is_hidden(given: dict[str, str]) -> bool:
    if "hidden" in given:
        return True
    style = given.get("style", "")
    if not style:
        return False
    rules = declarations(style)
    return (
        rules.get("display") == "none"
        or rules.get("visibility") == "hidden"
        or (rules.get("max-height", "").rstrip("px") == "0" and rules.get("overflow") == "hidden")
    )

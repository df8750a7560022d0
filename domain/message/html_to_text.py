"""The plain text of an email that came as HTML only.

It reads HTML the way a mail reader shows it: blocks are lines, lists have markers, quotes have
``> ``, the cells of a table row are apart. It does not sanitise: the result is plain text. Time is
proportional to the length of the HTML, however hostile it is, so every depth here has a bound.
"""

from typing import Final

import attrs

from domain.message.html_markup import MARKUP, attributes_of, unescaped
from domain.message.text_block import NOT_TEXT, VOID, Element, TextBlock, declarations

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
    while markup := MARKUP.search(html, at):
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
            self._block.text(unescaped(source))

    def opened(self, name: str, attributes: str) -> None:
        """A start tag."""
        if self._hidden is not None:
            if not self._hidden.ends_with_start_of(name):
                return
            self._hidden = None
        given = attributes_of(attributes) if "=" in attributes or "hidden" in attributes else {}
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

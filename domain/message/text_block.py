"""Plain text that is written block by block: lines, paragraphs, lists, quotes, links.

What `html_to_text` drives. White space is owed until something visible follows it. Time is
proportional to what is written, whatever is opened and never closed.
"""

import re
from collections.abc import Callable
from typing import Final

import attrs

_BLANKS: Final = re.compile("[ \t\n\r\f\u00a0]+")
NOT_TEXT: Final = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "title", "template")
}
_PARAGRAPHS: Final = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "dl", "table", "blockquote", "pre", "hr"}
    | {"article", "section", "fieldset"}
)
_LINES: Final = frozenset(
    {"div", "dt", "dd", "caption", "header", "footer", "main", "nav", "aside", "address"}
    | {"center", "form", "figure", "figcaption", "body", "details", "summary", "legend", "option"}
)
VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"}
    | {"source", "track", "wbr"}
)
_LISTS: Final = frozenset({"ul", "ol", "menu", "dir"})
# A start tag of these ends an open element of the same name.
_ENDS_ITSELF: Final = frozenset({"p", "li", "td", "th", "tr", "dt", "dd", "option"})

_SHOWN_SCHEMES: Final = frozenset(
    {"http", "https", "mailto", "tel", "sms", "ftp", "ftps", "webcal", "geo", "xmpp", "sip"}
)
_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_BARE_SCHEMES: Final = ("mailto:", "tel:", "sms:")
_NOT_IN_A_NUMBER: Final = re.compile(r"[\s().\u00a0-]+")

_WIDEST_PREFIX: Final = 40  # of quotes and lists together; every line repeats it
_LARGEST_ROMAN: Final = 3999


@attrs.define
class Element:
    """An open element, and how many of its name are open within it."""

    name: str
    same: int = 0
    inner: int = 0

    def ends_with_start_of(self, name: str) -> bool:
        """Count a start tag; whether it ends the element."""
        if name == self.name:
            if name in _ENDS_ITSELF and not self.inner:
                return True
            self.same += 1
        if name not in VOID and name not in _ENDS_ITSELF:
            self.inner += 1
        return False

    def ends_with_end_of(self, name: str) -> bool:
        """Count an end tag; whether it ends the element."""
        if name == self.name:
            if not self.same:
                return True
            self.same -= 1
        if name not in _ENDS_ITSELF and name not in NOT_TEXT:
            self.inner -= 1
        return self.inner < 0


@attrs.define
class _List:
    """An open list and the number of its next item."""

    ordered: bool
    number: int = 1
    step: int = 1
    style: str = "1"
    in_item: bool = False

    def marker(self) -> str:
        """What stands before the next item."""
        if not self.ordered:
            return "- "
        number, self.number = self.number, self.number + self.step
        return f"{_NUMBERED.get(self.style, str)(number)}. "


class _Prefix:
    """What begins each line: the marks of the quotes and the indentation of the lists around it."""

    def __init__(self) -> None:
        self._outer: list[tuple[str, str]] = []  # (element, the prefix around it)
        self._now = ""
        self._shallowest = ""  # since the last visible text
        self._marker = ""  # of an item that has no text yet
        self._marker_at = self._marker_width = 0  # where in the prefix it stands

    @property
    def of_empty_line(self) -> str:
        """What stands on an empty line before what is written next."""
        return self._shallowest.rstrip()

    def line_start(self) -> str:
        """The prefix of a line; a marker stands in the place of its own item's indentation."""
        if not self._marker:
            return self._now
        before = self._now[: self._marker_at]
        return before + self._marker + self._now[self._marker_at + self._marker_width :]

    def written(self) -> None:
        """Something visible was written on the line."""
        self._marker = ""
        self._shallowest = self._now

    def push_item(self, marker: str) -> None:
        """Enter an item of a list; its first line begins with *marker*."""
        self._marker = marker
        self._marker_at = len(self._now)
        self.push("li", " " * len(marker))
        self._marker_width = len(self._now) - self._marker_at

    def pop_item(self) -> None:
        """Leave the innermost item."""
        self._marker = ""
        self.pop("li")

    def push(self, element: str, prefix: str) -> None:
        """Enter *element*, each of whose lines begins with *prefix*."""
        if len(self._now) + len(prefix) > _WIDEST_PREFIX:
            prefix = ""
        self._outer.append((element, self._now))
        self._now += prefix

    def pop(self, element: str) -> None:
        """Leave the innermost *element*, and what was not closed within it."""
        if not any(name == element for name, _ in self._outer[-_WIDEST_PREFIX:]):
            return
        while self._outer:
            name, self._now = self._outer.pop()
            if name == element:
                break
        if len(self._now) < len(self._shallowest):
            self._shallowest = self._now


class TextBlock:
    """The text of the page or of one cell. White space is owed until something visible follows."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._owed_breaks = 0
        self._owes_space = False
        self._owes_space_before_word = False
        self._link: str | None = None
        self._link_from = 0
        self._prefix = _Prefix()
        self._lists: list[_List] = []
        self._preformatted: list[Element] = []
        self._after_pre_tag = False

    # -- text ---------------------------------------------------------------------------------

    def text(self, source: str) -> None:
        """Text between two tags, without entities."""
        if self._preformatted:
            self._preformatted_text(source)
            return
        collapsed = _BLANKS.sub(" ", source)
        visible = collapsed.strip(" ")
        if not visible:
            self._owes_space |= bool(collapsed)
            return
        word = self._owes_space_before_word and visible[0].isalnum()
        self._pay(space=word or collapsed[0] == " ")
        self._written.append(visible)
        self._owes_space = collapsed[-1] == " "

    def _preformatted_text(self, source: str) -> None:
        lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if self._after_pre_tag and not lines[0] and len(lines) > 1:
            del lines[0]  # HTML ignores a line end right after <pre>
        self._after_pre_tag = False
        for number, line in enumerate(lines):
            if number and self._written:
                self._owed_breaks += 1
            if line.strip():
                self._pay(space=False)
                self._written.append(line.rstrip() if number < len(lines) - 1 else line)
            elif line and not self._owed_breaks:
                self._owes_space = True

    def lines(self, text: str) -> None:
        """Finished lines, as a block of their own."""
        self.owe_breaks(1)
        for number, line in enumerate(text.split("\n")):
            if number:
                self._owed_breaks += 1
            if line:
                self._pay(space=False)
                self._written.append(line)
        self.owe_breaks(2 if "\n" in text else 1)

    def owe_space(self) -> None:
        """What follows stands apart from what was written."""
        self._owes_space = True

    def owe_breaks(self, breaks: int) -> None:
        """What follows stands so many line ends below what was written."""
        self._owed_breaks = max(self._owed_breaks, breaks)

    def _pay(self, *, space: bool) -> None:
        if self._written and self._owed_breaks:
            empty = self._prefix.of_empty_line
            line = self._prefix.line_start()
            self._written.append(f"\n{empty}" * (self._owed_breaks - 1) + "\n" + line)
        elif not self._written:
            self._written.append(self._prefix.line_start())
        elif space or self._owes_space:
            self._written.append(" ")
        self._owed_breaks = 0
        self._owes_space = self._owes_space_before_word = False
        self._prefix.written()

    # -- elements -----------------------------------------------------------------------------

    def opened(self, name: str, given: dict[str, str]) -> None:
        """A start tag that is no part of a table."""
        self.owe_breaks(_breaks_around(name))
        if self._preformatted:
            self._preformatted[-1].ends_with_start_of(name)
        if name == "pre" or ("style" in given and _keeps_lines(given["style"])):
            self._preformatted.append(Element(name))
            self._after_pre_tag = name == "pre"
        if name == "br":
            most = self._owed_breaks + 1 if self._preformatted else 2
            self._owed_breaks = min(self._owed_breaks + 1, most)
        elif name == "img":
            self.text(given.get("alt", ""))
        elif name == "a":
            self._end_link()
            self._link = _target(given.get("href", ""))
            self._link_from = len(self._written)
        elif name in _LISTS:
            self._open_list(name, given)
        elif name == "li":
            self._open_item(given)
        elif name == "blockquote":
            self._prefix.push("blockquote", "> ")
        elif name == "sup":
            self._owes_space = True

    def closed(self, name: str) -> None:
        """An end tag that is no part of a table."""
        if self._preformatted and self._preformatted[-1].ends_with_end_of(name):
            self._preformatted.pop()
        if name == "a":
            self._end_link()
        elif name in _LISTS:
            self._close_list()
        elif name == "li":
            self._close_item()
        elif name == "blockquote":
            self._prefix.pop("blockquote")
        elif name == "sup":
            self._owes_space_before_word = True
        self.owe_breaks(_breaks_around(name))

    # -- lists and quotes ---------------------------------------------------------------------

    def _open_list(self, name: str, given: dict[str, str]) -> None:
        self.owe_breaks(1 if self._lists and self._lists[-1].in_item else 2)
        backwards = "reversed" in given
        self._lists.append(
            _List(
                ordered=name == "ol",
                number=_whole(given.get("start", ""), default=1),
                step=-1 if backwards and "start" in given else 1,
                style=given.get("type", "1"),
            )
        )

    def _open_item(self, given: dict[str, str]) -> None:
        self._close_item()
        if not self._lists:
            self._lists.append(_List(ordered=False))
        current = self._lists[-1]
        current.number = _whole(given.get("value", ""), default=current.number)
        current.in_item = True
        self._prefix.push_item(current.marker())

    def _close_item(self) -> None:
        self.owe_breaks(1)
        if self._lists and self._lists[-1].in_item:
            self._lists[-1].in_item = False
            self._prefix.pop_item()

    def _close_list(self) -> None:
        if self._lists:
            self._close_item()
            self._lists.pop()
        self.owe_breaks(1 if self._lists and self._lists[-1].in_item else 2)

    # -- links --------------------------------------------------------------------------------

    def _end_link(self) -> None:
        link, self._link = self._link, None
        if link is None:
            return
        label = "".join(self._written[self._link_from :]).strip()
        shown = link
        for scheme in _BARE_SCHEMES:
            shown = shown.removeprefix(scheme)
        if _says_the_same(label, link, shown):
            return
        owes_space, breaks = self._owes_space, self._owed_breaks
        self._owed_breaks = 0
        self._pay(space=True)
        self._written.append(f"({shown})")
        self._owes_space, self._owed_breaks = owes_space, breaks

    def finished(self) -> str:
        """The whole of it."""
        self._end_link()
        return "".join(self._written)


def _breaks_around(name: str) -> int:
    """How many line ends stand before and after an element."""
    if name in _PARAGRAPHS:
        return 2
    return 1 if name in _LINES else 0


def _keeps_lines(style: str) -> bool:
    return "white-space" in style.lower() and declarations(style).get("white-space", "").startswith(
        ("pre", "break-spaces")
    )


def declarations(style: str) -> dict[str, str]:
    found = {}
    for declaration in style.lower().split(";"):
        name, _, value = declaration.partition(":")
        found[name.strip()] = value.replace("!important", "").strip()
    return found


def _target(href: str) -> str | None:
    """Where a link leads, if plain text can say it; a relative one stays as it is."""
    link = _BLANKS.sub("", href)
    scheme = _SCHEME.match(link)
    if scheme is None:
        return link if link and link[0] != "#" else None
    return link if scheme[1].lower() in _SHOWN_SCHEMES else None


def _says_the_same(label: str, link: str, shown: str) -> bool:
    if label.rstrip("/") in (link.rstrip("/"), shown.rstrip("/"), shown.partition("?")[0]):
        return True
    if link.startswith(("tel:", "sms:")):
        return _NOT_IN_A_NUMBER.sub("", label) == _NOT_IN_A_NUMBER.sub("", shown)
    return False


def _whole(text: str, *, default: int) -> int:
    text = text.strip()
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,9}", text) else default


def _letters(number: int) -> str:
    if number < 1:
        return str(number)
    letters = ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return letters


def _roman(number: int) -> str:
    if not 0 < number <= _LARGEST_ROMAN:
        return str(number)
    numeral = ""
    for value, sign in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    ):
        count, number = divmod(number, value)
        numeral += sign * count
    return numeral


_NUMBERED: Final[dict[str, Callable[[int], str]]] = {
    "a": _letters,
    "A": lambda number: _letters(number).upper(),
    "i": _roman,
    "I": lambda number: _roman(number).upper(),
}

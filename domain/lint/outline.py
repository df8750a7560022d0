"""What stands in a message's HTML: its links, its images, its words, and what would be loaded.

In time proportional to the length of the HTML, however hostile it is. Nothing is cleaned here.
"""

import re
from collections.abc import Iterator
from typing import Final

import attrs

from domain.message.html_markup import MARKUP, attributes_of, unescaped
from domain.message.text_block import NOT_TEXT

MOST_LINKS: Final = 500
MOST_IMAGES: Final = 500
MOST_REMOTE: Final = 500
LONGEST: Final = 2000  # characters of an address or of a link's text
_BLANKS: Final = re.compile(r"\s+")
_CSS_URL: Final = re.compile(r"""url\(\s*+["']?\s*+((?:https?:)?//[^"')\s]{1,2000})""", re.I)
_CSS_IMPORT: Final = re.compile(r"""@import\s++["']((?:https?:)?//[^"'\s]{1,2000})""", re.I)
_SOURCES: Final = ("src", "background", "poster", "data")


@attrs.frozen(kw_only=True)
class HtmlLink:
    """A link: where it leads, and what a reader sees of it. *image* if it holds one."""

    href: str
    text: str
    image: bool = False


@attrs.frozen(kw_only=True)
class HtmlImage:
    """An image. *alt* is None where it has none at all."""

    src: str
    alt: str | None


@attrs.frozen(kw_only=True)
class Outline:
    """What stands in some HTML. *letters* counts the visible characters that are no blanks.

    *remote* are the addresses that a mail reader would load by itself, each once. *elements* are
    the names of all elements.
    """

    links: tuple[HtmlLink, ...] = ()
    images: tuple[HtmlImage, ...] = ()
    letters: int = 0
    elements: frozenset[str] = frozenset()
    remote: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The characters that it holds."""
        links = sum(len(link.href) + len(link.text) for link in self.links)
        images = sum(len(image.src) + len(image.alt or "") for image in self.images)
        return links + images + sum(map(len, self.remote))


def outline_of(html: str) -> Outline:
    """The outline of *html*; of very many links and images the first."""
    reading = _Reading()
    at = 0
    while markup := MARKUP.search(html, at):
        reading.text(html[at : markup.start()])
        at = markup.end()
        name = (markup["name"] or "").lower()
        if markup["end"]:
            reading.closed(name)
        elif name:
            reading.opened(name, attributes_of(markup["attributes"]))
        if not markup["end"] and name in NOT_TEXT:
            end = NOT_TEXT[name].search(html, at)
            stop = end.start() if end else len(html)
            reading.loads(_in_css(html[at:stop]) if name == "style" else ())
            at = stop
    reading.text(html[at:])
    return reading.finished()


class _Reading:
    """The outline as far as it is read. An open link is closed by the next one, as in a browser."""

    def __init__(self) -> None:
        self._links: list[HtmlLink] = []
        self._images: list[HtmlImage] = []
        self._remote: dict[str, None] = {}
        self._elements: set[str] = set()
        self._letters = 0
        self._href: str | None = None
        self._text: list[str] = []
        self._length = 0
        self._image = False

    def text(self, source: str) -> None:
        if not source:
            return
        text = unescaped(source)
        self._letters += len(_BLANKS.sub("", text))
        self._say(text)

    def opened(self, name: str, given: dict[str, str]) -> None:
        if len(self._elements) < MOST_LINKS:
            self._elements.add(name)
        if name == "a":
            self.closed("a")
            if "href" in given:
                self._href = given["href"].strip()[:LONGEST]
        elif name == "img":
            self._see(given)
        else:
            self._say(" ")
        self.loads(_loaded(name, given))

    def closed(self, name: str) -> None:
        if name != "a":
            self._say(" ")
        elif self._href is not None:
            if len(self._links) < MOST_LINKS:
                text = _BLANKS.sub(" ", "".join(self._text)).strip()[:LONGEST]
                self._links.append(HtmlLink(href=self._href, text=text, image=self._image))
            self._href, self._text, self._length, self._image = None, [], 0, False

    def loads(self, addresses: "Iterator[str] | tuple[()]") -> None:
        for address in addresses:
            if len(self._remote) < MOST_REMOTE:
                self._remote[address[:LONGEST]] = None

    def finished(self) -> Outline:
        self.closed("a")
        return Outline(
            links=tuple(self._links),
            images=tuple(self._images),
            letters=self._letters,
            elements=frozenset(self._elements),
            remote=tuple(self._remote),
        )

    def _see(self, given: dict[str, str]) -> None:
        alt = given["alt"][:LONGEST] if "alt" in given else None
        if len(self._images) < MOST_IMAGES:
            self._images.append(HtmlImage(src=given.get("src", "")[:LONGEST], alt=alt))
        if self._href is not None:
            self._image = True
            self._say(f" {alt} " if alt else " ")

    def _say(self, text: str) -> None:
        if self._href is not None and self._length < LONGEST:
            self._text.append(text[:LONGEST])
            self._length += len(text)


def _loaded(name: str, given: dict[str, str]) -> Iterator[str]:
    """The remote addresses that an element makes a browser load."""
    for attribute in _SOURCES:
        if (address := given.get(attribute, "").strip()) and is_remote(address):
            yield address
    if name == "link" and is_remote(address := given.get("href", "").strip()):
        yield address
    for choice in given.get("srcset", "")[:LONGEST].split(","):
        address, _, _ = choice.strip().partition(" ")
        if is_remote(address):
            yield address
    yield from _in_css(given.get("style", ""))


def is_remote(address: str) -> bool:
    """Whether a browser would ask another machine for it."""
    return address.lower().startswith(("http://", "https://", "//"))


def _in_css(css: str) -> Iterator[str]:
    for pattern in (_CSS_URL, _CSS_IMPORT):
        for found in pattern.finditer(css):
            yield found[1]

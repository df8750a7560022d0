"""The text of a template that only prints values: made once, and filled in for each email.

To make text from HTML is most of what an email by a template costs. A template without statements
has the same text for every email but for the values. So its text is made once from the HTML with a
mark, a short word, in the place of each value. Where a value might be laid out otherwise than such
a word, the text has to be made from the rendered HTML: nothing is guessed here.
"""

import re
from collections.abc import Sequence
from typing import Final

import attrs

from domain.message.html_to_text import text_from_html
from domain.message.template_source import Part, Piece, parts, places

_MARK: Final = "x0mark"
_MARKS: Final = re.compile(rf"{_MARK}(\d+)x")
# Attributes whose values hide nothing and lay out nothing.
_HARMLESS: Final = frozenset({"", "alt", "class", "height", "href", "id", "src", "title", "width"})
_IN_REFERENCE: Final = re.compile(rf"&[#\w]*{_MARK}")


@attrs.frozen
class TextSkeleton:
    """*expressions* as they stand in the template, and the text: a piece before each of *places*,
    which are places in *expressions*, and one behind the last. Those *in_tags* may hold no space:
    URLs are shown without.
    """

    expressions: tuple[str, ...]
    pieces: tuple[str, ...]
    places: tuple[int, ...]
    in_tags: tuple[int, ...]

    def filled(self, values: Sequence[str]) -> str | None:
        """The text with a value for each expression; None if one of them is no plain word or words.

        That is what `text_from_html` makes of the rendered HTML.
        """
        if len(values) != len(self.expressions) or not all(map(_is_plain, values)):
            return None
        if any(" " in values[place] for place in self.in_tags):
            return None
        text = [self.pieces[0]]
        for place, piece in zip(self.places, self.pieces[1:], strict=True):
            text += (values[place], piece)
        return "".join(text)


def _is_plain(value: str) -> bool:
    """Whether it is laid out like a mark: letters first and last, no space but single ones."""
    return (
        value.isprintable() and value[:1].isalnum() and value[-1:].isalnum() and "  " not in value
    )


def skeleton_of(html: str) -> TextSkeleton | None:
    """That of a template; None if its text may depend on the values in another way.

    Style sheets are not looked at: ask only if they hide nothing.
    """
    found = list(parts(html))
    if _MARK in html.lower() or not all(map(_only_prints, found)):
        return None
    stands_in = list(places(found))
    if not _HARMLESS.issuperset(stands_in) or _begins_a_link(found, stands_in):
        return None
    printed = [part.text for part in found if part.piece is Piece.EXPRESSION]
    # what stands twice has one mark: a link is not shown beside a text that says the same
    expressions = tuple(dict.fromkeys(printed))
    marked = _marked(found, expressions)
    if _IN_REFERENCE.search(marked):
        return None
    pieces = _MARKS.split(text_from_html(marked))
    in_tags = {one for one, place in zip(printed, stands_in, strict=True) if place}
    return TextSkeleton(
        expressions=expressions,
        pieces=tuple(pieces[::2]),
        places=tuple(map(int, pieces[1::2])),
        in_tags=tuple([place for place, one in enumerate(expressions) if one in in_tags]),
    )


def _begins_a_link(found: Sequence[Part], stands_in: Sequence[str | None]) -> bool:
    """Whether a value has the scheme of a link, by which it is shown or not."""
    attributes = iter(stands_in)
    before = ""
    for part in found:
        in_link = part.piece is Piece.EXPRESSION and next(attributes) == "href"
        if in_link and before.rstrip().endswith(("'", '"')):
            return True
        before = part.text
    return False


def _only_prints(part: Part) -> bool:
    if part.piece is Piece.EXPRESSION:
        return part.text[2:3] not in "-+" and part.text[-3:-2] not in "-+"  # they eat spaces
    return part.piece is Piece.TEXT


def _marked(found: Sequence[Part], expressions: Sequence[str]) -> str:
    marks = {expression: f"{_MARK}{place}x" for place, expression in enumerate(expressions)}
    return "".join(
        marks[part.text] if part.piece is Piece.EXPRESSION else part.text for part in found
    )

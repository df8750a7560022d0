"""HTML as tags and the text between them, in time proportional to its length, however hostile.

The standard library's HTML parser is not used: it is quadratic on unclosed tags and raises on some
declarations.
"""

import html as entities
import re
from typing import Final

# Every alternative takes all it can and gives nothing back (possessive): one pass, however hostile.
# What is not closed runs to the end, as in a browser. In a tag, quotes count only after "=".
MARKUP: Final = re.compile(
    r"""
      <!--(?:-?>|.*?(?:-->|\Z))
    | <(?P<end>/?+)(?P<name>[a-zA-Z][^\s/>]*+)
      (?P<attributes>(?:[^>=]++|=\s*+(?:"[^"]*+"?+|'[^']*+'?+)?+)*+)>?+
    | <[!?/][^>]*+>?+
    """,
    re.VERBOSE | re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(
    r"""([^\s"'=/>]++)(?:\s*+=\s*+(?:"([^"]*+)"?+|'([^']*+)'?+|([^\s"'>]++)))?"""
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


def unescaped(source: str) -> str:
    """Text with its entities decoded and without the padding of a preview line."""
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


def attributes_of(text: str) -> dict[str, str]:
    """The attributes of a tag. Names in lower case; of two with one name the first counts."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        name, *values = match.groups()
        value = next((each for each in values if each), "")
        found.setdefault(name.lower(), unescaped(value) if value else "")
    return found

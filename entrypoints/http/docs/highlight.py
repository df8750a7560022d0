"""Colours for sources: a few words of each language, strings, comments and names of JSON.

What it gives has the same text as the source: whoever copies it gets what a program reads.
"""

import re
from functools import lru_cache
from typing import Final

from markupsafe import Markup, escape

_STRING: Final = r'"(?:\\.|[^"\\])*"'
_WORDS: Final = {
    "curl": "curl|while|do|done|case|esac|if|fi|then|in",
    "python": "import|from|with|as|for|in|if|not|or|and|def|return|try|except|raise|break|while"
    "|True|False|None",
    "node": "import|from|const|let|await|async|for|if|of|function|return|new|break|while|export"
    "|true|false|null",
    "php": "function|return|for|while|if|foreach|as|echo|break|do|new|true|false|null|<\\?php",
    "json": "true|false|null",
}
# a shell's numbers are parts of words
_NUMBER: Final = r"(?<![\w.])\d+(?![\w.])"
_COMMENTS: Final = {"curl": r"(?m:^#.*)", "python": r"(?m:#.*$)", "node": "//.*", "php": "//.*"}
_KEPT: Final = 512


def _pattern(language: str) -> re.Pattern[str]:
    string = rf"{_STRING}|'[^']*'" if language != "json" else _STRING
    comment = _COMMENTS.get(language, "(?!)")
    number = _NUMBER if language != "curl" else "(?!)"
    return re.compile(
        rf"(?P<name>{_STRING})(?=\s*(?::|=>))|(?P<text>{string})|(?P<note>{comment})"
        rf"|(?P<word>(?<![\w$.-])(?:{_WORDS[language]})(?![\w-]))|(?P<number>{number})"
    )


_PATTERNS: Final = {language: _pattern(language) for language in _WORDS}


@lru_cache(maxsize=_KEPT)
def highlight(source: str, language: str) -> Markup:
    """*source* as HTML, with a class for what stands out."""
    parts: list[str] = []
    done = 0
    for found in _PATTERNS[language].finditer(source):
        parts.append(escape(source[done : found.start()]))
        parts.append(f'<span class="{found.lastgroup}">{escape(found[0])}</span>')
        done = found.end()
    parts.append(escape(source[done:]))
    return Markup("").join(map(Markup, parts))

"""What JSON can hold, as programs in other languages write it."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

_INDENT: Final = "    "


def quoted(text: str) -> str:
    """*text* as Python and JavaScript write it."""
    return json.dumps(text, ensure_ascii=False)


def php_text(text: str) -> str:
    """*text* as PHP writes it: within double quotes it would put a variable in place of $name."""
    return quoted(text).replace("$", "\\$")


@attrs.frozen(kw_only=True)
class _Notation:
    """How a language writes the values of JSON. *empty* is an object without members."""

    brackets: tuple[str, str]
    between: str
    empty: str
    text: Callable[[str], str]
    words: Mapping[bool | None, str]


_PYTHON: Final = _Notation(
    brackets=("{", "}"),
    between=": ",
    empty="{}",
    text=quoted,
    words={True: "True", False: "False", None: "None"},
)
_PHP: Final = _Notation(
    brackets=("[", "]"),
    between=" => ",
    empty="new stdClass()",  # [] would be sent as a list
    text=php_text,
    words={True: "true", False: "false", None: "null"},
)


def python_value(value: Any, indent: str) -> str:
    """*value* in Python; its further lines begin with *indent*."""
    return _written(value, indent, _PYTHON)


def php_value(value: Any, indent: str) -> str:
    """*value* in PHP; its further lines begin with *indent*."""
    return _written(value, indent, _PHP)


def node_value(value: Any, indent: str) -> str:
    """*value* in JavaScript; its further lines begin with *indent*."""
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", f"\n{indent}")


def _written(value: Any, indent: str, notation: _Notation) -> str:
    if value is None or isinstance(value, bool):
        return notation.words[value]
    if isinstance(value, str):
        return notation.text(value)
    if value == {}:
        return notation.empty
    if not isinstance(value, dict | list):
        return str(value)
    inner = indent + _INDENT
    if isinstance(value, dict):
        start, end = notation.brackets
        items = [
            notation.text(name) + notation.between + _written(part, inner, notation)
            for name, part in value.items()
        ]
    else:
        start, end = "[", "]"
        items = [_written(part, inner, notation) for part in value]
    lines = "".join(f"\n{inner}{item}," for item in items)
    return f"{start}{lines}\n{indent}{end}" if items else start + end

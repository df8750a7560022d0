"""The settings as papers for an owner: the file to begin with, and a page of the documentation."""

import re
import textwrap
from collections.abc import Iterator
from typing import Any, Final

import attrs

from entrypoints.settings.settings import SUBJECTS, variables

_WIDTH: Final = 100
_SET_BY_EVERYBODY: Final = ("FLASK_ENV", "SECRET_KEY")
_ENV_HEAD: Final = """\
# Settings of the Email Service. Copy this file to .env and change what you need: every line that is
# commented out stands there with its default. A variable of the environment wins over this file.
"""
_PAGE_HEAD: Final = """\
# Settings

The service reads its settings from the environment and from the file `.env`, and checks them when
it starts; a variable of the environment wins over the file. To begin, copy
[`.env.example`](../../.env.example). A line of `.env` that is not `NAME=value` is an error with its
number; a name that only resembles a setting (`DATABSE_URL`) is a warning.

This page is written from the declaration in `entrypoints/settings/` by `make settings`.
"""


def env_example() -> str:
    """The text of `.env.example`."""
    return "\n".join([_ENV_HEAD.rstrip(), *_env_lines()]) + "\n"


def _env_lines() -> Iterator[str]:
    defaults = variables()
    for subject in SUBJECTS:
        yield f"\n# -- {subject.HEADING} ".ljust(_WIDTH - 1, "-")
        for field in attrs.fields(subject):
            name = field.metadata["name"]
            yield ""
            yield from _comment(field.metadata["meaning"])
            yield from _comment(f"Allowed: {field.metadata['rule'].allowed}.")
            yield f"{'' if name in _SET_BY_EVERYBODY else '#'}{name}={defaults[name]}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )


def settings_page() -> str:
    """The text of docs/operating/settings.md."""
    return "\n".join([_PAGE_HEAD.rstrip(), *_page_lines()]) + "\n"


def _page_lines() -> Iterator[str]:
    for subject in SUBJECTS:
        yield f"\n## {subject.HEADING}\n"
        yield "| variable | default | allowed | meaning |"
        yield "|---|---|---|---|"
        yield from map(_row, attrs.fields(subject))


def _row(field: "attrs.Attribute[Any]") -> str:
    name = field.metadata["name"]
    default = variables()[name]
    shown = f"`{default}`" if default else ""
    allowed, meaning = _cell(field.metadata["rule"].allowed), _cell(field.metadata["meaning"])
    secret = " Secret: it is never shown." if field.metadata["secret"] else ""
    return f"| `{name}` | {shown} | {allowed} | {meaning}{secret} |"


def _cell(text: str) -> str:
    """*text* as it may stand in a table of Markdown."""
    return re.sub(r"([|*<])", r"\\\1", text)

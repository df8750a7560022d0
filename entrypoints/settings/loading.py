"""Reads the settings from the environment and the file ``.env``."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from entrypoints.settings.env_file import EnvLine, UnreadableLines, misspelt, read_lines
from entrypoints.settings.settings import Settings, SettingsError, variables


def load_environment(
    environ: Mapping[str, str] = os.environ, *, path: Path = Path(".env")
) -> dict[str, str]:
    """*environ* and, for what it does not have, the file *path* (which may be missing).

    SettingsError names every line that cannot be read.
    """
    written = {line.name: line.value for line in _lines(path) if line.value is not None}
    return written | dict(environ)


def load_settings(
    environ: Mapping[str, str] = os.environ,
    *,
    path: Path = Path(".env"),
    given: Mapping[str, str] | None = None,
) -> tuple[Settings, Sequence[str]]:
    """The settings of *environ* and of the file *path*, with *given* in the place of theirs; and
    what looks wrong about them, for the owner to read.
    """
    loaded = load_environment(environ, path=path)
    doubts = _doubts(environ, path)
    try:
        return Settings.from_environment({**loaded, **(given or {})}), doubts
    except SettingsError as error:
        raise SettingsError(*error.errors, *doubts) from None


def _lines(path: Path) -> Sequence[EnvLine]:
    try:
        return read_lines(path)
    except UnreadableLines as error:
        raise SettingsError(*error.errors) from error
    except (ValueError, OSError) as error:
        raise SettingsError(str(error)) from error


def _doubts(environ: Mapping[str, str], path: Path) -> Sequence[str]:
    """Names that were meant to be settings, as far as can be told."""
    known = variables()
    lines = {line.name: line for line in _lines(path)}
    found = misspelt(lines, known, by_chance=False)
    doubts = [
        f"{name} ({path.name} line {lines[name].number}) is no setting: did you mean {meant}?"
        for name, meant in found.items()
    ]
    elsewhere = misspelt(environ, known, by_chance=True)
    return doubts + [
        f"{name} (in the environment) is no setting: did you mean {meant}?"
        for name, meant in elsewhere.items()
        if meant not in lines
    ]

"""The key that a trial on the owner's own machine is run with: made once, kept in a file."""

import contextlib
import os
import secrets
from pathlib import Path

from entrypoints.os_errors import reason_of
from entrypoints.settings import SettingsError


def development_key(path: Path) -> str:
    """The key kept in *path*, made at the first call. Safe from many processes.

    Only its owner may read the file. It appears whole or not at all, so that a crash never leaves
    half a key behind with which secrets would be sealed. SettingsError if that cannot be, or if the
    file holds no key: it is not replaced, for secrets may be sealed with what it held.
    """
    try:
        if not path.exists():
            _make_key(path)
    except OSError as error:
        raise SettingsError(
            f"the folder {path.absolute().parent} cannot be written to ({reason_of(error)}):"
            " choose another one for the database and its key with DATABASE_URL"
        ) from error
    try:
        key = path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} holds no key, and SECRET_KEY is not set: {error}") from error
    if not key:
        raise SettingsError(f"{path} holds no key, and SECRET_KEY is not set: the file is empty")
    return key


def _make_key(path: Path) -> None:
    if not path.parent.is_dir():
        raise SettingsError(
            f"there is no folder {path.parent} for the database and its key: make it, or change"
            " DATABASE_URL"
        )
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            os.link(draft, path)
    finally:
        draft.unlink()

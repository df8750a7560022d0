"""Restricts gunicorn's sockets to this machine, in development.

gunicorn binds before it loads an application, and without our gunicorn.conf.py it binds 0.0.0.0
where there is a variable PORT. The API is open in development, so its sockets must not be reached
from elsewhere.
"""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from domain.address import is_loopback

log = logging.getLogger("email_service.server")

_SERVER: Final = "SERVER_SOFTWARE"  # gunicorn puts its name there
_BIND_TO_DEVICE: Final[int | None] = getattr(socket, "SO_BINDTODEVICE", None)  # Linux has it
_MOST_FILES: Final = 256
_LOOPBACK_DEVICE: Final = b"lo"
_DEVICE_LENGTH: Final = 16


def under_gunicorn(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether gunicorn runs this process."""
    return environ.get(_SERVER, "").startswith("gunicorn")


def keep_to_loopback(
    environ: Mapping[str, str] = os.environ, *, option: int | None = _BIND_TO_DEVICE
) -> None:
    """Under gunicorn, make the listening sockets of this process reachable from this machine only.

    RuntimeError where the system cannot do that; gunicorn ends then.
    """
    if not under_gunicorn(environ):
        return
    for listening in listening_sockets():
        with listening:
            host, port = listening.getsockname()[:2]
            if not is_loopback(host):
                _bind_to_loopback(listening, host, port, option)


def listening_sockets() -> Iterator[socket.socket]:
    """The listening sockets of this process, each with a descriptor of its own."""
    for number in _open_files():
        try:
            found = socket.socket(fileno=os.dup(number))
        except OSError:
            continue
        if _listens(found):
            yield found
        else:
            found.close()


def _open_files() -> list[int]:
    with suppress(OSError):
        return sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())
    return list(range(3, _MOST_FILES))


def _listens(found: socket.socket) -> bool:
    if found.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return False


def _bind_to_loopback(listening: socket.socket, host: str, port: int, option: int | None) -> None:
    try:
        if option is None:
            raise OSError
        if is_bound_to_loopback(listening):
            return
        listening.setsockopt(socket.SOL_SOCKET, option, _LOOPBACK_DEVICE)
    except OSError:
        raise RuntimeError(
            f"in development only this machine is served, but gunicorn listens on {host}: "
            f"start it with --bind 127.0.0.1:{port}"
        ) from None
    log.warning(
        "gunicorn listens on %s: in development others are not let in. "
        "To serve them set FLASK_ENV=production",
        host,
    )


def is_bound_to_loopback(listening: socket.socket) -> bool:
    """Whether the socket is bound to the loopback device (Linux)."""
    bound = listening.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _DEVICE_LENGTH)
    return bound.rstrip(b"\0") == _LOOPBACK_DEVICE

"""Checks before anything is started that `serve` can listen on its addresses."""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

import attrs

_LOOK_FOR: Final = 50  # ports above the taken one that are tried for a suggestion


@attrs.frozen
class Place:
    """An address to listen on, and the settings that choose it."""

    what: str
    host: str
    port: int
    host_setting: str | None
    port_setting: str


@attrs.frozen
class Refusal:
    """An address on which the system does not let us listen."""

    place: Place
    error: OSError


def api(host: str, port: int) -> Place:
    """The address of the API."""
    return Place("the API", host, port, "HOST", "PORT")


def sandbox(port: int) -> Place:
    """The address of the sandbox's mail server."""
    return Place("the sandbox's mail server", "127.0.0.1", port, None, "SANDBOX_PORT")


def smtp(host: str, port: int, *, secure: bool) -> Place:
    """An address of the SMTP listener."""
    setting = "INTAKE_TLS_PORT" if secure else "INTAKE_PORT"
    return Place("the SMTP listener", host, port, "INTAKE_HOST", setting)


def refusals(places: Sequence[Place]) -> Sequence[Refusal]:
    """The addresses that are not available. All are held until the last was tried, because two
    of them may want the same port.
    """
    found = []
    with ExitStack() as held:
        for place in places:
            try:
                for listener in _listeners(place.host, place.port):
                    held.enter_context(listener)
            except OSError as error:
                found.append(Refusal(place, error))
    return found


def explained(refused: Sequence[Refusal]) -> str:
    """The addresses that are not available, and what to do about it, for a person."""
    lines = [f"  - {_sentence(refusal)}" for refusal in refused]
    in_use = [r.place for r in refused if r.error.errno == errno.EADDRINUSE]
    if in_use:
        settings = " and ".join(place.port_setting for place in in_use)
        others = " ".join(f"{place.port_setting}={port}" for place, port in _free(in_use))
        lines += [
            f"Is the service running already? Stop what uses {_it(in_use)}, or choose "
            f"{'another port' if len(in_use) == 1 else 'other ports'} with {settings}:",
            f"    {others} make run",
        ]
    return "\n".join(["nothing was started:", *lines])


def _sentence(refusal: Refusal) -> str:
    place, error = refusal.place, refusal.error
    nowhere = isinstance(error, socket.gaierror)  # its error numbers are not those of errno
    reason = error.strerror if nowhere or not error.errno else os.strerror(error.errno)
    said = f"{place.what} cannot listen on {place.host} port {place.port} ({reason})"
    if nowhere or error.errno == errno.EADDRNOTAVAIL:
        return f"{said}: {place.host_setting or 'its host'} must be an address of this machine"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{said}: a port below 1024 takes a permission that this process does not have. "
            f"Choose another port with {place.port_setting}"
        )
    return said


def _it(places: Sequence[Place]) -> str:
    return "it" if len(places) == 1 else "them"


def _free(places: Sequence[Place]) -> Iterator[tuple[Place, int]]:
    """A free port for each, above the one that it wanted."""
    given = {place.port for place in places}
    for place in places:
        for port in range(place.port + 1, min(place.port + _LOOK_FOR, 65536)):
            if port not in given and not refusals([attrs.evolve(place, port=port)]):
                break
        else:
            port = 0  # the system chooses
        given.add(port)
        yield place, port


def _listeners(host: str, port: int) -> Sequence[socket.socket]:
    """Sockets that listen there, on every address of the name, until they are closed."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with ExitStack() as made:
        listeners = [
            made.enter_context(socket.create_server(address[:2], family=family))
            for family, _, _, _, address in found
        ]
        made.pop_all()
    return listeners

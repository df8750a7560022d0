"""From a host name to addresses that may be connected to, within a deadline.

``getaddrinfo`` cannot be given a timeout, so it runs in a thread of its own; how many such threads
may hang at once is bounded.
"""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import Final

from application.ports.network import Endpoint, Unresolved
from domain.account.network import Address
from domain.outcome.handoff import Problem

MAX_LOOKUPS: Final = 64
_NO_ADDRESS: Final = tuple(
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
    if hasattr(socket, name)  # Windows lacks some
)


def look_up(host: str, port: int) -> list[Endpoint]:
    """All addresses of *host*, as the system orders them. Unresolved."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        problem = Problem.NOT_FOUND if error.errno in _NO_ADDRESS else Problem.DNS
        raise Unresolved(problem, error.strerror or "no address") from None
    except (UnicodeError, ValueError):
        raise Unresolved(Problem.NOT_FOUND, "not a host name") from None
    except OSError as error:
        raise Unresolved(Problem.DNS, error.strerror or "the resolver failed") from None
    return [
        Endpoint(ip_address(sockaddr[0]), family, sockaddr)
        for family, _, _, _, sockaddr in found
        if family in (socket.AF_INET, socket.AF_INET6)
    ]


class NameResolver:
    """Asks the system, and *allow* about every address that it names."""

    def __init__(
        self,
        *,
        allow: Callable[[Address], bool],
        look_up: Callable[[str, int], list[Endpoint]] = look_up,
    ) -> None:
        self._allow = allow
        self._look_up = look_up
        self._places = threading.BoundedSemaphore(MAX_LOOKUPS)

    def start(self, host: str, port: int) -> "Future[list[Endpoint]]":
        """A lookup under way, as the port describes it."""
        lookup: Future[list[Endpoint]] = Future()
        if not self._places.acquire(blocking=False):
            lookup.set_exception(Unresolved(Problem.DNS, "too many names are being looked up"))
            return lookup
        threading.Thread(
            target=self._run, args=(host, port, lookup), name="smtp-resolve", daemon=True
        ).start()
        return lookup

    def _run(self, host: str, port: int, lookup: "Future[list[Endpoint]]") -> None:
        settle: Callable[[], None]
        try:
            settle = partial(lookup.set_result, self._checked(self._look_up(host, port)))
        except Unresolved as unresolved:
            settle = partial(lookup.set_exception, unresolved)
        finally:
            self._places.release()
        with suppress(InvalidStateError):  # given up meanwhile
            settle()

    def _checked(self, endpoints: list[Endpoint]) -> list[Endpoint]:
        """The same endpoints. Unresolved if there is none or the policy forbids one of them."""
        if not endpoints:
            raise Unresolved(Problem.NOT_FOUND, "no address")
        if not all(self._allow(endpoint.ip) for endpoint in endpoints):
            raise Unresolved(Problem.BLOCKED, "an address that is not allowed")
        return endpoints

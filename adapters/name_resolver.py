"""From a host name to addresses that may be connected to, within a deadline.

``getaddrinfo`` cannot be given a timeout, so it runs in a thread of its own; how many such threads
may hang at once is bounded. One that is done waits for the next name: to start a thread for each
takes as long as half of a call over a connection that stands.
"""

import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from application.ports.network import Endpoint, Unresolved
from domain.account.network import Address
from domain.outcome.handoff import Problem

MAX_LOOKUPS: Final = 64
IDLE_S: Final = 10.0  # a thread ends after so long without a name
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


_Asked: TypeAlias = "tuple[str, int, Future[list[Endpoint]]]"


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
        self._begin()

    def start(self, host: str, port: int) -> "Future[list[Endpoint]]":
        """A lookup under way, as the port describes it."""
        if os.getpid() != self._process:
            self._begin()
        lookup: Future[list[Endpoint]] = Future()
        if not self._places.acquire(blocking=False):
            lookup.set_exception(Unresolved(Problem.DNS, "too many names are being looked up"))
            return lookup
        self._asked.put((host, port, lookup))
        if not self._idle.acquire(blocking=False):
            threading.Thread(target=self._run, name="resolve", daemon=True).start()
        return lookup

    def _begin(self) -> None:
        """With no thread yet: a child process that was forked has none of its parent's."""
        self._process = os.getpid()
        self._places = threading.BoundedSemaphore(MAX_LOOKUPS)
        self._asked: SimpleQueue[_Asked] = SimpleQueue()
        self._idle = threading.Semaphore(0)  # threads that wait, each good for one name

    def _run(self) -> None:
        while True:
            try:
                asked = self._asked.get(timeout=IDLE_S)
            except Empty:
                if self._idle.acquire(blocking=False):
                    return
                continue  # it was counted on meanwhile
            settle = self._settled(*asked)
            self._idle.release()  # before: whoever is answered may ask for the next name at once
            with suppress(InvalidStateError):  # given up meanwhile
                settle()
            del asked, settle  # an idle thread keeps no answer alive

    def _settled(
        self, host: str, port: int, lookup: "Future[list[Endpoint]]"
    ) -> Callable[[], None]:
        """What gives *lookup* its answer, which is there now."""
        try:
            return partial(lookup.set_result, self._checked(self._look_up(host, port)))
        except Unresolved as unresolved:
            return partial(lookup.set_exception, unresolved)
        finally:
            self._places.release()

    def _checked(self, endpoints: list[Endpoint]) -> list[Endpoint]:
        """The same endpoints. Unresolved if there is none or the policy forbids one of them."""
        if not endpoints:
            raise Unresolved(Problem.NOT_FOUND, "no address")
        if not all(self._allow(endpoint.ip) for endpoint in endpoints):
            raise Unresolved(Problem.BLOCKED, "an address that is not allowed")
        return endpoints

"""The addresses of one host: in which order they are tried, and racing to connect to them.

A name stands for several addresses so that one may fail. The connections are begun 250 ms apart
(RFC 8305), families in turn, and the first that stands is taken. An address whose server did not
greet is tried last for ten minutes.
"""

import errno
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain, zip_longest
from typing import Final

import attrs

from adapters.smtp_sender.wire import (
    Wire,
    connect,
    failure_of,
    open_socket,
)
from application.ports.network import Endpoint
from application.sending import CancelToken
from domain.account.network import Address
from domain.dialogue.ends import ConnectionFailed
from domain.outcome.handoff import Problem

APART_S: Final = 0.25
REMEMBERED_S: Final = 600.0


class KnownAddresses:
    """What this process has found out about addresses. Safe from many threads."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._bad: dict[tuple[Address, object], float] = {}
        self._no_tls: dict[tuple[Address, object], float] = {}

    def failed(self, endpoint: Endpoint) -> None:
        """Its server did not take the connection, or did not greet."""
        self._bad[_key(endpoint)] = self._monotonic() + REMEMBERED_S

    def worked(self, endpoint: Endpoint) -> None:
        """Its server greeted."""
        if self._bad:
            self._bad.pop(_key(endpoint), None)

    def ordered(self, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        """Families in turn (RFC 8305 section 4); what failed lately comes last."""
        if len(endpoints) == 1:
            return list(endpoints)
        return sorted(interleaved(endpoints), key=self._is_bad)

    def no_tls(self, endpoint: Endpoint) -> None:
        """It was silent, and TLS got no answer either."""
        self._no_tls[_key(endpoint)] = self._monotonic() + REMEMBERED_S

    def is_no_tls(self, endpoint: Endpoint) -> bool:
        """Whether TLS was tried there in vain lately."""
        return self._monotonic() < self._no_tls.get(_key(endpoint), 0.0)

    def _is_bad(self, endpoint: Endpoint) -> bool:
        until = self._bad.get(_key(endpoint))
        return until is not None and self._monotonic() < until


def interleaved(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """One address of each family in turn, beginning with the first one's; each once."""
    families: dict[int, list[Endpoint]] = {}
    for endpoint in dict.fromkeys(endpoints):
        families.setdefault(endpoint.family, []).append(endpoint)
    return [one for one in chain(*zip_longest(*families.values())) if one is not None]


def race(
    endpoints: Sequence[Endpoint],
    *,
    timeout_s: float,
    cancel_token: CancelToken,
    monotonic: Callable[[], float],
    failed: Callable[[Endpoint], None],
) -> tuple[Wire, Endpoint]:
    """A connection to one of them, watched by *cancel_token*. ConnectionFailed, if there is none to
    be had.

    *failed* hears of each one that refused.
    """
    if len(endpoints) == 1:
        wire = connect(
            endpoints[0], timeout_s=timeout_s, cancel_token=cancel_token, monotonic=monotonic
        )
        return wire, endpoints[0]
    runners = _Race(endpoints, monotonic=monotonic, failed=failed)
    cancel_token.watch(runners.interrupt)
    try:
        connected, endpoint = runners.run(monotonic() + timeout_s, cancel_token)
    finally:
        cancel_token.watch(None)
        runners.close()
    wire = Wire(connected, monotonic=monotonic)
    cancel_token.watch(wire.interrupt)
    return wire, endpoint


@attrs.define
class _Race:
    _endpoints: Sequence[Endpoint]
    _monotonic: Callable[[], float] = attrs.field(kw_only=True)
    _failed: Callable[[Endpoint], None] = attrs.field(kw_only=True)
    _running: dict[int, tuple[socket.socket, Endpoint]] = attrs.field(factory=dict, init=False)
    _selector: selectors.BaseSelector = attrs.field(factory=selectors.DefaultSelector, init=False)

    def run(self, deadline: float, cancel_token: CancelToken) -> tuple[socket.socket, Endpoint]:
        """The winner. ConnectionFailed with the last failure, or when the time is over."""
        waiting = deque(self._endpoints)
        last = ConnectionFailed(Problem.TIMEOUT, "no answer in time")
        next_start = self._monotonic()
        while (now := self._monotonic()) < deadline and not cancel_token.stopped:
            if waiting and (now >= next_start or not self._running):
                next_start = now + APART_S
                endpoint = waiting.popleft()
                try:
                    self._begin(endpoint)
                except ConnectionFailed as broken:
                    last = broken
                    self._failed(endpoint)
                continue
            if not self._running:
                raise last
            until = min(deadline, next_start) if waiting else deadline
            for handle in self._ready(until - now, cancel_token):
                connecting, endpoint = self._take(handle)
                code = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                # accepted and reset in one moment is no refusal: the first read tells
                if code in (0, errno.ECONNRESET):
                    return connecting, endpoint
                connecting.close()
                last = failure_of(code)
                self._failed(endpoint)
        raise ConnectionFailed(Problem.TIMEOUT, "no answer in time")

    def interrupt(self) -> None:
        """Wake the thread that waits. From any thread."""
        for connecting, _ in list(self._running.values()):
            with suppress(OSError):
                connecting.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give up all that still run."""
        self._selector.close()
        for connecting, _ in self._running.values():
            connecting.close()

    def _begin(self, endpoint: Endpoint) -> None:
        connecting = open_socket(endpoint)
        connecting.settimeout(0)
        code = connecting.connect_ex(endpoint.sockaddr)
        if code not in (0, errno.EINPROGRESS, errno.ECONNRESET):
            connecting.close()
            raise failure_of(code)
        self._running[connecting.fileno()] = (connecting, endpoint)
        self._selector.register(connecting, selectors.EVENT_WRITE)

    def _ready(self, seconds: float, cancel_token: CancelToken) -> list[int]:
        """Those of which something is known; nothing if they were interrupted."""
        ready = self._selector.select(max(seconds, 0))
        return [] if cancel_token.stopped else [key.fd for key, _ in ready]

    def _take(self, handle: int) -> tuple[socket.socket, Endpoint]:
        self._selector.unregister(handle)
        return self._running.pop(handle)


def _key(endpoint: Endpoint) -> tuple[Address, object]:
    return endpoint.ip, endpoint.sockaddr[1]

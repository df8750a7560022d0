"""Web servers that answer what a test says, behind the rules of the real client."""

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final

import attrs

from application.ports.web import (
    MOST_OCTETS,
    TIMEOUT_S,
    WebAnswer,
    WebFailed,
    WebProblem,
    WebRequest,
    always,
)
from domain.account.network import NetworkPolicy
from domain.account.web_url import WebUrl, web_url
from domain.errors import InvalidInput

PUBLIC: Final = "93.184.216.34"
_BEFORE_THE_REQUEST: Final = frozenset(
    {
        WebProblem.FORBIDDEN,
        WebProblem.NOT_FOUND,
        WebProblem.UNREACHABLE,
        WebProblem.TLS,
        WebProblem.STOPPED,
    }
)
Handler = Callable[[WebRequest], WebAnswer | WebProblem]


@attrs.frozen
class _Host:
    handler: Handler
    addresses: Sequence[str]


class FakeWeb:
    """The WebClient port, with servers that live in this process.

    ``requests`` are those that arrived at one of them.
    """

    def __init__(self, *, network: NetworkPolicy | None = None) -> None:
        self._network = network or NetworkPolicy()
        self._hosts: dict[str, _Host] = {}
        self._down: dict[str, WebProblem] = {}
        self.requests: list[WebRequest] = []

    def serve(self, host: str, handler: Handler, *, addresses: Sequence[str] = (PUBLIC,)) -> None:
        """*handler* answers for *host* on every port; a WebProblem is what its client meets."""
        self._hosts[host] = _Host(handler, addresses)

    def take_down(self, host: str, problem: WebProblem) -> None:
        """From now on no connection to *host* comes about, for this reason."""
        assert problem in _BEFORE_THE_REQUEST, problem
        self._down[host] = problem

    def fetch(
        self,
        request: WebRequest,
        *,
        timeout_s: float = TIMEOUT_S,
        most_octets: int = MOST_OCTETS,
        plain: bool = False,
        connect_s: float | None = None,
        before: Callable[[], bool] = always,
    ) -> WebAnswer:
        """The answer of the host's handler, as the port describes it."""
        try:
            url = web_url(request.url, network=self._network, plain=plain)
        except InvalidInput as refused:
            raise _failed(WebProblem.FORBIDDEN, refused.errors[0].message) from None
        host = self._judged(url, plain=plain)
        if timeout_s <= 0 or (connect_s is not None and connect_s <= 0):
            raise _failed(WebProblem.TIMEOUT, arrived=False)
        if (down := self._down.get(url.host)) is not None:
            raise _failed(down)
        if not before():
            raise _failed(WebProblem.STOPPED)
        answer = host.handler(request)
        if isinstance(answer, WebProblem):
            if answer not in _BEFORE_THE_REQUEST:
                self.requests.append(request)
            raise _failed(answer)
        self.requests.append(request)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if headers.get("content-encoding", "identity") != "identity":
            raise _failed(WebProblem.PROTOCOL)
        if not 200 <= answer.status <= 599:
            raise _failed(WebProblem.PROTOCOL)
        if len(answer.body) > most_octets:
            raise _failed(WebProblem.TOO_LARGE)
        return attrs.evolve(answer, headers=headers)

    def close(self) -> None:
        """Nothing is kept."""

    def _judged(self, url: WebUrl, *, plain: bool) -> _Host:
        host = self._hosts.get(url.host)
        if host is None or not host.addresses:
            raise _failed(WebProblem.NOT_FOUND)
        addresses = [ip_address(text) for text in host.addresses]
        if not all(map(self._network.allows, addresses)):
            raise _failed(WebProblem.FORBIDDEN)
        if not (url.secure or plain or all(address.is_loopback for address in addresses)):
            raise _failed(WebProblem.FORBIDDEN)
        return host


def _failed(problem: WebProblem, detail: str = "", *, arrived: bool | None = None) -> WebFailed:
    if arrived is None:
        arrived = problem not in _BEFORE_THE_REQUEST
    return WebFailed(problem, detail or f"played: {problem}", may_have_arrived=arrived)

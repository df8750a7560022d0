"""How a URL is asked: judged, resolved, connected, and the answer read by urllib3.

urllib3 is given connections that stand already: it resolves and connects nothing, follows no
redirect, tries nothing again, reads no proxy from the environment and decodes no compressed body.
"""

import http.client
import logging
import re
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as LookupTimeout
from functools import cached_property
from itertools import chain, zip_longest
from socket import socket
from typing import Final, cast

import attrs
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from adapters.web_client.connection import Unsendable, WebConnection, connect
from adapters.web_client.kept import KeptLines
from application.ports.network import Endpoint, Resolver, Unresolved
from application.ports.system import Clock
from application.ports.web import (
    WebAnswer,
    WebFailed,
    WebProblem,
    WebRequest,
)
from domain.account.network import NetworkPolicy
from domain.account.web_url import WebUrl, web_url
from domain.errors import InvalidInput
from domain.outcome.handoff import Problem

HEAD_OCTETS: Final = 49_152  # status line and headers, and what is read ahead of the body
_PIECE: Final = 16_384
_OURS: Final = {"Accept-Encoding": "identity", "User-Agent": "email-service"}
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")  # a value may go on in the next line
_UNRESOLVED: Final = {
    Problem.NOT_FOUND: (WebProblem.NOT_FOUND, "the host has no address"),
    Problem.BLOCKED: (WebProblem.FORBIDDEN, "the host is not one this service may connect to"),
}


class Asking:
    """The web client itself; see the port."""

    def __init__(
        self,
        *,
        resolver: Resolver,
        network: NetworkPolicy,
        clock: Clock,
        ssl_context: Callable[[], ssl.SSLContext],
    ) -> None:
        self._resolver = resolver
        self._network = network
        self._monotonic = clock.monotonic
        self._make_context = ssl_context
        self._kept = KeptLines(clock.monotonic)
        # it would log URLs and what strangers send as headers
        logging.getLogger("urllib3").disabled = True
        logging.getLogger("urllib3.connection").disabled = True

    def fetch(
        self,
        request: WebRequest,
        *,
        timeout_s: float,
        most_octets: int,
        plain: bool,
        connect_s: float | None,
        before: Callable[[], bool],
    ) -> WebAnswer:
        """The answer, as the port describes it."""
        deadline = standing = self._monotonic() + timeout_s
        if connect_s is not None:
            standing = min(deadline, self._monotonic() + connect_s)
        try:
            url = web_url(request.url, network=self._network, plain=plain)
        except InvalidInput as refused:
            detail = f"the URL {refused.errors[0].message}"
            raise _unsent(WebProblem.FORBIDDEN, detail) from None
        headers = _headers(request, url)
        endpoints = self._endpoints(url, deadline=standing, plain=plain)
        for endpoint in endpoints:
            key = _key(url, endpoint)
            while (kept := self._kept.take(key)) is not None:
                exchange = _Exchange(kept, request, url, headers, most_octets)
                kept.begin(deadline=deadline, octets=HEAD_OCTETS)
                try:
                    return self._run(exchange, key, before, was_kept=True)
                except Unsendable:
                    continue  # closed meanwhile, and nothing has left this machine
        line, endpoint = self._connected(url, endpoints, deadline=standing)
        line.begin(deadline=deadline, octets=HEAD_OCTETS)
        exchange = _Exchange(line, request, url, headers, most_octets)
        try:
            return self._run(exchange, _key(url, endpoint), before, was_kept=False)
        except Unsendable as error:
            raise line.failed(WebProblem.PROTOCOL, f"not taken: {error}") from None

    def close(self) -> None:
        """Close the connections that are kept."""
        self._kept.close()

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = self._make_context()
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _endpoints(self, url: WebUrl, *, deadline: float, plain: bool) -> list[Endpoint]:
        """The addresses of its host, every one of them judged; the families in turn. WebFailed."""
        lookup = self._resolver.start(url.host, url.port)
        try:
            found = lookup.result(max(deadline - self._monotonic(), 0))
        except LookupTimeout:
            lookup.cancel()
            raise _unsent(WebProblem.TIMEOUT, "the host's name was not resolved in time") from None
        except Unresolved as unresolved:
            problem, detail = _UNRESOLVED.get(
                unresolved.problem, (WebProblem.UNREACHABLE, "the host's name was not resolved")
            )
            raise _unsent(problem, detail) from None
        if not (url.secure or plain or all(endpoint.loopback for endpoint in found)):
            raise _unsent(WebProblem.FORBIDDEN, "plain http leaves this machine")
        families: dict[int, list[Endpoint]] = {}
        for endpoint in dict.fromkeys(found):
            families.setdefault(endpoint.family, []).append(endpoint)
        return [one for one in chain(*zip_longest(*families.values())) if one is not None]

    def _connected(
        self, url: WebUrl, endpoints: list[Endpoint], *, deadline: float
    ) -> tuple[WebConnection, Endpoint]:
        """A connection to the first that takes one, each given its share of the time. WebFailed."""
        for tried, endpoint in enumerate(endpoints, start=1):
            now = self._monotonic()
            until = now + (deadline - now) / (len(endpoints) - tried + 1)
            try:
                line = connect(endpoint, until=until, deadline=deadline, monotonic=self._monotonic)
            except WebFailed:
                if tried == len(endpoints):
                    raise
                continue
            try:
                if url.secure:
                    line.encrypt(self._context, hostname=url.host)
            except BaseException:
                line.hang_up()
                raise
            return line, endpoint
        raise _unsent(WebProblem.NOT_FOUND, "the host has no address")

    def _run(
        self,
        exchange: "_Exchange",
        key: tuple[object, ...],
        before: Callable[[], bool],
        *,
        was_kept: bool,
    ) -> WebAnswer:
        """Its answer; the connection is kept or closed. WebFailed; Unsendable: nothing was sent."""
        reusable = False
        try:
            if not before():
                reusable = exchange.line.idle
                raise _unsent(WebProblem.STOPPED, "it was stopped before the request")
            # that may have taken long; a new connection under TLS has tickets to be read
            if was_kept and not exchange.line.idle:
                raise Unsendable("closed meanwhile")
            answer, reusable = exchange.run()
        finally:
            if reusable:
                self._kept.put(key, exchange.line)
            else:
                exchange.line.hang_up()
        return answer


@attrs.frozen
class _Exchange:
    """One request and its answer over one connection."""

    line: WebConnection
    _request: WebRequest
    _url: WebUrl
    _headers: Mapping[str, str]
    _most_octets: int

    def run(self) -> tuple[WebAnswer, bool]:
        """The answer, and whether the connection is good for another request."""
        connection = _Connection(self._url.host, self._url.port, blocksize=_PIECE)
        connection.auto_open = 0
        connection.sock = cast(socket, self.line)  # it has what is called of a socket
        whole = self._ask(connection)
        try:
            response = connection.getresponse()
            self.line.allow(2 * self._most_octets)  # chunks have a frame
            answer = self._read(response)
        except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            detail = f"no answer in HTTP: {type(error).__name__}"
            raise self.line.failed(WebProblem.PROTOCOL, detail) from None
        # http.client has dropped the connection where the answer says that it is closed
        return answer, whole and connection.sock is not None and self.line.idle

    def _ask(self, connection: "_Connection") -> bool:
        """Send the request; whether all of it was sent. Unsendable, if nothing of it was."""
        try:
            connection.request(
                self._request.method,
                self._url.target,
                body=self._request.body or None,
                headers=self._headers,
                preload_content=False,
                decode_content=False,
            )
        except Unsendable:
            if not self.line.sent:
                raise
            return False  # a server may answer before it has read everything
        return True

    def _read(self, response: BaseHTTPResponse) -> WebAnswer:
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            small, text = name.lower(), _CONTROLS.sub(" ", value)
            headers[small] = f"{headers[small]}, {text}" if small in headers else text
        if headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise self.line.failed(WebProblem.PROTOCOL, "a transfer coding that was not asked for")
        if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
            raise self.line.failed(WebProblem.PROTOCOL, "an encoding that was not asked for")
        if not 200 <= response.status <= 599:  # 101 too: a switch that was not asked for
            raise self.line.failed(WebProblem.PROTOCOL, "a status that is none of an answer")
        body = bytearray()
        while piece := response.read(min(_PIECE, self._most_octets + 1 - len(body))):
            body += piece
            if len(body) > self._most_octets:
                raise self.line.failed(WebProblem.TOO_LARGE, "the answer is too large")
        return WebAnswer(status=response.status, headers=headers, body=bytes(body))


class _Answer(http.client.HTTPResponse):
    """An answer that informational ones (RFC 9110 section 15.2) may precede; 100 http.client skips.

    How many is bounded by the octets that may arrive.
    """

    def begin(self) -> None:
        super().begin()
        while 101 < self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment] # so that it begins again
            super().begin()

    def flush(self) -> None:
        """Nothing: it is only read, and its connection may be closed before it is thrown away.

        Python 3.13 tells an error of that, older ones keep it to themselves.
        """


class _Connection(HTTPConnection):
    response_class = _Answer


def _headers(request: WebRequest, url: WebUrl) -> dict[str, str]:
    theirs = {name.lower() for name in request.headers}
    own = {name: value for name, value in _OURS.items() if name.lower() not in theirs}
    return {"Host": url.authority, **own, **request.headers}


def _key(url: WebUrl, endpoint: Endpoint) -> tuple[object, ...]:
    return url.secure, url.host, url.port, endpoint.ip, endpoint.sockaddr


def _unsent(problem: WebProblem, detail: str) -> WebFailed:
    return WebFailed(problem, detail, may_have_arrived=False)

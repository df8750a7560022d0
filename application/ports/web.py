"""The port to web servers that users, or a stranger's DNS, name."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, Protocol

import attrs

MOST_OCTETS: Final = 65_536
TIMEOUT_S: Final = 10.0
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
# The client sets what frames the message and what it can read.
_THE_CLIENTS: Final = frozenset(
    "host connection content-length transfer-encoding accept-encoding te trailer upgrade expect "
    "keep-alive proxy-connection".split()
)


class WebProblem(StrEnum):
    """Why there is no answer."""

    FORBIDDEN = "forbidden"  # our own policy forbids the URL or an address of its host
    NOT_FOUND = "not_found"  # the name has no address
    UNREACHABLE = "unreachable"  # no connection
    TLS = "tls"  # the handshake failed, or the certificate is not good
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    PROTOCOL = "protocol"  # not HTTP, or the connection was closed before the answer's end
    STOPPED = "stopped"  # whoever asks said no in the last moment


class WebFailed(Exception):
    """There is no answer. ``may_have_arrived``: the server may have acted on the request.

    It is False only where no octet of the request has left this machine. *detail* has nothing of
    the URL's path and query, nor of what was sent.
    """

    def __init__(self, problem: WebProblem, detail: str, *, may_have_arrived: bool) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.may_have_arrived = may_have_arrived


def _is_token(_: object, __: object, method: str) -> None:
    if not _TOKEN.fullmatch(method):
        raise ValueError("a method is one word")


def _are_headers(_: object, __: object, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _THE_CLIENTS:
            raise ValueError(f"a request cannot set a header {name!r}")
        if not _VALUE.fullmatch(value):  # never in the message: it may be a secret
            raise ValueError(f"the value of the header {name!r} is not printable ASCII")


@attrs.frozen(kw_only=True)
class WebRequest:
    """What is asked. Neither body nor headers are ever logged: they may hold secrets.

    ValueError for headers that could end early, or that the client sets itself (Host,
    Content-Length ...).
    """

    method: str = attrs.field(default="GET", validator=_is_token)
    url: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False, validator=_are_headers)
    body: bytes = attrs.field(default=b"", repr=False)


@attrs.frozen(kw_only=True)
class WebAnswer:
    """What a server answered, redirects too: status 200 to 599.

    Header names are in small letters; the values of one name are joined by ", " and have no
    control characters.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)


def always() -> bool:
    """Yes."""
    return True


class WebClient(Protocol):
    """Speaks HTTP with https servers that it judges first (`domain/account/web_url.py`).

    A name is resolved once, every address is judged, and the connection goes to a judged address
    with the name in SNI, certificate and Host. In development plain http to loopback is allowed.
    No redirect is followed, nothing is tried again, and no body is decompressed: an encoding is a
    PROTOCOL problem. Safe from many threads.
    """

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
        """The answer, within *timeout_s* from first to last octet. WebFailed.

        *plain* also allows plain http to any address that may be connected to (autoconfig). The
        connection stands within *connect_s* of that time, if it is given.

        *before* is asked while the connection stands and nothing of the request has been written,
        right before its first octet is; if it answers False, nothing is, and the problem is
        STOPPED. What it raises is passed on. Where a kept connection turns out to be closed it is
        asked again, over the next one.
        """
        ...

    def close(self) -> None:
        """Close the connections that are kept."""
        ...

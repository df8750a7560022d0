"""The real client and the public URL of a request that came through a proxy.

A WSGI middleware sees each request before Flask does. From a peer that TRUSTED_PROXIES names it
takes the client, the scheme, the host and the path prefix from the X-Forwarded-* headers; from any
other peer it leaves them unread. It needs no help from the server but REMOTE_ADDR, which must be
the peer's own address: switch a server's own reading of these headers off.

While the API is open, a request that came through any proxy is refused: everybody behind that
proxy would be taken for the owner.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from operator import methodcaller
from typing import TYPE_CHECKING, Final

import attrs
from flask import Flask

from domain.account.network import Address, Network
from domain.errors import Forbidden, InvalidInput
from entrypoints.http.fields import RequestError
from entrypoints.http.requests import the_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST_HOPS: Final = 50  # entries of one X-Forwarded-For
LONGEST_PREFIX: Final = 200
_KEY: Final = "email_service.forwarded"
_ALL: Final = "HTTP_X_FORWARDED"  # what the names of all of them begin with
_OTHERS: Final = frozenset({"HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP"})
_is_one_of_all: Final = methodcaller("startswith", _ALL)
_FOR: Final = "HTTP_X_FORWARDED_FOR"
_PROTO: Final = "HTTP_X_FORWARDED_PROTO"
_HOST: Final = "HTTP_X_FORWARDED_HOST"
_PREFIX: Final = "HTTP_X_FORWARDED_PREFIX"
_HOP: Final = re.compile(
    r"\[(?P<v6>[0-9A-Fa-f:.]+)\](:(?P<port6>[0-9]{1,5}))?"
    r"|(?P<v4>[0-9.]+)(:(?P<port4>[0-9]{1,5}))?"
    r"|(?P<bare>[0-9A-Fa-f:.]+)"
)
_AUTHORITY: Final = re.compile(
    r"(?P<name>[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|\[(?P<v6>[0-9A-Fa-f:.]+)\])"
    r"(:(?P<port>[0-9]{1,5}))?"
)
_PATH: Final = re.compile(r"(/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*/?")


@attrs.frozen(kw_only=True)
class Forwarded:
    """The proxy headers of a request.

    *peer* and *host* are what they were before anything was believed. *fault* says what a trusted
    proxy sent that cannot be read; then nothing of it was believed.
    """

    peer: str
    host: str | None
    believed: bool = False
    fault: str | None = None


@attrs.frozen(kw_only=True)
class _Claims:
    """The validated headers of a trusted proxy; None where one is missing."""

    client: str | None
    scheme: str | None
    host: str | None
    prefix: str | None


def install_proxies(app: Flask, *, trusted: Sequence[Network], is_open: Callable[[], bool]) -> None:
    """Let *app* believe the *trusted* proxies, and refuse all of them while *is_open* says so."""

    def refuse() -> None:
        forwarded = forwarded_of(the_request().environ)
        if forwarded is None:
            return
        if is_open():
            raise Forbidden(
                "while the API is open no request may come through a proxy: make an API key first"
            )
        if forwarded.fault is not None:
            raise InvalidInput(RequestError("", forwarded.fault))

    app.wsgi_app = BehindProxies(app.wsgi_app, trusted)  # type: ignore[method-assign]  # as Flask's documentation does
    app.before_request(refuse)


def forwarded_of(environ: "WSGIEnvironment") -> Forwarded | None:
    """The proxy headers of a request; None if it has none."""
    found: Forwarded | None = environ.get(_KEY)
    return found


class BehindProxies:
    """The WSGI middleware. It answers nothing itself: what is wrong is left for the application."""

    def __init__(self, app: "WSGIApplication", trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusts = _Trust(trusted)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Pass a request on, with the trusted values in place of what the server saw.

        A server may call again with the same *environ*, once it has the body: it was read before.
        """
        if _KEY in environ:
            return self._app(environ, start_response)
        if not _OTHERS.isdisjoint(environ) or any(map(_is_one_of_all, environ)):
            self._read(environ)
        return self._app(environ, start_response)

    def _read(self, environ: "WSGIEnvironment") -> None:
        peer = environ.get("REMOTE_ADDR") or ""
        forwarded = Forwarded(peer=peer, host=environ.get("HTTP_HOST"))
        if self._trusts(_address_of_peer(peer)):
            try:
                _believe(_claims(environ, self._trusts), environ)
                forwarded = attrs.evolve(forwarded, believed=True)
            except ValueError as error:
                forwarded = attrs.evolve(forwarded, fault=str(error))
        environ[_KEY] = forwarded


class _Trust:
    """Whether an address is one of a trusted proxy."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def __call__(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _believe(claims: _Claims, environ: "WSGIEnvironment") -> None:
    if claims.client is not None:
        environ["REMOTE_ADDR"] = claims.client
        environ.pop("REMOTE_PORT", None)
    if claims.scheme is not None:
        environ["wsgi.url_scheme"] = claims.scheme
    if claims.host is not None:
        environ["HTTP_HOST"] = claims.host
    if claims.prefix:
        environ["SCRIPT_NAME"] = claims.prefix + environ.get("SCRIPT_NAME", "")


def _claims(environ: "WSGIEnvironment", trusts: _Trust) -> _Claims:
    """ValueError, with a message for the client, for a malformed value."""
    return _Claims(
        client=_given(environ, _FOR, lambda text: _client(text, trusts)),
        scheme=_given(environ, _PROTO, _scheme),
        host=_given(environ, _HOST, _host),
        prefix=_given(environ, _PREFIX, _prefix),
    )


def _given(environ: "WSGIEnvironment", name: str, read: Callable[[str], str]) -> str | None:
    text = environ.get(name)
    return None if text is None else read(text.strip(" \t"))


def _client(text: str, trusts: _Trust) -> str:
    """The rightmost entry that is not a trusted proxy; the first one if all are."""
    entries = text.split(",", MOST_HOPS)
    if len(entries) > MOST_HOPS:
        raise ValueError(f"X-Forwarded-For must have at most {MOST_HOPS} addresses")
    hops = [_hop(entry.strip(" \t")) for entry in entries]
    return str(next((hop for hop in reversed(hops) if not trusts(hop)), hops[0]))


def _hop(entry: str) -> Address:
    match = _HOP.fullmatch(entry)
    try:
        if match is None or not _is_port(match["port4"] or match["port6"]):
            raise ValueError
        address = ip_address(match["v4"] or match["v6"] or match["bare"])
        if match["v6"] and address.version == 4:
            raise ValueError
    except ValueError:
        raise ValueError("X-Forwarded-For must be IP addresses with commas between") from None
    return _unmapped(address)


def _scheme(text: str) -> str:
    scheme = text.lower()
    if scheme not in ("http", "https"):
        raise ValueError("X-Forwarded-Proto must be http or https")
    return scheme


def _host(text: str) -> str:
    match = _AUTHORITY.fullmatch(text)
    if (
        match is None
        or len(match["name"]) > 253
        or not _is_port(match["port"])
        or (match["v6"] and not _is_ipv6(match["v6"]))
    ):
        raise ValueError("X-Forwarded-Host must be one host name or address, with a port if any")
    return text


def _prefix(text: str) -> str:
    if len(text) > LONGEST_PREFIX or not _PATH.fullmatch(text):
        raise ValueError(
            "X-Forwarded-Prefix must be a path such as /mail, of letters, digits, dots, dashes,"
            " underscores and tildes"
        )
    return text.rstrip("/")


def _is_port(text: str | None) -> bool:
    return text is None or 0 < int(text) < 65536


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)  # the same few proxies send every request
def _address_of_peer(peer: str) -> Address | None:
    """None for what is not an address, such as the peer of a Unix socket."""
    try:
        return _unmapped(ip_address(peer.partition("%")[0]))
    except ValueError:
        return None


def _unmapped(address: Address) -> Address:
    """The IPv4 address within an IPv4-mapped one, so that a client has one name."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address

"""Which URLs this service asks, and how one is taken apart.

Both stand here alone, for a URL that is saved and for one that is asked: where two programs read a
URL in two ways, one judges a host and the other connects to another.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import attrs

from domain.account.network import NetworkPolicy
from domain.address import is_host_name, is_loopback, like_an_address
from domain.errors import FieldError, InvalidInput

HTTPS_PORTS: Final = frozenset({443, 8443})
HTTP_PORTS: Final = frozenset({80})
MOST_CHARACTERS: Final = 2048
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
# RFC 3986, without user information and fragment, and nothing that a person would have to escape.
_URL: Final = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"(?P<query>\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
)


@attrs.frozen(kw_only=True)
class WebUrl:
    """A URL that may be asked, as far as its text tells: the addresses of a name are judged later.

    *host* is in small letters, without brackets and without a dot at its end; *target* is the path
    and the query.
    """

    secure: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The host as the Host header has it, with the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = _DEFAULT_PORTS["https" if self.secure else "http"]
        return host if self.port == usual else f"{host}:{self.port}"


@lru_cache(maxsize=256)
def web_url(
    text: str, *, network: NetworkPolicy, plain: bool = False, field: str = "url"
) -> WebUrl:
    """The URL *text*, if this service may ask it. InvalidInput, which names *field*.

    It is https on port 443 or 8443. In development this machine may be asked on any port, and by
    http too. *plain* allows http on port 80 to any host.
    """
    if len(text) > MOST_CHARACTERS:
        raise _refused(field, f"must have at most {MOST_CHARACTERS} characters")
    found = _URL.fullmatch(text)
    if found is None:
        raise _refused(
            field,
            "must be an absolute https URL in ASCII, without user name, password or fragment",
        )
    host = _host(found["host"])
    if host is None:
        raise _refused(field, "must name a host by its name or its address in the usual notation")
    secure = found["scheme"].lower() == "https"
    port = int(found["port"] or _DEFAULT_PORTS["https" if secure else "http"])
    if not network.allows_host(host):
        raise _refused(field, "names a server this service may not connect to")
    own = network.private and is_loopback(host)
    if not (secure or plain or own):
        raise _refused(field, "must begin with https://")
    if port not in (HTTPS_PORTS if secure else HTTP_PORTS) and not (own and 0 < port < 65_536):
        raise _refused(field, "names a port this service may not connect to")
    target = (found["path"] or "/") + (found["query"] or "")
    return WebUrl(secure=secure, host=host, port=port, target=target)


def _host(text: str) -> str | None:
    """The host in its one spelling, None if it is none."""
    if text.startswith("["):
        return _address(text[1:-1], IPv6Address)
    host = text.removesuffix(".").lower()
    if like_an_address(host):
        return _address(host, IPv4Address)
    return host if is_host_name(host) else None


def _address(text: str, kind: type[IPv4Address | IPv6Address]) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return str(address) if isinstance(address, kind) else None


def _refused(field: str, message: str) -> InvalidInput:
    return InvalidInput(FieldError(field, message))

"""The envelope address: what stands between the angle brackets of MAIL and RCPT.

Whether a text is an address at all is decided at the edge (by a library); what is decided here is
that no address that reaches the wire can be read as anything else (python-traps: ``quoteaddr``).
"""

import re
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

import attrs

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]"
_LOCAL = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# "127.1", "2130706433" and "0x7f000001" are addresses to a resolver and names to a careless check.
_LIKE_AN_ADDRESS = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)")
# Unicode line and direction controls can change how an address reads, never where it goes.
_FORBIDDEN = re.compile("[\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _valid_local(_: object, __: object, local: str) -> None:
    if len(local.encode("utf-8", "surrogatepass")) > 64:
        raise ValueError("the part before the @ is longer than 64 octets")
    # "=?" begins an encoded word: some parsers would decode it even here (RFC 2047, section 5)
    if not _LOCAL.fullmatch(local) or _FORBIDDEN.search(local) or "=?" in local:
        raise ValueError("the part before the @ has a character that is not allowed there")


def is_host_name(text: str) -> bool:
    """Whether *text* is a host name in ASCII (RFC 1123 section 2.1), without a dot at its end."""
    return len(text) <= 253 and _DOMAIN.fullmatch(text) is not None


def like_an_address(host: str) -> bool:
    """Whether a resolver may read *host* as an IPv4 address: its last label is a number."""
    return _LIKE_AN_ADDRESS.fullmatch(host) is not None


def _valid_domain(_: object, __: object, domain: str) -> None:
    if not is_host_name(domain):
        raise ValueError("the part after the @ is not a host name")


def _lower(domain: str) -> str:
    return domain.lower()


@attrs.frozen
class Address:
    """An address of RFC 5321: a dot-string before the @, an ASCII (IDNA) host name after it."""

    local: str = attrs.field(validator=_valid_local)
    domain: str = attrs.field(converter=_lower, validator=_valid_domain)

    def __attrs_post_init__(self) -> None:
        if len(str(self).encode()) > 254:
            raise ValueError("the address is longer than 254 octets")

    @classmethod
    def parse(cls, text: str) -> "Address":
        """The address written as ``local@domain``, its domain in ASCII. ValueError if not."""
        local, at, domain = text.rpartition("@")
        if not at:
            raise ValueError("an address needs an @")
        return cls(local, domain)

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()


def address_literal(host: str) -> str:
    """How a client without a name of its own is called in EHLO (RFC 5321 section 4.1.3)."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return f"[IPv6:{address}]"
        address = address.ipv4_mapped
    return f"[{address}]"


@lru_cache(maxsize=256)  # the same few hosts are asked about at every call
def is_loopback(host: str) -> bool:
    """Whether *host* surely is this machine: a name or address that never leaves it."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback  # Python looks into it by itself only since 3.13


@lru_cache(maxsize=4096)
def client_group(address: str) -> str:
    """The addresses that count as one client: *address* itself; for IPv6 its /64 network."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found) >> 64 << 64, 64)))

"""Where this service may connect to: never, only where the owner says so, or freely.

Not Python's ``is_global``: it calls 6to4, IPv4-compatible and NAT64 addresses global, though each
can carry a private IPv4 address inside. An address is judged in every form it can be read in.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import attrs

from domain.address import is_loopback

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(*rows: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for row in rows for text in row.split())


# No mail server is at any of these. Sources: the IANA IPv4 and IPv6 special-purpose address
# registries (RFC 6890), and what cloud providers publish about their metadata servers.
NEVER: Final[tuple[Network, ...]] = _networks(
    "0.0.0.0/8 169.254.0.0/16 192.0.0.0/24 224.0.0.0/4 240.0.0.0/4",
    "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24",  # AS112, AMT, 6to4 relays
    "100.100.100.200/32 168.63.129.16/32 fd00:ec2::/32 fd20:ce::254/128",  # metadata servers
    "::/128 fe80::/10 fec0::/10 ff00::/8",
    "64:ff9b:1::/48 ::ffff:0:0:0/96",  # translated to IPv4 by rules that only their network knows
    "100::/64 100:0:0:1::/64",  # discard, dummy prefix
    "2001::/23 2620:4f:8000::/48",  # protocol assignments (Teredo, ORCHID, AMT ...), AS112
    "3fff::/20 5f00::/16",  # documentation, SRv6
)
# Loopback, private, shared, benchmarking, documentation, and what is no global unicast address
# (RFC 4291 section 2.4): only where the owner allows it.
PRIVATE: Final[tuple[Network, ...]] = _networks(
    "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 198.18.0.0/15",
    "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32",
    "::1/128 fc00::/7",
    "::/3 4000::/2 8000::/1",
)
_NAT64: Final = ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ip_network("::/96")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214 section 6.1
DEFAULT_PORTS: Final = frozenset({25, 465, 587, 2465, 2525, 2587})


@attrs.frozen(kw_only=True)
class NetworkPolicy:
    """What an outgoing connection may reach.

    ``private`` allows loopback and private ranges at large (development); ``allowed`` names the
    ranges that are allowed in any case, but for what is never allowed. With ``private`` any port of
    this machine may be used, else only ``ports``.
    """

    private: bool = False
    allowed: tuple[Network, ...] = ()
    ports: frozenset[int] = DEFAULT_PORTS

    def allows(self, address: Address) -> bool:
        """Whether *address* may be connected to, however it is written."""
        return all(self._allows_form(form) for form in forms(address))

    def allows_host(self, host: str) -> bool:
        """False if *host* is an address that is not allowed; a name is judged when resolved."""
        try:
            return self.allows(ip_address(host))
        except ValueError:
            return self.private or host.lower().rstrip(".") != "localhost" or self._loopback()

    def allows_port(self, host: str, port: int) -> bool:
        """Whether *port* of *host* may be connected to."""
        return port in self.ports or (self.private and is_loopback(host))

    def _allows_form(self, address: Address) -> bool:
        if _within(address, NEVER):
            return False
        return self.private or _within(address, self.allowed) or not _within(address, PRIVATE)

    def _loopback(self) -> bool:
        return _within(ip_address("127.0.0.1"), self.allowed)


def forms(address: Address) -> Sequence[Address]:
    """The address and every IPv4 address that it carries inside."""
    if isinstance(address, IPv4Address):
        return (address,)
    if int(address) <= 1:  # :: and ::1; since Python 3.13 `is_loopback` is true of mapped ones too
        return (address,)
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    last = IPv4Address(int(address) & 0xFFFFFFFF)
    # such an address is a way of writing the one inside, and nothing else
    alias = address.ipv4_mapped or address in _NAT64 or address in _COMPATIBLE
    if address in _NAT64 or address in _COMPATIBLE or _is_isatap(address):
        carried.append(last)
    inside = [one for one in carried if one is not None]
    return tuple(inside) if alias else (address, *inside)


def _is_isatap(address: IPv6Address) -> bool:
    return (int(address) >> 32) & 0xFFFFFFFF in _ISATAP


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)

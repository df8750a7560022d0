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

# Cloud metadata, link-local, multicast, "this" network, reserved: no mail server is there.
NEVER: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8 169.254.0.0/16 100.100.100.200/32 192.0.0.0/24 224.0.0.0/4 240.0.0.0/4"
        " ::/128 fe80::/10 ff00::/8 fd00:ec2::/32 fec0::/10 100::/64"
    ).split()
)
# Loopback, private, shared, benchmarking, documentation: only where the owner allows it.
PRIVATE: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 198.18.0.0/15"
        " 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 ::1/128 fc00::/7 2001:db8::/32"
    ).split()
)
_NAT64: Final = ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ip_network("::/96")
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
    if address in _NAT64 or address in _COMPATIBLE:
        carried.append(IPv4Address(int(address) & 0xFFFFFFFF))
    inside = [one for one in carried if one is not None]
    return tuple(inside) if address.ipv4_mapped or address in _COMPATIBLE else (address, *inside)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)

"""The port to the domain name system, for what is asked beside the addresses of a mail server."""

import re
from collections.abc import Sequence
from typing import Final, Protocol

import attrs

from domain.account.network import Address

TIMEOUT_S: Final = 5.0
MOST_RECORDS: Final = 256
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


class DnsUnknown(Exception):
    """No usable answer: a timeout, SERVFAIL, no resolver, or more records than anybody has.

    It says nothing about the name.
    """


@attrs.frozen(order=True)
class MxRecord:
    """A mail exchanger; the host in small letters without a dot at its end, "" for a null MX."""

    preference: int
    host: str


@attrs.frozen(kw_only=True)
class SrvRecord:
    """Where a service is offered (RFC 2782); the host "" where it is decidedly not."""

    priority: int
    weight: int
    port: int
    host: str


@attrs.frozen
class NameServer:
    """Where a name server listens, by UDP and TCP."""

    address: Address
    port: int = 53

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


def dns_name(text: str) -> str | None:
    """*text* as it is asked for: in small letters, without a dot at its end. None for no name.

    Only the names of hosts and services have labels of letters, digits, hyphens and underscores;
    others would need escapes, and nothing that is asked for here has one.
    """
    name = text.removesuffix(".").lower()
    good = len(name) <= 253 and all(map(_LABEL.fullmatch, name.split(".")))
    return name if good else None


class Dns(Protocol):
    """Asks the DNS. A name that does not exist, or has no such record, answers with nothing.

    So does what is no DNS name at all (`dns_name`). Every call may raise DnsUnknown, after 5 s at
    most. Safe from many threads.
    """

    def txt(self, name: str) -> Sequence[str]:
        """The TXT records, each with its strings joined; octets beyond ASCII as Latin-1."""
        ...

    def mx(self, name: str) -> Sequence[MxRecord]:
        """The mail exchangers, the preferred first."""
        ...

    def srv(self, name: str) -> Sequence[SrvRecord]:
        """The service records, in the order of RFC 2782 (without its chance)."""
        ...

    def addresses(self, name: str) -> Sequence[Address]:
        """A and AAAA, IPv4 first."""
        ...

    def ptr(self, address: Address) -> Sequence[str]:
        """The names of an address, without a dot at the end."""
        ...

"""A DNS that knows what a test has told it."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import TypeVar

from application.ports.dns import MOST_RECORDS, DnsUnknown, MxRecord, SrvRecord, dns_name
from domain.account.network import Address

T = TypeVar("T")


class FakeDns:
    """The Dns port. ``broken`` names have an answer of no kind; the rest does not exist."""

    def __init__(self) -> None:
        self._txt: dict[str, list[str]] = {}
        self._mx: dict[str, list[MxRecord]] = {}
        self._srv: dict[str, list[SrvRecord]] = {}
        self._addresses: dict[str, list[Address]] = {}
        self._ptr: dict[Address, list[str]] = {}
        self._all_broken = False
        self._broken: set[str | Address] = set()

    def add_txt(self, name: str, *texts: str) -> None:
        """Further TXT records of *name*."""
        self._txt.setdefault(_name(name), []).extend(texts)

    def add_mx(self, name: str, preference: int, host: str) -> None:
        """A further mail exchanger of *name*; "." for a null MX."""
        self._mx.setdefault(_name(name), []).append(MxRecord(preference, _host(host)))

    def add_srv(
        self, name: str, port: int, host: str, *, priority: int = 0, weight: int = 0
    ) -> None:
        """A further service record of *name*; the host "." where there is no such service."""
        record = SrvRecord(priority=priority, weight=weight, port=port, host=_host(host))
        self._srv.setdefault(_name(name), []).append(record)

    def add_addresses(self, name: str, *addresses: str) -> None:
        """Further addresses of *name*."""
        self._addresses.setdefault(_name(name), []).extend(map(ip_address, addresses))

    def add_ptr(self, address: str, *names: str) -> None:
        """Further names of *address*."""
        self._ptr.setdefault(ip_address(address), []).extend(map(_host, names))

    def break_name(self, name: str) -> None:
        """Nobody answers for *name* (or an address, for its names) any more."""
        try:
            self._broken.add(ip_address(name))
        except ValueError:
            self._broken.add(_name(name))

    def break_all(self) -> None:
        """There is no resolver any more."""
        self._all_broken = True

    def txt(self, name: str) -> Sequence[str]:
        """The TXT records."""
        return self._found(self._txt, name)

    def mx(self, name: str) -> Sequence[MxRecord]:
        """The mail exchangers, the preferred first."""
        return sorted(self._found(self._mx, name))

    def srv(self, name: str) -> Sequence[SrvRecord]:
        """The service records, in their order."""
        found = self._found(self._srv, name)
        return sorted(found, key=lambda one: (one.priority, -one.weight, one.host, one.port))

    def addresses(self, name: str) -> Sequence[Address]:
        """A and AAAA, IPv4 first."""
        return sorted(self._found(self._addresses, name), key=lambda one: one.version)

    def ptr(self, address: Address) -> Sequence[str]:
        """The names of an address."""
        if self._all_broken or address in self._broken:
            raise DnsUnknown(f"{address}: played")
        return sorted(self._ptr.get(address, []))

    def _found(self, records: dict[str, list[T]], name: str) -> list[T]:
        asked = dns_name(name)
        if asked is None:
            return []
        if self._all_broken or asked in self._broken:
            raise DnsUnknown(f"{asked}: played")
        found = records.get(asked, [])
        if len(found) > MOST_RECORDS:
            raise DnsUnknown(f"{asked}: more than {MOST_RECORDS} records")
        return list(found)


def _name(text: str) -> str:
    name = dns_name(text)
    assert name is not None, text
    return name


def _host(text: str) -> str:
    return text.removesuffix(".").lower()

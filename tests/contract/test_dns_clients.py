"""Every DNS client keeps the contract of the Dns port."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

import dns.reversename

from adapters.clock import SystemClock
from adapters.dns_client import DnsClient
from adapters.fakes.dns import FakeDns
from application.ports.dns import Dns, NameServer
from tests.contract.dns_suite import DnsContract, Record
from tests.dns_server import DnsServer


class TestFakeDns(DnsContract):
    @contextmanager
    def knowing(self, *records: Record, broken: tuple[str, ...] = ()) -> Iterator[Dns]:
        fake = FakeDns()
        for name in broken:
            fake.break_name(name)
        for name, kind, data in records:
            _tell(fake, name, kind, data)
        yield fake


class TestDnsClient(DnsContract):
    @contextmanager
    def knowing(self, *records: Record, broken: tuple[str, ...] = ()) -> Iterator[Dns]:
        with DnsServer() as server:
            for name, kind, data in records:
                server.add(_name(name), kind, data)
            for name in broken:
                server.fail(_name(name))
            servers = [NameServer(ip_address("127.0.0.1"), server.port)]
            yield DnsClient(clock=SystemClock(), servers=servers)


def _tell(fake: FakeDns, name: str, kind: str, data: str) -> None:
    words = shlex.split(data)
    if kind == "TXT":
        fake.add_txt(name, "".join(words).replace("\\228", "\xe4"))
    elif kind == "MX":
        fake.add_mx(name, int(words[0]), words[1])
    elif kind == "SRV":
        priority, weight, port = map(int, words[:3])
        fake.add_srv(name, port, words[3], priority=priority, weight=weight)
    elif kind == "PTR":
        fake.add_ptr(name, data)
    elif kind in ("A", "AAAA"):
        fake.add_addresses(name, data)


def _name(text: str) -> str:
    with suppress(ValueError):
        return dns.reversename.from_address(str(ip_address(text))).to_text()
    return text

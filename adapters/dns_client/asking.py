"""The questions to the DNS, and what dnspython makes of the answers."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final, TypeVar

import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.reversename
from dns.rdata import Rdata
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

from application.ports.dns import (
    MOST_RECORDS,
    DnsUnknown,
    MxRecord,
    NameServer,
    SrvRecord,
    dns_name,
)
from application.ports.system import Clock
from domain.account.network import Address

R = TypeVar("R", bound=Rdata)
_TRY_S: Final = 2.0  # for one name server, before another one, or the same again, is asked


class Asking:
    """The DNS client itself; see the port."""

    def __init__(
        self,
        *,
        clock: Clock,
        servers: Sequence[NameServer],
        timeout_s: float,
    ) -> None:
        self._monotonic = clock.monotonic
        self._servers = tuple(servers)
        self._timeout_s = timeout_s

    def txt(self, name: str) -> Sequence[str]:
        """The TXT records, as the port describes them."""
        found = self._ask(name, TXT)
        return [b"".join(one.strings).decode("latin-1") for one in found]

    def mx(self, name: str) -> Sequence[MxRecord]:
        """The mail exchangers, the preferred first."""
        found = self._ask(name, MX)
        return sorted(MxRecord(one.preference, _text(one.exchange)) for one in found)

    def srv(self, name: str) -> Sequence[SrvRecord]:
        """The service records, in their order."""
        found = [
            SrvRecord(
                priority=one.priority, weight=one.weight, port=one.port, host=_text(one.target)
            )
            for one in self._ask(name, SRV)
        ]
        return sorted(found, key=lambda one: (one.priority, -one.weight, one.host, one.port))

    def addresses(self, name: str) -> Sequence[Address]:
        """A and AAAA, IPv4 first."""
        ends = self._monotonic() + self._timeout_s
        old = [one.address for one in self._ask(name, A, ends=ends)]
        new = [one.address for one in self._ask(name, AAAA, ends=ends)]
        return [ip_address(text) for text in (*old, *new)]

    def ptr(self, address: Address) -> Sequence[str]:
        """The names of an address."""
        name = dns.reversename.from_address(str(address)).to_text()
        return sorted(_text(one.target) for one in self._ask(name, PTR))

    def _ask(self, name: str, kind: type[R], *, ends: float | None = None) -> list[R]:
        """The records of this *kind*; none if there are none. DnsUnknown."""
        asked = dns_name(name)
        if asked is None:
            return []
        left = self._timeout_s if ends is None else ends - self._monotonic()
        if left <= 0:
            raise DnsUnknown(f"{asked}: no answer in time")
        try:
            # absolute: the search list of the system has no say
            answer = self._resolver().resolve(
                f"{asked}.", kind.__name__, lifetime=left, search=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.Timeout:
            raise DnsUnknown(f"{asked}: no answer in time") from None
        except (dns.exception.DNSException, OSError) as error:
            raise DnsUnknown(f"{asked}: {type(error).__name__}") from None
        records = [one for one in answer if isinstance(one, kind)]
        if len(records) > MOST_RECORDS:
            raise DnsUnknown(f"{asked}: more than {MOST_RECORDS} records")
        return records

    def _resolver(self) -> dns.resolver.Resolver:
        """A new one each time: what the system is told to use may change while we run."""
        resolver = dns.resolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [
                dns.nameserver.Do53Nameserver(str(one.address), one.port) for one in self._servers
            ]
        resolver.timeout = min(_TRY_S, self._timeout_s)
        return resolver


def _text(name: "dns.name.Name") -> str:
    return name.to_text(omit_final_dot=True).lower() if len(name.labels) > 1 else ""

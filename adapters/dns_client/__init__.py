"""The Dns port on dnspython: it asks the name servers of the system, or those that it is told.

dnspython is imported with the first question: most processes ask nothing, and start without it.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from application.ports.dns import TIMEOUT_S, MxRecord, NameServer, SrvRecord
from application.ports.system import Clock
from domain.account.network import Address

if TYPE_CHECKING:
    from adapters.dns_client.asking import Asking


class DnsClient:
    """Asks *servers* in their order. See the port.

    Without any, it asks those of the system.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        servers: Sequence[NameServer] = (),
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._clock = clock
        self._servers = tuple(servers)
        self._timeout_s = timeout_s

    def txt(self, name: str) -> Sequence[str]:
        """The TXT records, as the port describes them."""
        return self._asking.txt(name)

    def mx(self, name: str) -> Sequence[MxRecord]:
        """The mail exchangers, the preferred first."""
        return self._asking.mx(name)

    def srv(self, name: str) -> Sequence[SrvRecord]:
        """The service records, in their order."""
        return self._asking.srv(name)

    def addresses(self, name: str) -> Sequence[Address]:
        """A and AAAA, IPv4 first."""
        return self._asking.addresses(name)

    def ptr(self, address: Address) -> Sequence[str]:
        """The names of an address."""
        return self._asking.ptr(address)

    @cached_property
    def _asking(self) -> "Asking":
        from adapters.dns_client.asking import Asking

        return Asking(clock=self._clock, servers=self._servers, timeout_s=self._timeout_s)

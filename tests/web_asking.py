"""What the tests of the web client share: names that lead to this machine, and certificates."""

import socket
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Final

import trustme

from adapters.clock import SystemClock
from adapters.name_resolver import NameResolver, look_up
from adapters.web_client import UrllibWebClient
from application.ports.network import Endpoint, Unresolved
from domain.account.network import NetworkPolicy
from domain.outcome.handoff import Problem

AUTHORITY: Final = trustme.CA()
STRANGER: Final = trustme.CA()


def a_certificate(
    *names: str, issuer: trustme.CA = AUTHORITY, not_after: datetime | None = None
) -> ssl.SSLContext:
    """What a server shows: a certificate for *names*."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issuer.issue_cert(*names, not_after=not_after).configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    """The client's context: it trusts our authority and nobody else."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


class Names:
    """A name server: a host and port stand for addresses and ports. ``asked`` is what was asked.

    With several lists for one name, each look-up takes the next (rebinding), the last for ever.
    """

    def __init__(self, known: Mapping[tuple[str, int], Sequence[tuple[str, int]]]) -> None:
        self._known = {key: [list(answers)] for key, answers in known.items()}
        self.asked: list[tuple[str, int]] = []

    def add(self, host: str, port: int, to_port: int, *, address: str = "127.0.0.1") -> None:
        """The next look-up of *host* finds this."""
        self._known.setdefault((host, port), []).append([(address, to_port)])

    def __call__(self, host: str, port: int) -> list[Endpoint]:
        self.asked.append((host, port))
        answers = self._known.get((host, port))
        if answers is None:
            if host == "localhost" or host[-1].isdigit() or ":" in host:
                return look_up(host, port)
            raise Unresolved(Problem.NOT_FOUND, "no such name")
        return [endpoint(*one) for one in (answers.pop(0) if len(answers) > 1 else answers[0])]


def a_client(
    names: Names | None = None, *, network: NetworkPolicy | None = None
) -> UrllibWebClient:
    """The client under test, which trusts our authority."""
    network = network or NetworkPolicy(private=True)
    return UrllibWebClient(
        resolver=NameResolver(allow=network.allows, look_up=names or Names({})),
        network=network,
        clock=SystemClock(),
        ssl_context=trusting,
    )


def endpoint(text: str, port: int) -> Endpoint:
    """An address and a port, as the resolver gives them."""
    address = ip_address(text)
    if address.version == 4:
        return Endpoint(address, socket.AF_INET, (text, port))
    return Endpoint(address, socket.AF_INET6, (text, port, 0, 0))

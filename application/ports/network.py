"""The port from host names to addresses, which every sender is given."""

from concurrent.futures import Future
from typing import Protocol

import attrs

from domain.account.network import Address
from domain.address import is_loopback
from domain.outcome.handoff import Problem


@attrs.frozen
class Endpoint:
    """An address that may be connected to, and the socket's family and address for it."""

    ip: Address
    family: int
    sockaddr: tuple[object, ...]

    @property
    def loopback(self) -> bool:
        """Whether what is sent there never leaves this machine."""
        return is_loopback(str(self.ip))


class Unresolved(Exception):
    """There is no address to connect to."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail


class Resolver(Protocol):
    """Looks names up. Safe from many threads.

    A sender connects to these endpoints only and never to a name, which may mean another address by
    then.
    """

    def start(self, host: str, port: int) -> "Future[list[Endpoint]]":
        """A lookup under way: at least one endpoint, as the system orders them.

        Its error is `Unresolved`, also where the network policy forbids one of the addresses: one
        forbidden answer forbids the name, because whoever mixes them means no good. Cancel it to
        give it up.
        """
        ...

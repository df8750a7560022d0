"""The open connections: how many there are of each address, and which are past their deadline."""

import asyncio
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final, Protocol

from domain.account.network import Network
from domain.address import client_group

LOOK_S: Final = 0.5


class Connection(Protocol):
    """One connection."""

    @property
    def resting(self) -> bool:
        """Whether none of its requests is being answered."""
        ...

    def look(self, now: float) -> None:
        """End it if it is past its deadline."""
        ...

    def drop(self) -> None:
        """Close it at once."""
        ...


class Connections:
    """All connections by the address of the peer. For the event loop's thread only.

    A new one of an address that has its share takes the place of the one that has rested longest;
    it is turned away where none rests. Addresses in *trusted* are proxies: they have no share.
    """

    def __init__(self, *, most: int, most_of_address: int, trusted: Sequence[Network] = ()) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._trusted = tuple(trusted)
        self._of: dict[str, dict[Connection, None]] = {}
        self._number = 0
        self._looking: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return self._number

    def admit(self, connection: Connection, address: str) -> bool:
        """Whether the connection is admitted."""
        group = client_group(address)
        mine = self._of.get(group, {})
        if len(mine) >= self._most_of_address and not self._trusts(address):
            if not self._make_room(mine):
                return False
        elif self._number >= self._most and not self._make_room(self._largest()):
            return False
        self._of.setdefault(group, {})[connection] = None
        self._number += 1
        if self._looking is None:
            self._look_later()
        return True

    def leave(self, connection: Connection, address: str) -> None:
        """Forget a connection that has ended, whether it was admitted or not."""
        group = client_group(address)
        mine = self._of.get(group, {})
        if connection in mine:
            del mine[connection]
            self._number -= 1
            if not mine:
                del self._of[group]

    def rested(self, connection: Connection, address: str) -> None:
        """Note that it is idle from now on; those idle the longest are closed first."""
        mine = self._of.get(client_group(address), {})
        if connection in mine:
            mine[connection] = mine.pop(connection)

    def _make_room(self, among: Iterable[Connection]) -> bool:
        for connection in list(among):
            if connection.resting:
                connection.drop()
                return True
        return False

    def _largest(self) -> Iterable[Connection]:
        return self._of[max(self._of, key=lambda group: len(self._of[group]))]

    def _trusts(self, address: str) -> bool:
        if not self._trusted:
            return False
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._trusted)

    def _look_later(self) -> None:
        self._looking = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        self._looking = None
        for mine in list(self._of.values()):
            for connection in list(mine):
                connection.look(now)
        if self._number:
            self._look_later()

"""The connections that are open: how many of one address, and which of them are late."""

import asyncio
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final, Protocol

from domain.account.network import Network
from domain.address import client_group

LOOK_S: Final = 0.5


class Connection(Protocol):
    """One of them."""

    @property
    def resting(self) -> bool:
        """Whether no request of it is being answered."""
        ...

    def look(self, now: float) -> None:
        """End it if its time is over."""
        ...

    def drop(self) -> None:
        """Close it at once."""
        ...


class Connections:
    """All of them by the address of the peer. Used by the event loop alone.

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
        """Whether it may stay."""
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
        """It has gone; also one that was not admitted."""
        group = client_group(address)
        mine = self._of.get(group, {})
        if connection in mine:
            del mine[connection]
            self._number -= 1
            if not mine:
                del self._of[group]

    def rested(self, connection: Connection, address: str) -> None:
        """It rests from now on: others have rested longer."""
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

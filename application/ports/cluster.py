"""The ports by which the processes that deliver know each other."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.capability import ALL, Capability


class InstanceRepository(Protocol):
    """The processes that deliver, and their heartbeats."""

    def join(self, *, host: str, pid: int, now: datetime, capabilities: Capability = ALL) -> int:
        """A new instance id, never used before, of a process with these *capabilities*.

        Conflict if email waits that needs another one: it would be sent wrong.
        """
        ...

    def lacks(self, capability: Capability) -> bool:
        """Whether an instance that has not left has no such capability; none joins until the work
        has ended."""
        ...

    def beat(self, instance: int) -> bool:
        """Raise the heartbeat counter; False if the instance was declared dead."""
        ...

    def beats(self) -> Mapping[int, int]:
        """The counter of every instance that has not left."""
        ...

    def leave(self, instance: int) -> None:
        """Remove it. No error if it is gone."""
        ...

    def orphaned(self) -> Sequence[int]:
        """Owners of `sending` emails that are no instance (any more)."""
        ...


class Locks(Protocol):
    """Named locks that the operating system frees when their holder dies, by kill -9 too."""

    def acquire(self, name: str) -> bool:
        """Take the lock for this process, or answer False at once if another one holds it."""
        ...

    def release(self, name: str) -> None:
        """Give it back. No error if it is not held."""
        ...

    def abandoned(self, name: str) -> bool:
        """Whether the lock existed and its holder is surely dead. False when that is not known.

        True again and again, for every process, until one of them has taken it and given it back.
        """
        ...

"""Ports to what surrounds a process: time, chance, secrets, the disk, and who is notified."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.events import Event


class Clock(Protocol):
    """Time. The only source of it."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC. It may step."""
        ...

    def steady(self) -> datetime:
        """A clock for the ledger: never ahead of the wall, and never jumps forward with it.

        The smaller of the wall and (its last answer + monotonic time since).
        """
        ...

    def monotonic(self) -> float:
        """Seconds that only rise, for durations and deadlines."""
        ...

    def boottime(self) -> float:
        """Like monotonic, but it goes on while the machine is suspended, where that is known."""
        ...


class Entropy(Protocol):
    """Chance. The only source of it."""

    def token(self) -> str:
        """128 random bits as 32 lower-case hexadecimal digits."""
        ...

    def jitter(self) -> float:
        """Uniform in [-1, 1]."""
        ...


class Vault(Protocol):
    """Seals secrets so that they open only in the place they were sealed for."""

    def seal(self, secret: str, *, context: str) -> bytes:
        """Ciphertext of *secret*, bound to *context* (a row's name)."""
        ...

    def open(self, sealed: bytes, *, context: str) -> str:
        """The secret. SecretUnreadable if the key or the context is another one."""
        ...

    def fingerprints(self, secret: str) -> Sequence[bytes]:
        """A keyed digest of *secret* for each key at hand, the one that seals first.

        Equal for equal secrets and keys, and of no use without the key. At least one.
        """
        ...

    def is_current(self, fingerprint: bytes) -> bool:
        """Whether a fingerprint was made with the key that seals, and not with an older one."""
        ...


class Scrub(Protocol):
    """Overwrites on the disk what was removed from the store."""

    def __call__(self, seconds: float) -> bool:
        """Work for about so many *seconds*; whether all of it is overwritten, as far as the store
        has power over that.
        """
        ...


class TokenCipher(Protocol):
    """Seals what stands in links, so short and so that it is the same each time."""

    def seal(self, plain: bytes, *, key: bytes) -> bytes:
        """*plain*, encrypted and authenticated; equal for an equal *plain* and *key*.

        ValueError for a key that has not 64 octets.
        """
        ...

    def open(self, sealed: bytes, *, key: bytes) -> bytes | None:
        """What was sealed with *key*; None for anything else. ValueError as for `seal`."""
        ...


class Headroom(Protocol):
    """Whether the store's disk has room left for the results of what is under way."""

    def __call__(self) -> bool: ...


class Wake(Protocol):
    """Tell the dispatcher to look now. May be lost, may be spurious; never blocks, never fails."""

    def __call__(self) -> None: ...


class Observe(Protocol):
    """Is given what happened, after it is durable. Never fails."""

    def __call__(self, event: Event) -> None: ...

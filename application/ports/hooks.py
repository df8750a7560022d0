"""The ports to event hooks: where they are stored, and who verifies what providers have signed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.hook.hook import EventHook


class HookRepository(Protocol):
    """The event hooks of accounts, and which tokens calls of them have used up."""

    def add(self, hook: EventHook) -> EventHook:
        """Store it; with its id."""
        ...

    def of(self, account_id: int) -> Sequence[EventHook]:
        """Those of one account, by id."""
        ...

    def all(self) -> Sequence[EventHook]:
        """All of them, by id."""
        ...

    def find(self, digest: str) -> EventHook | None:
        """The one whose secret has this digest."""
        ...

    def save(self, hook: EventHook) -> None:
        """Write its topic and its sealed key. NotFound."""
        ...

    def remove(self, account_id: int, hook_id: int | None = None) -> int:
        """Remove one of an account, or all; how many there were. Their tokens go too."""
        ...

    def take_token(self, hook_id: int, token: str, *, call: str, at: datetime) -> str:
        """Note that *call* has used *token*, unless a call has before; which one it was."""
        ...

    def prune_tokens(self, before: datetime, *, limit: int) -> int:
        """Remove up to *limit* that were used before then; how many went."""
        ...


class Signatures(Protocol):
    """Verifies signatures of public keys. Never raises for what strangers send."""

    def is_by_certificate(
        self, signature: bytes, octets: bytes, *, certificate: bytes, digest: str, now: datetime
    ) -> bool:
        """Whether the holder of *certificate* (PEM, RSA) has signed *octets*: PKCS #1 v1.5 with
        *digest*, sha1 or sha256. False too where the certificate does not hold *now*.
        """
        ...

    def is_by_p256_key(self, signature: str, octets: bytes, *, public_key: str) -> bool:
        """Whether *signature*, ECDSA with SHA-256 as DER in Base64, is of *octets*."""
        ...

    def is_p256_key(self, public_key: str) -> bool:
        """Whether this is a public key on P-256, as DER in Base64 or as PEM."""
        ...

"""A vault without cryptography worth its name: as strict as the real one, and quick."""

import hashlib
import hmac
from collections.abc import Sequence
from itertools import cycle
from typing import Final

from domain.errors import SecretUnreadable

_DIGEST_OCTETS: Final = 32
_A_KEY: Final = "the key of whoever names none"


class FakeVault:
    """The Vault port for tests. Whoever has the code can open what it seals.

    A secret is hidden behind a digest, in front of it stands a tag over its key and its context:
    with another one of them, or after a change of any octet, it does not open.
    """

    def __init__(self, secret_key: str = _A_KEY, previous: str | None = None) -> None:
        self._keys = [key.encode() for key in (secret_key, previous) if key]

    def seal(self, secret: str, *, context: str) -> bytes:
        """The secret behind its tag. ValueError for a context with a NUL."""
        if "\0" in context:
            raise ValueError("the context may not contain a NUL")
        octets = secret.encode()
        return _tag(self._keys[0], context, octets) + _hidden(self._keys[0], octets)

    def open(self, sealed: bytes, *, context: str) -> str:
        """The secret. SecretUnreadable if the key or the context is another one."""
        tag, hidden = sealed[:_DIGEST_OCTETS], sealed[_DIGEST_OCTETS:]
        for key in self._keys:
            octets = _hidden(key, hidden)
            if hmac.compare_digest(tag, _tag(key, context, octets)):
                return octets.decode()
        raise SecretUnreadable(f"the secret of {context} was sealed with another key or elsewhere")

    def fingerprints(self, secret: str) -> Sequence[bytes]:
        """One for each key, the one that seals first."""
        octets = secret.encode()
        return [_mark(key) + hmac.digest(key, octets, "sha256") for key in self._keys]

    def is_current(self, fingerprint: bytes) -> bool:
        """Whether the key that seals has made it."""
        return fingerprint.startswith(_mark(self._keys[0]))


def _mark(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:4]


def _tag(key: bytes, context: str, octets: bytes) -> bytes:
    return hmac.digest(key, context.encode() + b"\0" + octets, "sha256")


def _hidden(key: bytes, octets: bytes) -> bytes:
    stream = cycle(hashlib.sha256(b"hide" + key).digest())
    return bytes(octet ^ mask for octet, mask in zip(octets, stream, strict=False))

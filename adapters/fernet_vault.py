"""Secrets at rest: Fernet (AES-128-CBC and HMAC-SHA256), its keys derived from SECRET_KEY."""

import base64
import hmac
from collections.abc import Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain.errors import SecretUnreadable

LABEL: Final = b"email-service/vault/1"
FINGERPRINT_LABEL: Final = b"email-service/fingerprint/1"
MARK_LABEL: Final = b"email-service/fingerprint-mark/1"
_MARK_OCTETS: Final = 4


class FernetVault:
    """The Vault. Seals with *secret_key*; also opens what was sealed with *previous*.

    Fernet authenticates no data beside the plaintext, so the context is sealed in front of the
    secret and compared: a ciphertext copied to another row does not open there.

    A fingerprint is HMAC-SHA256, behind four octets that tell which SECRET_KEY it was made with.
    """

    def __init__(self, secret_key: str, previous: str | None = None) -> None:
        keys = [key for key in (secret_key, previous) if key]
        if not secret_key:
            raise ValueError("a vault needs a secret key")
        self._fernet = MultiFernet([Fernet(_fernet_key(key)) for key in keys])
        self._pens = [
            (_derived(key, MARK_LABEL)[:_MARK_OCTETS], _derived(key, FINGERPRINT_LABEL))
            for key in keys
        ]

    def seal(self, secret: str, *, context: str) -> bytes:
        """Ciphertext of *secret*, bound to *context*, which may not contain a NUL."""
        if "\0" in context:
            raise ValueError("the context may not contain a NUL")
        return self._fernet.encrypt(f"{context}\0{secret}".encode())

    def open(self, sealed: bytes, *, context: str) -> str:
        """The secret. SecretUnreadable if the key or the context is another one."""
        try:
            plain = self._fernet.decrypt(sealed).decode()
        except (InvalidToken, TypeError):
            raise SecretUnreadable(
                f"the secret of {context} was sealed with another SECRET_KEY: "
                "give that one as SECRET_KEY_PREVIOUS, or enter the secret again"
            ) from None
        bound_to, _, secret = plain.partition("\0")
        if bound_to != context:
            raise SecretUnreadable(
                f"the secret of {context} was sealed for another row: enter it again"
            )
        return secret

    def fingerprints(self, secret: str) -> Sequence[bytes]:
        """One for each SECRET_KEY at hand, the newest first."""
        octets = secret.encode()
        return [mark + hmac.digest(key, octets, "sha256") for mark, key in self._pens]

    def is_current(self, fingerprint: bytes) -> bool:
        """Whether it was made with *secret_key*."""
        return fingerprint[:_MARK_OCTETS] == self._pens[0][0]


def _fernet_key(secret_key: str) -> bytes:
    return base64.urlsafe_b64encode(_derived(secret_key, LABEL))


def _derived(secret_key: str, label: bytes) -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=label)
    return hkdf.derive(secret_key.encode())

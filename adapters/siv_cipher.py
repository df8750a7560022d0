"""Short seals that are the same each time: AES-SIV (RFC 5297), by `cryptography`."""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

KEY_OCTETS: Final = 64
_LABEL: Final = b"email-service/token/1"


class SivCipher:
    """The TokenCipher. A seal is 16 octets longer than what it holds and needs no nonce."""

    def seal(self, plain: bytes, *, key: bytes) -> bytes:
        """*plain*, encrypted and authenticated. ValueError for a key of another length."""
        _check(key)
        return AESSIV(key).encrypt(plain, [_LABEL])

    def open(self, sealed: bytes, *, key: bytes) -> bytes | None:
        """What was sealed with *key*, or None. ValueError for a key of another length."""
        _check(key)
        try:
            return AESSIV(key).decrypt(sealed, [_LABEL])
        except InvalidTag:
            return None


def _check(key: bytes) -> None:
    if len(key) != KEY_OCTETS:
        raise ValueError(f"a key has {KEY_OCTETS} octets, not {len(key)}")

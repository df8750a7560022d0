"""What a message needs that is not pure: signatures of DKIM."""

from typing import Protocol

from domain.message.dkim import Algorithm, SigningKey


class DkimSigner(Protocol):
    """Makes keys and signs with them."""

    def sign(self, key: SigningKey, octets: bytes) -> bytes:
        """The signature of *octets*; the same each time, so that copies of an email are equal."""
        ...

    def new_private_key(self, algorithm: Algorithm) -> bytes:
        """A new private key (PKCS #8, PEM)."""
        ...

    def dns_record(self, key: SigningKey) -> str:
        """The text of the TXT record at ``SELECTOR._domainkey.DOMAIN``."""
        ...

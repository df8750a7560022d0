"""Keys and signatures of DKIM, by `cryptography`."""

import base64
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from domain.message.dkim import Algorithm, SigningKey

RSA_BITS: Final = 2048  # what every receiver verifies and a TXT record of the DNS holds


class CryptographySigner:
    """Makes keys and signs with them; see `application.ports.message.DkimSigner`."""

    def sign(self, key: SigningKey, octets: bytes) -> bytes:
        """The signature of *octets*, the same each time."""
        private = _loaded(key.private_key)
        if isinstance(private, rsa.RSAPrivateKey):
            return private.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        # RFC 8463 signs the SHA-256 of the octets
        digest = hashes.Hash(hashes.SHA256())
        digest.update(octets)
        return private.sign(digest.finalize())

    def new_private_key(self, algorithm: Algorithm) -> bytes:
        """A new private key (PKCS #8, PEM)."""
        private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
        if algorithm is Algorithm.RSA:
            private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        else:
            private = ed25519.Ed25519PrivateKey.generate()
        return private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def dns_record(self, key: SigningKey) -> str:
        """The text of the TXT record at ``SELECTOR._domainkey.DOMAIN``."""
        private = _loaded(key.private_key)
        public = private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            kind, octets = (
                "rsa",
                public.public_bytes(
                    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
                ),
            )
        else:
            kind, octets = (
                "ed25519",
                public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw),
            )
        return f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"


@lru_cache(maxsize=256)
def _loaded(pem: bytes) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    private = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(private, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("neither an RSA key nor an Ed25519 key")
    return private

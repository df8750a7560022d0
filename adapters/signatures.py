"""Signatures of public keys are verified here, by `cryptography`."""

import base64
import binascii
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

_DIGESTS: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - SNS signs with it unless its owner has it do otherwise
    "sha256": hashes.SHA256(),
}
_FEWEST_BITS: Final = 2048


class CryptographySignatures:
    """See `application.ports.hooks.Signatures`."""

    def is_by_certificate(
        self, signature: bytes, octets: bytes, *, certificate: bytes, digest: str, now: datetime
    ) -> bool:
        """Whether the holder of *certificate* has signed *octets*."""
        try:
            found = x509.load_pem_x509_certificate(certificate)
            key = found.public_key()
            if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
                return False
            if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _FEWEST_BITS:
                return False
            key.verify(signature, octets, padding.PKCS1v15(), _DIGESTS[digest])
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, KeyError):
            return False
        return True

    def is_by_p256_key(self, signature: str, octets: bytes, *, public_key: str) -> bool:
        """Whether *signature* is of *octets*."""
        key = _p256(public_key)
        if key is None:
            return False
        try:
            key.verify(
                base64.b64decode(signature, validate=True), octets, ec.ECDSA(hashes.SHA256())
            )
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def is_p256_key(self, public_key: str) -> bool:
        """Whether it can be read."""
        return _p256(public_key) is not None


def _p256(text: str) -> ec.EllipticCurvePublicKey | None:
    body = "".join(line for line in text.split() if line)
    body = body.removeprefix("-----BEGINPUBLICKEY-----").removesuffix("-----ENDPUBLICKEY-----")
    try:
        key = serialization.load_der_public_key(base64.b64decode(body, validate=True))
    except (UnsupportedAlgorithm, binascii.Error, ValueError):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    return None

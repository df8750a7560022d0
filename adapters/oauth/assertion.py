"""The signed assertion of a service account (RFC 7523), as JWS with RS256 (RFC 7515)."""

import base64
import json
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

# Google allows an hour at most: developers.google.com/identity/protocols/oauth2/service-account
_LIFE: Final = timedelta(minutes=55)
_SKEW: Final = timedelta(seconds=30)  # our clock may be ahead of the server's


def signed_assertion(
    key: str, *, issuer: str, subject: str, audience: str, scope: str, now: datetime
) -> str:
    """That *issuer* asks *audience* for *scope* in the name of *subject*. ValueError for *key*."""
    claims: dict[str, str | int] = {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "iat": int((now - _SKEW).timestamp()),
        "exp": int((now + _LIFE).timestamp()),
    }
    if scope:
        claims["scope"] = scope
    signed = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = private_key(key).sign(signed.encode("ascii"), PKCS1v15(), SHA256())
    return f"{signed}.{_letters(signature)}"


def private_key(pem: str) -> RSAPrivateKey:
    """The key in *pem*. ValueError."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        raise ValueError("must be a private key in PEM, without a password") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("must be a private key for RSA")
    return key


def _part(value: dict[str, str | int]) -> str:
    return _letters(json.dumps(value, separators=(",", ":")).encode())


def _letters(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")

"""Access tokens that the real mail servers can judge by themselves: JWTs with a key they have.

Dovecot and smtp-server check the signature, the time and the mailbox (RFC 7519, HS256). Exim cannot
do that: it is told of every token beforehand, so a token is the same whenever it is asked for.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from typing import Final

KEY: Final = b"a key of thirty-two octets, no less"
SIZES: Final = (0, 3_000, 6_000)
_NOW: Final = time.time_ns() // 1_000_000_000


def tokens_of(user: str) -> Sequence[str]:
    """A short one, one of 3 kB and one of 6 kB."""
    return [a_token(user, octets=octets) for octets in SIZES]


def a_token(user: str, *, lives_s: float = 3600, octets: int = 0, key: bytes = KEY) -> str:
    """A token for *user*'s mailbox, of *octets* at least. A negative life has passed already."""
    claims = {"email": user, "sub": user, "iat": _NOW - 7200, "exp": int(_NOW + lives_s)}
    bare = _signed(claims, key)
    missing = (octets - len(bare)) * 3 // 4
    return bare if missing <= 0 else _signed({**claims, "roles": "r" * missing}, key)


def _signed(claims: object, key: bytes) -> str:
    said = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{said}.{_letters(hmac.new(key, said.encode(), hashlib.sha256).digest())}"


def _part(told: object) -> str:
    return _letters(json.dumps(told).encode())


def _letters(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")

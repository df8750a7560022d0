"""The authorization of an account by a person, from its begin until a code or a token comes back.

The state is 256 random bits that the person's browser carries to the provider and back (RFC 6749
10.12). Only its digest is stored, so that nobody who reads the database can finish one.
"""

import base64
import hashlib
import re
from datetime import datetime, timedelta
from typing import Final

import attrs

LIFETIME: Final = timedelta(minutes=10)
CALLBACK: Final = "/oauth/callback"
_STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_CODE: Final = re.compile(r"[\x20-\x7e]{1,4096}")


@attrs.frozen(kw_only=True)
class Authorization:
    """One that was begun for a *version* of an account.

    ``sealed`` is the verifier of PKCE, or the device's code if *device*. ``browser`` is the digest
    of a cookie that must come back too, "" where no page began it. ``key`` is the prefix of the API
    key that did, or ``local``.
    """

    digest: str
    account_id: int
    version: int
    device: bool = False
    sealed: bytes = attrs.field(repr=False)
    redirect_uri: str = ""
    browser: str = ""
    key: str
    expires_at: datetime

    @property
    def context(self) -> str:
        """What it is sealed for."""
        return sealed_for(self.digest)


def sealed_for(digest: str) -> str:
    """The context that the secret of an authorization is sealed with."""
    return f"oauth-authorization:{digest}"


def text_of(octets: bytes) -> str:
    """32 random octets as a state, a verifier (RFC 7636 4.1) or a cookie."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def challenge_of(verifier: str) -> str:
    """By S256 (RFC 7636 4.2)."""
    return text_of(hashlib.sha256(verifier.encode("ascii")).digest())


def digest_of(text: str) -> str:
    """What is stored in the place of a state or a cookie."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def is_state(text: str) -> bool:
    """Whether it can be one."""
    return _STATE.fullmatch(text) is not None


def is_code(text: str) -> bool:
    """Whether it can be an authorization code."""
    return _CODE.fullmatch(text) is not None

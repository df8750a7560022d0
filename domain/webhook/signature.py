"""Signatures as Standard Webhooks has them (https://www.standardwebhooks.com, version 1)."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

SECRET_MARK: Final = "whsec_"  # noqa: S105 - what a secret begins with
SECRET_OCTETS: Final = 32


def secret_text(octets: bytes) -> str:
    """The secret as it is shown. ValueError unless it has `SECRET_OCTETS`."""
    if len(octets) != SECRET_OCTETS:
        raise ValueError(f"a secret has {SECRET_OCTETS} octets, not {len(octets)}")
    return SECRET_MARK + base64.b64encode(octets).decode("ascii")


def headers_of(
    message_id: str, body: bytes, *, secrets: Sequence[str], at: datetime
) -> Mapping[str, str]:
    """The headers of a call at this time, with a signature for each of the *secrets*."""
    seconds = int(at.timestamp())
    signed = f"{message_id}.{seconds}.".encode("ascii") + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_MARK))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode("ascii")

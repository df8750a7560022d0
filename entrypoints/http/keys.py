"""Which API key a request presents, valid or not: read from its headers, before anything else."""

from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from typing import Any, Final

_BEARER: Final = "bearer "
_BASIC: Final = "basic "


def presented_key(environ: Mapping[str, Any]) -> str | None:
    """The API key of a call of our own API; other schemes of Authorization are ignored."""
    token: str | None = environ.get("HTTP_X_API_KEY")
    return bearer(environ) if token is None else token


def bearer(environ: Mapping[str, Any]) -> str | None:
    """What stands behind ``Authorization: Bearer``."""
    given: str = environ.get("HTTP_AUTHORIZATION", "")
    return given[len(_BEARER) :].strip() if given.lower().startswith(_BEARER) else None


def basic_password(environ: Mapping[str, Any], *, user: str) -> str | None:
    """The password of *user* behind ``Authorization: Basic`` (RFC 7617)."""
    given: str = environ.get("HTTP_AUTHORIZATION", "")
    if not given.lower().startswith(_BASIC):
        return None
    try:
        text = b64decode(given[len(_BASIC) :].strip(), validate=True).decode("latin-1")
    except (Error, ValueError):
        return None
    name, colon, password = text.partition(":")
    return password if colon and name == user else None

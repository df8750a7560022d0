"""What a mail server reads of an OAuth login, and how it says that it refuses the token."""

import base64
import json
import re
from typing import Final

import attrs

SCOPE: Final = "https://mail.example/"
LONGEST_COMMAND: Final = 512  # with its line end (RFC 5321 section 4.5.3.1.4)
TOO_LONG: Final = "500 5.5.2 Line too long"
BEARERS: Final = ("XOAUTH2", "OAUTHBEARER")
_MESSAGES: Final = {
    "XOAUTH2": re.compile(rb"user=([^\x01]*)\x01auth=Bearer ([^\x01]+)\x01\x01"),
    "OAUTHBEARER": re.compile(
        rb"n,a=([^\x01,]*),\x01(?:host=[^\x01]+\x01port=\d+\x01)auth=Bearer ([^\x01]+)\x01\x01"
    ),
}
# what a client says to the challenge of a refusal (RFC 7628 section 3.2.3, Google's XOAUTH2)
ANSWERS: Final = {"XOAUTH2": b"", "OAUTHBEARER": b"AQ=="}


@attrs.frozen
class Bearer:
    """Who logs in with which token."""

    user: str
    token: str = attrs.field(repr=False)


def bearer_in(mechanism: str, response: bytes) -> Bearer | None:
    """What the client's message says; None if it is not one of *mechanism*."""
    try:
        message = base64.b64decode(response, validate=True)
    except ValueError:
        return None
    found = _MESSAGES[mechanism].fullmatch(message)
    if found is None:
        return None
    user = found[1].decode().replace("=2C", ",").replace("=3D", "=")
    return Bearer(user if mechanism == "OAUTHBEARER" else found[1].decode(), found[2].decode())


def refusal() -> str:
    """The challenge that tells that a token is refused, as a line."""
    told = {"status": "401", "schemes": "bearer", "scope": SCOPE}
    return "334 " + base64.b64encode(json.dumps(told).encode()).decode()

"""How a server is shown an OAuth token, and what it says of one that it refuses.

XOAUTH2 is Google's and Microsoft's (developers.google.com/workspace/gmail/imap/xoauth2-protocol),
OAUTHBEARER is RFC 7628. Both are one message of the client's; a refusal is a challenge with JSON,
which has to be answered before the server says its 535.
"""

import base64
import json
from typing import Any, Final

from domain.account.account import Account, AuthMechanism
from domain.dialogue.replies import ServerReply

LONGEST_WORD: Final = 200  # of what a server says about a token
_TOLD: Final = ("status", "scope")
_EXPIRES_SOON: Final = "5.5.127"  # Microsoft's HVE: 501 5.5.127 Token will expire soon


def bearer_message(account: Account, mechanism: AuthMechanism, token: str) -> bytes:
    """What the client says, before base64."""
    user = account.username
    if mechanism is AuthMechanism.XOAUTH2:
        return f"user={user}\1auth=Bearer {token}\1\1".encode()
    name = user.replace("=", "=3D").replace(",", "=2C")  # a saslname (RFC 5801 section 4)
    server = f"host={account.host}\1port={account.port}"
    return f"n,a={name},\1{server}\1auth=Bearer {token}\1\1".encode()


def answer_to_error(mechanism: AuthMechanism) -> bytes:
    """What is said to the challenge of a refusal, so that the server may go on to its 535."""
    return b"" if mechanism is AuthMechanism.XOAUTH2 else base64.b64encode(b"\1")


def is_refusal(reply: ServerReply) -> bool:
    """Whether another token may help: it was judged, or it has too little time left."""
    return reply.code == 535 or reply.as_reply().enhanced == _EXPIRES_SOON


def error_of(challenge: ServerReply) -> str:
    """The status and the scope that the challenge of a refusal names, for a person.

    "" if it is nothing of the kind. ``{"status":"400","schemes":"Bearer","scope":"…"}`` is.
    """
    try:
        told: Any = json.loads(base64.b64decode(challenge.lines[-1]))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    words = [
        f"{name} {_word(told[name])}" for name in _TOLD if isinstance(told.get(name), str | int)
    ]
    return f"({', '.join(words)})" if words else ""


def _word(value: str | int) -> str:
    return "".join(c for c in str(value)[:LONGEST_WORD] if c.isprintable())

"""The emails that every client is to send, whichever way it speaks, and those refused."""

from base64 import b64encode
from typing import Any

PIXEL = b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
).decode()
LEAST: dict[str, Any] = {
    "from": "Example Shop <me@example.com>",
    "to": ["ada@example.org"],
    "subject": "Grüße",
    "text": "Hello Ada",
}
EMAILS: dict[str, dict[str, Any]] = {
    "plain": LEAST,
    "both": {**LEAST, "html": "<p>Hello <b>Ada</b></p>"},
    "file": {
        **LEAST,
        "files": [{"name": "a.txt", "type": "text/plain", "base64": b64encode(b"a file").decode()}],
    },
    "image": {
        **LEAST,
        "html": '<p><img src="cid:logo.png"></p>',
        "files": [{"name": "logo.png", "type": "image/png", "base64": PIXEL, "cid": "logo.png"}],
    },
    "copies": {
        **LEAST,
        "to": ["Ada Lovelace <ada@example.org>"],
        "cc": ["Grace Hopper <grace@example.org>"],
        "bcc": ["eve@example.org"],
    },
    "replies": {**LEAST, "reply_to": ["Jürgen <help@example.org>"]},
    "headers": {**LEAST, "headers": {"X-Order": "1042"}},
    "wrong address": {**LEAST, "to": ["nobody@-example.org"]},
    "wrong key": LEAST,
    "over quota": {**LEAST, "cc": ["grace@example.org"]},
}
REFUSED = ("wrong address", "wrong key", "over quota")

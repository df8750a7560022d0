"""What stands in the link by which a recipient unsubscribes.

A token is a sealed subscription: no row is needed to read it, it shows nobody what it holds, and
only this service can make one. It has as few characters as that allows, all of them safe in a URL.
"""

import base64
import binascii
from typing import Final

from domain.suppression import Subscription

_VERSION: Final = b"\x01"  # of what is sealed, so that a later version may hold more
# The longest address, the longest topic, 3 octets around them and 16 of the seal, in base64 give
# 450: what is longer was never made here.
LONGEST_TOKEN: Final = 500


def plain_of(subscription: Subscription) -> bytes:
    """What is sealed."""
    return b"%b%b\0%b" % (_VERSION, subscription.topic.encode(), subscription.address.encode())


def subscription_of(plain: bytes | None) -> Subscription | None:
    """What was sealed; None for what no version has sealed that is known here."""
    if plain is None or not plain.startswith(_VERSION):
        return None
    topic, separator, address = plain[len(_VERSION) :].partition(b"\0")
    if not separator:
        return None
    return Subscription(address.decode(), topic.decode())


def text_of(sealed: bytes) -> str:
    """The token as it stands in a URL: base64url (RFC 4648, 5) without padding."""
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def sealed_of(token: str) -> bytes:
    """What is to be opened; nothing for a text that `text_of` does not make."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return b""
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return sealed if text_of(sealed) == token else b""

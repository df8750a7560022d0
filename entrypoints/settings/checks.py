"""What makes a key too weak and a list of networks too wide for production."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from domain.account.network import Network
from entrypoints.settings.guessable import is_guessable

MIN_KEY_LENGTH: Final = 32
MIN_KEY_CHARACTERS: Final = (
    8  # different ones: of 32 random hex digits it is practically never fewer
)
PLACEHOLDERS: Final = (
    "changeme",
    "example",
    "insecure",
    "mysecret",
    "placeholder",
    "replaceme",
    "secretkey",
    "supersecret",
    "yoursecret",
)


def weakness(key: str) -> str | None:
    """Why *key* is too weak for production, or None."""
    plain = re.sub("[^a-z]", "", key.lower())
    if any(word in plain for word in PLACEHOLDERS) or plain == "secret":
        return "is a placeholder"
    if len(key) < MIN_KEY_LENGTH:
        return f"has {len(key)} characters and must have at least {MIN_KEY_LENGTH}"
    if len(set(key)) < MIN_KEY_CHARACTERS:
        return f"must have at least {MIN_KEY_CHARACTERS} different characters"
    if is_guessable(key):
        return "can be guessed: it is made of repeats, sequences, dates or common words"
    return None


_HOUSE: Final = tuple(
    map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"))
)


def opens_nearly_everything(networks: Sequence[Network]) -> bool:
    """Whether a range is wider than any private one, or all private IPv4 ranges are in them."""
    v4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    joined = tuple(ipaddress.collapse_addresses(v4))
    return (
        any(network.prefixlen < 8 for network in joined)
        or any(network.prefixlen < 7 for network in ipaddress.collapse_addresses(v6))
        or all(any(house.subnet_of(network) for network in joined) for house in _HOUSE)
    )

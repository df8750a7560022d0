"""What a client may use of the server before it is authenticated."""

from typing import Final

import attrs

KIB: Final = 1024


@attrs.frozen(kw_only=True)
class Limits:
    """Sizes in octets, times in seconds.

    A body up to ``unjudged_bytes`` is read before the caller is known; ``bodies_bytes`` is for all
    bodies that are being received or answered. ``overhead_bytes`` of framing are allowed beside as
    many octets as the body has. ``most_of_address`` connections of one address are kept.
    """

    headers: int = 100
    header_bytes: int = 32 * KIB
    target_bytes: int = 8190
    body_bytes: int = 30 * KIB * KIB
    bodies_bytes: int = 120 * KIB * KIB
    unjudged_bytes: int = 64 * KIB
    overhead_bytes: int = 32 * KIB
    linger_bytes: int = 32 * KIB * KIB

    header_s: float = 8.0
    body_s: float = 30.0
    reply_s: float = 30.0
    idle_s: int = 75
    linger_s: float = 2.0

    connections: int = 1000
    most_of_address: int = 256
    calls_of_key: int = 4
    wait_for_place_s: float = 5.0

"""What a client may use of the SMTP listener."""

from collections import Counter

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """Sizes in octets, times in seconds.

    A client logs in within ``login_s`` of its connection, and sends something every ``idle_s``.
    ``messages_bytes`` is for all messages that are being received or stored. A key has up to
    ``sessions_of_key`` sessions, an address up to ``most_of_address`` connections.
    """

    message_bytes: int = 30 * 1024**2
    messages_bytes: int = 120 * 1024**2
    recipients: int = 100

    login_s: float = 60.0
    idle_s: float = 300.0
    handshake_s: float = 20.0
    last_replies_s: float = 5.0

    connections: int = 1000
    most_of_address: int = 256
    sessions_of_key: int = 20


class SessionsOfKeys:
    """How many sessions each API key has. For one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: Counter[int] = Counter()

    def enter(self, key_id: int) -> bool:
        """Count one more; whether the key may have it."""
        if self._of[key_id] >= self._most:
            return False
        self._of[key_id] += 1
        return True

    def leave(self, key_id: int) -> None:
        """One of the key's sessions has ended."""
        self._of[key_id] -= 1
        if not self._of[key_id]:
            del self._of[key_id]

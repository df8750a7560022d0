"""What became of an email: asked for until it has ended."""

import time
from collections.abc import Mapping
from typing import Any, Final

from entrypoints.client.calls import Service
from entrypoints.client.failures import Unanswered

ENDED: Final = frozenset({"sent", "failed", "cancelled"})
_FIRST_S: Final = 0.1
_LONGEST_S: Final = 2.0


def wait_for_end(service: Service, email_id: int, *, seconds: float) -> Mapping[str, Any] | None:
    """The email as it was last seen, after *seconds* at the latest; None if it never was.

    Refused, WrongConfiguration. A service that is away for a while is asked again.
    """
    deadline = time.monotonic() + seconds
    seen: Mapping[str, Any] | None = None
    pause_s = _FIRST_S
    while True:
        try:
            seen = service.get(f"/api/emails/{email_id}")
        except Unanswered:
            if time.monotonic() >= deadline:
                return seen
        if seen is not None and seen.get("status") in ENDED:
            return seen
        left = deadline - time.monotonic()
        if left <= 0:
            return seen
        time.sleep(min(pause_s, left))
        pause_s = min(pause_s * 1.5, _LONGEST_S)

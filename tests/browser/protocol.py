"""Chromium's DevTools protocol over a pair of pipes: messages of JSON that a NUL ends.

One thread: replies and events are read while somebody waits for a reply, and by `Connection.read`.
"""

import json
import os
import select
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

PATIENCE_S = 120.0

Event = Callable[[str, Mapping[str, Any], str], None]


class ProtocolError(Exception):
    """The browser refused a command, ended, or did not answer."""


class Connection:
    """Commands to one browser. *on_event* gets each event's name, fields and session."""

    def __init__(self, *, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._octets = bytearray()
        self._count = 0
        self._replies: dict[int, Mapping[str, Any]] = {}
        self._forgotten: set[int] = set()
        self.on_event: Event = lambda name, fields, session: None

    def call(self, method: str, session: str = "", **fields: object) -> Mapping[str, Any]:
        """What the browser answers. ProtocolError."""
        number = self._send(method, session, fields)
        deadline = monotonic() + PATIENCE_S
        while number not in self._replies:
            self.read(deadline - monotonic())
            if monotonic() > deadline:
                raise ProtocolError(f"no answer to {method} within {PATIENCE_S} s")
        reply = self._replies.pop(number)
        if "error" in reply:
            raise ProtocolError(f"{method}: {reply['error']['message']}")
        result: Mapping[str, Any] = reply["result"]
        return result

    def tell(self, method: str, session: str = "", **fields: object) -> None:
        """Send a command whose answer nobody waits for."""
        self._forgotten.add(self._send(method, session, fields))

    def read(self, timeout_s: float) -> None:
        """Take what has arrived; wait at most *timeout_s* if that is nothing."""
        ready, _, _ = select.select([self._reading], [], [], max(0.0, timeout_s))
        if not ready:
            return
        octets = os.read(self._reading, 1 << 20)
        if not octets:
            raise ProtocolError("the browser has ended")
        self._octets += octets
        *whole, rest = self._octets.split(b"\0")
        self._octets = rest
        for message in whole:
            self._take(json.loads(message))

    def close(self) -> None:
        """Close the pipes."""
        os.close(self._reading)
        os.close(self._writing)

    def _send(self, method: str, session: str, fields: Mapping[str, object]) -> int:
        self._count += 1
        message = {"id": self._count, "method": method, "params": fields}
        octets = json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        while octets:
            octets = octets[os.write(self._writing, octets) :]
        return self._count

    def _take(self, message: Mapping[str, Any]) -> None:
        if "id" not in message:
            self.on_event(message["method"], message["params"], message.get("sessionId", ""))
        elif message["id"] in self._forgotten:
            self._forgotten.remove(message["id"])
        else:
            self._replies[message["id"]] = message

"""A client that is not the limit: many keep-alive connections in one process, each with one
request under way, written and read as octets.
"""

import argparse
import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from tests.benchmarks.filling import TEN_KB_HTML, TEN_KB_TEXT
from tests.running import ROOT

_READ: Final = 64 * 1024


@attrs.frozen(kw_only=True)
class Volley:
    """What many requests came to. Times in seconds; *statuses* is how often each was answered."""

    duration: float
    times: Sequence[float]
    statuses: dict[str, int]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.times) / self.duration


def an_email(subject: str = "Hello", **fields: object) -> dict[str, object]:
    """The body of a POST: 10 KB of HTML and text."""
    return {
        "subject": subject,
        "recipients": ["ada@example.org"],
        "html_content": TEN_KB_HTML,
        "text_content": TEN_KB_TEXT,
        **fields,
    }


def volley(
    url: str,
    *,
    number: int,
    clients: int,
    method: str = "POST",
    path: str = "/api/emails",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Volley:
    """Send *number* requests from a process of their own. A *body* that is a text is a form."""
    form = isinstance(body, str)
    asked = {
        "number": number,
        "clients": clients,
        "method": method,
        "path": path,
        "body": body if body is None or form else json.dumps(body),
        "type": "application/x-www-form-urlencoded" if form else "application/json",
        "headers": dict(headers or {}),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.client", url],
        cwd=ROOT,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return Volley(**json.loads(done.stdout))


class _Connection:
    """One client: sends, waits for the whole answer, sends again."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._in = b""
        self._sent_at = 0.0

    def send(self) -> None:
        self._in = b""
        self._sent_at = time.monotonic()
        self.socket.sendall(self._request)

    def receive(self) -> tuple[int, float] | None:
        """Status and seconds once the answer is whole."""
        octets = self.socket.recv(_READ)
        if not octets:
            raise ConnectionError("the server closed a connection")
        self._in += octets
        head, separator, body = self._in.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return None
        return int(head[9:12]), time.monotonic() - self._sent_at


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


def _request(host: str, asked: dict[str, Any]) -> bytes:
    body = b"" if asked["body"] is None else asked["body"].encode()
    head = f"{asked['method']} {asked['path']} HTTP/1.1\r\nHost: {host}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in asked["headers"].items())
    if body:
        head += f"Content-Type: {asked['type']}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _fire(url: str, asked: dict[str, Any]) -> Volley:
    parts = urlsplit(url)
    request = _request(parts.netloc, asked)
    address = (parts.hostname or "", parts.port or 0)
    selector = selectors.DefaultSelector()
    for _ in range(asked["clients"]):
        connection = _Connection(address, request)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send()
    to_send = asked["number"] - asked["clients"]
    times: list[float] = []
    statuses: dict[str, int] = {}
    started = time.monotonic()
    while len(times) < asked["number"]:
        for key, _ in selector.select():
            answer = key.data.receive()
            if answer is None:
                continue
            status, seconds = answer
            times.append(seconds)
            statuses[str(status)] = statuses.get(str(status), 0) + 1
            if to_send > 0:
                to_send -= 1
                key.data.send()
    return Volley(duration=time.monotonic() - started, times=times, statuses=statuses)


def main() -> None:
    """Read what is asked from stdin, answer on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    options = parser.parse_args()
    done = _fire(options.url, json.load(sys.stdin))
    json.dump(attrs.asdict(done), sys.stdout)


if __name__ == "__main__":
    main()

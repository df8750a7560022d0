"""What the server refuses by itself is told in the dialect of the path."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import Client

from entrypoints.http.dialects.shipped import SHIPPED
from entrypoints.http.server import HttpServer, Limits
from entrypoints.http.wsgi_guard import GuardedCalls
from tests.applications import a_client, a_key, an_application
from tests.dialect_ways import DIALECTS, Way

PATIENCE_S = 20.0
LIMITS = Limits(body_bytes=1000, unjudged_bytes=100, bodies_bytes=500, wait_for_place_s=0.05)


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Way:
    return DIALECTS[request.param]


class Held:
    """A WSGI application whose calls end when the test says so."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.end = threading.Event()

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        self.begun.release()
        assert self.end.wait(PATIENCE_S)
        start_response("204 No Content", [])
        return []


@contextmanager
def a_server(app: Any) -> Iterator[HttpServer]:
    server = HttpServer(app, host="127.0.0.1", port=0, limits=LIMITS, dialects=SHIPPED)
    server.start()
    try:
        yield server
    finally:
        server.close()


def sent(server: HttpServer, dialect: Way, key: str, *lines: str) -> socket.socket:
    """A connection on which the head of a call was sent."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    given = [f"{name}: {value}" for name, value in dialect.key(key).items()]
    head = [f"POST {dialect.path} HTTP/1.1", "Host: localhost", "Connection: close", *given, *lines]
    client.sendall("\r\n".join([*head, "", ""]).encode())
    return client


def answer(client: socket.socket) -> tuple[int, Mapping[str, str], str]:
    """Status, headers and body of the reply."""
    received = bytearray()
    while octets := client.recv(2**16):
        received += octets
    head, _, body = bytes(received).decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def test_a_declared_length_that_is_too_large(dialect: Way) -> None:
    with a_server(a_client().application) as server:
        length = "Content-Length: 2000"
        with sent(server, dialect, "x", "Content-Type: application/json", length) as client:
            status, headers, body = answer(client)

    assert status == dialect.status(413)
    assert headers["content-type"] == "application/json"
    assert dialect.body_told(status, json.loads(body))


def test_no_room_for_another_body(dialect: Way) -> None:
    application = an_application()
    key = a_key(application, "send")
    with a_server(a_client(application).application) as server:
        kind = "multipart/form-data; boundary=b" if dialect.form else "application/json"
        head = (f"Content-Type: {kind}", "Content-Length: 800")
        with sent(server, dialect, key, *head) as client:
            status, headers, body = answer(client)

    assert status == dialect.status(503)
    assert headers["retry-after"] == "1"
    assert dialect.body_told(status, json.loads(body))


def test_a_fifth_call_with_the_dialects_key(dialect: Way) -> None:
    held = Held()
    with a_server(held) as server:
        calls = [sent(server, dialect, "one key") for _ in range(4)]
        for _ in calls:
            assert held.begun.acquire(timeout=PATIENCE_S)
        with sent(server, dialect, "one key") as fifth:
            status, headers, body = answer(fifth)
        with sent(server, dialect, "another key"):
            assert held.begun.acquire(timeout=PATIENCE_S)
            held.end.set()
        for one in calls:
            one.close()

    assert status == 429
    assert headers["retry-after"] == "1"
    assert dialect.body_told(status, json.loads(body))


def test_under_gunicorn_a_call_that_gets_no_place(dialect: Way) -> None:
    held = Held()
    guarded = GuardedCalls(held, most=1, wait_s=0, dialects=SHIPPED)
    call = {"path": dialect.path, "method": "POST", "headers": dialect.key("one key")}
    first = threading.Thread(target=lambda: Client(guarded).open(**call))
    first.start()
    assert held.begun.acquire(timeout=PATIENCE_S)
    reply = Client(guarded).open(**call)
    held.end.set()
    first.join(PATIENCE_S)

    assert reply.status_code == 429
    assert dialect.told(reply)


def test_our_own_api_is_refused_as_ever() -> None:
    guarded = GuardedCalls(Held(), most=0, wait_s=0, dialects=SHIPPED)
    reply = Client(guarded).post("/api/emails", headers={"X-API-Key": "one key"})

    assert reply.status_code == 429
    assert reply.content_type == "application/problem+json"


def test_only_a_path_of_its_own_is_a_dialects() -> None:
    client: FlaskClient = a_client(an_application(closed=True))
    replies = [client.get(path) for path in ("/emailsx", "/email-x", "/v3", "/v3x/mail/send")]

    assert {reply.status_code for reply in replies} == {404}
    assert {reply.content_type for reply in replies} == {"application/problem+json"}

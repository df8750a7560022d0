"""The embedded HTTP server: time, size and form of requests, and what its guard promises."""

import asyncio
import inspect
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from typing import Any

import httptools
import pytest
import uvicorn
from flask import Flask
from flask import request as asked
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from entrypoints.http.requests import ServiceRequest
from entrypoints.http.server import READS, HttpServer, Limits
from tests.applications import a_client, a_key, an_application
from tests.running import running, wait_until

PATIENCE_S = 20.0
HOST = b"Host: localhost\r\n"


@contextmanager
def a_server(app: Any = None, **options: Any) -> Iterator[HttpServer]:
    """The server in this process, with limits of its own."""
    given = {name: options.pop(name) for name in list(options) if hasattr(Limits(), name)}
    server = HttpServer(
        app or a_client().application,
        host="127.0.0.1",
        port=0,
        limits=Limits(**given),
        **options,
    )
    server.start()
    try:
        yield server
    finally:
        server.close()


def connected(server: HttpServer) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port))
    client.settimeout(PATIENCE_S)
    return client


def all_that_comes(client: socket.socket) -> bytes:
    received = bytearray()
    while octets := client.recv(2**18):
        received += octets
    return bytes(received)


def statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


def answer_to(server: HttpServer, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the reply to what is not a whole request."""
    with connected(server) as client:
        client.sendall(request)
        head, _, body = all_that_comes(client).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


# -- the interface of uvicorn that is used ---------------------------------------------------------


def test_uvicorn_constructs_a_given_protocol_class_like_its_own():
    """The class form of `http` is in the signature only: if it goes, this fails first."""
    annotation = str(inspect.signature(uvicorn.Config).parameters["http"].annotation)
    assert "type[asyncio.Protocol]" in annotation
    made: list[dict[str, Any]] = []

    class Seen(asyncio.Protocol):
        def __init__(self, **given: Any) -> None:
            made.append(given)

        def connection_made(self, transport: Any) -> None:
            transport.close()

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app, http=Seen, ws="none", lifespan="off", interface="asgi3", log_config=None
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        with socket.create_connection(listening.getsockname()) as client:
            assert client.recv(1) == b""
        server.should_exit = True
        thread.join(PATIENCE_S)
    wanted = inspect.signature(HttpToolsProtocol).parameters
    assert set(made[0]) == set(wanted)
    assert "app_state" in wanted


def test_httptools_calls_the_callbacks_of_the_front():
    heard: list[str] = []

    class Listener:
        def __getattr__(self, name: str) -> Callable[..., None]:
            if not name.startswith("on_"):
                raise AttributeError(name)
            return lambda *_: heard.append(name)

    parser = httptools.HttpRequestParser(Listener())
    parser.feed_data(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
    assert set(heard) >= {
        *("on_message_begin", "on_url", "on_header"),
        *("on_headers_complete", "on_body", "on_message_complete"),
    }


# -- T-DOS-1: slow clients -------------------------------------------------------------------------


def test_t_dos_1_200_slow_clients_do_not_slow_down_a_healthy_one(tmp_path):
    with running(tmp_path, DISPATCHER="none") as service, ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            for _ in range(200)
        ]
        for number, client in enumerate(slow):
            client.sendall(b"POST /api/emails HTTP/1.1\r\nHost: localhost\r\n")
            if number % 2:
                client.sendall(b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
        took = []
        connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
        for number in range(100):
            slow[number].sendall(b"x" if number % 2 else b"X-Slow: ")
            began = time.monotonic()
            connection.request("GET", "/api/emails")
            reply = connection.getresponse()
            reply.read()
            took.append(time.monotonic() - began)
            assert reply.status == 200
        connection.close()
    assert sorted(took)[98] < 1.0  # half of it on a machine that does nothing else


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /api/emails HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST /api/emails HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n{",
        b"POST /api/emails HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n{",
        b"POST /api/emails HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
    ],
    ids=["headers", "large body", "body", "chunks"],
)
def test_t_dos_1_a_request_that_comes_byte_by_byte_is_ended_at_its_deadline(begun):
    with a_server(header_s=1.0, body_s=1.0) as server, connected(server) as client:
        client.sendall(begun)
        dripping = threading.Thread(target=drip, args=(client,))
        dripping.start()
        began = time.monotonic()
        head, _, body = all_that_comes(client).partition(b"\r\n\r\n")
        took = time.monotonic() - began
        dripping.join()
    refused = (
        (b"415", "unsupported_media_type")
        if b": 999999\r" in begun
        else (b"408", "request_timeout")
    )
    assert head.startswith(b"HTTP/1.1 " + refused[0])
    assert b"connection: close" in head.lower()
    assert json.loads(body)["code"] == refused[1]
    assert took < 10


def drip(client: socket.socket) -> None:
    """An octet every tenth of a second, for most of the time that is given."""
    for _ in range(8):
        client.sendall(b"x")
        time.sleep(0.1)


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"])
def test_t_dos_1_an_idle_connection_is_closed(sent):
    with a_server(header_s=0.5, idle_s=1) as server, connected(server) as client:
        client.sendall(sent)
        assert statuses(all_that_comes(client)) == [200] * sent.startswith(b"GET")


def test_a_kept_connection_may_idle_between_requests():
    with a_server(header_s=0.5) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
        answers: list[Any] = []
        for _ in range(2):
            connection.request("GET", "/healthz")
            reply = connection.getresponse()
            answers.append((reply.status, reply.read()))
            time.sleep(1.2)
        connection.close()
    assert [status for status, _ in answers] == [200, 200]


def test_line_ends_between_requests_do_not_keep_a_connection_open():
    """uvicorn takes them for a sign of life."""
    with a_server(header_s=0.5, idle_s=1) as server, connected(server) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        assert client.recv(2**16)
        for _ in range(20):
            client.sendall(b"\r\n")
            time.sleep(0.1)
            if is_closed(client):
                return
    raise AssertionError("it is open")


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        client.settimeout(PATIENCE_S)


def test_a_client_that_does_not_read_its_reply_is_dropped():
    with a_server(large, reply_s=1.0) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        client.settimeout(PATIENCE_S)
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET /whole/40 HTTP/1.1\r\n" + HOST + b"\r\n")
        time.sleep(2.5)
        assert len(all_that_comes(client)) < 30 * 2**20


def large(environ, start_response):
    """As many megabytes as the path names: /whole/N in one piece, /pieces/N in as many."""
    _, how, number = environ["PATH_INFO"].split("/")
    pieces = [b"x" * 2**20] * int(number)
    if how == "whole":
        pieces = [b"".join(pieces)]
    start_response("200 OK", [("Content-Length", str(int(number) * 2**20))])
    return iter(pieces) if how == "pieces" else pieces


@pytest.mark.parametrize("path", ["/whole/8", "/pieces/8", "/pieces/40"])
def test_a_slow_reader_gets_all_of_both_answers(path):
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with a_server(large) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        client.settimeout(PATIENCE_S)
        client.connect(("127.0.0.1", server.port))
        client.sendall(request + last)
        time.sleep(0.2)
        received = all_that_comes(client)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.count(b"x") >= 2 * int(path.rpartition("/")[2]) * 2**20


def test_t_dos_1_hanging_reads_do_not_delay_other_reads():
    """A disk that is slow: the others read on."""
    app, go = Flask(__name__), threading.Event()
    app.add_url_rule("/hangs", view_func=lambda: str(go.wait(60)), endpoint="hangs")
    app.add_url_rule("/reads", view_func=lambda: "here", endpoint="reads")

    with a_server(app) as server:
        hanging = [connected(server) for _ in range(READS + 2)]
        for client in hanging:
            client.sendall(b"GET /hangs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/reads")
        assert connection.getresponse().read() == b"here"
        connection.close()
        assert not go.is_set()
        go.set()
        for client in hanging:
            client.close()


# -- connections -----------------------------------------------------------------------------------


def test_a_new_connection_takes_the_place_of_the_one_that_has_rested_longest():
    with a_server(most_of_address=2) as server, ExitStack() as stack:
        first, second, third = (stack.enter_context(connected(server)) for _ in range(3))
        assert all_that_comes(first) == b""
        for client in (second, third):
            client.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
            assert statuses(client.recv(2**16)) == [200]


def test_a_connection_with_a_request_in_progress_is_not_closed_for_a_new_one():
    app, go = Flask(__name__), threading.Event()
    app.add_url_rule("/hangs", view_func=lambda: str(go.wait(60)), endpoint="hangs")
    with a_server(app, most_of_address=1) as server, connected(server) as busy:
        busy.sendall(b"GET /hangs HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        time.sleep(0.3)
        assert answer_to(server, b"")[0] == 503
        go.set()
        assert statuses(all_that_comes(busy)) == [200]


# -- the body --------------------------------------------------------------------------------------


def post(path: bytes, body: bytes, *lines: bytes) -> bytes:
    headers = (HOST.strip(), b"Content-Type: application/json", *lines)
    length = b"Content-Length: %d" % len(body)
    return (
        b"POST " + path + b" HTTP/1.1\r\n" + b"\r\n".join([*headers, length]) + b"\r\n\r\n" + body
    )


def begun(*lines: bytes, size: int = 1_000_000, path: bytes = b"/api/emails") -> bytes:
    """A request whose body does not come."""
    return post(path, b"", *lines).replace(b"Length: 0", b"Length: %d" % size)


@pytest.fixture
def keyed() -> Iterator[tuple[HttpServer, bytes, bytes]]:
    """A server that wants a key, a key that may send, and one that may read."""
    application = an_application(closed=True)
    keys = [f"X-API-Key: {a_key(application, scope)}".encode() for scope in ("send", "read")]
    with a_server(a_client(application, max_body_bytes=2_000_000).application) as server:
        yield server, keys[0], keys[1]


@pytest.mark.parametrize(
    ("line", "path", "status"),
    [
        (b"X-Nothing: x", b"/api/emails", 401),
        (b"X-API-Key: es_wrong", b"/api/emails", 401),
        (b"read", b"/api/emails", 403),
        (b"send", b"/api/nothing", 404),
        (b"send", b"/healthz", 405),
        (b"text", b"/api/emails", 415),
        (b"gzip", b"/api/emails", 415),
    ],
)
@pytest.mark.parametrize("expects", [b"X-Expects: nothing", b"Expect: 100-continue"])
def test_a_large_body_is_not_read_before_the_rest_of_the_request_was_judged(
    keyed, line, path, status, expects
):
    server, may_send, may_read = keyed
    words = {b"read": may_read, b"send": may_send, b"text": may_send, b"gzip": may_send}
    request = begun(words.get(line, line), expects, path=path)
    if line == b"text":
        request = request.replace(b"application/json", b"text/plain")
    if line == b"gzip":
        request = request.replace(b"Host:", b"Content-Encoding: gzip\r\nHost:")
    got, headers, body = answer_to(server, request)
    assert got == status
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-request-id"] == json.loads(body)["request_id"]


def test_a_body_without_a_length_is_judged_when_it_grows_large(keyed):
    server, _, may_read = keyed
    request = begun(may_read).replace(b"Content-Length: 1000000", b"Transfer-Encoding: chunked")
    got, headers, _ = answer_to(server, request + (b"10000\r\n" + b"a" * 2**16 + b"\r\n") * 2)
    assert (got, headers["connection"]) == (403, "close")


def test_a_body_without_a_length_is_refused_when_it_is_too_large():
    request = begun().replace(b"Content-Length: 1000000", b"Transfer-Encoding: chunked")
    with a_server(a_client(max_body_bytes=200_000).application, body_bytes=200_000) as small:
        got, *_ = answer_to(small, request + (b"10000\r\n" + b"a" * 2**16 + b"\r\n") * 5)
    assert got == 413


def test_a_checked_request_is_counted_once_and_answered_as_usual(keyed):
    server, may_send, _ = keyed
    body = json.dumps({"subject": "x" * 70_000}).encode()
    with connected(server) as client:
        client.sendall(
            post(b"/api/emails", body, may_send, b"X-Request-Id: mine", b"Connection: close")
        )
        received = all_that_comes(client)
    assert statuses(received) == [400]
    assert b"x-request-id: mine" in received
    assert b"ratelimit-remaining: 99" in received.lower()


def test_a_slow_body_holds_no_worker():
    with a_server(threads=1) as server, ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(connected(server))
            client.sendall(begun(size=1000) + b"{")
        time.sleep(0.2)
        with connected(server) as client:
            client.sendall(b"GET /api/emails HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
            assert statuses(all_that_comes(client)) == [200]


def test_bodies_beyond_the_memory_for_them_are_refused_and_what_left_gives_it_back():
    with a_server(bodies_bytes=1_500_000) as server:
        with connected(server) as client:
            client.sendall(begun() + b"{")
            assert wait_until(lambda: answer_to(server, begun())[0] == 503)
            got, headers, body = answer_to(server, begun())
            assert (got, headers["retry-after"], headers["connection"]) == (503, "1", "close")
            assert json.loads(body)["code"] == "unavailable"
        body_of = json.dumps({"subject": "x" * 999_000}).encode()

        def accepted() -> bool:
            with connected(server) as client:
                client.sendall(post(b"/api/emails", body_of, b"Connection: close"))
                return statuses(all_that_comes(client)) == [400]

        assert wait_until(accepted, patience=PATIENCE_S)
        assert server.body_bytes_left == 1_500_000


# -- 4 calls of one key at once --------------------------------------------------------------------


class Holding:
    """An application that answers when it is let."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def app(self) -> Flask:
        app = Flask(__name__)
        app.request_class = ServiceRequest
        app.add_url_rule("/hold", view_func=self._hold, methods=["POST", "GET"])
        app.add_url_rule("/healthz", view_func=lambda: "ok", endpoint="alive")
        app.add_url_rule("/readyz", view_func=lambda: "ok", endpoint="ready")
        return app

    def _hold(self) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.go.wait(PATIENCE_S)
        with self._lock:
            self.running -= 1
        return asked.headers.get("X-API-Key", "none")


def holding_call(server: HttpServer, stack: ExitStack, *lines: bytes) -> socket.socket:
    client = stack.enter_context(connected(server))
    client.sendall(post(b"/hold", b"", *lines, b"Connection: close"))
    return client


def test_four_calls_of_one_key_run_at_once_and_a_fifth_waits_for_one_of_them():
    held = Holding()
    with a_server(held.app()) as server, ExitStack() as stack:
        calls = [holding_call(server, stack, b"X-API-Key: a") for _ in range(6)]
        wait_until(lambda: held.running == 4)
        time.sleep(0.2)
        held.go.set()
        assert [statuses(all_that_comes(client)) for client in calls] == [[200]] * 6
    assert held.most == 4


def test_a_request_that_waits_too_long_for_its_keys_place_gets_429_and_blocks_no_worker():
    held = Holding()
    with a_server(held.app(), wait_for_place_s=0.3, threads=6) as server, ExitStack() as stack:
        calls = [holding_call(server, stack, b"X-API-Key: a") for _ in range(4)]
        wait_until(lambda: held.running == 4)
        waiting = [holding_call(server, stack, b"Authorization: Bearer a") for _ in range(30)]
        other = holding_call(server, stack, b"X-API-Key: another")
        wait_until(lambda: held.running == 5)
        refused = all_that_comes(waiting[0])
        held.go.set()
        assert [statuses(all_that_comes(client)) for client in (*calls, other)] == [[200]] * 5
    assert statuses(refused) == [429]
    assert b"retry-after: 1" in refused.lower()
    assert json.loads(refused.partition(b"\r\n\r\n")[2])["code"] == "too_many_requests"


def test_calls_without_a_key_are_not_counted():
    held = Holding()
    with a_server(held.app()) as server, ExitStack() as stack:
        for _ in range(10):
            holding_call(server, stack)
        wait_until(lambda: held.running == 10)
        held.go.set()


def test_health_is_answered_while_all_workers_are_busy():
    held = Holding()
    with a_server(held.app(), threads=2) as server, ExitStack() as stack:
        for _ in range(20):
            holding_call(server, stack)
        wait_until(lambda: held.running == 2)
        for path in (b"/healthz", b"/readyz"):
            request = b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
            assert answer_to(server, request)[0] == 200
        held.go.set()


# -- the form of requests --------------------------------------------------------------------------


def test_a_client_that_offers_another_protocol_is_answered_in_this_one():
    """As Java's does with each POST; the parser would take its body for the other protocol."""
    offer = (b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"Connection: Upgrade")
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with a_server() as server, connected(server) as client:
        client.sendall(post(b"/api/emails", smuggled, *offer))
        client.sendall(b"GET /nowhere HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert statuses(all_that_comes(client)) == [400, 404]


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_client_that_expects_100_continue_gets_it(size):
    body = json.dumps({"subject": "x" * size}).encode()
    request = post(b"/api/emails", body, b"Expect: 100-continue", b"Connection: close")
    with a_server() as server, connected(server) as client:
        client.sendall(request.removesuffix(body))
        assert client.recv(2**16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert statuses(all_that_comes(client)) == [400]


def test_a_header_that_arrives_octet_by_octet_is_as_good_as_one_that_arrives_at_once():
    request = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    with a_server() as server, connected(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in request:
            client.sendall(bytes([octet]))
            time.sleep(0.001)
        assert statuses(all_that_comes(client)) == [200]


def test_a_body_that_begins_with_the_last_octet_of_the_headers_is_no_long_header():
    body = json.dumps({"subject": "x" * 100_000}).encode()
    request = post(b"/api/emails", body, b"Connection: close")
    split = request.index(b"\r\n\r\n") + 3
    with a_server() as server, connected(server) as client:
        client.sendall(request[:split])
        time.sleep(0.2)
        client.sendall(request[split:])
        assert statuses(all_that_comes(client)) == [400]


def test_a_client_that_half_closes_gets_its_answer():
    with a_server() as server, connected(server) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        client.shutdown(socket.SHUT_WR)
        assert statuses(all_that_comes(client)) == [200]


def test_replies_before_and_to_a_bad_request_keep_their_order():
    held = Holding()
    with a_server(held.app()) as server, connected(server) as client:
        client.sendall(b"GET /hold HTTP/1.1\r\n" + HOST + b"\r\n")
        wait_until(lambda: held.running == 1)
        client.sendall(b"NONSENSE\r\n\r\n")
        time.sleep(0.2)
        held.go.set()
        assert statuses(all_that_comes(client)) == [200, 400]

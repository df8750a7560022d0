"""What a client without a key may try, against `serve`, gunicorn, and nginx in front of both.

Each attack costs the service next to no processor time, is answered 4xx where there is a request to
answer, and leaves it able to answer others. gunicorn's threads wait for slow clients: those attacks
it meets only behind nginx, as the documentation says.
"""

import contextlib
import json
import os
import re
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import pytest

from tests.machine import usual_s
from tests.nginx import nginx_in_front_of
from tests.running import ROOT, Running, children_of

KEY = "3f9c1d07b2a84e65aa10c2d4e6f80912"
GUNICORN = (
    str(Path(sys.executable).parent / "gunicorn"),
    "--config",
    str(ROOT / "gunicorn.conf.py"),
    "entrypoints.wsgi:create_app()",
)
MOST_CPU_S = 0.05  # on a machine of the usual speed
A_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PATIENCE_S = 15.0
HOST = b"Host: mail.example.com\r\n"


@attrs.frozen
class Target:
    """What is attacked: the port that clients use, and the service that must bear it."""

    name: str
    port: int
    service: Running

    @property
    def embedded(self) -> bool:
        """Whether clients speak with the embedded server itself."""
        return self.name == "serve"

    @property
    def behind_nginx(self) -> bool:
        return self.name.startswith("nginx")

    def pids(self) -> list[int]:
        """All processes of the service."""
        assert self.service.process is not None
        return [self.service.process.pid, *children_of(self.service.process.pid)]

    def cpu_s(self) -> float:
        """Processor time that the service has used."""
        return sum(_cpu_s(pid) for pid in self.pids())

    def memory(self) -> int:
        """Octets of its memory that are in use."""
        return sum(_status(pid, "RssAnon") * 1024 for pid in self.pids())

    def descriptors(self) -> Counter[str]:
        """How many of each kind, but for the database: a call may have opened one more connection
        to it, which stays."""
        database = str(self.service.folder / "service.db")
        found = Counter[str]()
        for pid in self.pids():
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):  # closed meanwhile
                    found[re.sub(r"\[\d+\]", "", os.readlink(descriptor))] += 1
        return Counter({kind: n for kind, n in found.items() if not kind.startswith(database)})

    def connected(self, *, source: str = "127.0.0.1") -> socket.socket:
        client = socket.create_connection(
            ("127.0.0.1", self.port), timeout=PATIENCE_S, source_address=(source, 0)
        )
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def is_healthy(self, *, source: str = "127.0.0.1") -> bool:
        """Whether somebody else is answered, and soon."""
        with self.connected(source=source) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
            return statuses(all_that_comes(client)) == [200]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * A_TICK_S


def _status(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


@contextmanager
def started(service: Running) -> Iterator[Running]:
    try:
        yield service.start()
    finally:
        if service.process is not None and service.process.poll() is None:
            service.stop()


@pytest.fixture(scope="module", params=["serve", "gunicorn", "nginx-serve", "nginx-gunicorn"])
def target(request, tmp_path_factory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp(request.param)
    command = GUNICORN if request.param.endswith("gunicorn") else None
    service = Running(
        folder, command=command, FLASK_ENV="production", SECRET_KEY=KEY, DISPATCHER="none"
    ).with_key("admin")
    with ExitStack() as stack:
        stack.enter_context(started(service))
        port = service.port
        if request.param.startswith("nginx"):
            port = stack.enter_context(nginx_in_front_of(service.port, folder=folder))
        yield Target(request.param, port, service)


def all_that_comes(client: socket.socket) -> bytes:
    """Until the other side has nothing more to say; what came before a reset too."""
    received = bytearray()
    try:
        while octets := client.recv(2**18):
            received += octets
    except ConnectionResetError:
        pass
    return bytes(received)


def statuses(received: bytes) -> list[int]:
    """Of all final replies."""
    return [
        int(status)
        for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)
        if status != b"100"
    ]


def answered(target: Target, octets: bytes, *, patience: float = 1.0) -> bytes:
    """What comes to a client who sends this, and who stops when it is told something."""
    left, received = memoryview(octets), bytearray()
    deadline = time.monotonic() + patience
    with target.connected() as client:
        client.setblocking(False)
        while (rest := deadline - time.monotonic()) > 0:
            wants_to_write = [client] if left and not received else []
            readable, writable, _ = select.select([client], wants_to_write, [], rest)
            if readable:
                with contextlib.suppress(ConnectionResetError):
                    arrived = client.recv(2**18)
                    received += arrived
                    if arrived:
                        continue
                break
            if writable:
                try:
                    left = left[client.send(left[: 2**16]) :]
                except (BrokenPipeError, ConnectionResetError):
                    left = left[:0]  # the answer may have come between `select` and this
    return bytes(received)


def cost_and_answer(target: Target, octets: bytes) -> tuple[float, bytes]:
    """The least of three: a busy machine makes it more, never less."""
    cheapest, received = 9.9, b""
    for _ in range(3):
        before = target.cpu_s()
        received = answered(target, octets)
        cheapest = min(cheapest, usual_s(target.cpu_s() - before))
        if cheapest <= MOST_CPU_S:
            break
    return cheapest, received


GET = b"GET /healthz HTTP/1.1\r\n" + HOST
POST = b"POST /api/emails HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SECOND = b"GET /readyz HTTP/1.1\r\n" + HOST + b"\r\n"
MB = 2**20

REFUSED = {
    "8 kB of another scheme": b"GET a://" + b"1" * 8_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "60 kB of another scheme": b"GET a://" + b"1" * 60_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long path": b"GET /" + b"1" * 60_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "64 kB of blanks": GET + b"X:" + b" " * 65_536 + b"x\r\n\r\n",
    "64 kB of blanks, refused": GET + b"X:" + b" " * 65_536 + b"\x01\r\n\r\n",
    "tabs and blanks": GET + b"X: x" + b"\t " * 30_000 + b"\x01\r\n\r\n",
    "101 headers": GET + b"".join(b"X-%d: y\r\n" % n for n in range(100)) + b"\r\n",
    "3,000 headers": GET + b"X: y\r\n" * 3_000 + b"\r\n",
    "60 kB of headers": GET + b"Cookie: " + b"x" * 60_000 + b"\r\n\r\n",
    "an endless header": GET + b"X: " + b"x" * 20 * MB,
    "an endless header name": GET + b"x" * 20 * MB,
    "headers without end": GET + b"X: y\r\n" * 3 * MB,
    "an endless length of a chunk": CHUNKED + b"0" * 20 * MB,
    "an endless chunk extension": CHUNKED + b"1;" + b"x" * 20 * MB,
    "an endless trailer": CHUNKED + b"0\r\nX: " + b"x" * 20 * MB,
    "a trailer without end": CHUNKED + b"0\r\n" + b"X: y\r\n" * 3 * MB,
    "655,000 chunks of one octet": CHUNKED + b"1\r\n{\r\n" * 655_000,
    "a length of 5,000 digits": POST + b"Content-Length: " + b"1" * 5_000 + b"\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a length and chunks": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SECOND,
    "chunks and a length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + SECOND,
    "a body as large as was declared": POST
    + b"Content-Length: 20000000\r\n\r\n"
    + b"{" * 20_000_000,
    "a declared body that is too large": POST + b"Content-Length: 99999999999\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "a folded header": GET + b"X: a\r\n b\r\n\r\n",
    "a NUL": GET + b"X: a\0b\r\n\r\n",
    "a blank before the colon": GET + b"X : a\r\n\r\n",
    "a header without a colon": GET + b"Bad Header\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
}
# nginx takes the scheme and the host from the request line, and asks the service for /
TAKEN_BY_NGINX = {"8 kB of another scheme"}
# gunicorn reads what is left of the body after its answer, by a parser in Python: 0.15 to 0.45 s
COSTS_GUNICORN_S = {"655,000 chunks of one octet": 1.0}


def test_every_client_is_told_why_its_large_body_was_refused(target: Target) -> None:
    octets = REFUSED["a body as large as was declared"]
    told = {tuple(statuses(answered(target, octets, patience=0.3))) for _ in range(20)}

    assert told == {(401,)}


@pytest.mark.parametrize("name", REFUSED)
def test_an_attack_costs_next_to_nothing_and_is_refused(target: Target, name: str) -> None:
    cost, received = cost_and_answer(target, REFUSED[name])
    got = statuses(received)
    most = COSTS_GUNICORN_S.get(name, MOST_CPU_S) if target.name == "gunicorn" else MOST_CPU_S
    assert cost <= most + A_TICK_S, f"{cost:.2f} s, {got}"
    # nginx waits for the end of such a body, and the service never hears of it
    assert got or (target.behind_nginx and REFUSED[name].startswith(CHUNKED)), "nothing answered"
    taken = [200] if target.behind_nginx and name in TAKEN_BY_NGINX else []
    assert got == taken or all(400 <= status < 500 for status in got), got
    assert len(got) <= 1 or target.name == "gunicorn", got  # which answers what is left, too
    assert target.is_healthy()
    if target.embedded:
        head, _, body = received.partition(b"\r\n\r\n")
        problem = json.loads(body)
        assert b"connection: close" in head.lower()
        assert b"content-type: application/problem+json" in head.lower()
        assert f"x-request-id: {problem['request_id']}".encode() in head.lower()
        assert b"x-content-type-options: nosniff" in head.lower()
        assert problem["status"] == got[0]


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_lines_end_as_http_says_or_nothing_of_the_request_counts(
    target: Target, end: bytes
) -> None:
    """nginx takes a bare LF, and ends its own lines well."""
    request = b"GET /api/emails HTTP/1.1" + end + b"Host: mail.example.com" + end + end
    got = statuses(answered(target, request, patience=0.5))
    assert got == [400] or (target.behind_nginx and got == [401]) or (end == b"\r" and got == [])
    assert target.is_healthy()


def test_a_header_name_with_an_underscore_is_no_other_header(target: Target) -> None:
    assert target.service.key is not None
    line = b"X_API_Key: " + target.service.key.encode() + b"\r\n"
    received = answered(target, b"GET /api/emails HTTP/1.1\r\n" + HOST + line + b"\r\n")
    assert statuses(received) == [401] if target.behind_nginx else [400]


def test_who_expects_to_be_told_to_go_on_and_sends_no_body_is_answered(target: Target) -> None:
    """The next request on the connection inherits nothing, the key neither."""
    assert target.service.key is not None
    key = b"X-API-Key: " + target.service.key.encode() + b"\r\n"
    first = b"GET /api/emails HTTP/1.1\r\n" + HOST + key + b"Expect: 100-continue\r\n\r\n"
    second = b"GET /api/emails HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    with target.connected() as client:
        client.sendall(first)
        time.sleep(0.3)
        client.sendall(second)
        assert statuses(all_that_comes(client)) == [200, 401]


def test_a_key_is_not_inherited_by_the_requests_that_follow_it_in_one_piece(target: Target) -> None:
    assert target.service.key is not None
    key = b"X-API-Key: " + target.service.key.encode() + b"\r\n"
    ask = b"GET /api/emails HTTP/1.1\r\n" + HOST
    octets = ask + key + b"\r\n" + ask + b"\r\n" + ask + key + b"Connection: close\r\n\r\n"
    with target.connected() as client:
        client.sendall(octets)
        assert statuses(all_that_comes(client)) == [200, 401, 200]


def test_a_body_that_was_not_read_is_never_run_as_a_request(target: Target) -> None:
    key = f"X-API-Key: {target.service.key}\r\n".encode()
    smuggled = b"POST /api/smtp-configs HTTP/1.1\r\n" + HOST + key + b"Content-Length: 2\r\n\r\n{}"
    filler = b" " * 100_000
    body = filler + smuggled
    received = answered(target, POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert statuses(received) == [401]


def test_bodies_of_clients_that_left_are_not_kept(target: Target) -> None:
    """Neither their octets nor their descriptors."""
    key = f"X-API-Key: {target.service.key}\r\n".encode()
    memory, descriptors = target.memory(), target.descriptors()
    for _ in range(3):
        with ExitStack() as stack:
            for number in range(12):
                client = stack.enter_context(target.connected())
                client.settimeout(0.2)
                head = POST + (key if number % 2 else b"") + b"Content-Length: 29000000\r\n\r\n"
                with contextlib.suppress(OSError):
                    client.sendall(head + b"{" * 2 * MB)
    assert target.is_healthy()
    deadline = time.monotonic() + PATIENCE_S
    while (more := target.descriptors() - descriptors).total() > 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert more.total() <= 4, more
    assert target.memory() - memory < 40 * MB


# -- many and slow clients: gunicorn meets them behind nginx only --------------------------------


for_slow_clients = pytest.mark.parametrize(
    "target", ["serve", "nginx-serve", "nginx-gunicorn"], indirect=True
)


@for_slow_clients
def test_a_thousand_half_open_connections_of_one_address_lock_nobody_out(target: Target) -> None:
    with ExitStack() as stack:
        before = target.cpu_s()
        for _ in range(1_000):
            client = stack.enter_context(target.connected(source="127.0.0.2"))
            client.sendall(b"GET /healthz HTTP/1.1\r\n")
        cost = target.cpu_s() - before
        assert target.is_healthy()
        assert target.is_healthy(source="127.0.0.2")
    assert cost < 1.0  # 1 ms each


@for_slow_clients
def test_slow_headers_and_bodies_are_ended_and_hold_nobody_up(target: Target) -> None:
    key = f"X-API-Key: {target.service.key}\r\n".encode()
    began = time.monotonic()
    with ExitStack() as stack:
        slow = [stack.enter_context(target.connected()) for _ in range(60)]
        for number, client in enumerate(slow):
            if number % 3 == 0:
                client.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
            elif number % 3 == 1:
                client.sendall(POST + key + b"Content-Length: 1000\r\n\r\n{")
            else:
                client.sendall(POST + key + b"Content-Length: 1000000\r\n\r\n{")
        with target.connected() as healthy:
            for _ in range(20):
                healthy.sendall(GET + b"\r\n")
                assert statuses(healthy.recv(2**16)) == [200]
                for client in slow[:3]:
                    client.sendall(b"x")
        assert time.monotonic() - began < 5
        assert target.is_healthy()
        for client in slow[::3]:
            assert set(statuses(all_that_comes(client))) <= {408}
    assert 6 < time.monotonic() - began < 14  # half headers: 8 s


# -- a key's calls ---------------------------------------------------------------------------------


def test_a_key_whose_calls_hang_is_told_to_wait_and_holds_nobody_else_up(tmp_path) -> None:
    """Four calls of it run; others wait, without a thread, and then get 429."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as stack:
        port = silent.getsockname()[1]
        service = Running(
            tmp_path,
            FLASK_ENV="production",
            SECRET_KEY=KEY,
            DISPATCHER="none",
            SMTP_ALLOWED_CIDRS="127.0.0.0/8",
            SMTP_ALLOWED_PORTS=port,
            SMTP_BANNER_TIMEOUT=7,
        ).with_key("admin")
        stack.enter_context(started(service))
        target = Target("serve", service.port, service)
        service.account(port)
        hanging = [stack.enter_context(verifying(target)) for _ in range(40)]
        time.sleep(0.5)
        service.with_key("read")
        began = time.monotonic()
        for _ in range(5):
            assert service.get("/api/emails")[0] == 200
            assert target.is_healthy()
        assert time.monotonic() - began < 2
        told = [statuses(all_that_comes(client)) for client in hanging]
    assert sorted(told) == [[200]] * 4 + [[429]] * 36


def verifying(target: Target) -> socket.socket:
    """A call that takes as long as a mail server is silent."""
    client = target.connected()
    key = f"X-API-Key: {target.service.key}\r\nConnection: close\r\n\r\n".encode()
    client.sendall(b"POST /api/smtp-configs/1/verify HTTP/1.1\r\n" + HOST + key)
    return client

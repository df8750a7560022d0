"""The web client against servers that mean no good."""

import logging
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import pytest

from adapters.clock import SystemClock
from adapters.web_client.asking import HEAD_OCTETS
from adapters.web_client.kept import MOST_EACH
from application.ports.web import WebAnswer, WebFailed, WebProblem, WebRequest
from domain.account.network import NetworkPolicy
from entrypoints.settings import Settings
from entrypoints.wiring.ports import web_client_of
from entrypoints.wiring.rules import service_rules
from tests.running import ROOT, free_port, wait_until
from tests.web_asking import AUTHORITY, STRANGER, Names, a_certificate, a_client
from tests.web_server import Arrived, Connection, Play, WebServer, answering, on_the_wire, once

HOST: Final = "web.example"
NETWORK: Final = NetworkPolicy(allowed=(ip_network("127.0.0.0/8"),))
ENOUGH_S: Final = 20.0
OK: Final = b"HTTP/1.1 200 OK\r\n"
BOTH = pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])


class Asking:
    """A client and the one server that HOST leads to."""

    def __init__(self, server: WebServer, names: Names, *, secure: bool) -> None:
        self.server = server
        self.names = names
        self.client = a_client(names, network=NETWORK)
        self.url = f"{'https' if secure else 'http'}://{HOST}/"

    def fetch(
        self,
        *,
        body: bytes = b"",
        timeout_s: float = ENOUGH_S,
        most_octets: int = 65_536,
    ) -> WebAnswer:
        request = WebRequest(method="POST" if body else "GET", url=self.url, body=body)
        return self.client.fetch(request, timeout_s=timeout_s, most_octets=most_octets, plain=True)

    def failure(
        self, *, body: bytes = b"", timeout_s: float = ENOUGH_S, most_octets: int = 65_536
    ) -> tuple[WebProblem, bool]:
        with pytest.raises(WebFailed) as failed:
            self.fetch(body=body, timeout_s=timeout_s, most_octets=most_octets)
        return failed.value.problem, failed.value.may_have_arrived


@contextmanager
def asking(
    play: Play, *, secure: bool = True, receive_buffer: int | None = None
) -> Iterator[Asking]:
    tls = a_certificate(HOST) if secure else None
    with WebServer(play, tls=tls, receive_buffer=receive_buffer) as server:
        names = Names({})
        names.add(HOST, 443 if secure else 80, server.port)
        asked = Asking(server, names, secure=secure)
        try:
            yield asked
        finally:
            asked.client.close()


def for_ever(first: bytes, then: bytes, *, every_s: float = 0.0) -> Play:
    """Read one request, send *first*, and *then* again and again."""

    def play(connection: Connection) -> None:
        connection.request()
        connection.send(first)
        while connection.wait(every_s):
            connection.send(then)

    return play


@BOTH
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (OK, b"X-Again: and again\r\n" * 50),
        (OK + b"X-Long: ", b"x" * 1000),
        (b"", b"H" * 1000),
        (b"", b"\r\n" * 500),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 50),
        (b"", b"HTTP/1.1 199 Odd\r\n\r\n" * 50),
    ],
    ids="headers line status empty 100 103 199".split(),
)
def test_a_head_without_end_is_bounded(first: bytes, then: bytes, secure: bool) -> None:
    with asking(for_ever(first, then), secure=secure) as web:
        problem, arrived = web.failure()

    # more than 100 headers, or a line of more than 64 kB, http.client refuses by itself
    assert problem in (WebProblem.TOO_LARGE, WebProblem.PROTOCOL)
    assert arrived


@BOTH
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (OK + b"Content-Length: 1000000000\r\n\r\n", b"x" * 1000),
        (OK + b"\r\n", b"x" * 1000),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 200),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1;x=", b"x" * 1000),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: more\r\n" * 50),
    ],
    ids="length close chunks small-chunks chunk-extension trailers".split(),
)
def test_a_body_without_end_is_bounded(first: bytes, then: bytes, secure: bool) -> None:
    with asking(for_ever(first, then), secure=secure) as web:
        problem, arrived = web.failure()

    assert problem in (WebProblem.TOO_LARGE, WebProblem.PROTOCOL)
    assert arrived


def test_a_flood_of_tls_itself_is_bounded() -> None:
    certificate = a_certificate(HOST)
    certificate.num_tickets = 3000
    with WebServer(answering(fine), tls=certificate) as server:
        client = a_client(Names({(HOST, 443): [("127.0.0.1", server.port)]}), network=NETWORK)
        with pytest.raises(WebFailed) as failed:
            client.fetch(WebRequest(url=f"https://{HOST}/"))
    assert failed.value.problem is WebProblem.TOO_LARGE


def test_no_more_is_read_than_is_allowed() -> None:
    sent = []

    def play(connection: Connection) -> None:
        connection.request()
        connection.send(OK + b"Content-Length: 100000000\r\n\r\n")
        while connection.wait(0):
            connection.send(b"x" * 4096)
            sent.append(4096)

    with asking(play, secure=False) as web:
        assert web.failure(most_octets=10_000) == (WebProblem.TOO_LARGE, True)
        buffers = 8_000_000  # what the kernel takes of a sender before anybody reads it
        assert sum(sent) < HEAD_OCTETS + 20_000 + buffers


@BOTH
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b"H"),
        (OK, b"X"),
        (OK + b"Content-Length: 1000\r\n\r\n", b"x"),
        (OK + b"\r\n", b"x"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids="status header length close chunks".split(),
)
def test_a_server_that_drips_has_no_more_time_than_another(
    first: bytes, then: bytes, secure: bool
) -> None:
    with asking(for_ever(first, then, every_s=0.02), secure=secure) as web:
        begun = time.monotonic()
        assert web.failure(timeout_s=0.5) == (WebProblem.TIMEOUT, True)
        assert 0.4 < time.monotonic() - begun < 5.0


@pytest.mark.parametrize(
    "then", [b"", b"\x16", b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + b"x" * 90]
)
def test_a_handshake_that_drips_has_no_more_time_than_another(then: bytes) -> None:
    def play(connection: Connection) -> None:
        connection.send(then[:9])
        while connection.wait(0.02):
            connection.send(then[9:10])

    with WebServer(play) as server:
        names = Names({(HOST, 443): [("127.0.0.1", server.port)]})
        client = a_client(names, network=NETWORK)
        begun = time.monotonic()
        with pytest.raises(WebFailed) as failed:
            client.fetch(WebRequest(url=f"https://{HOST}/"), timeout_s=0.5)
        assert time.monotonic() - begun < 5.0
    # one octet of handshake is no TLS message, more may be refused as none
    assert failed.value.problem in (WebProblem.TIMEOUT, WebProblem.TLS)
    assert not failed.value.may_have_arrived


@pytest.mark.parametrize("header", [b"Content-Encoding: gzip", b"Transfer-Encoding: gzip, chunked"])
def test_a_compressed_bomb_is_not_unpacked(header: bytes) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(bytes(50_000_000)) + packer.flush()
    assert len(bomb) < 65_536
    answer = OK + header + b"\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb

    with asking(once(answer)) as web:
        assert web.failure() == (WebProblem.PROTOCOL, True)
        assert web.server.arrived[0].headers["accept-encoding"] == "identity"


def test_t_ssrf_3_a_redirect_to_a_metadata_server_is_not_even_looked_up() -> None:
    answer = WebAnswer(status=302, headers={"Location": "https://169.254.169.254/"}, body=b"")
    with asking(answering(lambda arrived: answer)) as web:
        assert web.fetch().status == 302
        assert web.names.asked == [(HOST, 443)]
        assert web.server.connections == 1


def test_t_ssrf_2_a_name_is_resolved_once_and_that_answer_is_connected_to() -> None:
    with asking(answering(lambda arrived: WebAnswer(status=200, headers={}, body=b""))) as web:
        web.names.add(HOST, 443, 1, address="169.254.169.254")
        web.names.add(HOST, 443, web.server.port)

        assert web.fetch().status == 200
        assert web.names.asked == [(HOST, 443)]
        # rebound: not even the connection that is kept is used
        assert web.failure() == (WebProblem.FORBIDDEN, False)
        assert web.fetch().status == 200
        assert web.server.connections == 1


def test_the_name_is_in_sni_certificate_and_host() -> None:
    asked: list[str] = []
    certificate = a_certificate(HOST)
    certificate.sni_callback = lambda connection, name, context: asked.append(name)
    with WebServer(once(OK + b"\r\n"), tls=certificate) as server:
        client = a_client(Names({(HOST, 8443): [("127.0.0.1", server.port)]}), network=NETWORK)
        client.fetch(WebRequest(url=f"https://{HOST}.:8443/"))

    assert asked == [HOST]
    assert server.arrived[0].headers["host"] == f"{HOST}:8443"


@pytest.mark.parametrize(
    "certificate",
    [
        a_certificate(HOST, issuer=STRANGER),
        a_certificate("other.example"),
        a_certificate("127.0.0.1"),
        a_certificate("*.web.example"),
        a_certificate(HOST, not_after=datetime(2020, 1, 1, tzinfo=UTC)),
    ],
    ids="stranger other address wildcard expired".split(),
)
def test_with_a_wrong_certificate_nothing_is_sent(certificate) -> None:
    with WebServer(once(OK + b"\r\n"), tls=certificate) as server:
        client = a_client(Names({(HOST, 443): [("127.0.0.1", server.port)]}), network=NETWORK)
        with pytest.raises(WebFailed) as failed:
            client.fetch(WebRequest(url=f"https://{HOST}/"))

    assert (failed.value.problem, failed.value.may_have_arrived) == (WebProblem.TLS, False)
    assert server.arrived == []


@pytest.mark.parametrize("octets", [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 400 No\r\n\r\n", b""])
def test_a_server_without_tls_gets_no_request(octets: bytes) -> None:
    def play(connection: Connection) -> None:
        connection.socket.recv(10)
        connection.send(octets)
        connection.reset()

    with WebServer(play) as server:
        client = a_client(Names({(HOST, 443): [("127.0.0.1", server.port)]}), network=NETWORK)
        with pytest.raises(WebFailed) as failed:
            client.fetch(WebRequest(url=f"https://{HOST}/"))

    assert (failed.value.problem, failed.value.may_have_arrived) == (WebProblem.TLS, False)


@BOTH
@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"HTTP/1.1 200",
        OK + b"Content-Length: 5\r\n",
        OK + b"Content-Length: 5\r\n\r\n",
        OK + b"Content-Length: 5\r\n\r\nfour",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfour",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-4\r\nfour\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"Content-Length: 5, 6\r\n\r\nfive!",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nfive!",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"<html>as HTTP/0.9 it would be a page</html>\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"\x00\xff" * 20,
    ],
)
def test_what_is_no_whole_answer_in_http_is_none(octets: bytes, secure: bool) -> None:
    with asking(once(octets), secure=secure) as web:
        assert web.failure() == (WebProblem.PROTOCOL, True)


def test_an_answer_that_ends_with_the_connection_is_whole_only_if_tls_says_so() -> None:
    def play(connection: Connection) -> None:
        connection.request()
        connection.send(OK + b"\r\nsome")
        if not cut:
            connection.finish()

    cut = False
    with asking(play) as web:
        assert web.fetch().body == b"some"
        cut = True
        assert web.failure() == (WebProblem.PROTOCOL, True)


@BOTH
def test_a_server_may_answer_before_the_request_ends(secure: bool) -> None:
    def play(connection: Connection) -> None:
        connection.socket.recv(100)
        connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        connection.wait(ENOUGH_S)

    with asking(play, secure=secure, receive_buffer=4096) as web:
        answer = web.fetch(body=bytes(30_000_000))

    assert (answer.status, answer.body) == (413, b"no")


@BOTH
def test_a_server_that_reads_no_request_costs_the_time_that_was_given(secure: bool) -> None:
    with asking(lambda connection: connection.wait(60), secure=secure, receive_buffer=4096) as web:
        assert web.failure(body=bytes(30_000_000), timeout_s=0.5) == (WebProblem.TIMEOUT, True)


@BOTH
def test_a_server_that_resets_while_the_request_is_sent_may_have_it(secure: bool) -> None:
    def play(connection: Connection) -> None:
        connection.socket.recv(100)
        connection.reset()

    with asking(play, secure=secure, receive_buffer=4096) as web:
        assert web.failure(body=bytes(30_000_000)) == (WebProblem.PROTOCOL, True)


def test_informational_answers_come_before_the_answer() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    going_on = b"HTTP/1.1 100 Continue\r\n\r\n"
    final = OK + b"Content-Length: 2\r\n\r\nok"
    with asking(once(hint + going_on + hint + final)) as web:
        answer = web.fetch()

    assert (answer.status, answer.body) == (200, b"ok")
    assert "link" not in answer.headers


def test_the_value_of_a_header_has_no_control_characters() -> None:
    answer = OK + b"X-Odd: one\r\n two\x1b[2J\x00\r\nX-Odd: three\r\nContent-Length: 0\r\n\r\n"
    with asking(once(answer)) as web:
        assert web.fetch().headers["x-odd"] == "one two [2J , three"


def test_a_kept_connection_that_breaks_is_replaced_without_a_second_request() -> None:
    with asking(answering(fine), secure=False) as web:
        for count in (1, 2):
            assert web.fetch().status == 200
            assert len(web.server.arrived) == count
            web.server.hang_up()
        assert web.server.connections == 2


def fine(arrived: Arrived) -> WebAnswer:
    return WebAnswer(status=200, headers={}, body=arrived.target.encode())


@BOTH
def test_a_connection_is_used_again(secure: bool) -> None:
    with asking(answering(fine), secure=secure) as web:
        for _ in range(3):
            assert web.fetch().body == b"/"
        assert web.server.connections == 1


@BOTH
@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + b"Content-Length: 0\r\n\r\nHTTP/1.1 200 Smuggled\r\nContent-Length: 0\r\n\r\n",
        OK + b"Content-Length: 1\r\n\r\nab",
    ],
    ids="close http-1.0 second-answer one-octet-more".split(),
)
def test_a_connection_that_is_over_or_out_of_step_is_not_used_again(
    answer: bytes, secure: bool
) -> None:
    def play(connection: Connection) -> None:
        while connection.request() is not None:
            connection.send(answer)

    with asking(play, secure=secure) as web:
        for _ in range(2):
            assert web.fetch().status == 200
        assert web.server.connections == 2
        assert len(web.server.arrived) == 2


@BOTH
def test_a_connection_that_the_server_has_closed_is_replaced(secure: bool) -> None:
    with asking(
        once(on_the_wire(WebAnswer(status=200, headers={}, body=b"x"))), secure=secure
    ) as web:
        for count in (1, 2, 3):
            assert web.fetch().body == b"x"
            assert web.server.connections == count
            wait_until(lambda count=count: web.server.ended == count)


@BOTH
def test_a_kept_connection_that_closes_while_it_is_asked_before_loses_no_request(
    secure: bool,
) -> None:
    close, closed = threading.Event(), threading.Event()

    def play(connection: Connection) -> None:
        while (arrived := connection.request()) is not None:
            connection.send(on_the_wire(WebAnswer(status=200, headers={}, body=arrived.body)))
            if arrived.body == b"first":
                close.wait(ENOUGH_S)
                connection.finish()
                closed.set()
                return

    asked: list[int] = []
    with asking(play, secure=secure) as web:
        web.fetch(body=b"first")

        def before() -> bool:
            asked.append(web.server.connections)
            close.set()
            assert closed.wait(ENOUGH_S)
            time.sleep(0.05)  # the end has to arrive
            return True

        request = WebRequest(method="POST", url=web.url, body=b"second")
        answer = web.client.fetch(request, timeout_s=ENOUGH_S, plain=True, before=before)

        assert answer.body == b"second"
        assert (len(asked), web.server.connections) == (2, 2)
        assert [one.body for one in web.server.arrived] == [b"first", b"second"]


def test_at_most_four_connections_are_kept() -> None:
    together = threading.Barrier(7)
    left = []

    def play(connection: Connection) -> None:
        connection.request()
        together.wait(ENOUGH_S)
        connection.send(on_the_wire(WebAnswer(status=200, headers={}, body=b"")))
        connection.request()
        left.append(connection)

    with asking(play) as web, ThreadPoolExecutor(7) as threads:
        assert [one.status for one in threads.map(lambda _: web.fetch(), range(7))] == [200] * 7
        wait_until(lambda: len(left) == 7 - MOST_EACH)
        web.client.close()
        wait_until(lambda: len(left) == 7)


def test_many_threads_get_their_own_answers() -> None:
    with asking(answering(fine)) as web, ThreadPoolExecutor(4) as threads:

        def ask(number: int) -> bytes:
            return web.client.fetch(WebRequest(url=f"{web.url}{number}")).body

        assert list(threads.map(ask, range(100))) == [f"/{n}".encode() for n in range(100)]
        assert web.server.connections <= 4


def test_an_address_that_refuses_is_followed_by_the_next() -> None:
    with WebServer(answering(fine), tls=a_certificate(HOST)) as server:
        answers = [("127.0.0.1", free_port()), ("127.0.0.1", server.port)]
        client = a_client(Names({(HOST, 443): answers}), network=NETWORK)
        assert client.fetch(WebRequest(url=f"https://{HOST}/")).status == 200
        client.close()


def test_t_ssrf_4_a_closed_port_reads_like_a_filtered_one() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        names = Names({("filtered.example", 443): [("127.0.0.1", port)]})
        names.add("closed.example", 443, free_port())
        client = a_client(names, network=NETWORK)
        details = []
        for host, timeout_s in (("filtered.example", 0.5), ("closed.example", ENOUGH_S)):
            with pytest.raises(WebFailed) as failed:
                client.fetch(WebRequest(url=f"https://{host}/"), timeout_s=timeout_s)
            assert not failed.value.may_have_arrived
            details.append(failed.value.detail)
        for filler in fillers:
            filler.close()

    assert details == ["no connection to the server"] * 2


def test_a_name_server_that_hangs_costs_the_time_that_was_given() -> None:
    over = threading.Event()

    class Hanging(Names):
        def __call__(self, host, port):
            over.wait(ENOUGH_S)
            return super().__call__(host, port)

    client = a_client(Hanging({}), network=NETWORK)
    try:
        with pytest.raises(WebFailed) as failed:
            client.fetch(WebRequest(url=f"https://{HOST}/"), timeout_s=0.2)
    finally:
        over.set()
    assert (failed.value.problem, failed.value.may_have_arrived) == (WebProblem.TIMEOUT, False)


def test_in_development_this_machine_is_asked_by_http_on_any_port() -> None:
    with WebServer(answering(fine)) as server:
        client = a_client(network=NetworkPolicy(private=True))
        for host in ("localhost", "127.0.0.1"):
            request = WebRequest(url=f"http://{host}:{server.port}/x")
            assert client.fetch(request).body == b"/x"
        client.close()


def test_a_name_of_this_machine_that_leads_elsewhere_gets_no_plain_http() -> None:
    names = Names({("localhost", 80): [("10.1.2.3", 80)]})
    with pytest.raises(WebFailed) as failed:
        a_client(names, network=NetworkPolicy(private=True)).fetch(
            WebRequest(url="http://localhost/")
        )
    assert (failed.value.problem, failed.value.may_have_arrived) == (WebProblem.FORBIDDEN, False)


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer(answering(fine)) as proxy, asking(answering(fine)) as web:
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert web.fetch().status == 200
        assert proxy.connections == 0


def test_nothing_is_logged_of_an_answer_with_odd_headers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with asking(once(OK + b"no colon here\r\nContent-Length: 0\r\n\r\n")) as web:
        web.fetch()
    assert caplog.records == []


def test_a_secret_is_in_no_text_of_request_and_answer() -> None:
    request = WebRequest(
        method="POST", url="https://a.example/", headers={"X": "hidden"}, body=b"hidden"
    )
    answer = WebAnswer(status=200, headers={}, body=b"hidden")
    assert "hidden" not in f"{request!r} {answer!r}"


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "secret\r\nY: z"}, {"X": "secret\n"}, {"X": "sec\0ret"}, {"X": " secret"},
        {"X\r\nY": "secret"}, {"X:": "secret"}, {"": "secret"}, {"Host": "secret"},
        {"content-length": "0"}, {"Transfer-Encoding": "chunked"}, {"X": "sécret"}, {"X": ""},
    ],
)  # fmt: skip
def test_a_header_that_could_be_two_is_refused_without_telling_its_value(headers) -> None:
    with pytest.raises(ValueError, match="header") as refused:
        WebRequest(url="https://a.example/", headers=headers)
    assert "secret" not in str(refused.value)


def test_a_process_that_asks_nobody_starts_without_the_libraries() -> None:
    told = "import sys, entrypoints.wiring; print({'urllib3', 'dns'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == "set()", run.stderr


def test_the_web_client_of_the_service_trusts_smtp_ca_file(tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    AUTHORITY.cert_pem.write_to_path(own)
    with WebServer(answering(fine), tls=a_certificate("localhost")) as server:
        request = WebRequest(url=f"https://localhost:{server.port}/")
        for environ, trusted in (({"SMTP_CA_FILE": str(own)}, True), ({}, False)):
            settings = Settings.from_environment(environ)
            network = service_rules(settings).network
            client = web_client_of(settings, clock=SystemClock(), network=network)
            if trusted:
                assert client.fetch(request).status == 200
            else:
                with pytest.raises(WebFailed) as failed:
                    client.fetch(request)
                assert failed.value.problem is WebProblem.TLS
            client.close()

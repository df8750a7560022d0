"""How the command line calls the service: again for a while, never twice in effect, never the key.

The service is one of the tests' own that answers as it is told; the time is made up.
"""

import json
import ssl
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from application.ports.web import WebAnswer
from entrypoints.client.bodies import PIECE, Body, File, FormBody, JsonBody, RawBody
from entrypoints.client.calls import PAUSES_S, Service
from entrypoints.client.config import Config
from entrypoints.client.failures import (
    Failure,
    Refused,
    Unanswered,
    WrongConfiguration,
    WrongMessage,
)
from tests.running import quiet_port
from tests.web_server import Arrived, Connection, Play, WebServer, answering, once

KEY = "es_secret-of-the-test"
ACCEPTED = WebAnswer(status=201, headers={}, body=b'{"email_id": 7}')
BODY = JsonBody({"subject": "Hi"})


class Time:
    """Passes only in pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def config(port: int, *, path: str = "", scheme: str = "http", key: str = KEY) -> Config:
    return Config(scheme, "127.0.0.1", port, path, key, "", "")


def service(port: int, time: Time, **changes: str) -> Service:
    return Service(config(port, **changes), monotonic=time.monotonic, sleep=time.sleep)


def post(to: Service, body: Body = BODY) -> object:
    return to.post("/api/emails", body, idempotency_key="k-1")


def problem(status: int, **headers: str) -> WebAnswer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebAnswer(status=status, headers=names, body=b'{"detail": "a reason", "code": "c"}')


def in_turn(*answers: WebAnswer | None) -> Play:
    """One answer after the other; None closes the connection without one."""
    left: Iterator[WebAnswer | None] = iter(answers)
    return answering(lambda _: next(left))


# -- calls that are repeated -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_call_is_repeated_while_the_service_cannot_take_it(status: int) -> None:
    time = Time()
    with WebServer(in_turn(problem(status), problem(status), ACCEPTED)) as server:
        assert post(service(server.port, time)) == {"email_id": 7}

    assert [one.headers["idempotency-key"] for one in server.arrived] == ["k-1"] * 3
    assert len({one.body for one in server.arrived}) == 1
    assert time.pauses == list(PAUSES_S[:2])


def test_a_lost_answer_is_asked_for_again_with_the_same_key() -> None:
    with WebServer(in_turn(None, ACCEPTED)) as server:
        assert post(service(server.port, Time())) == {"email_id": 7}

    assert [one.headers["idempotency-key"] for one in server.arrived] == ["k-1", "k-1"]


def test_the_service_says_how_long_to_wait() -> None:
    time = Time()
    with WebServer(in_turn(problem(429, Retry_After="7"), ACCEPTED)) as server:
        post(service(server.port, time))

    assert time.pauses == [7]


def test_who_must_wait_longer_than_the_patience_is_told_at_once() -> None:
    time = Time()
    with (
        WebServer(in_turn(problem(503, Retry_After="3600"))) as server,
        pytest.raises(Unanswered, match=r"cannot take it now \(503\): a reason"),
    ):
        post(service(server.port, time))

    assert time.pauses == []


def test_the_patience_ends() -> None:
    time = Time()
    port = quiet_port()
    with pytest.raises(Unanswered, match=f"http://127.0.0.1:{port} does not answer: .*refused"):
        post(service(port, time))

    assert 20 < time.now < 30


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415])
def test_what_is_refused_is_told_with_the_reason_and_not_repeated(status: int) -> None:
    with WebServer(in_turn(problem(status))) as server, pytest.raises(Refused) as refused:
        post(service(server.port, Time()))

    assert (refused.value.status, len(server.arrived)) == (status, 1)
    assert "a reason" in str(refused.value)
    assert refused.value.told()["code"] == "c"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 Fine\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 404 None\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\n[]",
    ],
)
def test_another_server_is_recognised_and_no_redirection_followed(answer: bytes) -> None:
    with WebServer(once(answer)) as server, pytest.raises(WrongConfiguration, match="no Email"):
        post(service(server.port, Time()))
    assert len(server.arrived) == 1


def test_what_is_no_http_is_no_answer() -> None:
    with (
        WebServer(lambda connection: connection.send(b"220 mail ESMTP\r\n")) as server,
        pytest.raises(Unanswered, match="does not answer"),
    ):
        post(service(server.port, Time()))


def test_a_call_that_is_refused_before_it_was_read_is_told_why() -> None:
    def refuse(connection: Connection) -> None:
        connection.socket.recv(1000)
        connection.send(
            b"HTTP/1.1 413 Large\r\nContent-Length: 21\r\nConnection: close\r\n\r\n"
            b'{"detail": "it is 1"}'
        )
        connection.finish()
        while connection.socket.recv(65_536):
            pass

    body = RawBody([b"x" * 3_000_000], ["ada@example.org"])
    with WebServer(refuse) as server, pytest.raises(Refused) as refused:
        post(service(server.port, Time()), body)
    assert refused.value.status == 413


def test_the_path_of_the_address_stands_before_that_of_the_call() -> None:
    with WebServer(in_turn(ACCEPTED)) as server:
        post(service(server.port, Time(), path="/mail"))
    assert server.arrived[0].target == "/mail/api/emails"


def test_the_key_is_sent_and_never_shown() -> None:
    with WebServer(in_turn(problem(401))) as server:
        client = service(server.port, Time())
        with pytest.raises(Failure) as failure:
            post(client)

    assert server.arrived[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in f"{failure.value}{failure.value.told()}{config(1)!r}{client!r}"


def test_a_server_whose_certificate_is_not_trusted_gets_no_key() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with (
        WebServer(in_turn(ACCEPTED), tls=tls) as server,
        pytest.raises(WrongConfiguration, match="is not trusted: "),
    ):
        post(service(server.port, Time(), scheme="https"))
    assert server.arrived == []


# -- bodies ----------------------------------------------------------------------------------------


def received(body: Body) -> Arrived:
    with WebServer(in_turn(ACCEPTED)) as server:
        post(service(server.port, Time()), body)
    [arrived] = server.arrived
    assert len(arrived.body) == body.length
    return arrived


@pytest.mark.parametrize("size", [0, 1, 2, 3, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2])
def test_a_message_is_whole_whatever_its_size(size: int) -> None:
    message = [b"From: a\n\n", memoryview(bytes(range(256)) * (size // 256 + 1))[:size]]
    fields = json.loads(received(RawBody(message, ['"a"@x.org'])).body)

    assert fields["recipients"] == ['"a"@x.org']
    assert b64decode(fields["raw"], validate=True) == b"".join(message)


def test_a_body_is_the_same_each_time_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 500_000)
    for body in (RawBody([b"x" * 500], ["a"]), FormBody({}, [File(str(tmp_path / "a"))]), BODY):
        assert b"".join(body.pieces()) == b"".join(body.pieces())


def test_a_file_that_becomes_shorter_is_no_trouble_of_the_network(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x" * 500_000)
    body = FormBody({}, [File(str(file))])
    file.write_bytes(b"x")
    with WebServer(in_turn(ACCEPTED)) as server, pytest.raises(WrongMessage, match="shorter"):
        post(service(server.port, Time()), body)
    assert server.arrived == []


# -- what a caller learns beside the answer ----


def test_a_list_is_read_and_the_time_of_the_service_is_kept() -> None:
    headers = {"Date": "Mon, 30 Nov 2026 18:00:00 GMT"}
    play = answering(lambda _: WebAnswer(status=200, headers=headers, body=b'[{"id": 1}]'))
    with WebServer(play) as server:
        service = Service(config(server.port))
        assert service.answered_at is None

        assert service.rows("/api/templates") == [{"id": 1}]

    assert service.answered_at == datetime(2026, 11, 30, 18, tzinfo=UTC)


def test_an_object_is_no_list_and_a_list_no_object() -> None:
    bodies = iter([b"{}", b"[]"])
    play = answering(lambda _: WebAnswer(status=200, headers={}, body=next(bodies)))
    with WebServer(play) as server:
        service = Service(config(server.port))
        with pytest.raises(WrongConfiguration, match="is no Email Service"):
            service.rows("/")
        with pytest.raises(WrongConfiguration, match="is no Email Service"):
            service.get("/")


@pytest.mark.parametrize(
    ("statuses", "nothing_stored"),
    [((429,), True), ((503, 429), True), ((503, 500), False), ((502, 503), False), ((0,), False)],
)
def test_it_is_told_whether_nothing_came_of_a_call(
    statuses: tuple[int, ...], nothing_stored: bool
) -> None:
    """A server that answers 500, or closes the connection, may have stored it; 0 is for that."""
    left = list(statuses)

    def answer(_: Arrived) -> WebAnswer | None:
        status = left.pop(0) if len(left) > 1 else left[0]
        return WebAnswer(status=status, headers={}, body=b"{}") if status else None

    time = Time()
    with WebServer(answering(answer)) as server:
        service = Service(config(server.port), monotonic=time.monotonic, sleep=time.sleep)
        with pytest.raises(Unanswered) as told:
            service.post("/api/emails", BODY, idempotency_key="k")

    assert told.value.nothing_stored is nothing_stored


def test_it_is_told_when_the_service_takes_calls_again() -> None:
    headers = {"Retry-After": "7200"}
    play = answering(lambda _: WebAnswer(status=429, headers=headers, body=b"{}"))
    with WebServer(play) as server, pytest.raises(Unanswered) as told:
        Service(config(server.port)).post("/api/emails", BODY, idempotency_key="k")

    assert told.value.retry_after_s == 7200

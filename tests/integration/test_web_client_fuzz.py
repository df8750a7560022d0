"""Whatever a server sends, the web client answers or raises WebFailed, and in time."""

import os
import random
import time
from ipaddress import ip_network
from typing import Final

import pytest

from adapters.web_client import UrllibWebClient
from application.ports.web import WebAnswer, WebFailed, WebProblem, WebRequest
from domain.account.network import NetworkPolicy
from tests.web_asking import Names, a_client
from tests.web_server import Connection, WebServer

SEED: Final = int(os.environ.get("FUZZ_SEED", "20261130"))
ROUNDS: Final = int(os.environ.get("FUZZ_ROUNDS", "400"))
NETWORK: Final = NetworkPolicy(allowed=(ip_network("127.0.0.0/8"),))
MOST: Final = 2000
HONEST: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n"
    b"\r\n",
    b"HTTP/1.0 404 Not Found\r\nConnection: close\r\n\r\nno such page",
    b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: https://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
)
PIECES: Final = (
    *(b"\r\n", b"\n", b"\r", b"\0", b":", b" ", b"\t", b"0", b"-1", b"99999999999999999999"),
    *(b"Content-Length: 7\r\n", b"Transfer-Encoding: gzip\r\n", b"Content-Encoding: br\r\n"),
    *(b"HTTP/1.1 100 Continue\r\n\r\n", b"\xff\xfe", "é".encode(), b"x" * 3000, b"a: b\r\n" * 120),
)


def mutated(random_: random.Random) -> bytes:
    """An honest answer with some octets lost, doubled, changed or put between."""
    octets = bytearray(random_.choice(HONEST))
    for _ in range(random_.randrange(1, 5)):
        at = random_.randrange(len(octets) + 1)
        match random_.randrange(5):
            case 0:
                del octets[at : at + random_.randrange(1, 9)]
            case 1:
                octets[at:at] = octets[at : at + random_.randrange(1, 30)]
            case 2:
                octets[at : at + 1] = bytes([random_.randrange(256)])
            case 3:
                octets[at:at] = random_.choice(PIECES)
            case _:
                del octets[at:]
    return bytes(octets)


def asked(client: UrllibWebClient, *, timeout_s: float) -> WebAnswer | WebFailed:
    request = WebRequest(url="http://a.example/")
    try:
        return client.fetch(request, timeout_s=timeout_s, most_octets=MOST, plain=True)
    except WebFailed as failed:
        return failed


@pytest.mark.parametrize("kept", [False, True])
def test_no_answer_breaks_the_client(kept: bool) -> None:
    random_ = random.Random(SEED)
    sent = b""

    def play(connection: Connection) -> None:
        while connection.request() is not None:
            connection.send(sent)
            if not kept:
                return

    with WebServer(play) as server:
        client = a_client(Names({("a.example", 80): [("127.0.0.1", server.port)]}), network=NETWORK)
        for turn in range(ROUNDS // 8 if kept else ROUNDS):
            sent = mutated(random_)
            told = f"seed {SEED}, turn {turn}: {sent[:300]!r}"
            begun = time.monotonic()
            answer = asked(client, timeout_s=0.1 if kept else 10.0)
            assert time.monotonic() - begun < 5.0, told
            if isinstance(answer, WebFailed):
                assert answer.may_have_arrived, told
                assert kept or answer.problem is not WebProblem.TIMEOUT, told
            else:
                assert 200 <= answer.status <= 599, told
                assert len(answer.body) <= MOST, told
        client.close()

"""The played Graph API behind HTTP, on loopback: for what really goes over the wire."""

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.fakes.graph import PlayedGraph
from application.ports.web import WebAnswer, WebProblem, WebRequest
from tests.web_server import Connection, WebServer, on_the_wire

GARBAGE = b"220 mail.example.com ESMTP\r\n" * 3


@contextmanager
def running_graph(played: PlayedGraph) -> Iterator[WebServer]:
    """It answers at the server's port until the end of the block.

    Where a play names a problem, the connection is closed (UNREACHABLE: by RST), kept silent
    (TIMEOUT), or says what is no HTTP (PROTOCOL).
    """

    def play(connection: Connection) -> None:
        while (arrived := connection.request()) is not None:
            answer = played(
                WebRequest(
                    method=arrived.method,
                    url=f"http://{arrived.headers['host']}{arrived.target}",
                    headers={
                        name: value
                        for name, value in arrived.headers.items()
                        if name in ("authorization", "content-type")
                    },
                    body=arrived.body,
                )
            )
            if isinstance(answer, WebAnswer):
                connection.send(on_the_wire(answer))
            elif answer is WebProblem.TIMEOUT:
                connection.wait(60)
                return
            else:
                if answer is WebProblem.PROTOCOL:
                    connection.send(GARBAGE)
                    connection.finish()
                else:
                    connection.reset()
                return

    with WebServer(play) as server:
        yield server

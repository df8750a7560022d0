"""A receiver of webhooks on loopback, which keeps what arrives and answers what it is told."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import attrs

Answer = Callable[["Call"], int | None]  # the status; None: it answers nothing


@attrs.frozen
class Call:
    """A call as it came, and when."""

    id: str
    headers: dict[str, str]
    body: bytes
    at: float


class WebhookReceiver:
    """Use it in a ``with``. *answer* gives the status of each call."""

    def __init__(self, answer: Answer = lambda call: 204) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                """A client that was killed is no error here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?x=1"

    def __enter__(self) -> "WebhookReceiver":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def ids(self) -> Counter[str]:
        """How often each message came."""
        return Counter(call.id for call in self.calls)

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        call = Call(headers["webhook-id"], headers, body, time.monotonic())
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.calls.append(call)
        status = self.answer(call)
        with self._lock:
            self.at_once -= 1
        if status is None:
            handler.close_connection = True
            return
        handler.send_response(status)
        if 300 <= status < 400:
            handler.send_header("location", self.url)
        handler.send_header("content-length", "0")
        handler.end_headers()

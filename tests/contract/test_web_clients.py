"""Every web client keeps the contract of the WebClient port."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import ip_network

from adapters.fakes.web import FakeWeb
from application.ports.web import WebAnswer, WebProblem, WebRequest
from domain.account.network import NetworkPolicy
from tests.contract.web_suite import ALLOWED, HOST, Handler, Played, WebClientContract
from tests.running import free_port
from tests.web_asking import STRANGER, Names, a_certificate, a_client
from tests.web_server import Connection, Play, WebServer, on_the_wire

NETWORK = NetworkPolicy(allowed=(ip_network("127.0.0.0/8"),))


class TestFakeWeb(WebClientContract):
    @contextmanager
    def playing(self, handler: Handler, *, addresses: Sequence[str] = ALLOWED) -> Iterator[Played]:
        web = FakeWeb(network=NETWORK)
        web.serve(HOST, handler, addresses=addresses)
        yield Played(web, lambda: web.requests)


class TestUrllibWebClient(WebClientContract):
    @contextmanager
    def playing(self, handler: Handler, *, addresses: Sequence[str] = ALLOWED) -> Iterator[Played]:
        played = handler(WebRequest(url=f"https://{HOST}/"))
        stranger = played is WebProblem.TLS
        certificate = a_certificate(HOST, issuer=STRANGER) if stranger else a_certificate(HOST)
        with ExitStack() as stack:
            secure = stack.enter_context(WebServer(_play(handler), tls=certificate))
            plain = stack.enter_context(WebServer(_play(handler)))
            port = free_port() if played is WebProblem.UNREACHABLE else secure.port
            names = Names({(HOST, 443): [(one, port) for one in addresses]})
            names.add(HOST, 80, plain.port)
            client = a_client(names, network=NETWORK)
            stack.callback(client.close)
            yield Played(client, lambda: [*_requests(secure), *_requests(plain)])


def _play(handler: Handler) -> Play:
    def play(connection: Connection) -> None:
        while (arrived := connection.request()) is not None:
            url = f"https://{arrived.headers['host']}{arrived.target}"
            answer = handler(WebRequest(method=arrived.method, url=url, body=arrived.body))
            if isinstance(answer, WebAnswer):
                connection.send(on_the_wire(answer))
            elif answer is WebProblem.TIMEOUT:
                connection.wait(60)
            else:
                return

    return play


def _requests(server: WebServer) -> list[WebRequest]:
    return [
        WebRequest(
            method=arrived.method,
            url=f"https://{arrived.headers['host']}{arrived.target}",
            headers={name: value for name, value in arrived.headers.items() if name == "x-its"},
            body=arrived.body,
        )
        for arrived in server.arrived
    ]

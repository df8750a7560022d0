"""Where the processor's time goes, stage by stage, in one thread and without an interpreter lock to
wait for: microseconds for each email.

Ports are wrapped, the use cases behind them are the real ones. What a stage costs here is the least
it can cost in the service, where threads also pay for taking turns.
"""

import io
import json
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from adapters.clock import SystemClock
from adapters.dkim_signer import CryptographySigner
from adapters.entropy import SystemEntropy
from adapters.fakes.authorization_server import FakeAuthorizationServer
from adapters.fakes.dns import FakeDns
from adapters.fakes.locks import FakeLocks
from adapters.fakes.mailbox import FakeMailboxReader
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.fakes.vault import FakeVault
from adapters.fakes.web import FakeWeb
from adapters.message_reader import BoundedMessageReader
from adapters.name_resolver import NameResolver
from adapters.observers import ListObserver
from adapters.peewee_store import SqliteStore
from adapters.signatures import CryptographySignatures
from adapters.siv_cipher import SivCipher
from adapters.smtp_sender import SmtpSender
from adapters.template_engine import MinijinjaTemplates
from application import Application, Ports, ServicePolicy, assemble
from application.access import AccessPolicy
from application.delivery import DeliveryPolicy
from application.ports.sender import Conversation
from application.ports.store import Transaction
from domain.account.account import Account
from domain.outcome.handoff import Handoff, Parcel
from domain.outcome.rules_file import parse_rules
from entrypoints.http import create_http
from entrypoints.stores import open_store
from tests.benchmarks.client import an_email
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene
from tests.benchmarks.filling import Filling, fill, message
from tests.benchmarks.sink import sink
from tests.running import ROOT

# a work's name begins with the use case that made it
_STAGES: Final = {
    "Claims.claim": "claim",
    "ResultWriter.": "marks and results",
    "MessageCache.": "read messages",
}
Work = Callable[[Transaction], Any]


class Costs:
    """Processor time of the threads that measure, by stage."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """What is done inside costs *stage*."""
        started = time.thread_time()
        try:
            yield
        finally:
            self.seconds[stage] += time.thread_time() - started


class MeasuredStore:
    """The Store port: what each work costs, without its commit."""

    def __init__(self, store: SqliteStore, costs: Costs) -> None:
        self._store = store
        self._costs = costs

    def read(self, work: Work) -> Any:
        return self._store.read(self._measured(work))

    def read_latest(self, work: Work) -> Any:
        return self._store.read_latest(self._measured(work))

    def write(self, work: Work) -> Any:
        return self._store.write(self._measured(work))

    def post(self, work: Work) -> "Future[Any]":
        return self._store.post(self._measured(work))

    def ping(self) -> None:
        self._store.ping()

    def _measured(self, work: Work) -> Work:
        name = work.__qualname__
        stage = next((stage for start, stage in _STAGES.items() if name.startswith(start)), "store")

        def measured(tx: Transaction) -> Any:
            with self._costs.of(stage):
                return work(tx)

        return measured


class MeasuredSender:
    """The part of the Sender port that hands off."""

    def __init__(self, sender: SmtpSender, costs: Costs) -> None:
        self._sender = sender
        self._costs = costs

    @contextmanager
    def converse(self, account: Account) -> Iterator["MeasuredConversation"]:
        with self._sender.converse(account) as conversation:
            yield MeasuredConversation(conversation, self._costs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sender, name)


class MeasuredConversation:
    """The Conversation port: what each message costs."""

    def __init__(self, conversation: Conversation, costs: Costs) -> None:
        self._conversation = conversation
        self._costs = costs

    def send(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        still: Callable[[], bool] = lambda: True,
        then: Callable[[], Parcel | None] = lambda: None,
    ) -> Handoff:
        with self._costs.of("dialogue"):
            return self._conversation.send(parcel, before_dot=before_dot, still=still, then=then)


def stages(scene: Scene) -> Reached:
    """Every stage of many emails, one after the other."""
    number = scene.size(2000, 60)
    costs = Costs()
    for _ in range(number):
        with costs.of("compose"):
            message()
    with sink() as target:
        path = scene.folder / "stages.db"
        fill(path, Filling(emails=number, port=target.port))
        store = open_store(f"sqlite:///{path}", clock=SystemClock())
        sender = SmtpSender(
            vault=FakeVault(),
            clock=SystemClock(),
            resolver=NameResolver(allow=lambda _: True),
            ehlo_hostname="[127.0.0.1]",
        )
        try:
            application = application_on(MeasuredStore(store, costs), MeasuredSender(sender, costs))
            _hand_off_all(application, number, costs)
            _post_all(application, number, costs)
        finally:
            sender.close()
            store.close()
    costs.seconds["settle's use case"] = costs.seconds.pop("deliver") - costs.seconds["dialogue"]
    return {f"{stage}": costs.seconds[stage] * 1e6 / number for stage in _SHOWN}


def _hand_off_all(application: Application, number: int, costs: Costs) -> None:
    done = 0
    while done < number:
        instance = application.membership.beat()
        for batch in application.delivery.claim(instance, places=1):
            with costs.of("deliver"):
                application.delivery.deliver(batch, stopping=lambda: False)
            done += len(batch.emails)
    assert application.delivery.flush(timeout=30)


def _post_all(application: Application, number: int, costs: Costs) -> None:
    """WSGI calls, without a server and its sockets."""
    http = create_http(application, version="0")
    octets = json.dumps(an_email()).encode()
    answers: list[str] = []
    for _ in range(number):
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/emails",
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "5000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1:5000",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(octets)),
            "wsgi.input": io.BytesIO(octets),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
        }
        with costs.of("POST without its server"):
            answer = http.wsgi_app(environ, lambda status, headers, *_: answers.append(status))
            b"".join(answer)
    assert set(answers) == {"201 CREATED"}, set(answers)


def application_on(store: Any, sender: Any) -> Application:
    """The use cases on these two ports, and on ports that cost little."""
    rules = parse_rules(
        tomllib.loads(Path(ROOT, "domain", "outcome", "smtp_rules.toml").read_text("utf-8"))
    )
    return assemble(
        Ports(
            store=store,
            sender=sender,
            vault=FakeVault(),
            dkim=CryptographySigner(),
            token_cipher=SivCipher(),
            signatures=CryptographySignatures(),
            clock=SystemClock(),
            entropy=SystemEntropy(),
            engine=MinijinjaTemplates(),
            reader=BoundedMessageReader(),
            locks=FakeLocks(),
            headroom=lambda: True,
            web=FakeWeb(),
            dns=FakeDns(),
            mailboxes=FakeMailboxReader(),
            authorization=FakeAuthorizationServer(PlayedProvider(clock=SystemClock())),
            wake=lambda: None,
            observe=ListObserver(),
        ),
        ServicePolicy(
            delivery=DeliveryPolicy(replies=rules), access=AccessPolicy(open_without_keys=True)
        ),
        host="here",
        pid=1,
    )


_SHOWN: Final = (
    "compose",
    "POST without its server",
    "claim",
    "read messages",
    "dialogue",
    "settle's use case",
    "marks and results",
)
BENCHMARKS: Final = (
    Benchmark(
        name="stages",
        about="2,000 emails through each stage, one thread",
        figures=tuple(Figure(name=name, unit="µs") for name in _SHOWN),
        run=stages,
    ),
)

"""OAUTH: a backlog over an account that logs in by OAuth, beside the same account with a password.

Three accounts of one service send the same number of emails in turn, each to a mail server of its
own: one with a password, one with tokens of 60 s, and one whose tokens end several times within
its backlog. A connection is closed after some messages, as providers do, so that each account logs
in throughout. In the last part a provider forgets the access token while mail is being sent.
"""

import json
import os
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import attrs

from adapters.clock import SystemClock
from adapters.fakes.bearer import BEARERS
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.fakes.script import Script
from tests.faults.harness import (
    PATIENCE_S,
    Client,
    Numbers,
    an_email,
    database_of,
    ended,
)
from tests.faults.measures import extra_copies
from tests.oauth_server import OAuthServer, running_oauth_server
from tests.running import Running, wait_until
from tests.smtp_server import SessionLimit, SmtpServer

SECRET: Final = "the client secret of the experiment"
PASSWORD: Final = "the password of the experiment"
BATCH: Final = 250
PER_CONNECTION: Final = 100


@attrs.define
class Line:
    """One account, and the mail server that it sends to."""

    name: str
    server: SmtpServer
    log: Path
    account_id: int
    provider: PlayedProvider | None = None
    rates: list[float] = attrs.field(factory=list)
    cpu_s: list[float] = attrs.field(factory=list)

    @property
    def per_second(self) -> int:
        """The median of its backlogs."""
        return round(statistics.median(self.rates))

    def share_of(self, other: "Line") -> float:
        """The median of its pace beside that of *other*, each pair from one round.

        Whatever else the machine does meanwhile slows both of a pair.
        """
        pairs = zip(self.rates, other.rates, strict=True)
        return round(statistics.median(mine / theirs for mine, theirs in pairs), 3)

    def cpu_ms(self, emails: int) -> float:
        """Processor time of the service for one email, by the median."""
        return round(1000 * statistics.median(self.cpu_s) / emails, 2)

    @property
    def refreshes(self) -> int:
        """How many tokens were granted to it by a refresh token."""
        assert self.provider is not None
        return self.provider.asked["refresh_token"]

    def taken(self) -> list[tuple[str, float]]:
        """The subject of each message that was taken, and when."""
        lines = self.log.read_text("utf-8").splitlines()
        return [(entry["subject"], entry["monotonic"]) for entry in map(json.loads, lines)]


def a_backlog_outlives_its_tokens(
    folder: Path,
    *,
    emails: int = 5000,
    rounds: int = 5,
    lifetime_s: int = 60,
    short_s: int = 2,
    least_share: float = 0.95,
) -> Numbers:
    """*emails* are the backlog of each account in each round. *short_s* is the life of tokens that
    end within a backlog. Throughput by OAuth is at least *least_share* of that by password.
    """
    service = Running(folder)
    with ExitStack() as stack:
        password = stack.enter_context(_by_password(folder, service))
        stack.enter_context(ended(service))
        service.start()
        password.account_id = _account(service, password, password=PASSWORD)
        lines = [password]
        for name, life in (("60", lifetime_s), ("short", short_s)):
            line, oauth = stack.enter_context(_by_oauth(folder, name, life))
            line.account_id = _account(service, line, auth=_auth(oauth))
            _authorize(service, line)
            lines.append(line)
        _, usual, short = lines
        sent = 0
        for line in lines:
            sent += _backlog(service, line, "warm", emails=min(emails, 500))
            line.rates.clear()
            line.cpu_s.clear()
        for number in range(rounds):
            for line in lines if number % 2 == 0 else reversed(lines):
                sent += _backlog(service, line, f"round {number}", emails=emails)
        granted = short.refreshes
        assert granted >= 2 * rounds, f"the tokens ended {granted} times only: give more emails"
        assert all(login.good for line in lines for login in line.server.logins)

        usual.server.limit = SessionLimit(messages=PER_CONNECTION // 5)
        sent += _backlog(service, usual, "forgotten", emails=emails, amid=_forget(usual))
        refused = sum(not login.good for login in usual.server.logins)
        assert refused, "the provider forgot no token that was shown again"
        database = database_of(service)
        database.wait_for_the_end()
        assert database.statuses() == {"sent": sent}, database.statuses()
        copies = sum(extra_copies(subject for subject, _ in line.taken()) for line in lines)
        assert copies == 0
        assert database.wrong_sums() == []
        assert service.stop() == 0
    usual.rates.pop()  # more logins than in the others
    usual.cpu_s.pop()
    numbers: Numbers = {
        "emails in a backlog": emails,
        "rounds": rounds,
        "failed": 0,
        "copies beyond one": copies,
        "by password, per second": password.per_second,
        f"by tokens of {lifetime_s} s": usual.per_second,
        "share of the password's": usual.share_of(password),
        f"by tokens of {short_s} s": short.per_second,
        "share of those": short.share_of(password),
        "processor time an email, ms": " ".join(str(each.cpu_ms(emails)) for each in lines),
        f"tokens of {lifetime_s} s granted": usual.refreshes + 1,
        f"tokens of {short_s} s granted": short.refreshes + 1,
        "logins by token": sum(len(line.server.logins) for line in (usual, short)),
        "tokens refused after they were forgotten": refused,
    }
    for line in (usual, short):
        assert line.share_of(password) >= least_share, f"{line.name}: {numbers}"
    return numbers


@contextmanager
def _by_password(folder: Path, service: Running) -> Iterator[Line]:
    script = Script(mechanisms=("PLAIN",), password=PASSWORD)
    with _server(folder, "password", script) as line:
        yield line


@contextmanager
def _by_oauth(folder: Path, name: str, life: int) -> Iterator[tuple[Line, OAuthServer]]:
    provider = PlayedProvider(clock=SystemClock(), clients={"app": SECRET}, lifetime=life)
    with (
        running_oauth_server(provider) as oauth,
        _server(folder, name, Script(mechanisms=BEARERS), takes=provider.takes) as line,
    ):
        line.provider = provider
        yield line, oauth


@contextmanager
def _server(
    folder: Path, name: str, script: Script, *, takes: Callable[[str], bool] | None = None
) -> Iterator[Line]:
    log = folder / f"accepted-{name}.jsonl"
    with (
        log.open("w", encoding="utf-8") as file,
        SmtpServer(
            script,
            log=file,
            keep=False,
            limit=SessionLimit(messages=PER_CONNECTION),
            takes_token=lambda _user, token: takes is not None and takes(token),
        ) as server,
    ):
        yield Line(name, server, log, account_id=0)


def _account(service: Running, line: Line, **login: object) -> int:
    return service.account(
        line.server.port,
        name=line.name,
        username="me@example.com",
        minute_limit=None,
        max_connections=4,
        **login,
    )


def _auth(oauth: OAuthServer) -> dict[str, object]:
    client = oauth.client()
    return {
        "type": "oauth",
        "provider": "custom",
        "flow": "authorization_code",
        "client_id": "app",
        "client_secret": SECRET,
        "scope": "mail",
        "token_url": client.token_url,
        "authorize_url": client.authorize_url,
    }


def _authorize(service: Running, line: Line) -> None:
    """As a person does with a browser."""
    status, begun = service.post(f"/api/smtp-configs/{line.account_id}/authorize", {})
    assert status in (200, 201), begun
    assert line.provider is not None
    with urllib.request.urlopen(line.provider.consent(begun["authorize_url"]), timeout=30) as page:
        assert page.status == 200


def _forget(line: Line) -> Callable[[], object]:
    assert line.provider is not None
    return line.provider.forget_access


def _backlog(
    service: Running,
    line: Line,
    what: str,
    *,
    emails: int,
    amid: Callable[[], object] | None = None,
) -> int:
    """Submit so many while the account is paused, then measure how fast they leave. How many."""
    path = f"/api/smtp-configs/{line.account_id}"
    assert service.post(f"{path}/pause", {})[0] == 200
    client = Client(service.port)
    subjects = [f"{line.name} {what} {number}" for number in range(emails)]
    for start in range(0, emails, BATCH):
        letters = [
            an_email(subject, smtp_config_id=line.account_id)
            for subject in subjects[start : start + BATCH]
        ]
        answer = client.post("/api/emails/batch", {"emails": letters})
        assert answer.status == 201, answer
    client.close()
    before = line.server.taken
    cpu_s, began = _cpu_s(service), time.monotonic()
    assert service.post(f"{path}/resume", {})[0] == 200
    if amid is not None:
        wait_until(lambda: line.server.taken >= before + emails // 3, patience=PATIENCE_S)
        amid()
    wait_until(lambda: line.server.taken >= before + emails, patience=PATIENCE_S)
    last = max(moment for _, moment in line.taken())
    line.rates.append(emails / (last - began))
    line.cpu_s.append(_cpu_s(service) - cpu_s)
    return emails


def _cpu_s(service: Running) -> float:
    """Processor time that its processes have used."""
    ticks = os.sysconf("SC_CLK_TCK")
    used = 0
    for pid in service.pids():
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / ticks

"""A running service that sends over a Graph and logs in at an OAuth server, both played here."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from adapters.clock import SystemClock
from adapters.fakes.graph import Play, PlayedGraph
from adapters.fakes.oauth_provider import PlayedProvider
from application.ports.web import WebProblem
from tests.graph_server import running_graph
from tests.oauth_server import OAuthServer, running_oauth_server
from tests.running import Running, running, wait_until

SECRET = "planted-client-secret-0123456789"
MAILBOX = "shop@example.com"


@attrs.frozen
class Played:
    """The two servers, and what creates an account at them."""

    provider: PlayedProvider
    oauth: OAuthServer
    graph: PlayedGraph
    port: int

    @property
    def body(self) -> dict[str, Any]:
        return {
            "name": "office",
            "email_address": MAILBOX,
            "transport": "graph",
            "smtp_host": "127.0.0.1",
            "smtp_port": self.port,
            "use_tls": False,
            "use_ssl": False,
            "minute_limit": None,
            "auth": {
                "type": "oauth",
                "provider": "custom",
                "flow": "client_credentials",
                "client_id": "app",
                "client_secret": SECRET,
                "scope": "https://graph.microsoft.com/.default",
                "token_url": self.oauth.client().token_url,
            },
        }


@contextmanager
def played(*plays: Play) -> Iterator[Played]:
    provider = PlayedProvider(clock=SystemClock(), clients={"app": SECRET})
    graph = PlayedGraph(MAILBOX, takes=provider.takes)
    graph.plays.extend(plays)
    with running_oauth_server(provider) as oauth, running_graph(graph) as server:
        yield Played(provider, oauth, graph, server.port)


def submit(service: Running, **changes: Any) -> int:
    body = {"recipients": ["ada@example.org"], "subject": "Hello", "text_content": "Hello."}
    status, reply = service.post("/api/emails", {**body, **changes})
    assert status == 201, reply
    return int(reply["email_id"])


def status(service: Running, email_id: int) -> Any:
    return service.get(f"/api/emails/{email_id}")[1]["status"]


def test_an_email_goes_all_the_way_and_no_token_is_found_anywhere(tmp_path: Path) -> None:
    refusal = Play(status=500, code="ErrorInternalServerError", message="it broke")
    with (
        played(Play(), refusal) as far,
        running(tmp_path, LOG_LEVEL="DEBUG", ON_UNKNOWN="hold") as service,
    ):
        created = service.post("/api/smtp-configs", far.body)
        assert created[0] == 201, created
        verified = service.post("/api/smtp-configs/1/verify", {})
        assert verified[1]["ok"] is True, verified
        first = submit(service, bcc=["eve@example.org"])
        wait_until(lambda: status(service, first) == "sent")
        second = submit(service)
        wait_until(lambda: status(service, second) == "failed")
        answers = [created, verified, *(service.get(f"/api/emails/{n}") for n in (first, second))]
        answers.append(service.get("/api/smtp-configs/1"))
        pid = service.process.pid
        outside = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        found = b"\n".join([*outside, *(path.read_bytes() for path in files)])
    found += str(answers).encode() + service.log.read_bytes()

    (taken,) = far.graph.delivered
    assert taken.recipients == ("ada@example.org", "eve@example.org")
    assert far.graph.requests == 2
    tokens = [*far.provider._access]
    assert tokens
    for secret in (SECRET, *tokens):
        assert secret.encode() not in found


def test_kill_9_behind_a_request_that_was_taken_makes_no_second_copy(tmp_path: Path) -> None:
    silent = Play(stores=True, problem=WebProblem.TIMEOUT, status=500)
    with played(silent) as far:
        with running(tmp_path, ON_UNKNOWN="hold") as service:
            assert service.post("/api/smtp-configs", far.body)[0] == 201
            email_id = submit(service)
            wait_until(lambda: far.graph.delivered)
            service.kill()
        with running(tmp_path, ON_UNKNOWN="hold") as service:
            wait_until(lambda: status(service, email_id) == "failed")
            email = service.get(f"/api/emails/{email_id}")[1]

        assert email["reason_code"] == "outcome_unknown"
        assert far.graph.requests == 1


def test_tokens_that_end_in_the_middle_of_a_backlog_cost_no_email_and_no_copy(
    tmp_path: Path,
) -> None:
    count = 200
    with played() as far, running(tmp_path) as service:
        assert service.post("/api/smtp-configs", {**far.body, "daily_limit": None})[0] == 201
        for n in range(count):
            submit(service, subject=f"Number {n}")
            if n % 50 == 25:
                far.provider._access.clear()  # every token that is in use
        wait_until(lambda: len(far.graph.delivered) >= count)
        wait_until(lambda: status(service, count) == "sent")

    subjects = [one.message["subject"] for one in far.graph.delivered]
    assert sorted(subjects) == sorted(f"Number {n}" for n in range(count))
    assert far.graph.requests > count  # some were refused with 401 first


def test_an_account_that_may_not_send_is_paused_with_what_graph_said(tmp_path: Path) -> None:
    refusal = Play(status=403, code="ErrorAccessDenied", message="Access is denied.")
    with played(refusal) as far, running(tmp_path) as service:
        assert service.post("/api/smtp-configs", far.body)[0] == 201
        email_id = submit(service)
        wait_until(lambda: service.get("/api/smtp-configs/1")[1]["state"] == "paused")
        shown = service.get("/api/smtp-configs/1")[1]

        assert shown["pause_reason"] == "not_authorized"
        assert shown["pause_text"] == "550 5.7.1 HTTP 403 ErrorAccessDenied: Access is denied."
        assert status(service, email_id) == "queued"

"""Webhooks of a running service: real receivers verify real calls, whatever dies or hangs."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from adapters.fakes.sender import Script
from tests.node import with_packages
from tests.postgres import Database
from tests.running import (
    ROOT,
    Running,
    children_of,
    free_port,
    is_alive,
    running,
    wait_until,
)
from tests.smtp_server import SmtpServer
from tests.webhook_receiver import Call, WebhookReceiver

PAGE = (ROOT / "docs/using/webhooks.md").read_text("utf-8")
WITHIN_S = 5.0
MOST_LINES = 20  # blank ones apart
SECRET = r"whsec_[A-Za-z0-9+/]{43}="


def a_webhook(service: Running, url: str, *events: str) -> str:
    """Its secret."""
    status, answer = service.post("/api/webhooks", {"url": url, "events": list(events or "*")})
    assert status == 201, answer
    secret: str = answer["secret"]
    return secret


def block(language: str) -> str:
    """The receiver that the page shows."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_receivers_of_the_page_tell_of_a_paused_configuration_within_five_seconds(
    tmp_path: Path, language: str
) -> None:
    assert sum(1 for line in block(language).splitlines() if line.strip()) <= MOST_LINES
    port = free_port()
    if language == "js":
        folder = with_packages(ROOT / "tests/webhooks", tmp_path)
        command = ["node", str(folder / "receiver.mjs")]
    else:
        command = [sys.executable, str(tmp_path / "receiver.py")]
    Path(command[1]).write_text(block(language))
    told = tmp_path / "told"
    (tmp_path / "service").mkdir()
    with running(tmp_path / "service") as service, told.open("wb") as output:
        secret = a_webhook(service, f"http://127.0.0.1:{port}/hook")
        assert re.fullmatch(SECRET, secret)
        environ = {**os.environ, "WEBHOOK_SECRET": secret, "PORT": str(port)}
        with subprocess.Popen(command, env=environ, stdout=output) as receiver:
            try:
                wait_until(lambda: _listens(port))
                assert service.post("/api/webhooks/1/test")[0] == 202
                wait_until(lambda: service.get("/api/webhooks/1/attempts")[1])
                service.account(free_port(), name="newsletter")
                assert service.post("/api/smtp-configs/1/pause")[0] == 200
                wait_until(lambda: b"newsletter" in told.read_bytes(), patience=WITHIN_S)
                wait_until(lambda: len(service.get("/api/webhooks/1/attempts")[1]) == 2)
            finally:
                receiver.kill()
        _, attempts = service.get("/api/webhooks/1/attempts")

    assert "evt_1 account.paused " in told.read_text("utf-8")
    assert [attempt["status"] for attempt in attempts] == [204, 204]
    assert attempts[0]["event_id"] == "evt_1"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_official_library_verifies_what_a_running_service_sends(tmp_path: Path) -> None:
    with SmtpServer(Script()) as server, WebhookReceiver() as receiver, running(
        tmp_path
    ) as service:  # fmt: skip
        secret = a_webhook(service, receiver.url)
        _, rotated = service.post("/api/webhooks/1/rotate")
        service.account(server.port)
        email_id = service.submit("Hello", tags=["ünï"])
        wait_until(lambda: receiver.calls)
        (call,) = receiver.calls
        for each in (secret, rotated["secret"]):
            event = Verifier(each).verify(call.body, call.headers)
            assert event["data"]["email_id"] == email_id
        _, (shown,) = service.get("/api/events")
        assert json.loads(call.body) == shown
        assert service.stop() == 0


def test_kill_9_between_result_and_webhook_the_next_process_tells_it_with_the_same_id(
    tmp_path: Path,
) -> None:
    begun = threading.Event()

    def hangs_first(call: Call) -> int | None:
        if not begun.is_set():
            begun.set()
            wait_until(killed.is_set)
            return None
        return 204

    killed = threading.Event()
    with SmtpServer(Script()) as server, WebhookReceiver(hangs_first) as receiver, running(
        tmp_path
    ) as service:  # fmt: skip
        a_webhook(service, receiver.url, "email.sent")
        service.account(server.port)
        service.submit("Hello")
        assert begun.wait(30)
        service.kill()
        killed.set()
        service.start()
        wait_until(lambda: len(receiver.calls) == 2)
    assert receiver.ids == {"evt_1": 2}


def test_kill_9_of_the_process_that_calls_costs_a_moment_and_no_event(tmp_path: Path) -> None:
    begun, killed = threading.Event(), threading.Event()

    def hangs_first(call: Call) -> int | None:
        if not begun.is_set():
            begun.set()
            wait_until(killed.is_set)
            return None
        return 204

    with SmtpServer(Script()) as server, WebhookReceiver(hangs_first) as receiver, running(
        tmp_path
    ) as service:  # fmt: skip
        a_webhook(service, receiver.url, "email.sent")
        service.account(server.port)
        service.submit("Hello")
        assert begun.wait(30)
        [first] = caller(service)
        os.kill(first, signal.SIGKILL)
        killed.set()
        service.submit("Hello again")
        wait_until(lambda: set(receiver.ids) == {"evt_1", "evt_2"} and len(receiver.calls) == 3)
        [second] = caller(service)
        assert service.stop() == 0
        assert not is_alive(second)
    assert receiver.ids["evt_1"] == 2
    assert first != second
    assert f"process_ended pid={first} exit_code=-9" in service.output()


def caller(service: Running) -> list[int]:
    """The process that calls webhooks, if there is one."""
    assert service.process is not None
    return children_of(service.process.pid)


def test_the_process_that_calls_ends_by_itself_when_its_parent_is_killed(tmp_path: Path) -> None:
    with WebhookReceiver() as receiver, running(tmp_path) as service:
        assert caller(service) == []
        a_webhook(service, receiver.url, "email.sent")
        [pid] = wait_until(lambda: caller(service))
        service.post("/api/webhooks/1/test")
        wait_until(lambda: receiver.calls)
        service.kill()
        wait_until(lambda: not is_alive(pid))


def test_where_no_process_of_its_own_is_wanted_threads_call(tmp_path: Path) -> None:
    with WebhookReceiver() as receiver, running(tmp_path, WEBHOOK_PROCESS=0) as service:
        a_webhook(service, receiver.url, "email.sent")
        service.post("/api/webhooks/1/test")
        wait_until(lambda: receiver.calls)
        assert caller(service) == []


def test_receivers_that_hang_drip_redirect_or_refuse_delay_no_other_and_no_email(
    tmp_path: Path,
) -> None:
    over = threading.Event()

    def hangs(call: Call) -> int | None:
        over.wait(60)
        return None

    with ExitStack() as stack:
        server = stack.enter_context(SmtpServer(Script()))
        hanging = stack.enter_context(WebhookReceiver(hangs))
        redirecting = stack.enter_context(WebhookReceiver(lambda call: 307))
        failing = stack.enter_context(WebhookReceiver(lambda call: 500))
        gone = stack.enter_context(WebhookReceiver(lambda call: 410))
        good = stack.enter_context(WebhookReceiver())
        dripping = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.callback(over.set)
        threading.Thread(target=_drip, args=(dripping, over), daemon=True).start()
        drip_url = f"http://127.0.0.1:{dripping.getsockname()[1]}/"
        dead_url = f"http://127.0.0.1:{free_port()}/"
        service = stack.enter_context(running(tmp_path))
        for receiver in (hanging, redirecting, failing, gone, good):
            a_webhook(service, receiver.url, "email.sent")
        a_webhook(service, drip_url, "email.sent")
        a_webhook(service, dead_url, "email.sent")
        service.account(server.port)
        for number in range(40):
            service.submit(f"email {number}")
        wait_until(service.all_sent, patience=30)
        wait_until(lambda: len(good.ids) == 40, patience=15)

        assert set(good.ids.values()) == {1}
        assert good.most_at_once <= 4
        assert hanging.most_at_once <= 4
        assert {call.id for call in gone.calls} <= set(good.ids)
        assert len(gone.calls) <= 4, "those that had begun"
        # a redirect is not followed: no call comes again within its first second
        assert max(redirecting.ids.values()) <= 3

        def listed() -> dict[int, dict[str, Any]]:
            return {one["id"]: one for one in service.get("/api/webhooks")[1]}

        wait_until(lambda: listed()[4]["disabled_reason"] == "gone")
        wait_until(lambda: listed()[3]["failing_since"])
        assert listed()[5]["failing_since"] is None
        over.set()
        assert service.stop() == 0


def _drip(listener: socket.socket, over: threading.Event) -> None:
    """An octet of an answer each half second."""
    connected: list[socket.socket] = []
    listener.settimeout(0.1)
    while not over.wait(0.4):
        try:
            connected.append(listener.accept()[0])
            connected[-1].send(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        except TimeoutError:
            pass
        except OSError:
            break
        for each in connected:
            with suppress(OSError):
                each.send(b"a")
    for each in connected:
        each.close()


def test_two_processes_on_postgresql_tell_each_event_and_one_goes_on_for_the_other(
    tmp_path: Path, postgres_database: Database
) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    environ = {"DATABASE_URL": postgres_database.url, "SECRET_KEY": "k" * 43 + "="}
    with ExitStack() as stack:
        server = stack.enter_context(SmtpServer(Script()))
        receiver = stack.enter_context(WebhookReceiver())
        first = stack.enter_context(running(folders[0], **environ))
        a_webhook(first, receiver.url, "email.sent")
        second = stack.enter_context(running(folders[1], **environ))
        first.account(server.port)
        for number in range(60):
            (first, second)[number % 2].submit(f"email {number}")
            if number == 30:
                wait_until(lambda: len(receiver.ids) >= 5)
                assert len(caller(first) + caller(second)) == 1, "both call"
                first.kill()
                first = second
        wait_until(lambda: len(receiver.ids) == 60, patience=120)
        sent = postgres_database.execute("SELECT id FROM event WHERE type = 'email.sent'")
    assert set(receiver.ids) == {f"evt_{number}" for (number,) in sent}


def test_the_calls_refuse_what_is_wrong_and_tell_no_secret_twice(tmp_path: Path) -> None:
    with running(tmp_path, DISPATCHER="none") as service:
        secret = a_webhook(service, "http://127.0.0.1:9/x")
        for method, path, body, status in (
            ("POST", "/api/webhooks", {"url": "http://example.org/"}, 400),
            ("POST", "/api/webhooks", {"url": "https://169.254.1.1/"}, 400),
            ("POST", "/api/webhooks", {"url": "https://example.org/", "events": ["x"]}, 400),
            ("POST", "/api/webhooks", {"url": "https://example.org/", "events": []}, 400),
            ("PUT", "/api/webhooks/1", {}, 400),
            ("PUT", "/api/webhooks/1", {"active": False}, 200),
            ("POST", "/api/webhooks/1/test", None, 409),
            ("PUT", "/api/webhooks/1", {"active": True}, 200),
            ("POST", "/api/webhooks/1/test", None, 202),
            ("POST", "/api/webhooks/1/replay", {}, 400),
            ("POST", "/api/webhooks/1/replay", {"event_id": "evt_1", "first": "evt_1"}, 400),
            ("POST", "/api/webhooks/1/replay", {"first": "evt_2", "last": "evt_1"}, 400),
            ("POST", "/api/webhooks/1/replay", {"first": "evt_1"}, 202),
            ("GET", "/api/webhooks/2", None, 404),
            ("GET", "/api/webhooks/1/attempts?limit=1", None, 200),
        ):
            assert service.call(method, path, body)[0] == status, (method, path, body)
        _, shown = service.get("/api/webhooks/1")
        assert (shown["waiting"], shown["active"]) == (1, True)
        assert secret not in json.dumps(service.get("/api/webhooks"))
        assert service.call("DELETE", "/api/webhooks/1")[0] == 200
        assert service.get("/api/webhooks") == (200, [])
    assert secret not in service.output()
    assert secret.encode() not in b"".join(
        path.read_bytes() for path in tmp_path.glob("service.db*")
    )

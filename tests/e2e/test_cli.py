"""The command: what it says, what it refuses, how it ends."""

import json
import re
import signal
import socket
import sqlite3  # noqa: TID251 - it is another process that has the file open
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli import cli
from entrypoints.http.server import Limits
from tests.running import ROOT, Running, free_port, running, wait_until

KEY = "3f9c1d07b2a84e65aa10c2d4e6f80912"


def run(*arguments: str, **environ: str) -> Result:
    """The command in this process, with nothing but *environ* set."""
    cleared = dict.fromkeys(
        ("FLASK_ENV", "SECRET_KEY", "HOST", "PORT", "DATABASE_URL", "SANDBOX", "DISPATCHER"), ""
    )
    return CliRunner(env=cleared | environ).invoke(cli, list(arguments))


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'service.db'}"


@contextmanager
def sandboxed(folder: Path, **environ: object) -> Iterator[Running]:
    """A service with its sandbox, and an account that sends there."""
    smtp_port = free_port()
    with running(folder, SANDBOX=1, SANDBOX_PORT=smtp_port, **environ) as service:
        service.account(smtp_port)
        yield service


def arrived(service: Running) -> list[str]:
    return [message["subject"] for message in service.get("/sandbox/messages.json")[1]]


def ask(service: Running, method: str, path: str, body: bytes = b"") -> HTTPResponse:
    """One request on a connection that stays open."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.body = response.read()  # type: ignore[attr-defined] - kept for the test
        return response
    finally:
        connection.close()


# -- what it says ----------------------------------------------------------------------------------


def test_the_help_names_every_command():
    result = run("--help")
    assert result.exit_code == 0
    assert re.findall(r"^  (\w+)  ", result.output, re.MULTILINE) == [
        "accounts",
        "alerts",
        "audit",
        "compact",
        "copy",
        "demo",
        "doctor",
        "erase",
        "events",
        "export",
        "keys",
        "migrate",
        "send",
        "sendmail",
        "serve",
        "suppressions",
        "templates",
        "top",
        "webhooks",
        "worker",
    ]


@pytest.mark.parametrize(
    "command",
    [
        *["serve", "worker", "migrate", "demo", "audit", "keys", "keys create", "keys list"],
        *["keys revoke", "keys rotate-secret", "accounts", "accounts list", "accounts show"],
        *["accounts pause", "accounts resume", "accounts verify", "accounts import"],
        *["accounts add", "doctor", "events", "alerts"],
        *["compact", "export", "send", "sendmail"],
    ],
)
def test_every_command_explains_itself(command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


def test_it_knows_its_version():
    assert re.fullmatch(r"email-service, version [\d.]+\n", run("--version").output)


def test_the_module_is_the_same_command(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "entrypoints", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.stdout.startswith("Usage: email-service ")


def test_the_command_imports_a_command_only_when_it_is_called():
    code = "import entrypoints.cli, sys; print({'attrs', 'peewee', 'application'} & {*sys.modules})"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout == "set()\n"


# -- what it refuses -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["serve", "worker", "migrate"])
def test_wrong_settings_end_it_with_two_and_name_each_variable(command):
    result = run(command, QUEUE_WORKERS="many", LOG_LEVEL="loud")
    assert result.exit_code == 2
    assert "the settings cannot be used" in result.output
    assert "QUEUE_WORKERS must be a whole number from 1 to 1000, not 'many'" in result.output
    assert "LOG_LEVEL must be one of" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("key", ["", "changeme", "your-secret-key", "x" * 40])
def test_t_auth_2_production_does_not_start_without_a_key_of_its_own(key):
    result = run("serve", FLASK_ENV="production", SECRET_KEY=key)
    assert result.exit_code == 2
    assert "SECRET_KEY" in result.output


@pytest.mark.parametrize("option", ["--account", "--daily-recipients"])
def test_a_number_that_no_database_holds_is_refused(tmp_path, option):
    wanted = ("keys", "create", "--name", "test", "--scope", "send", option, str(2**63))
    result = run(*wanted, DATABASE_URL=database(tmp_path))
    assert result.exit_code == 2
    assert option in result.output


@pytest.mark.parametrize(("options", "shown"), [((), "own"), (("--from", "rewrite"), "rewrite")])
def test_a_key_is_listed_with_what_becomes_of_another_from(tmp_path, options, shown):
    wanted = ("keys", "create", "--name", "test", "--scope", "send", *options)
    assert run(*wanted, DATABASE_URL=database(tmp_path)).exit_code == 0
    listed = run("keys", "list", DATABASE_URL=database(tmp_path)).output

    assert re.search(rf"test +send +all +{shown} +default", listed), listed


def test_who_creates_a_key_is_told_where_it_is_valid_and_that_calls_now_need_one(tmp_path):
    wanted = ("keys", "create", "--name", "test", "--scope", "send")
    first, second = (run(*wanted, DATABASE_URL=database(tmp_path)) for _ in range(2))

    for result in (first, second):
        assert f"database of the service is {tmp_path / 'service.db'}\n" in result.output
    assert "There was no key before: from now on every call needs one." in first.output
    assert "from now on" not in second.output


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "service.db").write_text("no database, though it is long enough to look at" * 20)
    result = run("keys", "list", DATABASE_URL=database(tmp_path))

    assert result.exit_code == 1
    assert f"(the database is {tmp_path / 'service.db'})" in result.output


def test_serve_with_smtp_needs_a_certificate_in_production():
    result = run("serve", "--smtp-port", "587", FLASK_ENV="production", SECRET_KEY=KEY)
    assert result.exit_code == 2
    assert "INTAKE_TLS_CERT must be set with INTAKE_PORT" in result.output


def test_t_auth_2_in_development_it_does_not_listen_to_the_network():
    result = run("serve", "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "HOST must be a loopback address" in result.output


def test_the_sandbox_is_refused_in_production():
    result = run("serve", "--sandbox", FLASK_ENV="production", SECRET_KEY=KEY)
    assert result.exit_code == 2
    assert "SANDBOX must be 0 in production" in result.output


@pytest.mark.parametrize("variable", ["SMTP_RULES_FILE", "SMTP_CA_FILE"])
def test_a_file_that_cannot_be_read_is_settings_that_cannot_be_used(tmp_path, variable):
    file = tmp_path / "file"
    file.write_text("neither TOML nor a certificate")
    result = run("migrate", DATABASE_URL=database(tmp_path), **{variable: str(file)})
    assert result.exit_code == 2
    assert f"{variable}: {file}" in result.output


@pytest.mark.parametrize("variable", ["PORT", "SANDBOX_PORT"])
def test_a_taken_port_is_said_plainly(tmp_path, variable):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        free = {"PORT": str(free_port()), "SANDBOX_PORT": "0", "SANDBOX": "1"}
        service = Running(tmp_path, **free | {variable: port}).start(ready=False)
        assert service.process is not None
        assert service.process.wait(20) == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in service.output()
    assert f"{variable}=" in service.output()
    assert service.output().count("cannot listen") == 1
    assert "Traceback" not in service.output()


def test_a_second_service_names_both_ports_in_one_message_before_anything_is_started(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with sandboxed(first) as service:
        taken = {name: service.environ[name] for name in ("PORT", "SANDBOX_PORT")}
        refused = Running(second, SANDBOX=1, **taken).run("serve")

    assert refused.returncode == 1
    for name, port in taken.items():
        assert f"cannot listen on 127.0.0.1 port {port} (Address already in use)" in refused.stderr
        assert re.search(rf"{name}=\d+ .*make run$", refused.stderr, re.MULTILINE)
    assert refused.stderr.count("Error:") == 1
    assert list(second.iterdir()) == []  # neither a database nor a key


def test_an_address_of_another_machine_is_said_plainly(tmp_path):
    service = Running(tmp_path, FLASK_ENV="production", SECRET_KEY=KEY, HOST="192.0.2.1")
    refused = service.run("serve")

    assert refused.returncode == 1
    assert "cannot listen on 192.0.2.1" in refused.stderr
    assert "HOST must be an address of this machine" in refused.stderr
    assert "make run" not in refused.stderr


# -- migrate and demo ------------------------------------------------------------------------------


def test_migrate_tells_what_it_applied_and_the_second_time_nothing(tmp_path):
    first = run("migrate", DATABASE_URL=database(tmp_path))
    second = run("migrate", DATABASE_URL=database(tmp_path))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "applied 0001" in first.output
    assert "applied" not in second.output
    assert "is up to date" in second.output
    with sqlite3.connect(tmp_path / "service.db") as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    connection.close()
    assert tables > 0


def test_migrate_check_leaves_the_folder_as_it_was(tmp_path):
    checked = Running(tmp_path).run("migrate", "--check")
    assert checked.returncode == 1
    assert checked.stdout.startswith("pending 0001")
    assert list(tmp_path.iterdir()) == []


def test_the_demo_tells_three_emails_to_their_end(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "entrypoints", "demo"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "FLASK_ENV": "production", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "email 1 -> sent" in result.stdout
    assert "email 2 -> retry: the mail server said '451 " in result.stdout
    assert "email 2 -> sent" in result.stdout
    assert "email 3 -> failed: the mail server said '550 " in result.stdout
    assert "The inbox has: 'Welcome', 'Your invoice'." in result.stdout
    assert list(tmp_path.iterdir()) == []


# -- serve -----------------------------------------------------------------------------------------


def test_serve_says_where_it_is_and_what_to_do_next(tmp_path):
    with sandboxed(tmp_path) as service:
        said = service.output()
    assert f"API       {service.url}" in said
    assert f"Sandbox   {service.url}/sandbox" in said
    assert str(tmp_path / "service.db") in said
    assert "Next" in said


def test_a_mail_goes_all_the_way_to_the_sandbox(tmp_path):
    with sandboxed(tmp_path) as service:
        service.submit("All the way")
        assert wait_until(lambda: arrived(service)) == ["All the way"]


def test_requests_that_come_together_are_answered_in_order(tmp_path):
    """Also those that come while the server has heard enough from this connection."""
    with (
        running(tmp_path) as service,
        socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection,
        connection.makefile("rb") as replies,
    ):
        paths = ["/healthz", "/nowhere", "/readyz", "/docs", "/nothing", "/healthz"] * 3
        connection.sendall(
            b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths[:-1])
            + f"GET {paths[-1]} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", replies.read())]
    assert statuses == [404 if path.startswith("/no") else 200 for path in paths]


def test_the_reply_does_not_tell_which_server_it_is(tmp_path):
    with running(tmp_path) as service:
        assert ask(service, "GET", "/healthz").getheader("Server") is None


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"GET /healthz HTTP/1.1\r\nX: ".ljust(Limits().header_bytes + 1, b"x"), 431, "headers"),
        (
            b"POST /api/emails HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
            413,
            "too",
        ),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n", 400, "bad_request"),
        (
            b"POST /api/emails HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
            "not_implemented",
        ),
    ],
)
def test_what_the_server_itself_refuses_is_a_problem_too(tmp_path, request_, status, code):
    with (
        running(tmp_path) as service,
        socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection,
        connection.makefile("rb") as replies,
    ):
        connection.sendall(request_)
        head, _, body = replies.read().partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert re.match(rb"HTTP/1\.[01] %d " % status, head)
    assert b"content-type: application/problem+json" in head.lower()
    assert problem["status"] == status
    assert problem["code"].startswith(code)
    assert problem["error"] == problem["detail"]


@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_asked_to_stop_it_ends_with_zero(tmp_path, command, number):
    service = Running(tmp_path, command=(sys.executable, "-m", "entrypoints", command))
    service.start(ready=False)
    assert service.process is not None
    try:
        wait_until(lambda: "delivery_started" in service.output())
        service.process.send_signal(number)
        assert service.process.wait(10) == 0
        assert "stopping" in service.output()
    finally:
        service.process.kill()


def test_who_asked_that_sighup_be_ignored_is_heeded(tmp_path):
    """As nohup does."""
    command = ("nohup", sys.executable, "-m", "entrypoints", "serve")
    service = Running(tmp_path, command=command).start()
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert service.is_ready()
    assert service.stop() == 0


def test_while_it_drains_it_accepts_nothing_says_so_and_finishes_what_is_under_way(tmp_path):
    with sandboxed(tmp_path) as service:
        email_id = service.submit("Slow", recipients=["slow@example.com"])
        wait_until(lambda: service.get(f"/api/emails/{email_id}")[1]["status"] == "sending")
        time.sleep(1)  # a claim is seen before its dialogue begins, which the sandbox draws out
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.get("/readyz")[0] == 503)
        refused = ask(
            service,
            "POST",
            "/api/emails",
            b'{"subject": "x", "recipients": ["a@example.com"], "html_content": "x"}',
        )
        assert refused.status == 503
        assert refused.getheader("Connection") == "close"
        assert refused.getheader("Retry-After")
        assert ask(service, "GET", "/healthz").status == 200
        assert service.process.wait(20) == 0
    with sqlite3.connect(tmp_path / "service.db") as connection:
        assert connection.execute("SELECT status FROM email").fetchall() == [("sent",)]
    connection.close()


def test_asked_twice_it_ends_at_once(tmp_path):
    with sandboxed(tmp_path) as service:
        email_id = service.submit("Slow", recipients=["slow@example.com"])
        wait_until(lambda: service.get(f"/api/emails/{email_id}")[1]["status"] == "sending")
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: service.get("/readyz")[0] == 503)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(2) == 128 + signal.SIGTERM


def test_a_connection_that_sends_nothing_does_not_hold_up_the_end(tmp_path):
    with (
        running(tmp_path) as service,
        socket.create_connection(("127.0.0.1", service.port)) as idle,
    ):
        idle.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert service.stop() == 0


# -- many processes --------------------------------------------------------------------------------


def test_a_worker_delivers_what_another_process_accepts(tmp_path):
    with sandboxed(tmp_path, DISPATCHER="none") as api:
        api.submit("By the worker")
        worker = Running(
            tmp_path,
            command=(sys.executable, "-m", "entrypoints", "worker"),
            DATABASE_URL=api.environ["DATABASE_URL"],
            DISPATCHER="none",
        )
        worker.start(ready=False)
        try:
            assert wait_until(lambda: arrived(api)) == ["By the worker"]
            wait_until(api.all_sent)
        finally:
            exit_code = worker.stop()
    assert exit_code == 0


def test_gunicorn_runs_it_with_many_workers_and_sends_every_mail_once(tmp_path):
    command = (
        str(Path(sys.executable).parent / "gunicorn"),
        "--config",
        str(ROOT / "gunicorn.conf.py"),
        "--workers",
        "3",
        "entrypoints.wsgi:create_app()",
    )
    inbox_folder, folder = tmp_path / "inbox", tmp_path / "gunicorn"
    inbox_folder.mkdir()
    folder.mkdir()
    smtp_port = free_port()
    with running(inbox_folder, SANDBOX=1, SANDBOX_PORT=smtp_port) as inbox:
        service = Running(folder, command=command)
        service.start()
        try:
            service.account(smtp_port)
            subjects = [f"Number {number}" for number in range(40)]
            for subject in subjects:
                service.submit(subject)
            wait_until(service.all_sent)
            assert sorted(arrived(inbox)) == sorted(subjects)
        finally:
            exit_code = service.stop()
    assert exit_code == 0
    assert "Traceback" not in service.output()


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"QUEUE_WORKERS": "many"}, "QUEUE_WORKERS must be"),
        ({"DATABASE_URL": "sqlite:////nowhere/mail.db"}, "the store is not available: "),
    ],
)
def test_what_keeps_gunicorn_from_starting_is_told_in_a_line(tmp_path, environ, told):
    service = Running(
        tmp_path,
        command=(
            str(Path(sys.executable).parent / "gunicorn"),
            "--config",
            str(ROOT / "gunicorn.conf.py"),
            "entrypoints.wsgi:create_app()",
        ),
        **{"SECRET_KEY": KEY, **environ},
    ).start(ready=False)
    assert service.process is not None
    assert service.process.wait(20) != 0
    assert told in service.output()
    assert "Traceback" not in service.output()


# -- secrets ---------------------------------------------------------------------------------------


def test_t_sec_1_no_secret_is_said_even_at_the_lowest_level(tmp_path):
    password = "pl4nted-p4ssword"
    with sandboxed(tmp_path, LOG_LEVEL="DEBUG", SECRET_KEY=KEY) as service:
        service.call("PUT", "/api/smtp-configs/1", {"username": "me", "password": password})
        service.submit("With a password")
        wait_until(lambda: arrived(service))
        service.stop()
    assert password not in service.output()
    assert KEY not in service.output()


# -- settings that are written wrongly -------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "entrypoints", "migrate"),
        ("-c", "from entrypoints import wsgi; wsgi.check()"),
    ],
)
def test_a_misspelt_setting_is_a_warning_at_the_start(tmp_path, command):
    (tmp_path / ".env").write_text("LOG_LEVL=DEBUG\n")
    service = Running(tmp_path, DATABSE_URL="sqlite:///x.db")
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=service.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "LOG_LEVL (.env line 1) is no setting: did you mean LOG_LEVEL?" in done.stderr
    # DATABASE_URL itself is set here: the other name belongs to somebody else
    assert "DATABSE_URL" not in done.stderr


def test_a_line_of_the_file_that_is_no_setting_ends_it_with_its_number(tmp_path):
    (tmp_path / ".env").write_text("LOG_LEVEL=INFO\nPORT: 5000\n")
    done = Running(tmp_path).run("migrate")
    assert done.returncode == 2
    assert ".env line 2: write PORT=value" in done.stderr

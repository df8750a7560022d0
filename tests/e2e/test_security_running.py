"""The threat model's cases that need a real process: its start, its files, its sockets, its end."""

import base64
import json
import re
import sqlite3  # noqa: TID251 - it is another process that has the file open
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from adapters.fakes.sender import Script
from entrypoints.cli import cli
from tests.running import ROOT, Running, free_port, running, wait_until
from tests.smtp_server import SmtpServer

KEY = "3f9c1d07b2a84e65aa10c2d4e6f80912"
OLD_KEY = "90817f6e5d4c3b2a1908f7e6d5c4b3a2"
PASSWORD = "pl4nted/p4ss wörd+0123456789"
PRODUCTION = {"FLASK_ENV": "production", "SECRET_KEY": KEY}
GUNICORN = (
    str(Path(sys.executable).parent / "gunicorn"),
    "--config",
    str(ROOT / "gunicorn.conf.py"),
    "entrypoints.wsgi:create_app()",
)


@contextmanager
def started(service: Running) -> Iterator[Running]:
    """The service, ended in any case."""
    try:
        yield service.start()
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill()


@contextmanager
def an_inbox(folder: Path) -> Iterator[int]:
    """The port of a mail server that takes everything."""
    folder.mkdir()
    port = free_port()
    with running(folder, SANDBOX=1, SANDBOX_PORT=port):
        yield port


# -- T-AUTH-2: no start without a key --------------------------------------------------------------


@pytest.mark.parametrize("command", [None, GUNICORN], ids=["serve", "gunicorn"])
def test_t_auth_2_production_does_not_start_while_there_is_no_api_key(tmp_path, command):
    service = Running(tmp_path, command=command, **PRODUCTION).start(ready=False)
    assert service.process is not None
    assert service.process.wait(30) == 2
    assert "email-service keys create --name admin --scope admin" in service.output()
    assert "Traceback" not in service.output()


@pytest.mark.parametrize(
    ("command", "setting", "reason"),
    [
        ("serve", {"ALLOW_TEST_KNOBS": 1}, "ALLOW_TEST_KNOBS must be 0 in production"),
        ("worker", {"ALLOW_TEST_KNOBS": 1}, "ALLOW_TEST_KNOBS must be 0 in production"),
        ("serve", {"SECRET_KEY": "0123456789abcdef" * 4}, "SECRET_KEY can be guessed"),
        ("worker", {"SECRET_KEY": "correct-horse-battery-staple-correct"}, "can be guessed"),
    ],
)
def test_t_auth_2_production_does_not_start_on_what_is_for_tests_or_guessable(
    tmp_path, command, setting, reason
):
    done = Running(tmp_path, **{**PRODUCTION, **setting}).run(command)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "correct-horse" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [None, (sys.executable, "-m", "entrypoints", "worker"), GUNICORN],
    ids=["serve", "worker", "gunicorn"],
)
def test_t_ssrf_2_networks_that_open_nearly_everything_are_said_aloud(tmp_path, command):
    service = Running(
        tmp_path, command=command, **PRODUCTION, SMTP_ALLOWED_CIDRS="0.0.0.0/0", LOG_FORMAT="json"
    ).with_key("admin")
    service.start(ready=False)
    try:
        warning = "SMTP_ALLOWED_CIDRS=0.0.0.0/0 opens nearly everything"
        plain = wait_until(lambda: service.output().count(f"warning: {warning}"))
        logged = wait_until(
            lambda: [
                line
                for line in service.output().splitlines()
                if line.startswith("{") and warning in line
            ]
        )
        assert plain
        assert json.loads(logged[0])["level"] == "warning"
        if command is None or command is GUNICORN:
            wait_until(service.is_ready)
    finally:
        assert service.stop() == 0


def test_t_auth_2_a_key_that_was_revoked_or_has_expired_is_none(tmp_path):
    service = Running(tmp_path, **PRODUCTION).with_key("admin")
    assert service.key is not None
    assert service.run("keys", "revoke", service.key.split("_")[1]).returncode == 0
    assert service.run("serve").returncode == 2


@pytest.mark.parametrize("command", [None, GUNICORN], ids=["serve", "gunicorn"])
def test_in_production_a_mail_goes_all_the_way_with_a_key(tmp_path, command):
    folder = tmp_path / "service"
    folder.mkdir()
    with an_inbox(tmp_path / "inbox") as smtp_port:
        service = Running(
            folder,
            command=command,
            **PRODUCTION,
            SMTP_ALLOWED_CIDRS="127.0.0.0/8",
            SMTP_ALLOWED_PORTS=smtp_port,
        ).with_key("admin")
        with started(service):
            service.account(smtp_port)
            service.submit("With a key")
            wait_until(lambda: service.get("/api/emails/1")[1]["status"] == "sent")
            service.key = None
            assert service.get("/api/emails")[0] == 401
            assert service.get("/api/openapi.json")[0] == 401
            assert service.stop() == 0


def test_t_ssrf_2_what_is_saved_is_judged_again_when_it_is_connected_to(tmp_path):
    """The account is saved where its server is allowed; the service that sends allows less."""
    folder = tmp_path / "service"
    folder.mkdir()
    with an_inbox(tmp_path / "inbox") as smtp_port:
        wide = {"SMTP_ALLOWED_CIDRS": "127.0.0.0/8", "SMTP_ALLOWED_PORTS": smtp_port}
        with started(Running(folder, **PRODUCTION, **wide).with_key("admin")) as service:
            service.account(smtp_port, smtp_host="localhost")
            key = service.key
            service.stop()
        narrow = Running(folder, **PRODUCTION)
        narrow.key = key
        with started(narrow):
            narrow.submit("Never")
            wait_until(lambda: narrow.get("/api/smtp-configs/1")[1]["pause_reason"])
            assert narrow.get("/api/smtp-configs/1")[1]["pause_reason"] == "blocked_host"
            assert narrow.get("/api/emails/1")[1]["status"] == "queued"


# -- T-SEC-1, T-SEC-3: nothing anywhere holds a secret ---------------------------------------------


def spellings(secret: str) -> list[bytes]:
    """A secret as it may stand somewhere: plain, in base64 at any offset, quoted, in JSON."""
    octets = secret.encode()
    shifted = [base64.b64encode(b"x" * pad + octets)[4 if pad else 0 : -4] for pad in range(3)]
    texts = (quote(secret), json.dumps(secret)[1:-1], octets.hex(), repr(octets)[2:-1])
    return [octets, *shifted, *(text.encode() for text in texts)]


def found_in(octets: bytes, *secrets: str) -> list[bytes]:
    return [one for secret in secrets for one in spellings(secret) if one in octets]


def test_t_sec_1_no_file_log_or_process_argument_holds_a_secret(tmp_path):
    folder = tmp_path / "service"
    folder.mkdir()
    with an_inbox(tmp_path / "inbox") as smtp_port:
        service = Running(
            folder,
            **PRODUCTION,
            LOG_LEVEL="DEBUG",
            SECRET_KEY_PREVIOUS=OLD_KEY,
            SMTP_ALLOWED_CIDRS="127.0.0.0/8",
            SMTP_ALLOWED_PORTS=smtp_port,
        ).with_key("admin")
        assert service.key is not None
        secrets = (PASSWORD, KEY, OLD_KEY, service.key, service.key.split("_", 2)[2])
        with started(service):
            service.account(smtp_port, username="me", password=PASSWORD)
            service.post("/api/smtp-configs", {"name": "x", "password": PASSWORD, "y": 1})
            service.call("PUT", "/api/smtp-configs/1", {"password": PASSWORD + "\n"})
            service.call("PUT", "/api/smtp-configs/1", {"password": PASSWORD})
            service.post("/api/smtp-configs/1/verify")
            service.submit("With a password")
            wait_until(lambda: service.get("/api/emails/1")[1]["status"] == "sent")
            assert service.process is not None
            arguments = Path(f"/proc/{service.process.pid}/cmdline").read_bytes()
            assert found_in(arguments, *secrets) == []
            names = {path.name for path in folder.iterdir()}
            assert {"service.db", "service.db-wal", "service.log"} <= names
            for path in folder.iterdir():
                assert found_in(path.read_bytes(), *secrets) == [], path.name
            service.stop()
    for path in folder.iterdir():
        assert found_in(path.read_bytes(), *secrets) == [], path.name
    assert not re.search("AUTH (PLAIN|LOGIN)", service.output())


def test_t_sec_1_a_traceback_holds_no_secret(tmp_path):
    with running(tmp_path, SECRET_KEY=KEY, DISPATCHER="none") as service:
        service.post("/api/smtp-configs", {"name": "x"})
        with sqlite3.connect(tmp_path / "service.db") as connection:
            connection.execute("DROP TABLE account")
        connection.close()
        body = {
            "name": "main",
            "email_address": "me@example.com",
            "smtp_host": "smtp.example.com",
            "username": "me",
            "password": PASSWORD,
        }
        status, answer = service.post("/api/smtp-configs", body)
        assert status in (500, 503)
        assert found_in(json.dumps(answer).encode(), PASSWORD, KEY) == []
    assert found_in(service.log.read_bytes(), PASSWORD, KEY) == []


def test_t_sec_2_rotate_secret_by_command_and_with_a_wrong_key_the_service_still_starts(tmp_path):
    body = {"username": "me", "password": PASSWORD}
    with SmtpServer(Script(password=PASSWORD)) as server:
        with running(
            tmp_path, SECRET_KEY=OLD_KEY, DISPATCHER="none", PUBLIC_URL="http://127.0.0.1"
        ) as service:
            service.account(server.port, **body)
            status, _ = service.post("/api/smtp-configs/1/dkim", {"selector": "mail"})
            assert status == 201
            service.submit("News", topic="news")
        changing = Running(tmp_path, SECRET_KEY=KEY, SECRET_KEY_PREVIOUS=OLD_KEY)
        rotated = changing.run("keys", "rotate-secret")
        assert (rotated.returncode, rotated.stderr) == (0, "")
        assert rotated.stdout == (
            "1 SMTP passwords are sealed with SECRET_KEY.\n"
            "2 DKIM keys are sealed with SECRET_KEY.\n"
            "The service's secret unsubscribe-links is sealed with SECRET_KEY.\n"
        )
        wrong = Running(tmp_path, SECRET_KEY=OLD_KEY).run("keys", "rotate-secret")
        assert wrong.returncode == 1
        unopened = (
            f"The password of SMTP configuration 1 (account-{server.port}) opens with neither key"
        )
        assert unopened in wrong.stdout
        assert "The DKIM key mail (rsa-sha256) of SMTP configuration 1 opens with" in wrong.stdout
        assert "secret unsubscribe-links opens with neither key" in wrong.stdout
        with running(tmp_path, SECRET_KEY=OLD_KEY) as service:
            service.submit("Waits")
            reason = wait_until(lambda: service.get("/api/smtp-configs/1")[1]["pause_reason"])
            assert reason == "secret_unreadable"
        with running(tmp_path, SECRET_KEY=KEY) as service:
            assert service.post("/api/smtp-configs/1/resume")[0] == 200
            wait_until(service.all_sent)


# -- the commands ----------------------------------------------------------------------------------


def test_a_key_is_made_shown_once_listed_used_and_revoked(tmp_path):
    service = Running(tmp_path)
    made = service.run("keys", "create", "--name", "web", "--scope", "send", "--expires", "90d")
    assert made.returncode == 0
    token = made.stdout.strip()
    assert re.fullmatch(r"es_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", token)
    assert token not in made.stderr
    prefix = token.split("_")[1]
    listed = service.run("keys", "list").stdout
    assert re.search(rf"{prefix}  web +send +all +own +default +\S+ +usable until ", listed)
    assert token.split("_", 2)[2] not in listed
    revoked = service.run("keys", "revoke", prefix)
    assert revoked.stdout == f"The key {prefix} (web) is revoked.\n"
    again = service.run("keys", "revoke", prefix)
    assert (again.returncode, "was revoked before" in again.stderr) == (1, True)
    assert (
        f"{prefix}  web   send    all       own   default         "
        in service.run("keys", "list").stdout
    )
    told = service.run("audit", "--limit", "5").stdout.splitlines()
    assert re.search(rf"local +key_revoked +key {prefix} +name=web scopes=send", told[1])
    assert re.search(rf"local +key_created +key {prefix} +name=web scopes=send", told[2])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--name", "x"],
        ["--name", "x", "--scope", "root"],
        ["--scope", "send"],
        ["--name", "", "--scope", "send"],
        ["--name", "a\nb", "--scope", "send"],
        ["--name", "x", "--scope", "send", "--expires", "soon"],
        ["--name", "x", "--scope", "send", "--expires", "0d"],
        ["--name", "x", "--scope", "send", "--account", "0"],
        ["--name", "x", "--scope", "send", "--daily-recipients", "0"],
    ],
)
def test_a_key_that_cannot_be_is_refused(tmp_path, arguments):
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'x.db'}", "FLASK_ENV": "development"}
    result = CliRunner(env=environ).invoke(cli, ["keys", "create", *arguments])
    assert result.exit_code == 2
    assert not (tmp_path / "x.db").exists()


# -- T-DEP ----------------------------------------------------------------------------------------


def test_t_dep_every_dependency_is_pinned_with_its_hashes():
    for name in ("run", "dev"):
        text = (ROOT / f"requirements/{name}.txt").read_text("utf-8")
        blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]
        assert blocks
        assert all("==" in block and "--hash=sha256:" in block for block in blocks)
    assert tuple(int(part) for part in version("aiosmtpd").split(".")[:3]) >= (1, 4, 6)

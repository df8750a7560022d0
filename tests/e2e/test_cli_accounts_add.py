"""`email-service accounts add`: an address becomes an account, at a terminal."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from adapters.fakes.dns import FakeDns
from adapters.fakes.sender import FakeSender, Rule, Script
from application import Application
from domain.account.account import Account, Security
from domain.account.provider import Match
from domain.address import Address
from domain.outcome.handoff import Stage
from entrypoints.cli import cli
from entrypoints.cli.account_walk import Proposed, Walk, by_catalogue, by_look_up
from tests.applications import an_application
from tests.running import ROOT
from tests.shipped_rules import PROVIDERS
from tests.smtp_server import SmtpServer

PASSWORD = "correct horse battery staple"
PATIENCE_S = 30.0


def walked(application: Application, *answers: str, **more: Any) -> Result:
    """A conversation with these answers, one a line; the exit code is 3 if nothing was stored."""

    @click.command()
    @click.pass_context
    def talk(context: click.Context) -> None:
        more.setdefault("find", by_catalogue(application))
        context.exit(0 if Walk(application, **more).run() else 3)

    return CliRunner().invoke(talk, input="".join(f"{answer}\n" for answer in answers))


def stored(application: Application) -> list[Account]:
    return [view.account for view in application.account_queries.accounts()]


# -- an address alone ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "host", "daily"),
    [
        ("ada@gmail.com", "smtp.gmail.com", 500),
        ("ada@icloud.com", "smtp.mail.me.com", 1000),
        ("ada@fastmail.com", "smtp.fastmail.com", 500),
        ("ada@zoho.eu", "smtp.zoho.eu", 50),
        ("ada@gmx.de", "mail.gmx.net", 500),
        ("ada@yahoo.co.uk", "smtp.mail.yahoo.com", 500),
    ],
)
def test_an_address_of_a_known_domain_and_a_password_are_enough(
    address: str, host: str, daily: int
) -> None:
    application = an_application()
    result = walked(application, address, "", PASSWORD, "")

    assert result.exit_code == 0, result.output
    [account] = stored(application)
    assert (account.name, str(account.address)) == (address, address)
    assert (account.host, account.username) == (host, address)
    assert account.limits.daily == daily
    assert account.sealed_password is not None
    assert PASSWORD not in result.output


def test_it_tells_the_steps_and_the_limits_with_their_sources() -> None:
    output = walked(an_application(), "ada@gmail.com", "", PASSWORD, "").output

    assert "gmail.com is at Gmail." in output
    assert "1. Turn on 2-Step Verification" in output
    assert "App password (not shown):" in output
    assert re.search(r"  500 messages a day \(told by others at https://\S+, 2026-11-30\)", output)
    assert "  20 messages a minute (a safe start, nothing is published at https://" in output
    assert "  1 connection (a safe start" in output
    assert "smtp.gmail.com takes mail from ada@gmail.com. Nothing was sent." in output


def test_the_finder_may_know_more_than_the_domains() -> None:
    application = an_application()
    workspace = Match(PROVIDERS.get("google-workspace"))
    asked: list[Address] = []

    def find(address: Address) -> Match:
        asked.append(address)
        return workspace

    result = walked(application, "ada@example.com", "", PASSWORD, "", find=find)
    assert result.exit_code == 0, result.output
    assert list(map(str, asked)) == ["ada@example.com"]
    assert stored(application)[0].limits.daily == 2000


def proposed(*warnings: str) -> Proposed:
    return Proposed(
        host="mail.example.net",
        port=465,
        security=Security.TLS,
        username="ada",
        source="autoconfig of example.com",
        warnings=warnings,
    )


def test_a_server_that_somebody_names_is_used_only_if_the_person_agrees() -> None:
    application = an_application()
    result = walked(
        application, "ada@example.com", "y", "", PASSWORD, "", find=lambda _: proposed()
    )
    assert result.exit_code == 0, result.output
    assert "autoconfig of example.com names the server mail.example.net:465 (tls)." in result.output
    [account] = stored(application)
    assert (account.host, account.port, account.username) == ("mail.example.net", 465, "ada")
    assert account.security is Security.TLS


def test_a_server_that_there_is_a_warning_about_is_not_taken_by_pressing_return() -> None:
    application = an_application()
    result = walked(
        application, "ada@example.com", "", "gmail", "", PASSWORD, "",
        find=lambda _: proposed("anybody between could have changed it"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Warning: anybody between could have changed it" in result.output
    assert [account.host for account in stored(application)] == ["smtp.gmail.com"]


def test_a_domain_whose_mail_exchanger_is_known_needs_no_question_about_its_server() -> None:
    dns = FakeDns()
    dns.add_mx("example.com", 10, "mx1.mail.ovh.net.")
    application = an_application(dns=dns)
    result = walked(application, "ada@example.com", "", PASSWORD, "", find=by_look_up(application))
    assert result.exit_code == 0, result.output
    assert "Looking example.com up" in result.output
    assert "example.com is at OVHcloud MX Plan." in result.output
    assert stored(application)[0].host == "ssl0.ovh.net"


def test_a_server_that_only_the_dns_names_is_shown_with_a_warning() -> None:
    dns = FakeDns()
    dns.add_srv("_submissions._tcp.example.com", 465, "mail.example.com.")
    application = an_application(dns=dns)
    result = walked(
        application, "ada@example.com", "y", "", PASSWORD, "", find=by_look_up(application)
    )
    assert result.exit_code == 0, result.output
    assert "names the server mail.example.com:465 (tls)." in result.output
    assert "Warning: " in result.output
    assert "is not protected" in result.output
    assert stored(application)[0].host == "mail.example.com"


def test_of_a_known_domain_nobody_is_asked() -> None:
    application = an_application()
    result = walked(application, "ada@gmail.com", "", PASSWORD, "", find=by_look_up(application))
    assert result.exit_code == 0, result.output
    assert "Looking" not in result.output


# -- what cannot be known --------------------------------------------------------------------------


def test_a_domain_that_is_not_known_is_asked_about() -> None:
    application = an_application()
    result = walked(
        application, "ada@example.com", "?", "gmial", "ses", "mars", "eu-west-1", "AKIA", PASSWORD,
        "bulk",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "  brevo: Brevo" in result.output
    assert "Amazon SES has regions such as eu-west-1" in result.output
    [account] = stored(application)
    assert account.host == "email-smtp.eu-west-1.amazonaws.com"
    assert (account.name, account.username) == ("bulk", "AKIA")


def test_a_server_of_ones_own_is_taken_by_its_host() -> None:
    application = an_application()
    result = walked(application, "ada@example.com", "127.0.0.1", "2525", "plain", "-", "")
    assert result.exit_code == 0, result.output
    [account] = stored(application)
    assert (account.host, account.port, account.security) == ("127.0.0.1", 2525, Security.PLAIN)
    assert not account.authenticates
    assert "the usual start" in result.output


def test_a_username_that_is_always_the_same_is_not_asked_for() -> None:
    application = an_application()
    result = walked(application, "ada@example.com", "sendgrid", PASSWORD, "")
    assert result.exit_code == 0, result.output
    assert stored(application)[0].username == "apikey"


def test_wrong_answers_are_asked_again() -> None:
    application = an_application()
    result = walked(application, "ada", "ada@gmail.com", "", PASSWORD, "")
    assert result.exit_code == 0
    assert "must have an @" in result.output


def test_a_name_that_is_taken_is_asked_again() -> None:
    application = an_application()
    walked(application, "ada@gmail.com", "", PASSWORD, "")
    result = walked(application, "ada@gmail.com", "", PASSWORD, "", "second")
    assert result.exit_code == 0, result.output
    assert "another SMTP configuration is called" in result.output
    assert [account.name for account in stored(application)] == ["ada@gmail.com", "second"]


def test_a_provider_without_passwords_is_asked_for_tokens() -> None:
    application = an_application()
    answers = ("ada@outlook.com", "device", "client", "../elsewhere", "client", "", "-", "")

    result = walked(application, *answers)

    assert result.exit_code == 0, result.output
    assert "Outlook.com takes no password, only tokens (OAuth)" in result.output
    assert "Error: tenant must be" in result.output
    [account] = stored(application)
    assert account.oauth is not None
    assert (account.oauth.provider, account.oauth.flow) == ("microsoft", "device")
    assert (account.oauth.client_id, account.username) == ("client", "ada@outlook.com")
    assert account.health.pause is not None
    assert account.health.pause.reason == "needs_consent"


def test_a_provider_that_takes_both_is_asked_for_tokens_on_demand() -> None:
    application = an_application()

    result = walked(application, "ada@gmail.com", "client", PASSWORD, "", oauth=True)

    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    assert "app password" not in result.output
    [account] = stored(application)
    assert account.oauth is not None
    assert (account.oauth.provider, account.sealed_password) == ("google", None)
    stored_secrets = application.account_queries.account(account.id).credentials
    assert stored_secrets is not None
    assert stored_secrets.sealed_secret is not None


def test_where_no_login_by_oauth_is_known_it_is_told() -> None:
    application = an_application()

    result = walked(application, "ada@icloud.com", oauth=True)

    assert result.exit_code == 1
    assert "no login by OAuth is known" in result.output


# -- trying it out ---------------------------------------------------------------------------------


def a_refusing(*, times: int) -> Application:
    """An application whose mail server refuses so many logins."""
    application_sender = FakeSender()
    application_sender.play(Script([Rule(Stage.AUTH, "535 5.7.9 app password", times=times)]))
    return an_application(sender=application_sender)


def test_a_login_that_is_refused_is_told_with_advice_and_may_be_tried_again() -> None:
    application = a_refusing(times=1)
    result = walked(application, "ada@gmail.com", "", "wrong", "p", PASSWORD, "")

    assert result.exit_code == 0, result.output
    assert "FAILED  535 5.7.9 app password" in result.output
    assert "Make an app password at the provider" in result.output
    assert len(stored(application)) == 1


@pytest.mark.parametrize(("choice", "code", "count"), [("q", 3, 0), ("s", 0, 1)])
def test_what_does_not_work_is_stored_only_if_that_is_wished(
    choice: str, code: int, count: int
) -> None:
    application = a_refusing(times=9)
    result = walked(application, "ada@gmail.com", "", "wrong", choice, "")
    assert (result.exit_code, len(stored(application))) == (code, count)


def test_without_verifying_no_connection_is_opened() -> None:
    application = a_refusing(times=9)
    result = walked(application, "ada@gmail.com", "", PASSWORD, "", verifies=False)
    assert result.exit_code == 0
    assert "Trying" not in result.output


# -- the command -----------------------------------------------------------------------------------


def test_without_a_terminal_it_refuses_at_once(tmp_path: Path) -> None:
    environ = {"FLASK_ENV": "", "SECRET_KEY": "", "DATABASE_URL": f"sqlite:///{tmp_path}/s.db"}
    result = CliRunner(env=environ).invoke(cli, ["accounts", "add"], input="ada@gmail.com\n")
    assert result.exit_code == 2
    assert "needs a terminal" in result.output
    assert list(tmp_path.iterdir()) == []


class Terminal:
    """A process at a terminal of its own, answered when it asks."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.heard = ""
        self._ours, theirs = pty.openpty()
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "LOG_LEVEL": "ERROR"}
        environ |= {"FLASK_ENV": "", "DATABASE_URL": f"sqlite:///{folder}/s.db"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "entrypoints", *words],
            cwd=folder,
            env=environ,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def answer(self, question: str, line: str) -> None:
        """Wait until it has asked, then type the line."""
        asked_from = len(self.heard)
        deadline = time.monotonic() + PATIENCE_S
        while question not in self.heard[asked_from:]:
            assert time.monotonic() < deadline, f"it never asked {question!r}: {self.heard}"
            self._hear()
        os.write(self._ours, f"{line}\n".encode())

    def hear(self, text: str) -> None:
        """Wait until it has said this."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.heard:
            assert time.monotonic() < deadline, f"it never said {text!r}: {self.heard}"
            self._hear()

    def end(self) -> int:
        """The exit code, once it has said all."""
        while self._hear():
            pass
        os.close(self._ours)
        return self.process.wait(PATIENCE_S)

    def _hear(self) -> bool:
        readable, _, _ = select.select([self._ours], [], [], PATIENCE_S)
        try:
            octets = os.read(self._ours, 4096) if readable else b""
        except OSError:  # Linux tells so that nobody has the other end open
            return False
        self.heard += octets.decode()
        return bool(octets)


def test_at_a_terminal_it_asks_tries_and_stores_and_the_password_is_not_echoed(
    tmp_path: Path,
) -> None:
    with SmtpServer() as server:
        terminal = Terminal(tmp_path, "accounts", "add", "--no-lookup")
        terminal.answer("Email address", "me@example.com")
        terminal.answer("Provider, or host", "127.0.0.1")
        terminal.answer("Port", str(server.port))
        terminal.answer("Protection", "plain")
        terminal.answer("Username", "me")
        terminal.answer("Password (not shown)", PASSWORD)
        terminal.answer("Name", "main")
        assert terminal.end() == 0, terminal.heard

    assert "127.0.0.1 takes mail from me@example.com" in terminal.heard
    assert "It is SMTP configuration 1" in terminal.heard
    assert "Reports of bounces come to me@example.com." in terminal.heard
    assert PASSWORD not in terminal.heard
    assert server.accepted == []
    assert any(line.startswith(b"AUTH") for line in server.commands)


def test_who_authorizes_later_is_told_how(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "accounts", "add", "--address", "ada@outlook.com")
    terminal.answer("Consent with", "")
    terminal.answer("Client ID", "client")
    terminal.answer("Tenant", "consumers")
    terminal.answer("Client secret (not shown)", PASSWORD)
    terminal.answer("Name", "outlook")
    terminal.answer("Authorize it now?", "n")

    assert terminal.end() == 0, terminal.heard
    assert "Its mail waits until: email-service accounts authorize 1" in terminal.heard
    assert PASSWORD not in terminal.heard


def test_who_authorizes_now_is_sent_to_the_provider(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "accounts", "add", "--address", "ada@outlook.com")
    terminal.answer("Consent with", "")
    terminal.answer("Client ID", "client")
    terminal.answer("Tenant", "consumers")
    terminal.answer("Client secret (not shown)", "-")
    terminal.answer("Name", "outlook")
    terminal.answer("Authorize it now?", "y")
    terminal.hear("It waits for the browser")
    terminal.process.terminate()
    terminal.end()

    assert "https://login.microsoftonline.com/consumers/oauth2/v2.0/authorize?" in terminal.heard

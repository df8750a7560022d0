"""`email-service doctor`, against a mail server and a DNS server of the tests' own."""

import json
from collections.abc import Iterator
from pathlib import Path

import attrs
import dns.rcode
import pytest
from click.testing import CliRunner, Result

from adapters.fakes.sender import Rule, Script
from domain.account.account import Security
from domain.address import Address
from domain.outcome.handoff import Stage
from entrypoints.cli import cli
from entrypoints.settings import load_settings
from entrypoints.wiring import build
from tests.dns_server import DnsServer
from tests.smtp_server import SmtpServer

DKIM = "v=DKIM1; k=rsa; p="


@attrs.frozen
class Shell:
    """The command, on a database of its own with one account at a server of the tests' own."""

    folder: Path
    dns: DnsServer
    smtp: SmtpServer

    def run(self, *arguments: str) -> Result:
        environ = {
            "FLASK_ENV": "",
            "SECRET_KEY": "",
            "DATABASE_URL": f"sqlite:///{self.folder}/s.db",
            "DNS_SERVERS": f"127.0.0.1:{self.dns.port}",
        }
        return CliRunner(env=environ).invoke(cli, list(arguments))

    def add_account(self, name: str = "main", address: str = "shop@example.com") -> None:
        """By the use case: the command that adds accounts asks questions."""
        settings, _ = load_settings(
            given={
                "DATABASE_URL": f"sqlite:///{self.folder}/s.db",
                "DNS_SERVERS": f"127.0.0.1:{self.dns.port}",
            },
            environ={},
        )
        service = build(settings)
        try:
            service.migrate()
            service.application.account_service.create(
                {
                    "name": name,
                    "address": Address.parse(address),
                    "host": "127.0.0.1",
                    "port": self.smtp.port,
                    "security": Security.PLAIN,
                }
            )
        finally:
            service.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with DnsServer() as names, SmtpServer(Script()) as smtp:
        shell = Shell(tmp_path, names, smtp)
        shell.add_account()
        yield shell


def well(names: DnsServer) -> None:
    """Everything that can be well for an account on this machine."""
    names.add("example.com", "TXT", '"v=spf1 a:mail.example.com -all"', '"something else"')
    names.add("mail.example.com", "A", "193.0.2.1")
    names.add("_dmarc.example.com", "TXT", '"v=DMARC1; p=reject; "  "rua=mailto:d@example.com"')
    names.add("example.com", "MX", "10 mail.example.com.")


def statuses(result: Result) -> dict[str, str]:
    told = json.loads(result.stdout.splitlines()[0])
    return {finding["code"]: finding["status"] for finding in told["findings"]}


def test_two_spf_records_fail_with_exit_code_1(shell: Shell) -> None:
    well(shell.dns)
    shell.dns.add("example.com", "TXT", '"v=spf1 -all"')
    result = shell.run("doctor", "main")
    assert result.exit_code == 1
    assert "FAIL     spf_one_record" in result.stdout
    assert "mend:     Merge them into one" in result.stdout
    assert "RFC 7208, 4.5" in result.stdout


def test_a_dead_dns_is_unknown_with_exit_code_2(shell: Shell) -> None:
    for name in ("example.com", "_dmarc.example.com", "_dmarc.com", "_mta-sts.example.com"):
        shell.dns.fail(name, dns.rcode.SERVFAIL)
    result = shell.run("doctor", "--json")
    assert result.exit_code == 2
    found = statuses(result)
    assert "fail" not in found.values()
    assert {found[code] for code in ("spf_one_record", "dmarc", "mx", "mta_sts")} == {"unknown"}


def test_records_of_several_strings_behind_an_alias_are_read(shell: Shell) -> None:
    well(shell.dns)
    shell.dns.add("_mta-sts.example.com", "CNAME", "sts.provider.example.")
    shell.dns.add("sts.provider.example", "TXT", '"v=STSv1"')
    found = statuses(shell.run("doctor", "--json", "1"))
    assert (found["spf_one_record"], found["dmarc"], found["mx"]) == ("ok", "ok", "ok")
    assert found["mta_sts"] == "warn"  # without an id


def test_an_alias_that_leads_to_itself_ends(shell: Shell) -> None:
    well(shell.dns)
    shell.dns.add("_mta-sts.example.com", "CNAME", "_mta-sts.example.com.")
    found = statuses(shell.run("doctor", "--json"))
    assert found["mta_sts"] in ("ok", "unknown")


def test_a_record_of_60_kb_is_read(shell: Shell) -> None:
    strings = " ".join(['"' + "ip4:193.0.2.1 " * 18 + '"'] * 240)
    shell.dns.add("example.com", "TXT", f'"v=spf1 " {strings}')
    found = statuses(shell.run("doctor", "--json"))
    assert found["spf_one_record"] == "ok"
    assert found["spf_syntax"] == "fail"  # more terms than anybody reads


def test_the_message_of_a_file_tells_the_selector(shell: Shell, tmp_path: Path) -> None:
    well(shell.dns)
    shell.dns.add("m1._domainkey.example.com", "TXT", f'"{DKIM}"')
    path = tmp_path / "message.eml"
    path.write_bytes(b"DKIM-Signature: d=example.com; s=m1\nFrom: shop@example.com\n\nHello\n")
    result = shell.run("doctor", "main", "--message", str(path))
    assert result.exit_code == 1
    assert "revoked" in result.stdout


def test_what_is_no_message_is_told_plainly(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "message.eml"
    path.write_bytes(b"nothing")
    result = shell.run("doctor", "main", "--message", str(path))
    assert result.exit_code == 1
    assert "From" in result.stderr


def test_the_mail_server_is_tried_and_its_refusal_is_explained(shell: Shell) -> None:
    well(shell.dns)
    shell.smtp.play(Script((Rule(Stage.MAIL, "550 5.7.1 sender address not owned by you"),)))
    result = shell.run("doctor")
    assert result.exit_code == 1
    assert "FAIL     mail" in result.stdout
    assert "refuses email_address as a sender" in result.stdout


def test_every_account_is_examined_without_one_and_the_worst_counts(shell: Shell) -> None:
    well(shell.dns)
    shell.add_account("second")
    result = shell.run("doctor", "--json")
    assert [json.loads(line)["name"] for line in result.stdout.splitlines()] == ["main", "second"]
    assert result.exit_code == 2  # nobody knows from where a server on this machine sends


def test_a_failure_of_one_account_counts_more_than_what_is_unknown_of_another(shell: Shell) -> None:
    well(shell.dns)
    shell.dns.add("example.com", "TXT", '"v=spf1 -all"')
    shell.add_account("second", "shop@example.net")
    for name in ("example.net", "_dmarc.example.net", "_dmarc.net", "_mta-sts.example.net"):
        shell.dns.fail(name)
    result = shell.run("doctor", "--json")
    told = [json.loads(line)["status"] for line in result.stdout.splitlines()]
    assert (told, result.exit_code) == (["fail", "unknown"], 1)


def test_without_an_account_it_says_how_to_add_one(tmp_path: Path) -> None:
    result = CliRunner(env={"DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}"}).invoke(
        cli, ["doctor"]
    )
    assert result.exit_code == 1
    assert "add one with email-service accounts add" in result.stderr


def test_an_account_that_is_not_there_is_a_usage_error(shell: Shell) -> None:
    result = shell.run("doctor", "third")
    assert result.exit_code == 2
    assert "there is no SMTP configuration 'third'" in result.stderr

"""`email-service accounts`: SMTP configurations listed, verified, paused, and kept in a file."""

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapters.fakes.sender import Rule, Script
from domain.outcome.handoff import Stage
from entrypoints.cli import cli
from entrypoints.cli.accounts_file import MAY_BE_NONE
from entrypoints.http.smtp_configs.schemas import SmtpConfigRequest
from tests.running import ROOT, Running
from tests.smtp_server import SmtpServer

PASSWORD = "correct horse battery staple"
IMPORT_S = 5.0  # what an import of 1,000 accounts may take


class Shell:
    """The command in this process, on a database of its own."""

    def __init__(self, path: Path) -> None:
        self.folder = path
        self.file = path / "accounts.toml"
        environ = {"FLASK_ENV": "", "SECRET_KEY": "", "DATABASE_URL": f"sqlite:///{path}/s.db"}
        self._runner = CliRunner(
            env={
                **environ,
                "LOG_LEVEL": "ERROR",
                "SHOP_PASSWORD": PASSWORD,
                "OFFICE_SECRET": PASSWORD,
            }
        )

    def run(self, *words: str, **more: Any) -> Result:
        result = self._runner.invoke(cli, ["accounts", *words], **more)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result

    def imported(self, text: str, *options: str) -> Result:
        """An import of a file with this text."""
        self.file.write_text(text, "utf-8")
        return self.run("import", str(self.file), *options)

    def shown(self, account_id: int = 1) -> dict[str, str]:
        lines = self.run("show", str(account_id)).output.splitlines()
        return {word: rest.strip() for word, _, rest in (line.partition("  ") for line in lines)}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def entry(name: str = "shop", **fields: object) -> str:
    """One account of a file."""
    said = {"name": name, "email_address": "shop@gmail.com", "provider": "gmail", **fields}
    lines = [f"{word} = {_toml(value)}" for word, value in said.items() if value is not None]
    return "\n".join(["[[account]]", *lines, "", ""])


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | list) else f'"{value}"'


def on_this_machine(port: int, **fields: object) -> str:
    return entry(
        provider=None,
        email_address="me@example.com",
        smtp_host="127.0.0.1",
        smtp_port=port,
        use_tls=False,
        **fields,
    )


# -- list, show, pause, resume ---------------------------------------------------------------------


def test_without_accounts_the_list_says_how_to_add_one(shell: Shell) -> None:
    assert "email-service accounts add" in shell.run("list").output


def test_the_list_has_a_line_for_each(shell: Shell) -> None:
    shell.imported(entry("one") + entry("two", daily_limit="none"))
    shell.run("pause", "2")
    head, one, two = shell.run("list").output.splitlines()

    assert head.split() == "ID NAME ADDRESS SERVER STATE SENT/HOUR SENT/DAY WHY".split()
    assert one.split() == "1 one shop@gmail.com smtp.gmail.com:587 open 0 0 of 500".split()
    assert two.split() == "2 two shop@gmail.com smtp.gmail.com:587 paused 0 0 by_hand".split()


def test_one_is_shown_without_its_password(shell: Shell) -> None:
    shell.imported(entry(password_env="SHOP_PASSWORD"))
    shown = shell.shown()

    assert shown["server"] == "smtp.gmail.com:587 (use_tls)"
    assert (shown["username"], shown["password"]) == ("shop@gmail.com", "stored")
    assert shown["daily_limit"] == "500, 0 used"
    assert PASSWORD not in str(shown)


def test_one_is_paused_and_resumed(shell: Shell) -> None:
    shell.imported(entry())
    assert "is paused" in shell.run("pause", "1").output
    assert shell.shown()["state"] == "paused"
    assert "is resumed" in shell.run("resume", "1").output
    assert shell.shown()["state"] == "open"


@pytest.mark.parametrize("command", ["show", "pause", "resume", "verify"])
def test_one_that_is_not_there_is_told(shell: Shell, command: str) -> None:
    result = shell.run(command, "7")
    assert result.exit_code == 1
    assert "there is no SMTP configuration 7" in result.output


@pytest.mark.parametrize("number", ["0", "-1", "x", str(2**63)])
def test_what_is_no_number_of_an_account_is_refused(shell: Shell, number: str) -> None:
    assert shell.run("show", number).exit_code == 2


# -- verify ----------------------------------------------------------------------------------------


def test_a_server_that_takes_mail_ends_it_with_zero(shell: Shell) -> None:
    with SmtpServer() as server:
        shell.imported(on_this_machine(server.port))
        result = shell.run("verify", "1", "--recipient", "ada@example.org")

    assert result.exit_code == 0, result.output
    assert re.search(r"^rcpt +ok  250", result.output, re.MULTILINE)
    assert "Nothing was sent" in result.output
    assert server.accepted == []
    assert any(b"ada@example.org" in line for line in server.commands)


def test_a_server_that_refuses_the_login_ends_it_with_one_and_advice(shell: Shell) -> None:
    script = Script([Rule(Stage.AUTH, "535 5.7.8 bad credentials")])
    with SmtpServer(script) as server:
        shell.imported(on_this_machine(server.port, username="me", password_env="SHOP_PASSWORD"))
        result = shell.run("verify", "1")

    assert result.exit_code == 1
    assert re.search(r"^auth +FAILED  535 5.7.8 bad credentials$", result.output, re.MULTILINE)
    assert "Check username and password." in result.output
    assert PASSWORD not in result.output


def test_a_recipient_that_is_no_address_is_refused(shell: Shell) -> None:
    result = shell.run("verify", "1", "--recipient", "ada")
    assert result.exit_code == 2
    assert "must have an @" in result.output


# -- import ----------------------------------------------------------------------------------------


def test_a_file_creates_changes_and_keeps_by_name(shell: Shell) -> None:
    first = shell.imported(entry("a", password_env="SHOP_PASSWORD") + entry("b"))
    again = shell.imported(
        entry("a", password_env="SHOP_PASSWORD", daily_limit=400, aliases=["x@gmail.com"])
        + entry("b")
        + entry("c", provider="ses", region="eu-west-1")
    )

    assert first.exit_code == again.exit_code == 0, first.output + again.output
    assert first.output.splitlines() == [
        "create  a  shop@gmail.com by smtp.gmail.com:587",
        "create  b  shop@gmail.com by smtp.gmail.com:587",
        "2 created, 0 changed, 0 as before.",
    ]
    assert again.output.splitlines() == [
        "change  a  aliases [] -> [x@gmail.com], daily_limit 500 -> 400",
        "keep    b",
        "create  c  shop@gmail.com by email-smtp.eu-west-1.amazonaws.com:587",
        "1 created, 1 changed, 1 as before.",
    ]


def test_a_change_is_told_with_the_word_of_the_file(shell: Shell) -> None:
    shell.imported(entry("a"))
    result = shell.imported(entry("a", max_message_bytes=1000), "--dry-run")
    assert result.output.splitlines()[0] == "change  a  max_message_bytes 25000000 -> 1000"


def test_nothing_is_deleted(shell: Shell) -> None:
    shell.imported(entry("a") + entry("b"))
    shell.imported(entry("b"))
    assert len(shell.run("list").output.splitlines()) == 3


def test_a_dry_run_shows_the_plan_and_writes_nothing(shell: Shell) -> None:
    shell.imported(entry("a"))
    result = shell.imported(entry("a", daily_limit="none") + entry("b"), "--dry-run")

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "change  a  daily_limit 500 -> none",
        "create  b  shop@gmail.com by smtp.gmail.com:587",
        "1 to create, 1 to change, 0 as before. Nothing was written.",
    ]
    assert shell.shown()["daily_limit"] == "500, 0 used"
    assert len(shell.run("list").output.splitlines()) == 2


def test_a_password_comes_from_a_variable_or_a_file_and_is_shown_nowhere(shell: Shell) -> None:
    secret = shell.folder / "secret"
    secret.write_text(f"{PASSWORD}\n")
    text = entry("a", password_env="SHOP_PASSWORD") + entry("b", password_file=secret)
    result = shell.imported(text)
    assert result.exit_code == 0, result.output
    assert shell.shown(1)["password"] == shell.shown(2)["password"] == "stored"

    same = shell.imported(text)
    secret.write_text("another one")
    changed = shell.imported(text)
    assert same.output.splitlines()[-1] == "0 created, 0 changed, 2 as before."
    assert changed.output.splitlines()[:2] == ["keep    a", "change  b  password"]
    for one in (result, same, changed):
        assert PASSWORD not in one.output
        assert "another one" not in one.output
    octets = b"".join(path.read_bytes() for path in shell.folder.glob("s.db*"))
    assert PASSWORD.encode() not in octets


def test_no_log_line_of_an_import_has_a_password(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(entry("a", password_env="SHOP_PASSWORD") + entry("b", provider="gmial"))
    command = Running(tmp_path, SHOP_PASSWORD=PASSWORD, LOG_LEVEL="DEBUG", SECRET_KEY="x" * 40)
    refused = command.run("accounts", "import", str(file))
    file.write_text(entry("a", password_env="SHOP_PASSWORD"))
    written = command.run("accounts", "import", str(file))

    assert (refused.returncode, written.returncode) == (2, 0), written.stderr
    assert "account_created" in written.stderr
    for said in (refused.stdout, refused.stderr, written.stdout, written.stderr):
        assert PASSWORD not in said


def test_all_that_is_wrong_is_told_at_once_with_its_place_and_nothing_is_written(
    shell: Shell,
) -> None:
    text = (
        entry("good")
        + entry("a", provider="gmial")
        + entry("b", smtp_port=99_999, colour="red")
        + entry("c", password_env="NOT_SET_ANYWHERE")
        + entry("d", password_file="/nowhere/secret")
        + entry("e", password=PASSWORD)
        + entry("f", password_env="SHOP_PASSWORD", password_file="x")
        + entry("g", username="me")
        + entry("g")
        + entry("h", provider=None)
        + entry("i", provider="ses")
        + "[[account]]\n"
    )
    result = shell.imported(text)

    assert result.exit_code == 2
    lines = dict(line.split(": ", 1) for line in reversed(result.output.splitlines()))
    told = {place.partition(" ")[2]: why for place, why in lines.items()}
    assert lines["accounts.toml:6 a"].startswith("provider: is not known here: name one of gmail,")
    assert "at most 65535" in result.output
    assert "colour: is unknown" in result.output
    assert told["c"] == "password_env: the variable NOT_SET_ANYWHERE is not set, or empty"
    assert told["d"].startswith("password_file: /nowhere/secret cannot be read (No such file")
    assert told["e"].startswith("password: must not stand in the file")
    assert told["f"].startswith("password_file: name either")
    assert told["g"] == "name: stands more than once in the file"
    assert told["h"] == "smtp_host: is required without a provider"
    assert told["i"].startswith("region: is required")
    assert "11 of 12 accounts are wrong: nothing was written." in result.output
    assert PASSWORD not in result.output
    assert "There is no SMTP configuration yet" in shell.run("list").output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[account]\n", "accounts.toml"),
        ("", "must have [[account]] tables"),
        ('account = "x"\n', "must have [[account]] tables"),
        ("[[account]]\nname='a'\n[[provider]]\n", "must have [[account]] tables"),
    ],
)
def test_a_file_that_is_none_ends_it_with_two(shell: Shell, text: str, told: str) -> None:
    result = shell.imported(text)
    assert result.exit_code == 2
    assert told in result.output


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[[account]]\na = " + "[" * 100_000, id="deep"),
        pytest.param("#" * (16 * 1024 * 1024 + 1), id="large"),
    ],
)
def test_a_file_that_would_take_all_memory_ends_it_with_two(shell: Shell, text: str) -> None:
    result = shell.imported(text)
    assert result.exit_code == 2
    assert "accounts.toml" in result.output


def test_a_file_of_another_editor_is_read(shell: Shell) -> None:
    secret = shell.folder / "secret"
    secret.write_bytes(f"\ufeff{PASSWORD}\r\n".encode())
    text = entry("a", password_file=secret).replace("\n", "\r\n")
    (shell.folder / "bom.toml").write_bytes(f"\ufeff{text}".encode())

    first = shell.run("import", str(shell.folder / "bom.toml"))
    again = shell.imported(entry("a", password_env="SHOP_PASSWORD"))

    assert first.exit_code == 0, first.output
    assert "1 as before" in again.output


@pytest.mark.parametrize("kind", ["fifo", "folder", "large", "deep"])
def test_a_secret_in_what_is_no_small_file_is_told_at_once(shell: Shell, kind: str) -> None:
    path = shell.folder / kind
    if kind == "fifo":
        os.mkfifo(path)  # nobody writes to it: reading would wait for ever
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("[" * (70_000 if kind == "large" else 50_000))
    place = f'service_account_file = "{path}"\n'

    result = shell.imported(f"{entry('office', provider='microsoft-365')}{AUTH}{place}")

    assert result.exit_code == 2
    assert "auth.service_account" in result.output


def test_a_file_that_is_not_there_ends_it_with_two(shell: Shell) -> None:
    path = shell.folder / "nowhere.toml"
    result = shell.run("import", str(path))
    assert result.exit_code == 2
    assert f"Error: {path}: No such file or directory\n" in result.output


def test_one_account_that_is_wrong_is_told_as_one(shell: Shell) -> None:
    result = shell.imported(entry("h", provider=None))
    assert "1 of 1 account is wrong: nothing was written." in result.output


def test_a_thousand_accounts_are_imported_in_seconds(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "".join(entry(f"account {n}", password_env="SHOP_PASSWORD") for n in range(1000))
    began, worked = time.monotonic(), time.process_time()
    first = shell.imported(text)
    took, took_cpu = time.monotonic() - began, time.process_time() - worked
    again = shell.imported(text)

    assert first.output.splitlines()[-1] == "1000 created, 0 changed, 0 as before."
    assert again.output.splitlines()[-1] == "0 created, 0 changed, 1000 as before."
    with capsys.disabled():
        print(f"\n1,000 accounts imported in {took:.2f} s, {took_cpu:.2f} s of a processor")
    assert took_cpu <= IMPORT_S  # what else this machine does must not fail it


# -- the page --------------------------------------------------------------------------------------


def test_the_file_of_the_page_is_imported(shell: Shell) -> None:
    page = (ROOT / "docs/using/accounts-command.md").read_text("utf-8")
    [text] = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    secret = shell.folder / "ses"
    secret.write_text("of SES\n")
    result = shell.imported(text.replace("/run/secrets/ses", str(secret)))

    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "create  shop  shop@gmail.com by smtp.gmail.com:587",
        "create  bulk  news@example.com by email-smtp.eu-west-1.amazonaws.com:587",
        "create  office  ada@example.com by smtp.office365.com:587",
        "3 created, 0 changed, 0 as before.",
    ]
    assert shell.shown(2)["minute_limit"] == "none, 0 used"


AUTH = """
[account.auth]
type = "oauth"
provider = "microsoft"
flow = "client_credentials"
client_id = "11111111-2222-3333-4444-555555555555"
tenant = "example.com"
"""


def test_an_account_that_logs_in_by_oauth_is_imported_with_a_secret_from_elsewhere(
    shell: Shell,
) -> None:
    office = entry("office", provider="microsoft-365", email_address="ada@example.com")

    path = shell.folder / "secret"
    path.write_text(f"{PASSWORD}\n", "utf-8")
    places = ('client_secret_env = "SHOP_PASSWORD"', f'client_secret_file = "{path}"')

    for place in places:
        done = shell.imported(f"{office}{AUTH}{place}\n")
        assert done.exit_code == 0, done.output
        assert PASSWORD not in done.output

    assert "keep" in done.output
    assert shell.shown()["username"] == "ada@example.com"


def test_one_that_waits_for_a_person_shows_who_must_do_what(shell: Shell) -> None:
    auth = AUTH.replace("client_credentials", "device")
    done = shell.imported(f"{entry('office', provider='microsoft-365')}{auth}")
    assert done.exit_code == 0, done.output

    shown = shell.shown()

    assert shown["auth"] == "microsoft device 11111111-2222-3333-4444-555555555555"
    assert shown["authorized"] == "no"
    assert "email-service accounts authorize 1" in shown["pause_text"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('client_secret = "clear-text"', "auth.client_secret: must not stand in the file"),
        ('client_secret_env = "NO_SUCH"', "auth.client_secret_env: the variable NO_SUCH"),
        ('client_secret_file = "/no/such"', "auth.client_secret_file: /no/such cannot be read"),
        ('service_account_env = "SHOP_PASSWORD"', "auth.service_account: is no JSON"),
    ],
)
def test_a_secret_of_oauth_that_is_in_the_file_or_nowhere_is_told(
    shell: Shell, line: str, told: str
) -> None:
    done = shell.imported(f"{entry('office', provider='microsoft-365')}{AUTH}{line}\n")

    assert done.exit_code == 2
    assert told in done.output
    assert "clear-text" not in done.output


BOX = """
[account.inbox]
host = "imap.example.com"
"""
ITS_PASSWORD = 'password_env = "SHOP_PASSWORD"\n'


def test_an_inbox_is_imported_with_a_password_from_elsewhere(shell: Shell) -> None:
    path = shell.folder / "secret"
    path.write_text(f"{PASSWORD}\n", "utf-8")
    text = f"{entry()}{BOX}"
    planned = shell.imported(f"{text}{ITS_PASSWORD}", "--dry-run")
    first = shell.imported(f"{text}{ITS_PASSWORD}")
    again = [shell.imported(f"{text}{more}") for more in ("", f'password_file = "{path}"\n')]
    path.write_text("another one", "utf-8")
    changed = shell.imported(f'{text}password_file = "{path}"\n')

    assert "1 to create" in planned.output
    assert "1 created" in first.output
    assert [one.output.splitlines()[0] for one in again] == ["keep    shop"] * 2
    assert changed.output.splitlines()[0] == "change  shop  inbox.password"
    for one in (planned, first, *again, changed):
        assert one.exit_code == 0
        assert PASSWORD not in one.output
        assert "another one" not in one.output
    octets = b"".join(file.read_bytes() for file in shell.folder.glob("s.db*"))
    assert b"imap.example.com" in octets
    assert PASSWORD.encode() not in octets


def test_an_inbox_is_shown_without_its_password(shell: Shell) -> None:
    shell.imported(f'{entry()}{BOX}folder = "Reports"\nusername = "me"\n{ITS_PASSWORD}')

    shown = shell.shown()

    assert shown["inbox"] == "Reports of me at imap.example.com:993"
    assert shown["inbox read"] == "never"
    assert PASSWORD not in str(shown)


def test_what_a_file_changes_of_an_inbox_is_shown(shell: Shell) -> None:
    def changes(inbox: str) -> str:
        result = shell.imported(f"{entry()}{inbox}")
        assert result.exit_code == 0, result.output
        return result.output.splitlines()[0]

    assert shell.imported(entry()).exit_code == 0
    new = f"{BOX}{ITS_PASSWORD}"
    assert changes(new) == "change  shop  inbox none -> imap.example.com:993"
    more = 'folder = "Reports"\npoll_seconds = 20\n'
    assert changes(f"{new}{more}") == (
        "change  shop  inbox.folder INBOX -> Reports, inbox.poll_seconds 60 -> 20"
    )
    assert changes(f"{new}port = 143\n{more}") == "change  shop  inbox.port 993 -> 143"
    assert changes("") == "keep    shop"
    assert changes('inbox = "none"\n') == "change  shop  inbox imap.example.com:143 -> none"
    assert changes('inbox = "none"\n') == "keep    shop"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "inbox.password: is required without OAuth"),
        (f"{ITS_PASSWORD}port = 110\n", "inbox.port: must be 993, or 143 for STARTTLS"),
        (f"{ITS_PASSWORD}colour = 1\n", "inbox.colour: is unknown"),
        (f"{ITS_PASSWORD}poll_seconds = 1\n", "inbox.poll_seconds: must be at least 10"),
        ('password = "clear-text"\n', "inbox.password: must not stand in the file"),
        ('password_env = "NO_SUCH"\n', "inbox.password_env: the variable NO_SUCH"),
        ('password_file = "/no/such"\n', "inbox.password_file: /no/such cannot be read"),
        (f'{ITS_PASSWORD}password_file = "x"\n', "inbox.password_file: name either"),
    ],
)
def test_what_is_wrong_with_an_inbox_is_told_and_nothing_is_written(
    shell: Shell, line: str, told: str
) -> None:
    text = f"{entry('good')}{entry()}{BOX}{line}"
    for options in ((), ("--dry-run",)):
        result = shell.imported(text, *options)

        assert result.exit_code == 2, result.output
        assert f"shop: {told}" in result.output
        assert "clear-text" not in result.output
    assert "There is no SMTP configuration yet" in shell.run("list").output


def test_an_inbox_that_moves_needs_its_password_before_anything_is_written(shell: Shell) -> None:
    shell.imported(f"{entry()}{BOX}{ITS_PASSWORD}")

    moved = BOX.replace("example.com", "example.net")
    result = shell.imported(f"{entry(daily_limit=7)}{moved}")

    assert result.exit_code == 2
    assert "inbox.password: is required without OAuth" in result.output
    assert shell.shown()["daily_limit"] == "500, 0 used"


def test_whatever_may_be_null_over_http_may_be_none_in_a_file() -> None:
    fields = SmtpConfigRequest.model_json_schema()["properties"].items()
    may_be_null = {name for name, field in fields if {"type": "null"} in field.get("anyOf", ())}

    assert may_be_null - {"password"} == MAY_BE_NONE  # which never stands in a file

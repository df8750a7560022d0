"""`email-service send-csv`: everybody gets it once, whatever happens meanwhile."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import apsw
import pytest
from click.testing import CliRunner, Result

from application.ports.web import WebAnswer
from domain.intake import SEND_FEWER
from entrypoints.cli.send_csv import send_csv as command
from tests.running import ROOT, Running, free_port, quiet_port, running
from tests.web_server import Arrived, WebServer, answering

COMMAND = (sys.executable, "-m", "entrypoints", "send-csv")
WELL, REFUSED, UNUSABLE, LATER = 0, 1, 2, 75
BATCH: Final = "/api/emails/batch"
_numbers = iter(range(1, 10_000))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """It accepts and does not deliver."""
    rules = {"DISPATCHER": "none", "PUBLIC_URL": "http://127.0.0.1:1"}
    with running(tmp_path_factory.mktemp("service"), **rules) as started:
        started.account(free_port())
        started.with_key("admin")
        template(
            started,
            "welcome",
            subject="Welcome, {{ name }}",
            html="<p>Hello {{ name }}, {{ shop }}</p>",
            variables={
                "name": {"sample": "Ada"},
                "shop": {"required": False, "default": "Example"},
            },
        )
        yield started


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A file of two calls, 500 and one row, with addresses that no other test has."""
    return written(tmp_path, *(f"{address},Name {address}" for address in fresh(501)))


def fresh(number: int) -> list[str]:
    domain = f"d{next(_numbers)}.example.org"
    return [f"u{n}@{domain}" for n in range(number)]


def written(folder: Path, *rows: str, header: str = "email,name") -> Path:
    path = folder / "people.csv"
    path.write_text("\n".join([header, *rows, ""]), "utf-8")
    return path


def template(service: Running, name: str, **fields: Any) -> None:
    saved = service.post("/api/templates", {"name": name, **fields})
    if saved[0] == 409:
        saved = service.call("PUT", f"/api/templates/{name}", fields)
    assert saved[0] in (200, 201), saved
    assert service.post(f"/api/templates/{name}/publish", {})[0] == 200


def environment(service: Running, **environ: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "EMAIL_SERVICE_URL": service.url,
        "EMAIL_SERVICE_KEY": service.key or "",
        "EMAIL_SERVICE_TIMEOUT": "120",
        **environ,
    }


def send_csv(
    service: Running, path: Path, *arguments: str, name: str = "welcome", **environ: str
) -> Result:
    """In this process: to start one for each takes longer than all the rest."""
    told = ["--template", name, str(path), "--yes", *arguments]
    return CliRunner().invoke(command, told, env=environment(service, **environ))


def by_process(service: Running, path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, "--template", "welcome", str(path), *arguments],
        stdin=subprocess.DEVNULL,
        env=environment(service),
        capture_output=True,
        text=True,
        timeout=120,
    )


def recipients(service: Running, path: Path) -> "Counter[str]":
    """How many emails the service has for each address of the file."""
    with path.open(newline="", encoding="utf-8") as file:
        wanted = {row["email"] for row in csv.DictReader(file)}
    connection = apsw.Connection(str(service.folder / "service.db"), apsw.SQLITE_OPEN_READONLY)
    found = Counter(address for (address,) in connection.execute("SELECT address FROM recipient"))
    connection.close()
    return Counter({address: number for address, number in found.items() if address in wanted})


def reported(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def once_each(service: Running, path: Path, number: int) -> bool:
    found = recipients(service, path)
    return (len(found), sum(found.values())) == (number, number)


# -- in front of the service -----------------------------------------------------------------------


def passed_on(service: Running, arrived: Arrived) -> WebAnswer:
    headers = {
        name: value
        for name, value in arrived.headers.items()
        if name not in ("host", "connection", "content-length")
    }
    request = urllib.request.Request(
        service.url + arrived.target,
        data=arrived.body or None,
        method=arrived.method,
        headers=headers,
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, body, told = answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            status, body, told = error.code, error.read(), error.headers
    kept = {name: told[name] for name in ("Date", "Retry-After") if name in told}
    return WebAnswer(status=status, headers=kept, body=body)


def between(service: Running, meddle: Callable[[int, Arrived], WebAnswer | None]) -> WebServer:
    """A proxy that asks *meddle* what to do with the batch of this number, from 1."""
    batches = iter(range(1, 1_000))

    def handle(arrived: Arrived) -> WebAnswer | None:
        if arrived.target != BATCH:
            return passed_on(service, arrived)
        return meddle(next(batches), arrived)

    return WebServer(answering(handle))


@pytest.mark.parametrize("accepted", [True, False], ids=["after it was stored", "before"])
def test_killed_within_the_second_call_it_goes_on_and_everybody_gets_one(
    service: Running, tmp_path: Path, accepted: bool
) -> None:
    people = written(tmp_path, *(f"{address},Ada" for address in fresh(1_000)))
    started: list[subprocess.Popen[bytes]] = []

    def kill_within_the_second(number: int, arrived: Arrived) -> WebAnswer | None:
        if number != 2:
            return passed_on(service, arrived)
        if accepted:
            passed_on(service, arrived)
        started[0].send_signal(signal.SIGKILL)
        return None

    with between(service, kill_within_the_second) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        progress = ("--progress", str(people.parent / "progress"))
        arguments = ("--template", "welcome", str(people), "--yes", *progress)
        environ = environment(service, EMAIL_SERVICE_URL=url)
        with subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environ,
            cwd=service.folder,
        ) as process:
            started.append(process)
            assert process.wait(120) == -signal.SIGKILL
        assert sum(recipients(service, people).values()) == (1_000 if accepted else 500)
        again = send_csv(service, people, *progress, EMAIL_SERVICE_URL=url)

    assert again.exit_code == WELL, again.stderr
    assert "500 of 1,000 emails were accepted. It goes on behind them." in again.stderr
    assert once_each(service, people, 1_000)
    assert again.stdout == "1,000 rows: 1,000 accepted, 0 suppressed, 0 invalid, 0 duplicate\n"


def test_without_its_progress_the_keys_of_the_calls_protect_for_a_day(
    service: Running, people: Path
) -> None:
    assert send_csv(service, people).exit_code == WELL
    for path in people.parent.glob("*.progress"):
        path.unlink()

    again = send_csv(service, people)
    [path] = people.parent.glob("*.progress")
    path.unlink()
    otherwise = send_csv(service, people, "--priority", "5")

    assert again.exit_code == WELL
    assert otherwise.exit_code == UNUSABLE
    assert "in a call that was not quite the same" in otherwise.stderr
    assert once_each(service, people, 501)


def test_a_second_call_of_all_sends_nothing(service: Running, people: Path) -> None:
    assert send_csv(service, people).exit_code == WELL

    again = send_csv(service, people)

    assert (again.exit_code, once_each(service, people, 501)) == (WELL, True)
    assert "To send it all once more, give it a name by --run" in again.stderr


def test_a_named_run_is_a_mailing_of_its_own(service: Running, people: Path) -> None:
    assert send_csv(service, people).exit_code == WELL
    assert send_csv(service, people, "--run", "second").exit_code == WELL

    assert set(recipients(service, people).values()) == {2}


def test_the_service_goes_away_and_it_stops_and_goes_on_later(
    service: Running, people: Path
) -> None:
    def away_after_the_first(number: int, arrived: Arrived) -> WebAnswer | None:
        return passed_on(service, arrived) if number == 1 else None

    progress = ("--progress", str(people.parent / "progress"))
    with between(service, away_after_the_first) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        environ = {"EMAIL_SERVICE_URL": url, "EMAIL_SERVICE_TIMEOUT": "8"}
        stopped = send_csv(service, people, *progress, **environ)
        calls = [one for one in proxy.arrived if one.target == BATCH]
    lines = (people.parent / "progress").read_text().replace(url, service.url)
    (people.parent / "progress").write_text(lines)
    again = send_csv(service, people, *progress)

    assert (stopped.exit_code, stopped.stdout) == (LATER, "")
    assert "500 of 501 emails were accepted. The same command goes on" in stopped.stderr
    assert len(calls) >= 3, "it was tried again"
    assert again.exit_code == WELL, again.stderr
    assert once_each(service, people, 501)


def test_a_busy_service_is_waited_for(service: Running, people: Path) -> None:
    def busy_once(number: int, arrived: Arrived) -> WebAnswer:
        if number == 2:
            return WebAnswer(status=503, headers={"Retry-After": "1"}, body=b"{}")
        return passed_on(service, arrived)

    with between(service, busy_once) as proxy:
        done = send_csv(service, people, EMAIL_SERVICE_URL=f"http://127.0.0.1:{proxy.port}")

    assert done.exit_code == WELL, done.stderr
    assert once_each(service, people, 501)


def test_another_file_of_the_name_is_refused_until_it_is_a_run_of_its_own(
    service: Running, tmp_path: Path
) -> None:
    first, second = fresh(2)
    path = written(tmp_path, f"{first},Ada")
    assert send_csv(service, path).exit_code == WELL
    written(tmp_path, f"{first},Ada", f"{second},Grace")

    refused = send_csv(service, path)
    sent = send_csv(service, path, "--run", "two")

    assert refused.exit_code == UNUSABLE
    assert "1 emails of this mailing were accepted before, and the file has changed" in (
        refused.stderr
    )
    assert sent.exit_code == WELL
    assert recipients(service, path) == {first: 2, second: 1}


def test_it_goes_on_with_the_version_it_was_begun_with(service: Running, people: Path) -> None:
    fields = {"subject": "One {{ name }}", "html": "<p>x</p>"}
    template(service, "changing", **fields)

    def full_after_the_first(number: int, arrived: Arrived) -> WebAnswer:
        if number > 1:
            return WebAnswer(status=503, headers={"Retry-After": "3600"}, body=b"{}")
        return passed_on(service, arrived)

    progress = ("--progress", str(people.parent / "progress"))
    with between(service, full_after_the_first) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        environ = {"EMAIL_SERVICE_URL": url}
        stopped = send_csv(service, people, *progress, name="changing", **environ)
    lines = (people.parent / "progress").read_text().replace(url, service.url)
    (people.parent / "progress").write_text(lines)
    template(service, "changing", **{**fields, "subject": "Two {{ name }}"})
    again = send_csv(service, people, *progress, name="changing")

    assert (stopped.exit_code, again.exit_code) == (LATER, WELL), again.stderr
    newest = service.get("/api/emails?limit=1")[1][0]
    assert newest["subject"].startswith("One ")


def test_only_one_process_sends_a_file_at_a_time(service: Running, people: Path) -> None:
    others: list[subprocess.CompletedProcess[str]] = []
    progress = ("--progress", str(people.parent / "progress"))

    def call_it_again(number: int, arrived: Arrived) -> WebAnswer:
        if number == 1:
            others.append(by_process(service, people, "--yes", *progress))
        return passed_on(service, arrived)

    with between(service, call_it_again) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        done = send_csv(service, people, *progress, EMAIL_SERVICE_URL=url)

    assert (done.exit_code, others[0].returncode) == (WELL, UNUSABLE)
    assert "another process is sending" in others[0].stderr
    assert once_each(service, people, 501)


# -- in doubt ----


@pytest.mark.parametrize(("answer", "number"), [("accepted", 1), ("send", 501)])
def test_rows_of_a_call_that_nobody_remembers_are_for_a_person_to_judge(
    service: Running, people: Path, answer: str, number: int
) -> None:
    """As if a call of last year had been under way."""
    assert send_csv(service, people).exit_code == WELL
    [path] = people.parent.glob("*.progress")
    terms, begun, *_ = path.read_text().splitlines(keepends=True)
    old = re.sub(r'"at": "\d{4}', '"at": "2020', begun)
    other = written(people.parent, *(f"{one},x" for one in fresh(501)))
    digest = json.loads(terms)["terms"]["file"]
    new = subprocess.run(["sha256sum", str(other)], capture_output=True, text=True).stdout[:64]
    path.write_text(terms.replace(digest, new) + old)

    stopped = send_csv(service, other)
    decided = send_csv(service, other, "--in-doubt", answer)

    assert stopped.exit_code == UNUSABLE
    assert "rows 2 to 501 were being sent when it was stopped" in stopped.stderr
    assert decided.exit_code == WELL, decided.stderr
    assert sum(recipients(service, other).values()) == number


# -- rows ----


def test_suppressed_invalid_and_duplicate_rows_are_counted_before_anything_is_sent(
    service: Running, tmp_path: Path
) -> None:
    first, listed = fresh(2)
    assert service.post("/api/suppressions", {"address": listed, "scope": "topic:news"})[0] == 201
    path = written(
        tmp_path, f"{first},Ada,1", f"{listed},Bo,2", "nobody,X,3", f"{first.upper()},Ada,4", "a,b",
        header="email,name,=phone",
    )  # fmt: skip
    report = tmp_path / "report.csv"

    looked = send_csv(service, path, "--topic", "news", "--dry-run")
    nothing = recipients(service, path)
    done = send_csv(service, path, "--topic", "news", "--report", str(report))

    assert (looked.exit_code, looked.stdout, nothing) == (WELL, "", {})
    assert not list(tmp_path.glob("*.progress*"))[1:], "a dry run keeps nothing"
    before, _, previews = looked.stderr.partition("\nRow 2, to ")
    assert "5 rows, 2 to send with version" in before
    assert "the template has nothing for the columns =phone" in before
    assert "1 suppressed (they get nothing)" in before
    assert "2 invalid, 1 duplicate (they are left out)" in before
    assert "Subject: Welcome, Ada\n  Hello Ada, Example" in previews
    assert "Row 3, to " in previews
    assert done.exit_code == REFUSED, "rows were left out"
    assert done.stdout.splitlines()[0] == (
        "5 rows: 1 accepted, 1 suppressed, 2 invalid, 1 duplicate"
    )
    rows = reported(report)
    assert [(one["row"], one["outcome"]) for one in rows] == [
        ("2", "accepted"), ("3", "suppressed"), ("4", "invalid"), ("5", "duplicate"),
        ("6", "invalid"),
    ]  # fmt: skip
    ids = [int(one["email_id"]) for one in rows if one["email_id"]]
    stored = [service.get(f"/api/emails/{one}")[1] for one in ids]
    assert [one["recipients"] for one in stored] == [[first], [listed]]
    assert [one["status"] for one in stored] == ["queued", "failed"]


def test_cells_of_the_report_are_no_formulas(service: Running, tmp_path: Path) -> None:
    path = written(tmp_path, f"{fresh(1)[0]},Ada", "=1+1,X", "@x,Y", "+4,Z", "-4,Z")
    report = tmp_path / "report.csv"

    send_csv(service, path, "--report", str(report))

    addresses = [row["address"] for row in reported(report)][1:]
    assert addresses == ["'=1+1", "'@x", "'+4", "'-4"]


def test_rows_that_the_service_refuses_are_told_and_the_others_are_sent(
    service: Running, tmp_path: Path
) -> None:
    good, bad, other = fresh(3)
    path = written(tmp_path, f"{good},Ada", f'{bad},"two\nlines"', f"{other},Bo")
    template(service, "strict", subject="{{ name }}", html="<p>x</p>")

    refused = send_csv(service, path, name="strict")
    written(tmp_path, *(f"{one},Ada" for one in fresh(3)), f"{good},Ada",
            f'{bad},"two\nlines"', f"{other},Bo")  # fmt: skip
    done = send_csv(service, path, name="strict")
    again = send_csv(service, path, name="strict")

    assert refused.exit_code == UNUSABLE
    assert "row 3 cannot be written: subject: must not contain" in refused.stderr
    assert done.exit_code == again.exit_code == REFUSED
    assert done.stdout.startswith("6 rows: 5 accepted, 0 suppressed, 1 invalid, 0 duplicate")
    assert "  row 6: subject: must not contain the character" in done.stdout
    assert again.stdout == done.stdout
    assert set(recipients(service, path).values()) == {1}
    assert bad not in recipients(service, path)


def test_options_are_fields_of_the_emails(service: Running, tmp_path: Path) -> None:
    [address] = fresh(1)
    path = written(tmp_path, f"{address};Ada;King", header="E-Mail;name;full name")

    done = send_csv(
        service, path, "--from", "Shop <me@example.com>", "--reply-to", "help@example.com",
        "--account", "1", "--priority", "5", "--send-at", "2026-12-24T18:00:00+01:00", "--tag",
        "news", "--variable", "shop=Here", "--name-column", "full name", "--topic", "news",
        "--json",
    )  # fmt: skip

    assert done.exit_code == WELL, done.stderr
    assert json.loads(done.stdout)["accepted"] == 1
    email = service.get(f"/api/emails?recipient={address}")[1][0]
    email = service.get(f"/api/emails/{email['id']}")[1]
    assert (email["priority"], email["tags"], email["topic"]) == (5, ["news"], "news")
    assert (email["from"]["name"], email["status"]) == ("Shop", "scheduled")
    assert email["subject"] == "Welcome, Ada"


@pytest.mark.parametrize(
    "answer",
    [
        WebAnswer(status=413, headers={}, body=b"{}"),
        WebAnswer(
            status=400,
            headers={},
            body=json.dumps(
                {"errors": [{"pointer": "/to/3/variables", "message": f"too much: {SEND_FEWER}"}]}
            ).encode(),
        ),
    ],
    ids=["the body", "what comes of it"],
)
def test_what_is_too_large_for_one_call_goes_in_several(
    service: Running, tmp_path: Path, answer: WebAnswer
) -> None:
    path = written(tmp_path, *(f"{one},Ada" for one in fresh(9)))

    def takes_three(number: int, arrived: Arrived) -> WebAnswer:
        many = len(json.loads(arrived.body)["to"]) > 3
        return answer if many else passed_on(service, arrived)

    with between(service, takes_three) as proxy:
        done = send_csv(service, path, EMAIL_SERVICE_URL=f"http://127.0.0.1:{proxy.port}")

    assert done.exit_code == WELL, done.stderr
    assert done.stdout.startswith("9 rows: 9 accepted")
    assert once_each(service, path, 9)


# -- what is refused before anything is sent ----


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (b"name\nAda\n", (), "the only column is called 'name'"),
        (b"email,phone\nada@example.org,1\n", (), "the template needs name"),
        (b"email,name\nada@example.org,M\xfcller\n", (), "line 2 is not UTF-8"),
        (b"email,name\n", (), "there is no row to send"),
        (b"email,name\nnobody,x\n", (), "there is no row to send"),
        (b"", (), "the file is empty"),
        (b"email,name\na@example.org,A\n", ("--template-version", "9"), "has no version 9"),
        (b"email,name\na@example.org,A\n", ("--template", "none"), "no published template none"),
        (b"email,name\na@example.org,A\n", ("--priority", "9"), "Invalid value"),
        (b"email,name\na@example.org,A\n", ("--encoding", "klingon"), "no encoding 'klingon'"),
        (b"email,name\na@example.org,A\n", ("--variable", "x=1"), "x is no variable"),
        (b"email,name\na@example.org,A\n", ("--send-at", "never"), "/common/send_at: "),
    ],
)  # fmt: skip
def test_it_says_what_is_wrong_and_sends_nothing(
    service: Running, tmp_path: Path, text: bytes, arguments: tuple[str, ...], words: str
) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(text)

    done = send_csv(service, path, *arguments)

    assert (done.exit_code in (REFUSED, UNUSABLE), done.stdout) == (True, "")
    assert words in done.stderr


def test_a_template_with_the_link_to_unsubscribe_needs_a_topic(
    service: Running, tmp_path: Path
) -> None:
    template(service, "linked", subject="x", html="<a href='{{ unsubscribe_url }}'>x</a>")
    path = written(tmp_path, f"{fresh(1)[0]},Ada")

    refused = send_csv(service, path, name="linked")
    sent = send_csv(service, path, "--topic", "news", name="linked")

    assert (refused.exit_code, sent.exit_code) == (UNUSABLE, WELL)
    assert "say by --topic from what" in refused.stderr


def test_it_asks_before_it_sends_and_needs_a_terminal_for_that(
    service: Running, tmp_path: Path
) -> None:
    path = written(tmp_path, f"{fresh(1)[0]},Ada")
    done = by_process(service, path)

    assert done.returncode == UNUSABLE
    assert "say --yes or --dry-run" in done.stderr


# -- keys ----


def key(service: Running, *arguments: str) -> str:
    made = service.run("keys", "create", "--name", "csv", *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_a_key_that_only_sends_is_told_what_it_lacks(service: Running, people: Path) -> None:
    done = send_csv(service, people, EMAIL_SERVICE_KEY=key(service, "--scope", "send"))

    assert done.exit_code == UNUSABLE
    assert "this API key lacks the scope 'read'" in done.stderr
    assert recipients(service, people) == {}


def test_a_key_of_one_configuration_sends_by_that_one(service: Running, tmp_path: Path) -> None:
    second = service.account(quiet_port())
    [address] = fresh(1)
    limited = key(service, "--scope", "send", "--scope", "read", "--account", str(second))

    done = send_csv(service, written(tmp_path, f"{address},Ada"), EMAIL_SERVICE_KEY=limited)

    assert done.exit_code == WELL, done.stderr
    found = service.get(f"/api/emails?recipient={address}&smtp_config_id={second}")[1]
    assert len(found) == 1


def test_a_used_up_quota_stops_it_and_it_goes_on_with_more(service: Running, people: Path) -> None:
    small = key(service, "--scope", "send", "--scope", "read", "--daily-recipients", "500")
    report = people.parent / "report.csv"

    stopped = send_csv(service, people, "--report", str(report), EMAIL_SERVICE_KEY=small)
    again = send_csv(service, people)

    assert stopped.exit_code == LATER
    assert "this API key may name 500 recipients a day" in stopped.stderr
    assert re.search(
        r"500 of 501 emails were accepted\. The same command goes on behind them in \d+ hours",
        stopped.stderr,
    )
    outcomes = Counter(row["outcome"] for row in reported(report))
    assert outcomes == {"accepted": 500, "not sent": 1}
    assert again.exit_code == WELL, again.stderr
    assert once_each(service, people, 501)


# -- its page ----

PAGE: Final = (ROOT / "docs/using/send-csv.md").read_text("utf-8")


def test_every_command_of_the_page_prints_what_it_says(service: Running, tmp_path: Path) -> None:
    commands = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    printed = "\n".join(re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL))
    [table] = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "people.csv").write_text(table)

    done = subprocess.run(
        ["bash", "-c", "set -e\n" + commands.replace("http://127.0.0.1:5000", service.url)],
        cwd=tmp_path,
        env={
            **environment(service),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )

    looked, _, sent = done.stdout.partition("\npeople.csv: ")
    shown, _, told = printed.partition("\n\n4 rows")
    assert looked.strip() == shown.strip()
    assert sent.endswith(f"4 rows{told}"), sent
    assert len(reported(tmp_path / "report.csv")) == 4


def test_the_page_has_every_option_and_every_exit_code() -> None:
    options = {name for one in command.params for name in one.opts if name.startswith("--")}
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]

    assert {name for name in options if f"`{name}" not in PAGE and f" {name}" not in PAGE} == set()
    assert codes == [WELL, REFUSED, UNUSABLE, LATER]

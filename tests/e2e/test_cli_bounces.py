"""`email-service bounce-report`: a line of JSON for each reported recipient."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from entrypoints.cli import cli

CORPUS = Path(__file__).parents[1] / "bounces"
SEVERAL = str(CORPUS / "made/several-mixed.eml")
QMAIL = str(CORPUS / "made/qmail-no-mailbox.eml")
VACATION = str(CORPUS / "made/no-vacation.eml")


def tell(*files: str, given: bytes = b"", **environ: str) -> Result:
    return CliRunner(env=environ).invoke(cli, ["bounce-report", *files], input=given)


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_recipient_is_a_line_in_the_order_of_the_report():
    result = tell(SEVERAL)

    assert result.exit_code == 0
    assert [(one["recipient"], one["status"], one["kind"]) for one in lines(result)] == [
        ("ada@example.org", "5.1.1", "hard"),
        ("bob@example.org", "4.4.1", "delayed"),
        ("cat@example.org", "5.2.2", "soft"),
    ]
    assert lines(result)[0] == {
        "file": SEVERAL,
        "recipient": "ada@example.org",
        "status": "5.1.1",
        "kind": "hard",
        "diagnostic": "550 5.1.1 no",
        "email_id": None,
    }


def test_mail_that_is_no_report_prints_nothing():
    result = tell(VACATION)

    assert (result.exit_code, result.stdout) == (0, "")


def test_a_file_that_cannot_be_read_is_told_and_the_others_go_on(tmp_path):
    missing = str(tmp_path / "missing.eml")

    result = tell(QMAIL, missing, str(tmp_path), SEVERAL)

    assert result.exit_code == 1
    assert missing in result.stderr
    assert str(tmp_path) in result.stderr
    assert [one["file"] for one in lines(result)] == [QMAIL, SEVERAL, SEVERAL, SEVERAL]


def test_it_reads_standard_input():
    result = tell("-", given=Path(QMAIL).read_bytes())

    assert [(one["file"], one["kind"]) for one in lines(result)] == [("-", "hard")]


def test_it_needs_no_settings_and_makes_no_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    result = tell(QMAIL, DATABASE_URL="nonsense://", PORT="no number")

    assert result.exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_without_a_file_it_says_how_it_is_used():
    assert tell().exit_code == 2

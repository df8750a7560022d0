"""`email-service erase`: a person is erased from the database beside no service at all."""

from pathlib import Path

from click.testing import CliRunner

from entrypoints.cli import cli


def test_an_address_is_in_no_file_after_the_command(tmp_path: Path) -> None:
    environ = {"FLASK_ENV": "", "SECRET_KEY": "", "DATABASE_URL": f"sqlite:///{tmp_path}/s.db"}
    shell = CliRunner(env=environ)
    shell.invoke(cli, ["suppressions", "add", "ada@example.org"])
    done = shell.invoke(cli, ["erase", "Ada@Example.org"])

    assert done.exit_code == 0, done.output
    first, last = done.stdout.splitlines()
    assert first.endswith("@erased.invalid")
    assert last == "done: 0 emails erased"
    octets = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"ada@example.org" not in octets.lower()


def test_what_is_no_address_is_refused(tmp_path: Path) -> None:
    refused = CliRunner().invoke(cli, ["erase", "ada"])

    assert refused.exit_code == 2

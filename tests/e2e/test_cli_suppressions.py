"""`email-service suppressions`: look, add, remove, import, export."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli import cli


class Shell:
    """The command in this process, on a database of its own."""

    def __init__(self, path: Path) -> None:
        environ = {"FLASK_ENV": "", "SECRET_KEY": "", "DATABASE_URL": f"sqlite:///{path}/s.db"}
        self._runner = CliRunner(env=environ)

    def run(self, *arguments: str, given: str | None = None) -> Result:
        return self._runner.invoke(cli, ["suppressions", *arguments], input=given)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_an_address_is_added_listed_and_removed(shell: Shell) -> None:
    assert lines(shell.run("add", "Ada@Example.org")) == ["ada@example.org * manual"]
    shell.run("add", "ada@example.org", "--scope", "topic:news", "--reason", "complaint")

    assert lines(shell.run("list")) == [
        "ada@example.org * manual",
        "ada@example.org topic:news complaint",
    ]
    assert lines(shell.run("list", "--reason", "complaint")) == [
        "ada@example.org topic:news complaint"
    ]
    assert lines(shell.run("remove", "ada@example.org", "--scope", "*")) == ["1 removed"]
    refused = shell.run("remove", "ada@example.org")
    assert (refused.exit_code, "complained" in refused.output) == (1, True)
    assert lines(shell.run("remove", "ada@example.org", "--force")) == ["1 removed"]
    assert lines(shell.run("list")) == []


def test_what_was_exported_is_imported_again(shell: Shell, tmp_path: Path) -> None:
    for number in range(3):
        shell.run("add", f"+r{number}@example.org", "--reason", "hard_bounce")
    exported = shell.run("export").stdout
    assert "\n'+r0@example.org,*,hard_bounce," in exported
    file = tmp_path / "list.csv"
    file.write_bytes(exported.encode())
    other = Shell(tmp_path / "other")
    (tmp_path / "other").mkdir()

    assert lines(other.run("import", str(file))) == ["3 imported"]

    addresses = [line.partition(" ")[0] for line in lines(other.run("list"))]
    assert addresses == [f"+r{number}@example.org" for number in range(3)]


def test_nothing_is_imported_if_a_line_is_wrong(shell: Shell) -> None:
    refused = shell.run("import", "-", given="ada@example.org\nnobody\n")

    assert refused.exit_code == 1
    assert "line 2: address: must have an @" in refused.output
    assert lines(shell.run("list")) == []


def test_nothing_is_imported_for_a_configuration_that_is_not_there(shell: Shell) -> None:
    given = "address,scope\nada@example.org,*\nada@example.org,account:9\n"

    assert shell.run("import", "-", given=given).exit_code == 1
    assert lines(shell.run("list")) == []


def test_many_are_imported_and_exported_in_pages(shell: Shell) -> None:
    given = "".join(f"r{number}@example.org\n" for number in range(1201))

    assert lines(shell.run("import", "-", given=given)) == ["1201 imported"]

    assert len(lines(shell.run("export"))) == 1 + 1201

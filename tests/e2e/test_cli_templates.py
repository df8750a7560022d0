"""`email-service templates`: files are pushed, pulled back as they were, and looked at."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli import cli


class Shell:
    """The command in this process, on a database of its own."""

    def __init__(self, path: Path) -> None:
        self.folder = path / "templates"
        environ = {"FLASK_ENV": "", "SECRET_KEY": "", "DATABASE_URL": f"sqlite:///{path}/s.db"}
        self._runner = CliRunner(env=environ)

    def run(self, command: str, *arguments: str, **more: Any) -> Result:
        line = ["templates", command, *arguments, "--folder", str(self.folder)]
        return self._runner.invoke(cli, line, **more)

    def write(self, name: str, body: str = "<p>{{ name }}</p>", **fields: Any) -> Path:
        """The files of a template without a text."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        (path / "template.json").write_text(json.dumps({"subject": "Hi {{ name }}", **fields}))
        (path / "body.html").write_text(body)
        return path


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_was_pushed_is_pulled_as_it_was(shell: Shell, tmp_path: Path) -> None:
    variables = {
        "name": {"sample": "Ünï"},
        "rows": {"type": "list", "required": False, "default": [{"a": 1.5}, None]},
    }
    (shell.write("welcome", variables=variables) / "text.txt").write_bytes(b"a\r\nb\n")
    shell.write("welcome/de-AT", "<p>Servus {{ name }}</p>\r\n")
    invoice = shell.write("invoice")
    (invoice / "body.html").unlink()
    (invoice / "body.mjml").write_text("<mjml><mj-body></mj-body></mjml>")
    pushed = shell.run("push")
    assert pushed.exit_code == 0, pushed.output

    shell.folder = tmp_path / "first"
    assert shell.run("pull").exit_code == 0
    first = contents(shell.folder)
    again = shell.run("push")
    shell.folder = tmp_path / "second"
    assert shell.run("pull").exit_code == 0

    assert pushed.output.splitlines() == [
        "invoice: version 1, draft",
        "welcome: version 1, draft",
        "welcome (de-AT): version 1, draft",
    ]
    assert again.output == pushed.output
    assert contents(shell.folder) == first
    original = contents(tmp_path / "templates")
    assert first.keys() == original.keys()
    for name, octets in original.items():
        if name.endswith("template.json"):
            assert json.loads(first[name]) == json.loads(octets)
        else:
            assert first[name] == octets


def test_a_change_is_the_next_version_and_is_published_if_asked(shell: Shell) -> None:
    shell.write("welcome")
    shell.run("push")
    shell.write("welcome", "<p>New {{ name }}</p>")

    assert shell.run("push").output == "welcome: version 2, draft\n"
    assert shell.run("push", "--publish").output == "welcome: version 2, published\n"


def test_files_that_a_template_has_no_more_are_removed(shell: Shell, tmp_path: Path) -> None:
    path = shell.write("welcome")
    shell.run("push")
    (path / "body.html").unlink()
    (path / "body.mjml").write_text("<mjml></mjml>")
    (path / "text.txt").write_text("left over")

    assert shell.run("pull").exit_code == 0
    assert sorted(contents(path)) == ["body.html", "template.json"]


def test_nothing_is_pushed_while_one_of_them_is_wrong(shell: Shell, tmp_path: Path) -> None:
    shell.write("a")
    wrong = shell.write("b", "{{ name")

    refused = shell.run("push")

    assert refused.exit_code == 1
    assert f"{wrong}: html: line 1: SyntaxError" in refused.output
    shell.folder = tmp_path / "empty"
    assert shell.run("pull").output == ""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("{", "Expecting property name"),
        ("[]", "must have an object"),
        ('{"subject": "x", "html": "x"}', "must not have html"),
        ('{"subject": 1}', "/subject: must be a string"),
        ('{"variables": {}}', "/subject: is required"),
        ('{"subject": "x", "version": 1}', "/version: is unknown"),
    ],
)
def test_wrong_fields_are_told_with_their_folder(shell: Shell, fields: str, said: str) -> None:
    path = shell.write("welcome")
    (path / "template.json").write_text(fields)

    refused = shell.run("push")

    assert refused.exit_code == 1
    assert str(path) in refused.output
    assert said in refused.output


@pytest.mark.parametrize("name", ["Welcome", "other"])
def test_a_name_that_is_no_template_is_refused(shell: Shell, name: str) -> None:
    shell.write("welcome")

    for command in ("push", "pull", "preview"):
        refused = shell.run(command, name)
        assert refused.exit_code == 1
        assert name in refused.output


def test_a_preview_shows_the_files_without_saving_them(shell: Shell, tmp_path: Path) -> None:
    body = '<p>{{ name }}</p><a href="http://example.org">x</a>'
    shell.write("welcome", body, variables={"name": {"sample": "Ada"}})

    shown = shell.run("preview", "welcome")
    with_values = shell.run(
        "preview", "welcome", "--html", "--variables", "-", input='{"name": "A & B"}'
    )

    assert shown.exit_code == 0, shown.output
    assert "Subject: Hi Ada" in shown.output
    assert "Warning: the link http://example.org is not https" in shown.output
    assert "\nAda\n" in shown.output
    assert with_values.output == body.replace("{{ name }}", "A &amp; B") + "\n"
    shell.folder = tmp_path / "empty"
    assert shell.run("pull").output == ""


@pytest.mark.parametrize("text", ["{", "[]"])
def test_values_that_are_no_object_are_refused(shell: Shell, text: str) -> None:
    shell.write("welcome")

    assert shell.run("preview", "welcome", "--variables", "-", input=text).exit_code == 2


def test_a_preview_that_lacks_a_value_says_which(shell: Shell) -> None:
    path = shell.write("welcome")

    refused = shell.run("preview", "welcome")

    assert refused.exit_code == 1
    assert f"{path}: template: html: line 1: UndefinedError: undefined value: name" in (
        refused.output
    )

"""What docs/using/apps.md tells users to enter in other apps can be read, and fits the listener."""

import json
import re
from configparser import ConfigParser
from typing import Any

import pytest
import yaml

from tests.running import ROOT

PAGE = (ROOT / "docs/using/apps.md").read_text("utf-8")
PARTS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
APPS = (
    *("Ghost", "Gitea", "Nextcloud", "WordPress", "Discourse", "Mastodon", "Grafana"),
    *("Keycloak", "GitLab", "Home Assistant", "Odoo", "Sentry"),
)
SERVER, PORT, USER, KEY, SENDER = (
    "mail.example.com",
    "587",
    "apikey",
    "es_1a2b3c4d_…",
    "me@example.com",
)


def example(app: str, language: str) -> str:
    """The one example in *language* that the section of *app* has."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", PARTS[app], re.MULTILINE | re.DOTALL)
    return str(found)


def values(read: Any) -> set[str]:
    """Every value in what a parser gave, as text."""
    if isinstance(read, dict):
        return set().union(*map(values, read.values()))
    if isinstance(read, list):
        return set().union(*map(values, read))
    return {str(read)}


def ini(text: str) -> dict[str, dict[str, str]]:
    parser = ConfigParser(interpolation=None)
    parser.read_string(text)
    return {name: dict(section) for name, section in parser.items()}


def lines(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


READERS = {"json": json.loads, "ini": ini, "yaml": yaml.safe_load, "sh": lines}


@pytest.mark.parametrize(
    ("app", "language"),
    [
        ("Ghost", "json"),
        ("Gitea", "ini"),
        ("Discourse", "yaml"),
        ("Mastodon", "sh"),
        ("Home Assistant", "yaml"),
        ("Sentry", "yaml"),
    ],
)
def test_an_example_can_be_read_and_has_all_five_values(app: str, language: str) -> None:
    found = values(READERS[language](example(app, language)))

    assert {SERVER, PORT, USER, KEY} <= found
    assert SENDER in " ".join(found)


def test_the_example_of_grafana_has_host_and_port_in_one_field() -> None:
    smtp = ini(example("Grafana", "ini"))["smtp"]

    assert smtp["host"] == f"{SERVER}:{PORT}"
    assert (smtp["user"], smtp["password"], smtp["from_address"]) == (USER, KEY, SENDER)


@pytest.mark.parametrize("app", APPS)
def test_each_app_has_what_to_enter_and_what_was_read(app: str) -> None:
    part = PARTS[app]

    assert SERVER in part
    assert PORT in part
    assert re.search(r"^\*Read: .+\.\*$", part, re.MULTILINE)

"""The pages about providers agree with the catalogue, the API and the rules about replies."""

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from entrypoints.cli import cli
from tests.applications import a_client
from tests.provider_pages import (
    CONFIGURATION,
    FOLDER,
    LIMITS,
    REFUSALS,
    pages,
    provider_of,
    refusals,
    renewed,
    rule_of,
    section,
)

BY_PAGE = pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
TAKES_TOKENS = [page for page in pages() if provider_of(page).oauth is not None]
PROMISED = (
    "gmail google-workspace microsoft-365 outlook.com ses sendgrid mailgun brevo postmark zoho "
    "icloud fastmail ovh own-postfix"
).split()


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def bodies_of(page: Path) -> list[dict[str, object]]:
    found = re.findall(
        r"^```json\n(.*?)^```", section(text_of(page), CONFIGURATION), re.MULTILINE | re.DOTALL
    )
    return [json.loads(body) for body in found]


def test_the_providers_that_were_promised_have_a_page_and_the_list_has_them_all() -> None:
    listed = re.findall(r"\]\(([\w.-]+)\.md\)", (FOLDER / "README.md").read_text("utf-8"))
    assert sorted(listed) == sorted(page.stem for page in pages())
    assert set(PROMISED) <= set(listed)


@BY_PAGE
def test_steps_limits_and_consequences_are_those_of_the_catalogue_and_the_rules(page: Path) -> None:
    wanted = renewed(page)
    if os.environ.get("RENEW_GOLDEN"):
        page.write_text(wanted, "utf-8")
    assert text_of(page) == wanted, "run the test with RENEW_GOLDEN=1 and review the diff"


@BY_PAGE
def test_the_bodies_of_a_page_are_taken_and_fill_in_what_the_page_says(page: Path) -> None:
    bodies = bodies_of(page)
    assert bodies[0]["provider"] == provider_of(page).id
    for body in bodies:
        client = a_client()
        reply = client.post("/api/smtp-configs", json=body)
        assert reply.status_code == 201, reply.text
        shown = client.get("/api/smtp-configs/1").json
        said = f'With `"provider": "{body["provider"]}"` the SMTP configuration starts with '
        start = re.search(
            rf"{re.escape(said)}(.*)\.$", section(text_of(page), LIMITS), re.MULTILINE
        )
        assert start is not None
        for name, value in re.findall(r"`(\w+)` ([\w]+)", start[1]):
            if name not in body:
                assert str(shown[name]) == {"null": "None"}.get(value, value)


@pytest.mark.parametrize("page", TAKES_TOKENS, ids=lambda page: page.stem)
def test_a_page_of_a_provider_that_takes_tokens_shows_the_body_and_how_to_authorize(
    page: Path,
) -> None:
    text = section(text_of(page), CONFIGURATION)
    [body] = [body for body in bodies_of(page) if "auth" in body]

    client = a_client()
    assert client.post("/api/smtp-configs", json=body).status_code == 201
    shown = client.get("/api/smtp-configs/1").json
    assert shown["auth"]["provider"] == provider_of(page).oauth
    assert shown["auth"]["authorized"] is False
    assert "email-service accounts authorize 1" in text
    assert "(../oauth.md" in text


@BY_PAGE
def test_explain_reply_says_of_each_refusal_what_the_page_says(page: Path) -> None:
    told = refusals(text_of(page))
    assert len(told) == section(text_of(page), REFUSALS).count("\n| ") - 1
    assert told
    for stage, reply in told:
        command = ["explain-reply", "--json", "--stage", stage, reply]
        explained = json.loads(CliRunner().invoke(cli, command).output)
        rule = rule_of(stage, reply)
        assert explained["reason"] == rule.reason
        assert f"(`{rule.reason}`)" in next(
            line for line in text_of(page).splitlines() if f"`{reply}`" in line
        )


@BY_PAGE
def test_a_page_is_short(page: Path) -> None:
    assert len(text_of(page).splitlines()) <= 100

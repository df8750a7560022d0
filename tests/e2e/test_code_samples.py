"""The programs that the OpenAPI document has for its calls do what the call does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from entrypoints.http import OPERATIONS
from entrypoints.http.openapi import build_document
from tests.missing import missing
from tests.running import Running, free_port, running

RUN = {  # what runs a file, its suffix, and the package that has it
    "Shell": ("bash", "sh", "bash"),
    "Python": (sys.executable, "py", "python3"),
    "JavaScript": ("node", "mjs", "nodejs"),
    "PHP": ("php", "php", "php-cli"),
}
SUBMITTING = ("/api/emails", "/api/emails/batch", "/api/emails/raw")
DOCUMENT = build_document(OPERATIONS, version="any")
# the one needs a setting: docs/using/examples.md has it; the other one is for exceptions
NOT_IN_AN_EXAMPLE = {"topic", "bypass_suppression"}


def samples(lang: str) -> list[str]:
    found: list[dict[str, str]] = [
        sample for path in SUBMITTING for sample in DOCUMENT["paths"][path]["post"]["x-codeSamples"]
    ]
    return [sample["source"] for sample in found if sample["lang"] == lang]


def ready(service: Running) -> None:
    """What the examples name: a configuration with an alias, and a template."""
    service.account(free_port(), aliases=["billing@example.com"])
    body: dict[str, Any] = {"name": "welcome", "subject": "Welcome, {{ name }}", "html": "<p>x</p>"}
    assert service.post("/api/templates", body)[0] == 201
    assert service.post("/api/templates/welcome/publish", {})[0] == 200


@pytest.mark.parametrize("lang", RUN)
def test_each_sample_is_accepted_as_it_stands(tmp_path: Path, lang: str) -> None:
    command, suffix, package = RUN[lang]
    if shutil.which(command) is None:
        missing(f"{command} is not installed: apt-get install {package}")
    with running(tmp_path) as service:
        ready(service.with_key("admin"))
        for number, source in enumerate(samples(lang)):
            program = tmp_path / f"sample{number}.{suffix}"
            program.write_text(source.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}"))
            done = subprocess.run(
                [command, str(program)],
                env={**os.environ, "API_KEY": str(service.key)},
                capture_output=True,
                timeout=60,
                check=False,
            )
            told = (done.stdout + done.stderr).decode()
            assert (done.returncode, "queued successfully" in told) == (0, True), told
        _, emails = service.get("/api/emails")

    assert len(samples(lang)) == 6
    assert len(emails) == 1 + 1 + 1 + 2 + 2 + 1


def test_the_examples_of_an_email_have_every_field() -> None:
    body = DOCUMENT["paths"]["/api/emails"]["post"]["requestBody"]["content"]["application/json"]
    fields = DOCUMENT["components"]["schemas"]["EmailRequest"]["properties"].keys()
    used = {name for example in body["examples"].values() for name in example["value"]}
    assert fields - used == NOT_IN_AN_EXAMPLE

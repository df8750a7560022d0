"""A strict TypeScript client: its types are made from the service's own OpenAPI document.

The tools are npm packages, pinned in tests/typescript/ and installed into a temporary folder.
"""

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from entrypoints.http import OPERATIONS
from entrypoints.http.openapi import build_document
from tests.node import run, with_packages
from tests.running import ROOT, running

FOLDER = ROOT / "tests/typescript"
BODIES = re.findall(
    r"curl -s \S+(/api/[a-z-]+) -H 'Content-Type: application/json' -d '(\{.*?\})'\n```",
    (ROOT / "README.md").read_text("utf-8"),
    re.DOTALL,
)
TYPES = {
    "/api/smtp-configs": ("config", "SmtpConfigRequest"),
    "/api/emails": ("email", "EmailRequest"),
}
PUBLISHED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pinned tools."""
    return with_packages(FOLDER, tmp_path_factory.mktemp("typescript"))


def readme(**changes: dict[str, Any]) -> str:
    """The bodies of the README's first calls as TypeScript, with what is changed of them."""
    lines = ['import type { components } from "./api.js";']
    found: dict[str, dict[str, Any]] = {}
    for path, shown in BODIES:
        if path in TYPES:
            found.setdefault(path, json.loads(shown))
    for path, fields in found.items():
        name, kind = TYPES[path]
        changed = fields | changes.get(name, {})
        body = {field: value for field, value in changed.items() if value is not ...}
        lines.append(f'export const {name}: components["schemas"]["{kind}"] = {json.dumps(body)};')
    return "\n".join(lines) + "\n"


def compiled(folder: Path, document: object, source: str) -> subprocess.CompletedProcess[str]:
    """The client, type-checked against the types of *document*."""
    (folder / "openapi.json").write_text(json.dumps(document))
    tool = folder / "node_modules/.bin/openapi-typescript"
    made = run(str(tool), "openapi.json", "-o", "api.d.ts", folder=folder)
    assert made.returncode == 0, made.stderr
    (folder / "readme.ts").write_text(source)
    return run(str(folder / "node_modules/.bin/tsc"), "-p", ".", folder=folder)


@pytest.mark.parametrize(
    ("times", "form"), [("published", PUBLISHED), ("rfc3339", re.compile(PUBLISHED.pattern + "Z"))]
)
def test_a_strict_client_compiles_the_readmes_example_and_its_call_is_answered(
    times: str, form: re.Pattern[str], tools: Path, tmp_path: Path
) -> None:
    with running(tmp_path, API_TIMES=times) as service:
        with urllib.request.urlopen(f"{service.url}/api/openapi.json", timeout=30) as answer:
            document = json.load(answer)
        checked = compiled(tools, document, readme())
        assert checked.returncode == 0, checked.stdout
        called = run("node", "client.js", service.url, folder=tools)
    assert called.returncode == 0, called.stderr
    told = json.loads(called.stdout)
    assert (told["email_id"], told["subject"]) == (1, "Welcome")
    assert form.fullmatch(told["created_at"])


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"email": {"recipients": ...}}, "recipients"),
        ({"email": {"priority": "high"}}, "Type 'string' is not assignable to type 'number'"),
        ({"email": {"colour": "red"}}, "colour"),
        ({"config": {"email_address": ...}}, "email_address"),
    ],
)
def test_the_types_refuse_what_the_service_refuses(
    changes: dict[str, dict[str, Any]], names: str, tools: Path
) -> None:
    checked = compiled(tools, build_document(OPERATIONS, version="any"), readme(**changes))
    assert checked.returncode != 0
    assert names in checked.stdout


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((FOLDER / "package-lock.json").read_text("utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert all("resolved" not in package for package in packages.values())
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())

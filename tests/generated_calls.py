"""Calls that schemathesis generates from the contract of a running service."""

import os
import re
import subprocess
import sys

from tests.e2e.schemathesis_hooks import TEMPLATE
from tests.running import ROOT, Running, free_port

SEED = 20260105
IN_TIME_S = 240
# In one run over all chapters the bad keys that it tries would be more than an address is allowed
# in a minute.
CHAPTERS = (
    *(("Emails",), ("Templates",), ("SMTP configurations",)),
    *(("DKIM", "API keys", "Providers"), ("Operations", "Webhooks")),
)
# calls of the first chapter that are run with the second
APART = (("submitRawEmail", "Emails", "DKIM"),)
OPTIONS = (
    *("--checks", "all"),
    # these open connections
    *("--exclude-operation-id", "verifySmtpConfig", "--exclude-operation-id", "lookUpProvider"),
    *("--exclude-operation-id", "examineSmtpConfig"),
    *("--generation-with-security-parameters", "false"),  # the key is given; all others are bad
    *("--max-examples", "25", "--generation-database", "none"),
    *("--request-timeout", "20", "--continue-on-failure", "--no-shrink", "--no-color"),
)
# Nothing is delivered, and no number stands in the way of many calls.
LIMITS = {"DISPATCHER": "none", "RATE_LIMIT": 100_000, "RATE_BURST": 1_000_000} | {
    "KEY_DAILY_RECIPIENTS": 10**9,
    "PUBLIC_URL": "https://mail.example.com",
}


def fill(service: Running) -> None:
    """Give a new service what the calls name: an account, and the template of the hooks."""
    service.account(free_port())
    body = {"name": TEMPLATE, "subject": "x", "html": "x"}
    assert service.post("/api/templates", body)[0] == 201
    assert service.post(f"/api/templates/{TEMPLATE}/publish", {})[0] == 200


def an_admin_key(service: Running) -> str:
    """The text of a new one."""
    done = subprocess.run(
        [*(sys.executable, "-m", "entrypoints", "keys", "create"), "--name=all", "--scope=admin"],
        cwd=service.folder,
        env=service.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def generated_calls(
    service: Running, *tags: str, seed: int = SEED
) -> subprocess.CompletedProcess[str]:
    """The report of a run of schemathesis, with its defaults whatever may lie around."""
    config = service.folder / "schemathesis.toml"
    config.touch()
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"),
            *(f"{service.url}/api/openapi.json", "-H", f"X-API-Key: {an_admin_key(service)}"),
            *(word for tag in tags for word in ("--include-tag", tag)),
            *_apart(tags),
            *OPTIONS,
            *("--seed", str(seed)),
        ],
        cwd=service.folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.e2e.schemathesis_hooks",
        },
        capture_output=True,
        text=True,
        timeout=IN_TIME_S,
    )


def _apart(tags: tuple[str, ...]) -> list[str]:
    options: list[str] = []
    for call, chapter, other in APART:
        if chapter in tags and other not in tags:
            options += ["--exclude-operation-id", call]
        elif other in tags and chapter not in tags:
            options += ["--include-operation-id", call]
    return options


def generated(report: "subprocess.CompletedProcess[str]") -> int:
    """How many calls a run has made, by its report."""
    [count] = re.findall(r"([\d,]+) generated", report.stdout)
    return int(count.replace(",", ""))

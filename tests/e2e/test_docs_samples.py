"""Every sample of the documentation makes the call that it stands for, in each language.

Each language's interpreter is started once: it runs all of its samples, one after the other,
against a server that records what it is asked. The samples of the guides are run against a service.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import attrs
import pytest
from flask.testing import FlaskClient

from domain.webhook.signature import headers_of, secret_text
from entrypoints.http import OPERATIONS
from entrypoints.http.docs.chapters import Example, chapters
from entrypoints.http.docs.guides import guide_sources, sample_names
from entrypoints.http.openapi import build_document
from entrypoints.http.openapi.samples import LANGUAGES, Language
from tests.applications import a_client
from tests.missing import missing
from tests.running import Running, free_port, running

KEY = "es_0a1b2c3d_key"
FILE = b"%PDF-1.4\n\x00\xff"
EXAMPLES: list[Example] = [
    example
    for chapter in chapters(build_document(OPERATIONS, version="any"))
    for call in chapter.calls
    for example in call.examples
]
# what runs all files that it is given, their suffix, and the package that has it
RUNNERS = {
    "curl": ("bash", "sh", "bash"),
    "python": (sys.executable, "py", "python3"),
    "node": ("node", "mjs", "nodejs"),
    "php": ("php", "php", "php-cli"),
}
ALL = {
    "curl": 'set -e; for file in "$@"; do . "$file"; echo; done',
    "python": "import runpy, sys\nfor path in sys.argv[1:]: runpy.run_path(path)",
    "node": "for (const path of process.argv.slice(2)) await import(path);",
    "php": "<?php foreach (array_slice($argv, 1) as $path) (function () use ($path) {"
    ' set_error_handler(function ($no, $text) { fwrite(STDERR, "$text\\n"); exit(1); });'
    " require $path; })();",
}


@attrs.frozen(kw_only=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Recorder(ThreadingHTTPServer):
    """Answers everything with an object, and keeps it by the number that its path begins with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Recording)
        self.asked: dict[int, list[Asked]] = {}
        self.refused = 0  # so many calls are first answered that they must wait

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Recording(BaseHTTPRequestHandler):
    server: Recorder

    def do_GET(self) -> None:
        _, number, path = self.path.split("/", 2)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(method=self.command, path=f"/{path}", headers=headers, body=body)
        self.server.asked.setdefault(int(number), []).append(asked)
        answer = b'{"message": "ok"}'
        if self.server.refused:
            self.server.refused -= 1
            self.send_response(429)
            self.send_header("Retry-After", "1")
            answer = b'{"detail": "wait"}'
        else:
            self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def __getattr__(self, name: str) -> Any:
        """Whatever the method is, the answer is the same."""
        if name.startswith("do_"):
            return self.do_GET
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """Of a service without anything in it."""
    return a_client()


def run(
    language: str, sources: Mapping[str, str], folder: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    """What one interpreter says to all *sources*, by their names."""
    command, suffix, package = RUNNERS[language]
    if shutil.which(command) is None:
        missing(f"{command} is not installed: apt-get install {package}")
    paths = []
    for name, source in sources.items():
        path = folder / f"{name}.{suffix}"
        path.write_text(source)
        paths.append(str(path))
    first = folder / f"all.{suffix}"
    first.write_text(ALL[language])
    return subprocess.run(
        [command, str(first), *paths],
        cwd=folder,
        env={**os.environ, "API_KEY": KEY, "no_proxy": "*", **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.id)
def test_every_sample_makes_its_call(
    tmp_path: Path, recorder: Recorder, client: FlaskClient, language: Language
) -> None:
    (tmp_path / "invoice.pdf").write_bytes(FILE)
    sources = {
        f"sample{number}": language.write(example.at(f"{recorder.url}/{number}"))
        for number, example in enumerate(EXAMPLES)
    }

    done = run(language.id, sources, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("ok") == len(EXAMPLES)
    for number, example in enumerate(EXAMPLES):
        [asked] = recorder.asked[number]
        call = example.call
        assert (asked.method, asked.path) == (call.method, example.path)
        assert asked.headers.get("x-api-key") == (KEY if call.keyed else None), example
        if call.content_type:
            assert asked.headers["content-type"] == call.content_type
        if call.body is not None:
            assert json.loads(asked.body) == call.body
        else:
            assert asked.body == (FILE if call.file else b"")
        assert_taken(client, asked)


def assert_taken(client: FlaskClient, asked: Asked) -> None:
    """The service does not find fault with the form of this request."""
    kind = asked.headers.get("content-type")
    reply = client.open(asked.path, method=asked.method, data=asked.body, content_type=kind)
    assert reply.status_code not in (400, 405, 415), (asked, reply.text)


# -- the samples of the guides -----


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With three emails, and a key."""
    with running(tmp_path_factory.mktemp("service"), DISPATCHER="none") as started:
        started.with_key("admin").account(free_port())
        for number in range(3):
            started.post("/api/emails", an_email(number))
        yield started


def an_email(number: int) -> dict[str, Any]:
    return {"subject": str(number), "recipients": ["ada@example.org"], "html_content": "<p>x</p>"}


@pytest.mark.parametrize("language", RUNNERS)
def test_the_samples_of_the_guides_do_what_the_guides_say(
    tmp_path: Path, service: Running, language: str
) -> None:
    names = [name for name in sample_names() if name != "webhook"]
    sources = {name: guide_sources(name, service.url)[language] for name in names}
    sources["pages"] = sources["pages"].replace("limit=100", "limit=1")

    done = run(language, sources, tmp_path, API_KEY=str(service.key))

    assert (done.returncode, done.stderr) == (0, "")
    # the two that submit name the same email, in all languages: another one would be one too many
    emails = service.get("/api/emails")[1]
    assert len(emails) == 4
    assert done.stdout.count("queued successfully") == 2
    pages = done.stdout.rpartition("queued successfully")[2]
    assert [email["id"] for email in emails] == [int(found) for found in ids_in(pages, language)]


def ids_in(shown: str, language: str) -> list[str]:
    """The ids that the sample of the pages has shown."""
    pattern = r'"id": ?(\d+)' if language == "curl" else r"^(\d+) queued$"
    return re.findall(pattern, shown, re.MULTILINE)


@pytest.mark.parametrize("language", RUNNERS)
def test_the_sample_that_repeats_a_call_waits_as_it_is_told(
    tmp_path: Path, recorder: Recorder, language: str
) -> None:
    recorder.refused = 1
    began = time.monotonic()

    done = run(language, {"retry": guide_sources("retry", f"{recorder.url}/0")[language]}, tmp_path)

    assert (done.returncode, done.stdout.count("ok")) == (0, 1), done.stderr
    assert time.monotonic() - began >= 1
    first, second = recorder.asked[0]
    assert (first.body, first.path) == (second.body, "/api/emails")
    keys = {asked.headers["idempotency-key"] for asked in (first, second)}
    assert keys == {"order-1742-confirmation"}


@pytest.mark.parametrize("language", RUNNERS)
def test_the_sample_that_verifies_a_webhook_takes_the_genuine_ones_only(
    tmp_path: Path, language: str
) -> None:
    secret, other = secret_text(b"s" * 32), secret_text(b"o" * 32)
    body = b'{"type": "email.sent", "data": {"name": "\xc3\x84"}}'
    now = datetime.fromtimestamp(os.stat(tmp_path).st_mtime, UTC)
    old = now - timedelta(minutes=10)
    cases = [
        (True, body, headers_of("evt_12", body, secrets=[secret], at=now)),
        (True, body, headers_of("evt_12", body, secrets=[other, secret], at=now)),
        (False, body, headers_of("evt_12", body, secrets=[other], at=now)),
        (False, body + b" ", headers_of("evt_12", body, secrets=[secret], at=now)),
        (False, body, headers_of("evt_12", body, secrets=[secret], at=old)),
        (False, body, {**headers_of("evt_12", body, secrets=[secret], at=now), "webhook-id": "x"}),
    ]
    for number, (_, octets, headers) in enumerate(cases):
        (tmp_path / f"{number}.body").write_bytes(octets)
        (tmp_path / f"{number}.json").write_text(json.dumps(dict(headers)))
        names = ("ID", "TIMESTAMP", "SIGNATURE")
        given = "\n".join(f"{name}='{headers[f'webhook-{name.lower()}']}'" for name in names)
        (tmp_path / f"{number}.sh").write_text(f"{given}\ncp {number}.body body\n")
    sample = guide_sources("webhook", "")[language]
    sources = {"sample": sample + VERIFY[language]}
    if language == "curl":
        sources = {f"case{at}": f". ./{at}.sh\n{sample}" for at in range(len(cases))}

    done = run(language, sources, tmp_path, WEBHOOK_SECRET=secret)

    assert done.returncode == 0, done.stderr
    if language == "curl":
        assert done.stdout.split() == ["genuine", "genuine", "forged", "forged", "old", "forged"]
    else:
        assert done.stdout.split() == ["yes" if genuine else "no" for genuine, *_ in cases]


# what asks the samples about each case, whose files are there
VERIFY = {
    "curl": "",
    "python": """
import json
for number in range(6):
    with open(f"{number}.body", "rb") as body, open(f"{number}.json") as headers:
        print("yes" if is_genuine(json.load(headers), body.read()) else "no")
""",
    "node": """
import { readFileSync } from "node:fs";
for (const number of [0, 1, 2, 3, 4, 5]) {
  const headers = JSON.parse(readFileSync(`${number}.json`));
  console.log(isGenuine(headers, readFileSync(`${number}.body`)) ? "yes" : "no");
}
""",
    "php": """
foreach (range(0, 5) as $number) {
    $headers = json_decode(file_get_contents("$number.json"), true);
    echo is_genuine($headers, file_get_contents("$number.body")) ? "yes" : "no", "\\n";
}
""",
}

"""The vendors' own clients send through the service: only a URL and a key are changed for them.

Each client is a script in tests/dialect_clients/, which gets the calls as JSON and prints what came
of each: the id that it read back, or the error that it raised.
"""

import json
import re
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import attrs
import pytest

from domain.hook.mailgun import signature_of
from tests.client_emails import EMAILS, LEAST, PIXEL, REFUSED
from tests.cut import Cut, cut_connection
from tests.dialect_programs import CLIENTS, Client
from tests.hook_calls import MAILGUN_KEY, mailgun_call
from tests.node import PATIENCE_S, with_packages
from tests.python_packages import with_clients
from tests.running import ROOT, Running, free_port, running

FOLDER = ROOT / "tests/dialect_clients"
PAGE = (ROOT / "docs/using/point-your-app.md").read_text("utf-8")
SHOWN = re.findall(r"^```(python|js)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# what a Django project does with the lines of its settings that the page shows
IN_DJANGO = """
from django.conf import settings
settings.configure(EMAIL_BACKEND=EMAIL_BACKEND, ANYMAIL=ANYMAIL)
import django
django.setup()
from django.core.mail import send_mail
assert send_mail("Welcome", "Hello", "me@example.com", ["ada@example.org"]) == 1
"""
# what the tests look up would be more calls a second than a key has
SETTINGS = {"DISPATCHER": "none", "RATE_LIMIT": 100_000, "RATE_BURST": 1_000_000}


@attrs.frozen(kw_only=True)
class World:
    """A service that delivers nothing, keys for it, and where the clients are.

    *names* has the ids of emails that were looked at, by Message-ID and by anymail's own id.
    """

    service: Running
    keys: Mapping[str, str]
    environ: Mapping[str, str]
    node: Path
    names: dict[str, int] = attrs.field(factory=dict)

    def run(self, client: Client, emails: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """What came of each of *emails*, which *client* sends."""
        calls = {
            case: {"email": email, "key": self.keys.get(case, self.keys["usual"])}
            for case, email in emails.items()
        }
        asked = {"url": self.service.url, "calls": calls, **client.options(self.service.url)}
        return self.told(client.script, asked)

    def told(self, script: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What *script* prints for what it is asked."""
        return said(self.begin(script, asked))

    def begin(self, script: str, asked: Mapping[str, Any]) -> "subprocess.Popen[str]":
        """Let *script* work on what it is asked."""
        runner, folder = (
            ("node", self.node) if script.endswith(".mjs") else (sys.executable, FOLDER)
        )
        process = subprocess.Popen(
            [runner, folder / script],
            env=dict(self.environ),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
        process.stdin = None
        return process

    def id_of(self, client: Client, outcome: Mapping[str, Any]) -> int:
        """The email that was accepted."""
        assert "id" in outcome, outcome
        if client.id_of is not None:
            return client.id_of(outcome["id"])
        if outcome["id"] not in self.names:
            self._learn_names()
        return self.names[outcome["id"]]

    def _learn_names(self) -> None:
        """Ask for each email that is new."""
        known = max(self.names.values(), default=0)
        for email_id in range(known + 1, newest(self) + 1):
            shown = self.shown(email_id)
            self.names[shown["message_id"]] = email_id
            if "anymail_id" in shown["metadata"]:
                self.names[shown["metadata"]["anymail_id"]] = email_id

    def message(self, email_id: int) -> EmailMessage:
        """The message of an email."""
        request = Request(
            f"{self.service.url}/api/emails/{email_id}/raw",
            headers={"X-API-Key": self.keys["admin"]},
        )
        with urlopen(request, timeout=30) as answer:
            return message_from_bytes(answer.read(), policy=policy.default)

    def shown(self, email_id: int) -> dict[str, Any]:
        """What the API shows of an email."""
        status, shown = self.service.get(f"/api/emails/{email_id}")
        assert status == 200, shown
        return dict(shown)


def said(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """What a script has printed at its end."""
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    outcomes: dict[str, Any] = json.loads(out)
    return outcomes


def made_key(service: Running, *options: str) -> str:
    made = service.run("keys", "create", "--name", "test", *options)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    node = with_packages(FOLDER, tmp_path_factory.mktemp("node"))
    environ = with_clients(tmp_path_factory.mktemp("python"))
    with running(tmp_path_factory.mktemp("service"), **SETTINGS) as service:
        service.account(free_port())
        admin = service.key = made_key(service, "--scope", "admin")
        keys = {
            "admin": admin,
            "usual": made_key(service, "--scope", "send"),
            "reader": made_key(service, "--scope", "send", "--scope", "read"),
            "wrong key": "es_00000000_" + 43 * "0",
            "over quota": made_key(service, "--scope", "send", "--daily-recipients", "1"),
        }
        yield World(service=service, keys=keys, environ=environ, node=node)


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.fixture(scope="module")
def outcomes(world: World, client: Client) -> dict[str, dict[str, Any]]:
    """What came of every case: a client is started once."""
    return world.run(client, EMAILS)


@pytest.fixture
def sent(
    world: World, client: Client, outcomes: Mapping[str, Mapping[str, Any]]
) -> Callable[[str], EmailMessage]:
    """The message that was accepted for a case, found by the id that the client read back."""

    def find(case: str) -> EmailMessage:
        return world.message(world.id_of(client, outcomes[case]))

    return find


Sent = Callable[[str], EmailMessage]


def test_a_plain_email_goes_to_whom_it_is_for(sent: Sent) -> None:
    message = sent("plain")

    assert message["Subject"] == "Grüße"
    assert message["From"] == "Example Shop <me@example.com>"
    assert message["To"] == "ada@example.org"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().strip() == "Hello Ada"


def test_html_goes_beside_the_text(sent: Sent) -> None:
    message = sent("both")
    text, html = message.get_body(("plain",)), message.get_body(("html",))

    assert text is not None
    assert html is not None
    assert text.get_content().strip() == "Hello Ada"
    assert "<p>Hello <b>Ada</b></p>" in html.get_content()


def test_a_file_is_attached(sent: Sent) -> None:
    (file,) = sent("file").iter_attachments()

    assert (file.get_filename(), file.get_content_type()) == ("a.txt", "text/plain")
    assert file.get_payload(decode=True) == b"a file"


def test_an_image_stands_within_the_html(sent: Sent) -> None:
    message = sent("image")
    (image,) = [part for part in message.walk() if part.get_content_maintype() == "image"]
    html = message.get_body(("html",))

    assert html is not None
    content_id = image["Content-ID"].strip("<>")
    assert f"cid:{content_id}" in html.get_content()
    assert image.get_content_disposition() == "inline"
    assert image.get_payload(decode=True) == b64decode(PIXEL)


def test_copies_go_to_all_and_blind_ones_are_not_named(
    world: World, client: Client, outcomes: Mapping[str, Mapping[str, Any]], sent: Sent
) -> None:
    message = sent("copies")
    shown = world.shown(world.id_of(client, outcomes["copies"]))

    assert message["To"] == "Ada Lovelace <ada@example.org>"
    assert message["Cc"] == "Grace Hopper <grace@example.org>"
    assert "eve" not in str(message)
    assert shown["bcc"] == ["eve@example.org"]


def test_replies_go_where_the_client_says(sent: Sent) -> None:
    assert sent("replies")["Reply-To"] == "Jürgen <help@example.org>"


def test_a_header_is_passed_on(sent: Sent) -> None:
    assert sent("headers")["X-Order"] == "1042"


@pytest.mark.parametrize("case", REFUSED)
def test_the_client_raises_its_own_error(
    client: Client, outcomes: Mapping[str, Mapping[str, Any]], case: str
) -> None:
    outcome = outcomes[case]

    assert (outcome.get("error"), outcome.get("status")) == client.refusals[case], outcome
    assert outcome["message"]


@pytest.mark.parametrize("script", ["more_calls.py", "more_calls.mjs"])
def test_batches_templates_and_changes(world: World, script: str) -> None:
    template = {"name": "welcome", "subject": "Hi {{ name }}", "html": "<p>{{ name }}</p>"}
    world.service.post("/api/templates", template)
    world.service.post("/api/templates/welcome/publish", {})
    tomorrow = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - by the service's own clock
    later = [(tomorrow + timedelta(hours=n)).isoformat(timespec="seconds") for n in range(2)]
    before = newest(world)
    asked = {"url": world.service.url, "key": world.keys["reader"], "from": LEAST["from"]}
    done = world.told(script, {**asked, "later": later, "once": script})
    changes = done["resend_changes"]

    assert (changes["same"], changes["other"]) == (True, "invalid_idempotent_request")
    assert (changes["to"], changes["events"]) == (["ada@example.org"], ["scheduled", "canceled"])
    assert [datetime.fromisoformat(one) for one in changes["scheduled"]] == [
        datetime.fromisoformat(one) for one in later
    ]
    assert done["resend_batch"] == {"ids": 2, "errors": [1]}
    assert done["sendgrid_personalizations"] == {"status": 202}
    assert done["postmark_batch"] == {"codes": [0, 300]}
    assert done["postmark_template"] == {"codes": [0, 0, 1101]}
    assert done["postmark_test"] == {"message": "Test job accepted"}
    seen = {"sendgrid": "processing", "postmark": "Queued", "mailgun": ["accepted"]}
    assert done["lookups"] == seen
    assert done["mailgun_variables"] == {"status": 200}
    assert newest(world) == before + 1 + 2 + 2 + 1 + 2 + 3 + 2
    subjects = {world.message(newest(world) - n)["Subject"] for n in range(2)}
    assert subjects == {"Hi Ada", "Hi Grace"}


def test_the_page_shows_all_clients() -> None:
    assert [kind for kind, _ in SHOWN] == ["python", "js"] * 4 + ["python"] * 4


@pytest.mark.parametrize(
    ("kind", "code"), SHOWN, ids=[f"{place}-{kind}" for place, (kind, _) in enumerate(SHOWN)]
)
def test_what_the_page_shows_sends_an_email(world: World, kind: str, code: str) -> None:
    host = f"127.0.0.1:{world.service.port}"
    code = code.replace("127.0.0.1:5000", host).replace("es_1a2b3c4d_…", world.keys["usual"])
    code += IN_DJANGO if "ANYMAIL" in code else ""
    file = world.node / ("shown.mjs" if kind == "js" else "shown.py")
    file.write_text(code, "utf-8")
    before = newest(world)
    done = subprocess.run(
        ["node" if kind == "js" else sys.executable, file],
        env=dict(world.environ),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert newest(world) == before + 1
    assert world.message(before + 1)["Subject"] == "Welcome"


def newest(world: World) -> int:
    status, rows = world.service.get("/api/emails?limit=1")
    assert status == 200
    return int(rows[0]["id"]) if rows else 0


# -- the service is killed -------------------------------------------------------------------------

MIDDLE = 150_000  # octets of a connection: within the call
LARGE = b64encode(bytes(300_000)).decode()


@attrs.frozen(kw_only=True)
class Lost:
    """What became of a client's email: after the service was killed, and after the next try.

    *first* and *second* are what the client said, *stored* how many emails there were after the
    first try, *kept* how many at the end, when the service had been killed once more.
    """

    first: Mapping[str, Any]
    stored: int
    second: Mapping[str, Any]
    kept: int


def a_large_call(world: World, name: str, *, cut: Cut, url: str) -> dict[str, Any]:
    """What the script of a client is asked: one email with a file, always the same."""
    file = {"name": "a.bin", "type": "application/octet-stream", "base64": LARGE}
    call: dict[str, Any] = {
        "email": {**LEAST, "subject": f"{name}, {cut.name}", "files": [file]},
        "key": world.keys["usual"],
    }
    if CLIENTS[name].takes_key:
        call["once"] = f"{name}-{cut.name}".replace(" ", "-")
    return {"url": url, "calls": {"it": call}, **CLIENTS[name].options(url)}


@pytest.fixture(scope="module", params=Cut)
def lost(world: World, request: pytest.FixtureRequest) -> dict[str, Lost]:
    """All clients lose the service at the same moment: it is killed and started once for all."""
    service, cut = world.service, request.param

    def stored() -> dict[str, int]:
        status, rows = service.get("/api/emails?limit=500")
        assert status == 200
        subjects = [row["subject"] for row in rows]
        return {name: subjects.count(f"{name}, {cut.name}") for name in CLIENTS}

    with ExitStack() as ways:
        begun, held = {}, {}
        for name, client in CLIENTS.items():
            way = ways.enter_context(cut_connection(service.port, cut, octets=MIDDLE))
            asked = a_large_call(world, name, cut=cut, url=f"http://127.0.0.1:{way.port}")
            begun[name], held[name] = world.begin(client.script, asked), way.held
        for name, moment in held.items():
            assert moment.wait(PATIENCE_S), name
        service.kill()
        service.start()
        first = {name: said(process)["it"] for name, process in begun.items()}
    after_it = stored()
    again = {
        name: world.begin(client.script, a_large_call(world, name, cut=cut, url=world.service.url))
        for name, client in CLIENTS.items()
        if "error" in first[name]
    }
    second = first | {name: said(process)["it"] for name, process in again.items()}
    service.kill()
    service.start()
    at_the_end = stored()
    return {
        name: Lost(
            first=first[name],
            stored=after_it[name],
            second=second[name],
            kept=at_the_end[name],
        )
        for name in CLIENTS
    }


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_that_loses_the_service_raises_and_only_without_a_key_there_are_two(
    lost: Mapping[str, Lost], name: str, request: pytest.FixtureRequest
) -> None:
    became, client = lost[name], CLIENTS[name]
    was_stored = request.node.callspec.params["lost"] is Cut.BEFORE_THE_REPLY

    if not client.retries:  # the others may have been told the id when it was there again
        assert "error" in became.first, became.first
        assert became.stored == was_stored
    assert "id" in became.second, became.second
    assert became.kept == (2 if was_stored and not client.takes_key else 1)


def test_anymail_takes_the_same_calls_of_mailgun_for_signed_as_we_do(world: World) -> None:
    good = mailgun_call()["signature"]
    changes = {
        "good": {},
        "another time": {"timestamp": str(int(good["timestamp"]) + 1)},
        "another token": {"token": good["token"][:-1] + "!"},
        "a digit between them moved": {
            "timestamp": good["timestamp"][:-1],
            "token": good["timestamp"][-1] + good["token"],
        },
        "a signature cut short": {"signature": good["signature"][:-1]},
        "a signature in capitals": {"signature": good["signature"].upper()},
        "no signature": {"signature": ""},
        "of another key": mailgun_call(key="other")["signature"],
    }
    calls = {name: {"signature": {**good, **change}} for name, change in changes.items()}
    theirs = world.told("anymail_hooks.py", {"key": MAILGUN_KEY, "calls": calls})

    ours = {name: signature_of(call).is_of(MAILGUN_KEY) for name, call in calls.items()}
    assert theirs == ours
    assert [name for name, signed in theirs.items() if signed] == [
        "good",
        "a digit between them moved",  # what is signed has no mark between the two
    ]

"""Each program that speaks SMTP sends each kind of email, is refused, and loses its server.

In a refusal it tells its user so in its own way. Where the service is killed it fails, or tries
again by itself; after the next try the email is there once.
"""

import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import attrs
import pytest
import trustme

from domain.access import token_of
from tests.client_emails import EMAILS, LEAST, REFUSED
from tests.cut import Cut, cut_connection
from tests.missing import missing
from tests.node import with_packages
from tests.python_packages import with_clients
from tests.running import PATIENCE_S, ROOT, Running, quiet_port, running
from tests.smtp_programs import FOLDER, PROGRAMS, Place

COMMANDS = ("curl", "msmtp", "php", "swaks")
ACCEPTED = [case for case in EMAILS if case not in REFUSED]
MIDDLE = 150_000  # octets of a connection: within the message
LARGE = b64encode(bytes(300_000)).decode()


@attrs.frozen(kw_only=True)
class World:
    """A service that delivers nothing, keys for it, and the programs."""

    place: Place
    keys: Mapping[str, str]

    @property
    def service(self) -> Running:
        return self.place.service

    def emails(self) -> list[dict[str, Any]]:
        """All that are stored, the newest first."""
        status, rows = self.service.get("/api/emails?limit=500")
        assert status == 200
        return list(rows)

    def message(self, email_id: int) -> EmailMessage:
        request = Request(
            f"{self.service.url}/api/emails/{email_id}/raw",
            headers={"X-API-Key": self.service.key or ""},
        )
        with urlopen(request, timeout=30) as answer:
            return message_from_bytes(answer.read(), policy=policy.default)


def made_key(service: Running, *options: str) -> str:
    made = service.run("keys", "create", "--name", "test", *options)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    for command in COMMANDS:
        if shutil.which(command) is None:
            missing(f"{command} is not installed: see .ci/packages.txt")
    folder = tmp_path_factory.mktemp("service")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        folder / "cert.pem"
    )
    port = quiet_port()
    settings = {
        "DISPATCHER": "none",
        "INTAKE_PORT": port,
        "INTAKE_TLS_CERT": folder / "cert.pem",
        "INTAKE_TLS_KEY": folder / "cert.pem",
    }
    with running(folder, **settings) as service:
        service.account(quiet_port())
        service.with_key("admin", "send", "read")
        yield World(
            place=Place(
                service=service,
                port=port,
                url=service.url,
                ca=folder / "ca.pem",
                python=with_clients(tmp_path_factory.mktemp("python")),
                node=with_packages(FOLDER, tmp_path_factory.mktemp("node")),
                folder=folder,
            ),
            keys={
                "usual": made_key(service, "--scope", "send"),
                "wrong key": token_of("ffffffff", bytes(32)),
                "over quota": made_key(service, "--scope", "send", "--daily-recipients", "1"),
            },
        )


@pytest.fixture(scope="module", params=PROGRAMS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def outcomes(world: World, name: str) -> dict[str, dict[str, Any]]:
    """What the program says of each case; of one that is accepted, also the id of the email."""
    program, found = PROGRAMS[name], {}
    for case, email in EMAILS.items():
        key = world.keys.get(case, world.keys["usual"])
        found[case] = program.outcome(program.start(world.place, email, key))
        if not found[case].get("error"):
            found[case]["id"] = world.emails()[0]["id"]
    return found


def seen(message: EmailMessage) -> dict[str, object]:
    """What a reader sees of a message."""
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    files = [part for part in message.walk() if part.get_filename()]
    return {
        "subject": message["Subject"],
        "from": message["From"],
        "to": message["To"],
        "cc": message["Cc"],
        "bcc": message["Bcc"],
        "reply_to": message["Reply-To"],
        "X-Order": message["X-Order"],
        "text": None if text is None else text.get_content().strip(),
        "html": None if html is None else html.get_content().strip(),
        "files": [
            {
                "name": file.get_filename(),
                "type": file.get_content_type(),
                "base64": b64encode(file.get_payload(decode=True)).decode(),
                **({"cid": file["Content-ID"].strip("<>")} if file["Content-ID"] else {}),
            }
            for file in files
        ],
    }


def sent(email: Mapping[str, Any]) -> dict[str, object]:
    """What a reader should see of it."""
    first = {name: email.get(name, [None])[0] for name in ("to", "cc", "reply_to")}
    return {
        **first,
        "subject": email["subject"],
        "from": email["from"],
        "bcc": None,
        "X-Order": email.get("headers", {}).get("X-Order"),
        "text": email["text"],
        "html": email.get("html"),
        "files": email.get("files", []),
    }


def everybody(email: Mapping[str, Any]) -> set[str]:
    """Whom it goes to."""
    fields = [one for name in ("to", "cc", "bcc") for one in email.get(name, [])]
    return {address for _, address in getaddresses(fields)}


@pytest.mark.parametrize("case", ACCEPTED)
def test_an_email_arrives_as_it_was_given(
    world: World, outcomes: Mapping[str, Mapping[str, Any]], case: str
) -> None:
    assert "id" in outcomes[case], outcomes[case]
    email_id = outcomes[case]["id"]
    _, shown = world.service.get(f"/api/emails/{email_id}")

    assert seen(world.message(email_id)) == sent(EMAILS[case])
    assert {*shown["recipients"], *shown["cc"], *shown["bcc"]} == everybody(EMAILS[case])
    assert outcomes[case].get("reply", f"{email_id}").endswith(f"{email_id}")


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_told_in_the_programs_own_way(
    name: str, outcomes: Mapping[str, Mapping[str, Any]], case: str
) -> None:
    outcome = outcomes[case]

    assert (outcome["error"], outcome["code"]) == PROGRAMS[name].refusals[case], outcome


# -- the service is killed -------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Lost:
    """What became of a program's email: after the service was killed, and after the next try.

    *first* and *second* are what the program said, *stored* the ids that there were after the
    first try; *ids* those at the end, when the service had been killed once more.
    """

    first: Mapping[str, Any]
    stored: list[int]
    second: Mapping[str, Any]
    ids: list[int]


def a_large_email(name: str, cut: Cut) -> dict[str, Any]:
    """With what tells that it is the same one: a header of the service if the program needs it."""
    header = "Idempotency-Key" if PROGRAMS[name].anew else "Message-ID"
    return {
        **LEAST,
        "subject": f"{name}, {cut.name}",
        "files": [{"name": "a.bin", "type": "application/octet-stream", "base64": LARGE}],
        "headers": {header: f"<{name.replace(' ', '-')}@{cut.name}.example.com>"},
    }


@pytest.fixture(scope="module", params=Cut)
def lost(world: World, request: pytest.FixtureRequest) -> dict[str, Lost]:
    """All programs lose the service at the same moment: it is killed and started once for all."""
    service, key, cut = world.service, world.keys["usual"], request.param

    def ids() -> dict[str, list[int]]:
        rows = world.emails()
        return {
            name: [one["id"] for one in rows if one["subject"] == f"{name}, {cut.name}"]
            for name in PROGRAMS
        }

    with ExitStack() as ways:
        begun, held = {}, {}
        for name, program in PROGRAMS.items():
            server = service.port if program.by_http else world.place.port
            way = ways.enter_context(cut_connection(server, cut, octets=MIDDLE))
            place = attrs.evolve(
                world.place, **{"url": f"http://127.0.0.1:{way.port}"} if program.by_http
                else {"port": way.port},
            )  # fmt: skip
            begun[name] = program.start(place, a_large_email(name, cut), key)
            held[name] = way.held
        for name, moment in held.items():
            assert moment.wait(PATIENCE_S), name
        service.kill()
        service.start()
        first = {name: PROGRAMS[name].outcome(one) for name, one in begun.items()}
    stored = ids()
    again = {
        name: program.start(world.place, a_large_email(name, cut), key)
        for name, program in PROGRAMS.items()
        if first[name].get("error")
    }
    second = first | {name: PROGRAMS[name].outcome(one) for name, one in again.items()}
    service.kill()
    service.start()
    at_the_end = ids()
    return {
        name: Lost(
            first=first[name], stored=stored[name], second=second[name], ids=at_the_end[name]
        )
        for name in PROGRAMS
    }


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_loses_the_service_says_so_and_its_next_try_makes_no_double(
    lost: Mapping[str, Lost], program: str
) -> None:
    became = lost[program]

    assert bool(became.first.get("error")) is not PROGRAMS[program].by_http, became.first
    assert not became.second.get("error"), became.second
    assert len(became.ids) == 1
    assert became.stored in ([], became.ids)


def test_what_was_stored_before_the_kill_depends_on_the_moment_alone(
    lost: Mapping[str, Lost], request: pytest.FixtureRequest
) -> None:
    was_there = request.node.callspec.params["lost"] is Cut.BEFORE_THE_REPLY

    for name, became in lost.items():
        if not PROGRAMS[name].by_http:
            assert bool(became.stored) is was_there, name


# -- apps ------------------------------------------------------------------------------------------

APPS = {
    "Ghost": "ghost.mjs",
    "Nextcloud": "nextcloud.php",
    "WordPress": "wordpress.php",
    "Discourse": "rails.rb",
    "Mastodon": "rails.rb",
    "GitLab": "rails.rb",
    "Home Assistant": "home_assistant.py",
    "Sentry": "sentry.py",
}
RUNNERS = {".mjs": "node", ".php": "php", ".rb": "ruby", ".py": sys.executable}
PAGE = (ROOT / "docs/using/apps.md").read_text("utf-8")


@pytest.mark.parametrize("app", APPS)
def test_an_apps_mailer_sends_with_the_settings_of_its_section(world: World, app: str) -> None:
    """The library that the app sends with, set up as the app does it from its own settings."""
    place, script = world.place, ROOT / "tests/app_mailers" / APPS[app]
    section = PAGE.partition(f"\n## {app}\n")[2].partition("\n## ")[0]
    settings = section.partition("```")[2].partition("\n")[2].partition("```")[0]
    settings = settings.replace("mail.example.com", "localhost").replace("587", str(place.port))
    file = place.folder / f"settings of {app}"
    file.write_text(settings.replace("es_1a2b3c4d_…", world.keys["usual"]), "utf-8")
    if script.suffix == ".mjs":
        script = Path(shutil.copy(script, place.node))
    if shutil.which(RUNNERS[script.suffix]) is None:
        missing(f"{RUNNERS[script.suffix]} is not installed: see .ci/packages.txt")
    named = [app] if script.suffix == ".rb" else []
    authority = ["-d", f"openssl.cafile={place.ca}"] if script.suffix == ".php" else []
    done = subprocess.run(
        [RUNNERS[script.suffix], *authority, script, *named, file],
        env={**place.python, "SSL_CERT_FILE": str(place.ca), "NODE_EXTRA_CA_CERTS": str(place.ca)},
        capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr + done.stdout
    newest = world.emails()[0]
    assert (newest["subject"], newest["status"]) == (app, "queued")

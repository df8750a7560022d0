"""The page of examples: each program sends what the page says, and none of it looks like spam."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from struct import pack

import pytest

from tests.missing import missing
from tests.running import ROOT, Running, free_port, running, wait_until
from tests.spam_rules import rules_of

PAGE = (ROOT / "docs/using/examples.md").read_text("utf-8")
INTRODUCTION, *SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
PROGRAMS = {  # what runs a file, its suffix, and the package that has it
    "sh": (shutil.which("bash") or "bash", "sh", "bash"),
    "python": (sys.executable, "py", "python3"),
    "js": ("node", "mjs", "nodejs"),
    "php": ("php", "php", "php-cli"),
}
SUBSCRIBERS = 200
PUBLIC_URL = "https://mail.example.com"
# A picture with few words, and a token in a link that could be a Bitcoin address.
NOT_OF_THE_FORM = {"HTML_IMAGE_ONLY_04", "PDS_BTC_ID"}
PDF = b"%PDF-1.4\n" + bytes(range(256)) * 300


def blocks(section: str, language: str) -> list[str]:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return found


def a_png() -> bytes:
    """A blue square."""

    def chunk(name: bytes, octets: bytes) -> bytes:
        return pack(">I", len(octets)) + name + octets + pack(">I", zlib.crc32(name + octets))

    rows = b"".join(b"\0" + b"\x20\x40\x80" * 64 for _ in range(64))
    head = pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    )


def the_files(folder: Path) -> None:
    """What the programs read."""
    [invitation], [message] = blocks(PAGE, "ics"), blocks(PAGE, "eml")
    (folder / "invoice.pdf").write_bytes(PDF)
    (folder / "logo.png").write_bytes(a_png())
    (folder / "invite.ics").write_text(invitation)
    (folder / "message.eml").write_text(message)
    people = [
        {"recipient": f"person{n}@example.org", "variables": {"name": f"Person {n}"}}
        for n in range(SUBSCRIBERS)
    ]
    (folder / "subscribers.json").write_text(json.dumps(people))


def run_all(folder: Path, language: str, service: Running) -> None:
    """Every program of a language, in the order of the page."""
    command, suffix, _ = PROGRAMS[language]
    the_files(folder)
    for helper in blocks(INTRODUCTION, language):
        (folder / f"send.{suffix}").write_text(at(service, helper))
    programs = [code for section in SECTIONS for code in blocks(section, language)]
    if language != "sh":  # what is done once is done with curl
        [once] = [code for code in blocks(PAGE, "sh") if "/publish" in code]
        run(["bash", "-c", at(service, once)], folder)
    for number, code in enumerate(programs):
        program = folder / f"program{number}.{suffix}"
        program.write_text(at(service, code))
        run([command, str(program)], folder)


def at(service: Running, code: str) -> str:
    return code.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}")


def run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    told = (done.stdout + done.stderr).decode()
    assert (done.returncode, '"detail"' in told) == (0, False), told


@contextmanager
def sent(folder: Path, language: str, number: int) -> Iterator[list[bytes]]:
    """The messages in the sandbox after all programs of a language ran."""
    command, _, package = PROGRAMS[language]
    if shutil.which(command) is None:
        missing(f"{command} is not installed: apt-get install {package}")
    settings = {"SANDBOX": "1", "SANDBOX_PORT": free_port(), "PUBLIC_URL": PUBLIC_URL}
    with running(folder, **settings) as service:
        service.account(int(settings["SANDBOX_PORT"]))
        run_all(folder, language, service)
        wait_until(lambda: len(service.get("/sandbox/messages.json")[1]) >= number)
        messages = []
        for n in range(1, number + 1):
            with urllib.request.urlopen(f"{service.url}/sandbox/{n}/raw", timeout=30) as answer:
                messages.append(answer.read())
        yield messages


def shape(part: EmailMessage) -> object:
    """The types of a message's parts, as they stand in each other."""
    if part.is_multipart():
        inner = [shape(one) for one in part.iter_parts() if isinstance(one, EmailMessage)]
        return [part.get_content_type(), *inner]
    return part.get_content_type()


@pytest.mark.parametrize("language", PROGRAMS)
def test_every_program_sends_what_the_page_says_and_no_rule_of_spam_is_hit(
    tmp_path: Path, language: str
) -> None:
    with sent(tmp_path, language, 5 + SUBSCRIBERS) as messages:
        parsed, octets_of = {}, {}
        for octets in messages:
            message = message_from_bytes(octets, policy=policy.default)
            assert isinstance(message, EmailMessage)
            parsed[str(message["Subject"])] = message
            octets_of[str(message["Subject"]).partition(" for Person ")[0]] = octets
            assert message["To"].startswith(("Ada Lovelace <ada@", "person"))
            assert message["From"].addresses[0].addr_spec == "me@example.com"
    # of the newsletters one: they differ in a name and in a token
    hits = set().union(*rules_of(list(octets_of.values())))

    assert len(parsed) == 5 + SUBSCRIBERS
    assert len(octets_of) == 6
    assert hits - NOT_OF_THE_FORM == set()

    invoice = parsed["Your invoice 1042"]
    text = ["multipart/alternative", "text/plain", "text/html"]
    assert shape(invoice) == ["multipart/mixed", text, "application/pdf"]
    [file] = invoice.iter_attachments()
    assert isinstance(file, EmailMessage)
    assert (file.get_filename(), file.get_content()) == ("invoice.pdf", PDF)

    welcome = parsed["Welcome to Example"]
    related = ["multipart/related", "text/html", "image/png"]
    assert shape(welcome) == ["multipart/alternative", "text/plain", related]
    [logo] = [part for part in welcome.walk() if part.get_content_type() == "image/png"]
    assert (logo["Content-ID"], logo.get_content_disposition()) == ("<logo>", "inline")
    assert logo.get_payload(decode=True) == a_png()

    talk = parsed["Talk about the order"]
    choice = ["multipart/alternative", "text/plain", "text/calendar"]
    assert shape(talk) == ["multipart/mixed", choice, "application/ics"]
    [calendar] = [part for part in talk.walk() if part.get_content_type() == "text/calendar"]
    assert calendar.get_param("method") == "REQUEST"

    reply = parsed["Re: Where is my parcel?"]
    assert reply["In-Reply-To"] == reply["References"] == "<CAF1a2b@mail.example.org>"
    assert reply["Reply-To"] == "Example Help <help@example.com>"

    news = parsed["News of January for Person 7"]
    assert news["To"] == "person7@example.org"
    assert news["List-Unsubscribe"].startswith(f"<{PUBLIC_URL}/u/")
    assert news["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    links = {str(m["List-Unsubscribe"]) for s, m in parsed.items() if s.startswith("News")}
    assert len(links) == SUBSCRIBERS

    own = parsed["Grüße from Bath"]
    assert own["From"] == "Example Ltd <me@example.com>"
    assert "many Grüße from Bath." in own.get_content()


def test_the_page_has_each_message_in_each_language() -> None:
    assert len(SECTIONS) == 6
    for section in SECTIONS:
        numbers = [len(blocks(section, language)) for language in PROGRAMS]
        assert numbers == ([2, 1, 1, 1] if "/publish" in section else [1, 1, 1, 1])

"""Programs that submit email by SMTP, each as its users call it: one process for each email."""

import json
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path
from typing import Any

import attrs

from tests.running import PATIENCE_S, ROOT, Running

FOLDER = ROOT / "tests/smtp_clients"
SENDMAIL = f"{sys.executable} -m entrypoints sendmail"

Email = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Place:
    """Where the programs are, and what they submit to: by SMTP, or at *url*."""

    service: Running
    port: int
    url: str
    ca: Path
    python: Mapping[str, str]
    node: Path
    folder: Path


@attrs.frozen(kw_only=True)
class Program:
    """A program: *begin* makes its command and standard input of an email and a key.

    *refusals* are what it makes of an address, a key and a quota that are refused.
    *by_http*: it calls the API, and tries by itself until the service is there again.
    *anew*: it writes the message anew each time, so that only an Idempotency-Key tells it is one.
    """

    begin: Callable[[Place, Email, str], tuple[Sequence[str | Path], str]]
    refusals: Mapping[str, tuple[object, int | None]]
    reply_in: re.Pattern[str] | None = None
    by_http: bool = False
    anew: bool = False

    def start(self, place: Place, email: Email, key: str) -> "subprocess.Popen[str]":
        """Let it submit *email*."""
        command, text = self.begin(place, email, key)
        process = subprocess.Popen(
            list(command), cwd=place.folder, env=_environ(place, key), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(text)
        process.stdin.close()
        process.stdin = None
        return process

    def outcome(self, process: "subprocess.Popen[str]") -> dict[str, Any]:
        """What it says at its end: ``error`` and ``code``, and ``reply`` if it shows that."""
        out, errors = process.communicate(timeout=PATIENCE_S)
        if out.startswith("{"):
            told: dict[str, Any] = json.loads(out)
            return told
        if process.returncode:
            return {"error": "exit", "code": process.returncode, "told": out + errors}
        found = None if self.reply_in is None else self.reply_in.search(out + errors)
        return {} if found is None else {"reply": found[1]}


def message_of(email: Email) -> EmailMessage:
    """The message that a program is given which makes none itself."""
    made = EmailMessage()
    made["From"], made["Subject"] = email["from"], email["subject"]
    for field, name in (("to", "To"), ("cc", "Cc"), ("bcc", "Bcc"), ("reply_to", "Reply-To")):
        if email.get(field):
            made[name] = ", ".join(email[field])
    for name, value in email.get("headers", {}).items():
        made[name] = value
    made.set_content(email["text"])
    if "html" in email:
        made.add_alternative(email["html"], subtype="html")
    for file in email.get("files", []):
        octets, (kind, _, subtype) = b64decode(file["base64"]), file["type"].partition("/")
        if "cid" in file:
            html: Any = made.get_body(("html",))
            html.add_related(
                octets, kind, subtype, filename=file["name"], cid=f"<{file['cid']}>",
                disposition="inline",
            )  # fmt: skip
        else:
            made.add_attachment(octets, kind, subtype, filename=file["name"])
    for number, part in enumerate(made.walk()):
        if part.is_multipart():  # the same each time, as a client has it that sends it again
            part.set_boundary(f"==part {number}==")
    return made


def _environ(place: Place, key: str) -> dict[str, str]:
    return {
        **place.python,
        "PYTHONPATH": f"{place.python['PYTHONPATH']}:{ROOT}",
        "HOME": str(place.folder),
        "SSL_CERT_FILE": str(place.ca),
        "NODE_EXTRA_CA_CERTS": str(place.ca),
        "EMAIL_SERVICE_URL": place.url,
        "EMAIL_SERVICE_KEY": key,
        "EMAIL_SERVICE_TIMEOUT": "30",
    }


def _asked(place: Place, key: str, **more: object) -> str:
    return json.dumps({"port": place.port, "key": key, **more})


def _in_python(place: Place, email: Email, key: str) -> tuple[Sequence[str | Path], str]:
    asked = _asked(place, key, message=message_of(email).as_string())
    return (sys.executable, FOLDER / "smtplib_call.py"), asked


def _in_django(place: Place, email: Email, key: str) -> tuple[Sequence[str | Path], str]:
    return (sys.executable, FOLDER / "django_call.py"), _asked(place, key, email=email)


def _in_node(place: Place, email: Email, key: str) -> tuple[Sequence[str | Path], str]:
    return ("node", place.node / "nodemailer_call.mjs"), _asked(place, key, email=email)


def _by_curl(place: Place, email: Email, key: str) -> tuple[Sequence[str | Path], str]:
    message, envelope = _without_bcc(email)
    names = [word for one in envelope for word in ("--mail-rcpt", one)]
    return (
        "curl", "-sSv", "--ssl-reqd", "--cacert", place.ca, "--crlf",
        f"smtp://localhost:{place.port}", "--user", f"apikey:{key}",
        "--mail-from", "me@example.com", *names, "-T", "-",
    ), message  # fmt: skip


def _by_swaks(place: Place, email: Email, key: str) -> tuple[Sequence[str | Path], str]:
    message, envelope = _without_bcc(email)
    return (
        "swaks", "--server", "localhost", "--port", str(place.port), "--tls", "--tls-verify",
        "--tls-ca-path", place.ca, "--auth", "PLAIN", "--auth-user", "apikey",
        "--auth-password", key, "--from", "me@example.com", "--to", ",".join(envelope),
        "--data", "-", "--suppress-data",
    ), message  # fmt: skip


def _by_msmtp(place: Place, email: Email, key: str) -> tuple[Sequence[str | Path], str]:
    return ("msmtp", "-C", _msmtprc(place, key), "-t"), message_of(email).as_string()


def _in_php(program: str, email: Email) -> tuple[Sequence[str | Path], str]:
    message = message_of(email)
    to, subject = str(message["To"]), message.policy.fold("Subject", message["Subject"])
    del message["To"], message["Subject"]
    headers, _, body = message.as_string().partition("\n\n")
    asked = {"to": to, "headers": headers, "body": body}
    asked["subject"] = subject.removeprefix("Subject:").strip()
    script = FOLDER / "mail_call.php"
    return ("php", "-d", f"sendmail_path={program}", script), json.dumps(asked)


def _in_php_by_msmtp(place: Place, email: Email, key: str) -> tuple[Sequence[str | Path], str]:
    return _in_php(f"msmtp -C {_msmtprc(place, key)} -t", email)


def _in_php_by_ours(place: Place, email: Email, key: str) -> tuple[Sequence[str | Path], str]:
    return _in_php(f"{SENDMAIL} -t -i", email)


def _without_bcc(email: Email) -> tuple[str, list[str]]:
    """The message and its envelope."""
    fields = [text for name in ("to", "cc", "bcc") for text in email.get(name, [])]
    shown = {name: value for name, value in email.items() if name != "bcc"}
    return message_of(shown).as_string(), [address for _, address in getaddresses(fields)]


def _msmtprc(place: Place, key: str) -> Path:
    fields = {
        "host": "localhost", "port": place.port, "tls": "on", "tls_trust_file": place.ca,
        "auth": "on", "user": "apikey", "password": key, "from": "me@example.com",
    }  # fmt: skip
    path = place.folder / f"msmtprc-{place.port}-{key[:11]}"
    path.write_text("account default\n" + "".join(f"{k} {v}\n" for k, v in fields.items()))
    path.chmod(0o600)
    return path


PROGRAMS: Mapping[str, Program] = {
    "smtplib": Program(
        begin=_in_python,
        refusals={
            "wrong address": ("SMTPRecipientsRefused", 501),
            "wrong key": ("SMTPAuthenticationError", 535),
            "over quota": ("SMTPDataError", 451),
        },
    ),
    "Django": Program(
        begin=_in_django,
        anew=True,
        refusals={
            "wrong address": ("SMTPRecipientsRefused", 501),
            "wrong key": ("SMTPAuthenticationError", 535),
            "over quota": ("SMTPDataError", 451),
        },
    ),
    "Nodemailer": Program(
        begin=_in_node,
        anew=True,
        refusals={
            "wrong address": ("EENVELOPE", 501),
            "wrong key": ("EAUTH", 535),
            "over quota": ("EMESSAGE", 451),
        },
    ),
    "curl": Program(
        begin=_by_curl,
        reply_in=re.compile(r"< (250 2.0.0 Ok: queued as .*)"),
        refusals={
            "wrong address": ("exit", 55),
            "wrong key": ("exit", 67),
            "over quota": ("exit", 8),
        },
    ),
    "swaks": Program(
        begin=_by_swaks,
        reply_in=re.compile(r"<~  (250 2.0.0 Ok: queued as .*)"),
        refusals={
            "wrong address": ("exit", 24),
            "wrong key": ("exit", 28),
            "over quota": ("exit", 26),
        },
    ),
    "msmtp": Program(
        begin=_by_msmtp,
        anew=True,  # it adds a Date
        refusals={
            "wrong address": ("exit", 65),
            "wrong key": ("exit", 77),
            "over quota": ("exit", 69),
        },
    ),
    "PHP's mail() through msmtp": Program(
        begin=_in_php_by_msmtp,
        anew=True,
        refusals=dict.fromkeys(("wrong address", "wrong key", "over quota"), ("exit", 1)),
    ),
    "PHP's mail() through our sendmail": Program(
        begin=_in_php_by_ours,
        by_http=True,
        refusals=dict.fromkeys(("wrong address", "wrong key", "over quota"), ("exit", 1)),
    ),
}

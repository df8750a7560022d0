"""Programs that speak SMTP submit email: smtplib, Nodemailer, curl, msmtp, swaks, PHP's mail().

Each does it as its users do, over STARTTLS or TLS with a certificate that it verifies; the email
goes on to a mail server, and what arrives there is looked at.
"""

import json
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from pathlib import Path

import pytest
import trustme

from domain.access import token_of
from tests.missing import missing
from tests.node import run, with_packages
from tests.running import PATIENCE_S, ROOT, Running, free_port, running, wait_until
from tests.smtp_server import Received, SmtpServer

FOLDER = ROOT / "tests/smtp_clients"
WRONG = token_of("ffffffff", bytes(32))
PIXEL = bytes.fromhex("89504e470d0a1a0a") + bytes(40)


class Submission:
    """A service that takes email by SMTP, and the mail server that it sends to."""

    def __init__(self, service: Running, server: SmtpServer, folder: Path) -> None:
        self.service = service
        self._server = server
        self.port = int(service.environ["INTAKE_PORT"])
        self.tls_port = int(service.environ["INTAKE_TLS_PORT"])
        self.ca = folder / "ca.pem"
        self._seen = 0

    @property
    def key(self) -> str:
        assert self.service.key is not None
        return self.service.key

    def arrived(self, number: int = 1) -> list[Received]:
        """The next *number* messages that the mail server took."""
        wait_until(lambda: len(self._server.accepted) >= self._seen + number, patience=20)
        new = self._server.accepted[self._seen : self._seen + number]
        self._seen += number
        return new

    def message(self) -> tuple[Received, Message]:
        [received] = self.arrived()
        return received, message_from_bytes(received.octets, policy=policy.default)

    def run(
        self, *command: str, text: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """What a program came to; *text* is its standard input."""
        if shutil.which(command[0]) is None:
            missing(f"{command[0]} is not installed: apt-get install {command[0]}")
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=PATIENCE_S,
            env={"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(self.service.folder), **environ},
        )  # fmt: skip


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Submission]:
    folder = tmp_path_factory.mktemp("submission")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for part in issued.cert_chain_pems:
        part.write_to_path(folder / "cert.pem", append=True)
    settings = {
        "INTAKE_PORT": free_port(),
        "INTAKE_TLS_PORT": free_port(),
        "INTAKE_TLS_CERT": folder / "cert.pem",
        "INTAKE_TLS_KEY": folder / "key.pem",
    }
    with SmtpServer() as server, running(folder, **settings) as service:
        service.account(server.port)
        service.with_key("send", "read", "admin")
        yield Submission(service, server, folder)


# -- Python ----------------------------------------------------------------------------------------


def logged_in(submission: Submission, *, tls: bool = False, key: str | None = None) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=submission.ca)
    if tls:
        client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", submission.tls_port, context=context)
    else:
        client = smtplib.SMTP("localhost", submission.port)
        client.starttls(context=context)
    try:
        client.login("whoever", key or submission.key)
    except smtplib.SMTPException:
        client.close()
        raise
    return client


def a_message(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {"From": "me@example.com", "To": "ada@example.org", **headers}.items():
        message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize("tls", [False, True])
def test_smtplib_sends_whatever_a_message_may_be(submission: Submission, tls: bool) -> None:
    message = a_message(
        Subject="Grüße", Cc="Carl <carl@example.org>", Bcc="bob@example.org",
        Reply_To="help@example.com", X_Tag="invoice",
    )  # fmt: skip
    message.set_content("Grüße.\n.\n..\nEnde\n")
    message.add_alternative('<p>Grüße</p><img src="cid:pixel">', subtype="html")
    message.get_payload()[1].add_related(PIXEL, "image", "png", cid="<pixel>")  # type: ignore[union-attr, index]
    message.add_attachment(bytes(range(256)) * 500, "application", "pdf", filename="Rechnung ü.pdf")
    with logged_in(submission, tls=tls) as client:
        assert client.send_message(message) == {}
    received, read = submission.message()

    assert received.sender == "me@example.com"
    assert set(received.recipients) == {"ada@example.org", "carl@example.org", "bob@example.org"}
    assert (read["Subject"], read["Reply-To"], read["Bcc"]) == ("Grüße", "help@example.com", None)
    assert read.get_body(("plain",)).get_content().split() == ["Grüße.", ".", "..", "Ende"]  # type: ignore[attr-defined]
    [file] = [part for part in read.walk() if part.get_filename()]
    assert (file.get_filename(), file.get_payload(decode=True)) == (
        "Rechnung ü.pdf", bytes(range(256)) * 500,
    )  # fmt: skip


def test_what_smtplib_raises(submission: Submission) -> None:
    message = a_message(Subject="Hi")
    with logged_in(submission) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.send_message(message, to_addrs=["a b@example.org"])
        assert refused.value.recipients["a b@example.org"][0] == 501
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.send_message(message, from_addr="<>")
        message.replace_header("From", "eve@example.net")
        with pytest.raises(smtplib.SMTPDataError) as stranger:
            client.send_message(message)
        assert stranger.value.smtp_code == 550
        assert b"me@example.com" in stranger.value.smtp_error
    with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
        logged_in(submission, key=WRONG)
    assert (wrong.value.smtp_code, wrong.value.smtp_error[:5]) == (535, b"5.7.8")


def test_smtplib_in_clear_on_loopback_in_development(submission: Submission) -> None:
    with smtplib.SMTP("127.0.0.1", submission.port) as client:
        client.login("whoever", submission.key)
        client.sendmail(
            "x@y.example", ["ada@example.org"], a_message(Subject="Hi").as_bytes(policy=policy.SMTP)
        )
    _, read = submission.message()

    assert read["Subject"] == "Hi"


# -- Node.js ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nodemailer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Nodemailer."""
    return with_packages(FOLDER, tmp_path_factory.mktemp("nodemailer"))


def sent_by_nodemailer(
    folder: Path, submission: Submission, *messages: object, **transport: object
) -> list[dict[str, object]]:
    transport = {
        "host": "localhost",
        "port": submission.port,
        "requireTLS": True,
        "auth": {"user": "apikey", "pass": submission.key},
        "tls": {"ca": submission.ca.read_text()},
        **transport,
    }
    told = json.dumps({"transport": transport, "messages": messages})
    done = run("node", "send.mjs", told, folder=folder)
    assert done.returncode == 0, done.stderr
    results: list[dict[str, object]] = json.loads(done.stdout)
    return results


@pytest.mark.parametrize("secure", [False, True])
def test_nodemailer_sends_whatever_a_message_may_be(
    nodemailer: Path, submission: Submission, secure: bool
) -> None:
    port = submission.tls_port if secure else submission.port
    message = {
        "from": "Me <me@example.com>",
        "to": "Ada <ada@example.org>",
        "bcc": "bob@example.org",
        "replyTo": "help@example.com",
        "subject": "Grüße",
        "text": "Grüße\n.\n",
        "html": '<p>Grüße</p><img src="cid:pixel">',
        "attachments": [
            {"filename": "ü.txt", "content": "Datei"},
            {"filename": "p.png", "content": PIXEL.decode("latin-1"), "cid": "pixel"},
        ],
        "headers": {"X-Tag": "invoice", "Idempotency-Key": f"node-{secure}"},
    }
    results = sent_by_nodemailer(nodemailer, submission, message, message, secure=secure, port=port)
    received, read = submission.message()

    assert str(results[0]["response"]).startswith("250 2.0.0 Ok: queued as ")
    assert results[0]["response"] == results[1]["response"], "sent again: the same email"
    assert received.recipients == ("ada@example.org", "bob@example.org")
    assert (read["Subject"], read["Bcc"], read["X-Tag"]) == ("Grüße", None, None)
    assert read["Idempotency-Key"] is None
    assert {part.get_filename() for part in read.walk()} == {None, "ü.txt", "p.png"}


def test_what_nodemailer_is_told(nodemailer: Path, submission: Submission) -> None:
    message = {"from": "me@example.com", "to": "ada@example.org", "subject": "Hi", "text": "Hi"}
    bad_from = {**message, "from": "eve@example.net"}
    bad_to = {**message, "to": ["a@[127.0.0.1]", "ada@example.org"]}
    stranger, partly, fine = sent_by_nodemailer(nodemailer, submission, bad_from, bad_to, message)
    [wrong] = sent_by_nodemailer(
        nodemailer, submission, message, auth={"user": "apikey", "pass": WRONG}
    )
    submission.arrived(2)

    assert str(stranger["response"]).startswith("550 5.7.1 From must be an address of this API key")
    assert partly["rejected"] == ["a@[127.0.0.1]"]
    assert str(fine["response"]).startswith("250")
    assert (wrong["code"], str(wrong["response"])[:9]) == ("EAUTH", "535 5.7.8")


# -- commands --------------------------------------------------------------------------------------

TEXT = "From: me@example.com\nTo: ada@example.org\nSubject: {}\n\nGrüße\n.\n"


def test_curl(submission: Submission) -> None:
    done = submission.run(
        "curl", "-sS", "--ssl-reqd", "--cacert", str(submission.ca), "--crlf",
        f"smtp://localhost:{submission.port}", "--user", f"me:{submission.key}",
        "--mail-from", "me@example.com", "--mail-rcpt", "ada@example.org",
        "--mail-rcpt", "bob@example.org", "-T", "-", text=TEXT.format("curl"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    received, read = submission.message()

    assert received.recipients == ("ada@example.org", "bob@example.org")
    assert read["Subject"] == "curl"
    assert read.get_payload(decode=True).decode().split() == ["Grüße", "."]  # type: ignore[union-attr]


def test_curl_over_tls_with_a_wrong_key(submission: Submission) -> None:
    done = submission.run(
        "curl", "-sS", "--cacert", str(submission.ca), f"smtps://localhost:{submission.tls_port}",
        "--user", f"me:{WRONG}", "--mail-from", "me@example.com",
        "--mail-rcpt", "ada@example.org", "-T", "-", text=TEXT.format("curl"),
    )  # fmt: skip

    assert done.returncode == 67, "the login was denied"


def msmtp(submission: Submission, folder: Path, **changes: str) -> str:
    """The path of a configuration."""
    fields = {
        "host": "localhost", "port": str(submission.port), "tls": "on", "auth": "on",
        "tls_trust_file": str(submission.ca), "user": "me", "password": submission.key,
        "from": "me@example.com", **changes,
    }  # fmt: skip
    path = folder / "msmtprc"
    path.write_text("account default\n" + "".join(f"{k} {v}\n" for k, v in fields.items()))
    path.chmod(0o600)
    return str(path)


def test_msmtp(submission: Submission, tmp_path: Path) -> None:
    config = msmtp(submission, tmp_path)
    done = submission.run("msmtp", "-C", config, "-t", text=TEXT.format("msmtp"))
    assert done.returncode == 0, done.stderr
    _, read = submission.message()
    assert read["Subject"] == "msmtp"

    config = msmtp(submission, tmp_path, password=WRONG)
    assert submission.run("msmtp", "-C", config, "-t", text=TEXT).returncode == 77, "EX_NOPERM"


def test_phps_mail_through_msmtp(submission: Submission, tmp_path: Path) -> None:
    config = msmtp(submission, tmp_path, port=str(submission.tls_port), tls_starttls="off")
    script = (
        'exit(mail("ada@example.org", "PHP", "Gr\u00fc\u00dfe", "From: me@example.com") ? 0 : 1);'
    )
    done = submission.run("php", "-d", f"sendmail_path=msmtp -C {config} -t", "-r", script)
    assert done.returncode == 0, done.stderr
    _, read = submission.message()

    assert read["Subject"] == "PHP"
    assert "Gr\u00fc\u00dfe" in read.get_payload(decode=True).decode()  # type: ignore[union-attr]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks(submission: Submission, mechanism: str) -> None:
    done = submission.run(
        "swaks", "--server", "localhost", "--port", str(submission.port), "--tls-verify",
        "--tls-ca-path", str(submission.ca), "--tls", "--auth", mechanism, "--auth-user", "me",
        "--auth-password", submission.key, "--from", "me@example.com", "--to", "ada@example.org",
        "--header", "Subject: swaks", "--pipeline",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    _, read = submission.message()

    assert read["Subject"] == "swaks"

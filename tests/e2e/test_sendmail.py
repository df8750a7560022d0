"""`email-service sendmail` in the place of sendmail, called by the programs that call one."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import termios
import urllib.request
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from tests.missing import missing
from tests.running import ROOT, Running, free_port, running, wait_until

COMMAND = (sys.executable, "-m", "entrypoints", "sendmail")
OK, USAGE, DATAERR, NOUSER, TEMPFAIL, CONFIG = 0, 64, 65, 67, 75, 78
# what Debian's cron writes for a job that prints something
CRON = """\
From: root (Cron Daemon)
To: ops@example.org
Subject: Cron <root@shop> /usr/local/bin/backup
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit
X-Cron-Env: <SHELL=/bin/sh>
X-Cron-Env: <LOGNAME=root>

Übertragen: 3 Dateien
.
""".encode()
CRON_ARGUMENTS = ("-i", "-FCronDaemon", "-B8BITMIME", "-oem", "ops@example.org")
PLAIN = b"From: me@example.com\nTo: ada@example.org\nSubject: Hi\n\nHello.\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With its sandbox, an account that sends there, and a key for every call."""
    port = free_port()
    with running(tmp_path_factory.mktemp("service"), SANDBOX=1, SANDBOX_PORT=port) as started:
        started.account(port)
        yield started.with_key("admin")


def environ_of(service: Running, **changes: str) -> dict[str, str]:
    """Of a program that calls sendmail: no setting of the service is in it."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(service.folder),
        "PYTHONPATH": str(ROOT),
        "EMAIL_SERVICE_URL": service.url,
        "EMAIL_SERVICE_KEY": service.key or "",
        "EMAIL_SERVICE_FROM": "Shop <me@example.com>",
        **changes,
    }


def sendmail(
    service: Running, *arguments: str, message: bytes = PLAIN, **environ: str
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=service.folder,
        input=message,
        env=environ_of(service, **environ),
        capture_output=True,
        timeout=90,
    )


def the_program(folder: Path) -> Path:
    """A file to call, such as others find at /usr/sbin/sendmail."""
    program = folder / "sendmail"
    program.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    return program


def arrived(service: Running, subject: str, number: int = 1) -> list[EmailMessage]:
    """The messages with this subject, as soon as there are so many."""

    def found() -> list[int]:
        sent = service.get("/sandbox/messages.json")[1]
        return [one["number"] for one in sent if one["subject"] == subject]

    wait_until(lambda: len(found()) >= number)
    messages = []
    for ident in found():
        with urllib.request.urlopen(f"{service.url}/sandbox/{ident}/raw", timeout=30) as answer:
            message = message_from_bytes(answer.read().replace(b"\r\n", b"\n"), policy=default)
            assert isinstance(message, EmailMessage)
            messages.append(message)
    return messages


def envelope(service: Running, subject: str) -> list[str]:
    [message] = [
        one for one in service.get("/sandbox/messages.json")[1] if one["subject"] == subject
    ]
    return sorted(message["recipients"])


def needs(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        missing(f"{program} is not installed: apt-get install {package}")
    return path


# -- cron ------------------------------------------------------------------------------------------


def test_two_runs_of_cron_with_the_same_text_are_two_emails(service: Running) -> None:
    for _ in range(2):
        done = sendmail(service, *CRON_ARGUMENTS, message=CRON)
        assert (done.returncode, done.stdout, done.stderr) == (OK, b"", b"")

    messages = arrived(service, "Cron <root@shop> /usr/local/bin/backup", 2)
    assert len(messages) == 2
    assert messages[0]["From"] == "Cron Daemon <me@example.com>"
    assert messages[0].get_content() == "Übertragen: 3 Dateien\n.\n"
    assert messages[0]["X-Cron-Env"] == "<SHELL=/bin/sh>"


def test_a_name_without_a_domain_is_mail_of_this_machine(service: Running) -> None:
    message = CRON.replace(b"backup", b"local")
    refused = sendmail(service, "-i", "root", message=message)
    done = sendmail(service, "-i", "root", message=message, EMAIL_SERVICE_LOCAL="ops@example.org")

    assert (refused.returncode, b"root has no domain" in refused.stderr) == (NOUSER, True)
    assert done.returncode == OK
    arrived(service, "Cron <root@shop> /usr/local/bin/local")
    assert envelope(service, "Cron <root@shop> /usr/local/bin/local") == ["ops@example.org"]


# -- headers, recipients, repetitions --------------------------------------------------------------


def test_the_recipients_in_the_headers_get_it_and_nobody_sees_bcc(service: Running) -> None:
    message = (
        b"From: Shop <me@example.com>\nTo: Ada <ada@example.org>, staff:grace@example.org;\n"
        b"Cc: =?utf-8?q?Z=C3=BC?= <zu@example.org>\nBcc: secret@example.org,\n"
        b" ada@example.org\nSubject: To all\n\nHi\n"
    )
    done = sendmail(service, "-t", "-oi", "more@example.org", message=message)

    assert (done.returncode, done.stderr) == (OK, b"")
    [sent] = arrived(service, "To all")
    assert "secret" not in sent.as_string()
    names = ("ada", "grace", "more", "secret", "zu")
    assert envelope(service, "To all") == [f"{name}@example.org" for name in names]


def test_a_message_with_a_message_id_that_is_given_again_is_one_email(service: Running) -> None:
    message = PLAIN.replace(b"Subject: Hi", b"Subject: Once\nMessage-ID: <once@example.com>")
    first, again = (sendmail(service, "-t", "-i", "-v", message=message) for _ in range(2))

    assert first.returncode == again.returncode == OK
    assert first.stdout == again.stdout != b""
    assert len(arrived(service, "Once")) == 1


def test_a_text_without_headers_is_sent_too(service: Running) -> None:
    done = sendmail(service, "-f", "me@example.com", "ada@example.org", message=b"bare text\n.\nno")

    assert (done.returncode, done.stderr) == (OK, b"")
    [sent] = [one for one in arrived(service, "") if one.get_content() == "bare text\n"]
    assert sent["From"] == "Shop <me@example.com>"


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message", "environ", "code", "told"),
    [
        (("-bs",), PLAIN, {}, USAGE, "-bs is not supported"),
        (("-Z",), PLAIN, {}, USAGE, "option -Z not recognized"),
        ((), PLAIN, {}, USAGE, "name recipients"),
        (("-t",), b"Subject: to nobody\n\n", {}, USAGE, "no header has a recipient"),
        (("-t",), b"To: foo bar baz\n\n", {}, NOUSER, "foo bar baz is no address"),
        (("-i", "no one@example.org"), PLAIN, {}, NOUSER, "no one@example.org: "),
        (("-i", "ada@example.org", "-f"), PLAIN, {}, NOUSER, "-f is no address"),
        (("-t",), b"Subject: a\nSubject: b\n" + PLAIN, {}, DATAERR, "Subject more than once"),
        (("-t",), PLAIN.replace(b"me@", b"you@"), {}, DATAERR, "From you@example.com: no"),
        (("-t",), CRON, {"EMAIL_SERVICE_FROM": ""}, CONFIG, "set EMAIL_SERVICE_FROM"),
        (("-t",), PLAIN, {"EMAIL_SERVICE_URL": ""}, CONFIG, "EMAIL_SERVICE_URL is not set"),
        (("-t",), PLAIN, {"EMAIL_SERVICE_URL": "mail"}, CONFIG, "must be an address"),
        (("-t",), PLAIN, {"EMAIL_SERVICE_TIMEOUT": "0"}, CONFIG, "must be 1 to 3600 seconds"),
        (("-t",), PLAIN, {"EMAIL_SERVICE_CONFIG": "/no/file", "EMAIL_SERVICE_LOCAL": ""}, CONFIG,
         "/no/file cannot be read"),
        (("-t",), PLAIN, {"EMAIL_SERVICE_KEY": "es_wrong"}, CONFIG, "refuses the API key"),
        (("-t",), PLAIN, {"EMAIL_SERVICE_KEY": ""}, CONFIG, "set EMAIL_SERVICE_KEY"),
    ],
)  # fmt: skip
def test_what_is_refused_has_the_exit_code_of_sendmail_and_a_reason(
    service: Running,
    arguments: tuple[str, ...],
    message: bytes,
    environ: dict[str, str],
    code: int,
    told: str,
) -> None:
    done = sendmail(service, *arguments, message=message, **environ)

    assert (done.returncode, done.stdout) == (code, b""), done.stderr
    assert done.stderr.decode().startswith("sendmail: ")
    assert told in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    key = environ.get("EMAIL_SERVICE_KEY") or service.key
    assert str(key).encode() not in done.stderr


def test_an_error_is_one_line_whatever_it_quotes(service: Running) -> None:
    done = sendmail(service, "-i", "no\x1b[31mone\nroot: fine@example.org")
    assert done.returncode == NOUSER
    assert done.stderr.startswith(b"sendmail: no?[31mone?root: fine@example.org: ")
    assert done.stderr.count(b"\n") == 1


def test_quiet_errors_are_in_the_exit_code_alone(service: Running) -> None:
    done = sendmail(service, "-oeq", "-i", "no one@example.org")
    assert (done.returncode, done.stderr) == (NOUSER, b"")


def test_a_quota_that_is_used_up_is_for_later(service: Running) -> None:
    made = service.run(
        "keys", "create", "--name", "few", "--scope", "send", "--daily-recipients", "1"
    )
    key = made.stdout.strip()
    assert key, made.stderr
    first, second = (
        sendmail(service, "-t", message=PLAIN, EMAIL_SERVICE_KEY=key) for _ in range(2)
    )

    assert (first.returncode, second.returncode) == (OK, TEMPFAIL), second.stderr
    assert b"Try it again later." in second.stderr


def test_the_command_needs_no_setting_of_the_service(service: Running) -> None:
    done = sendmail(service, "-t", FLASK_ENV="nonsense", DATABASE_URL="nonsense")
    assert (done.returncode, done.stderr) == (OK, b"")


def test_it_can_be_stopped_while_it_waits_for_a_message(service: Running) -> None:
    process = subprocess.Popen(
        [*COMMAND, "-t"], env=environ_of(service), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(PLAIN)
    process.stdin.flush()
    pipe = process.stdin.fileno()
    wait_until(lambda: fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)) == bytes(4))
    process.send_signal(signal.SIGINT)

    assert (process.wait(30), process.communicate()[1]) == (128 + signal.SIGINT, b"")


def test_without_standard_input_it_says_so(service: Running) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(COMMAND)} -t <&-"],
        env=environ_of(service), capture_output=True, timeout=90,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (DATAERR, b"sendmail: there is no standard input\n")


# -- the programs that call it ---------------------------------------------------------------------


def php(service: Running, folder: Path, code: str, **environ: str) -> str:
    program = folder / "program.php"
    program.write_text(f"<?php\n{code}\n")
    done = subprocess.run(
        [needs("php", "php-cli"), "-d", f"sendmail_path={the_program(folder)} -t -i", str(program)],
        env=environ_of(service, **environ),
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_php_sends_with_mail(service: Running, tmp_path: Path) -> None:
    code = """
    $to = 'ada@example.org';
    $more = ['From' => 'Shop <me@example.com>', 'Bcc' => 'secret@example.org',
             'Content-Type' => 'text/html; charset=utf-8'];
    var_dump(mail($to, 'PHP in HTML', '<p>' . str_repeat('Grüße ', 400) . '</p>', $more));
    var_dump(mail($to, 'PHP without From', "Zeile\r\nZeile\n"));
    var_dump(mail($to, 'PHP with -f', 'Text', '', '-fme@example.com'));
    $file = chunk_split(base64_encode(str_repeat('x', 100000)));
    var_dump(mail($to, 'PHP with a file', "--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        . "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n--b\r\nContent-Type: application/pdf\r\n"
        . "Content-Transfer-Encoding: base64\r\n"
        . "Content-Disposition: attachment; filename=\\"a.pdf\\"\r\n\r\n$file\r\n--b--\r\n",
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b"));
    var_dump(mail('no one@example.org', 'PHP to nobody', 'Text'));
    """
    assert php(service, tmp_path, code) == "bool(true)\n" * 4 + "bool(false)\n"

    [html] = arrived(service, "PHP in HTML")
    assert html.get_content() == f"<p>{'Grüße ' * 400}</p>\n"
    assert envelope(service, "PHP in HTML") == ["ada@example.org", "secret@example.org"]
    [plain] = arrived(service, "PHP without From")
    assert (plain["From"], plain.get_content()) == ("Shop <me@example.com>", "Zeile\nZeile\n\n")
    arrived(service, "PHP with -f")
    [mixed] = arrived(service, "PHP with a file")
    text, file = mixed.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(file, EmailMessage)
    assert text.get_content().strip() == "Grüße"
    assert (file.get_filename(), file.get_content()) == ("a.pdf", b"x" * 100000)


def test_php_hears_of_a_wrong_key(service: Running, tmp_path: Path) -> None:
    code = "var_dump(mail('ada@example.org', 'PHP with a wrong key', 'Text'));"
    assert php(service, tmp_path, code, EMAIL_SERVICE_KEY="es_wrong") == "bool(false)\n"


def test_git_sends_patches(service: Running, tmp_path: Path) -> None:
    git = needs("git", "git")
    environ = environ_of(service, GIT_CONFIG_NOSYSTEM="1")
    names = {"user.name": "Ada Löwe", "user.email": "me@example.com", "init.defaultBranch": "main"}
    settings = [word for name, value in names.items() for word in ("-c", f"{name}={value}")]

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [git, *settings, *arguments],
            cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=90,
        )  # fmt: skip

    run("init", "-q")
    (tmp_path / "file").write_text("Grüße\n" + "x" * 1200 + "\n")
    run("add", "file")
    run("commit", "-q", "-m", "Add a file")
    run("format-patch", "-q", "--root", "HEAD")
    sent = run(
        "send-email", f"--sendmail-cmd={the_program(tmp_path)}", "--to=ada@example.org",
        "--confirm=never", "--suppress-cc=all", "--8bit-encoding=UTF-8", "0001-Add-a-file.patch",
    )  # fmt: skip
    if "not a git command" in sent.stderr:
        missing("git send-email is not installed: apt-get install git-email")

    assert sent.returncode == 0, sent.stdout + sent.stderr
    [message] = arrived(service, "[PATCH] Add a file")
    assert message["From"] == "Ada Löwe <me@example.com>"
    assert f"+Grüße\n+{'x' * 1200}\n" in message.get_content()
    assert envelope(service, "[PATCH] Add a file") == ["ada@example.org"]


def test_mutt_sends_a_file(service: Running, tmp_path: Path) -> None:
    (tmp_path / "Übersicht.txt").write_bytes(b"12 EUR\n" * 20_000)
    rules = [f'set sendmail="{the_program(tmp_path)} -oem -oi"', "set from=me@example.com",
             'set realname="Ada Löwe"', "set copy=no", "set charset=utf-8"]  # fmt: skip
    (tmp_path / "muttrc").write_text("\n".join(rules))
    done = subprocess.run(
        [needs("mutt", "mutt"), "-F", "muttrc", "-s", "Mutt's Grüße", "-b", "secret@example.org",
         "-a", "Übersicht.txt", "--", "ada@example.org"],
        cwd=tmp_path, env=environ_of(service, LC_ALL="C.UTF-8"), input="Grüße\n",
        capture_output=True, text=True, timeout=90,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    [message] = arrived(service, "Mutt's Grüße")
    text, file = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(file, EmailMessage)
    assert (text.get_content(), file.get_filename()) == ("Grüße\n", "Übersicht.txt")
    assert envelope(service, "Mutt's Grüße") == ["ada@example.org", "secret@example.org"]


def test_mailx_sends_what_a_pipe_has(service: Running, tmp_path: Path) -> None:
    (tmp_path / "mailrc").write_text(f"set sendmail={the_program(tmp_path)}\n")
    done = subprocess.run(
        [needs("bsd-mailx", "bsd-mailx"), "-s", "From a pipe", "ada@example.org"],
        env=environ_of(service, MAILRC=str(tmp_path / "mailrc"), LC_ALL="C.UTF-8"),
        input="disk full: Größe\n", capture_output=True, text=True, timeout=90,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    [message] = arrived(service, "From a pipe")
    assert message["From"] == "Shop <me@example.com>"
    assert message.get_content() == "disk full: Größe\n"


# -- where the configuration is --------------------------------------------------------------------


def test_a_file_says_what_the_environment_does_not(service: Running, tmp_path: Path) -> None:
    file = tmp_path / "client.env"
    file.write_text(
        f"# for cron\nEMAIL_SERVICE_URL={service.url}/\nEMAIL_SERVICE_KEY='{service.key}'\n"
        "EMAIL_SERVICE_FROM=Other <me@example.com>\n"
    )
    done = sendmail(
        service, "ada@example.org", message=b"Subject: By a file\n\nHi\n",
        EMAIL_SERVICE_CONFIG=str(file), EMAIL_SERVICE_URL="", EMAIL_SERVICE_KEY="",
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (OK, b"")
    [message] = arrived(service, "By a file")
    assert message["From"] == "Shop <me@example.com>"


def test_a_link_with_the_name_of_sendmail_is_sendmail(service: Running, tmp_path: Path) -> None:
    link = tmp_path / "sendmail"
    link.symlink_to(Path(sys.executable).with_name("email-service"))
    done = subprocess.run(
        [str(link), "-t", "-i"], input=PLAIN.replace(b"Hi", b"By a link"),
        env=environ_of(service), capture_output=True, timeout=90,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (OK, b"")
    assert len(arrived(service, "By a link")) == 1


def test_it_is_begun_without_the_application_and_the_other_commands() -> None:
    code = (
        "import sys; sys.argv = ['sendmail', '--help']\n"
        "from entrypoints.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print({'click', 'attrs', 'application', 'domain', 'dotenv'} & {*sys.modules})"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1] == "set()"

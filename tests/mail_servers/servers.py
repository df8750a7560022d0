"""Real mail servers on free loopback ports, each in a folder of its own, ended by its process id.

A server may be reloaded, stopped and started, or killed with all its children in the middle of its
work. Where its mail ends up is read from outside: from files, or from the scripted server that it
relays to, which is never killed.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import trustme

from tests.faults.harness import Sink
from tests.mail_servers import parts
from tests.mail_servers.tokens import KEY, tokens_of
from tests.running import descendants_of, is_alive, quiet_ports, wait_until

USER: Final = "u1@example.test"
PASSWORD: Final = "s3cret pass"
CONF: Final = Path(__file__).parent / "conf"
PATIENCE_S: Final = 30.0

Taken = tuple[str, str]  # subject and recipient


class MailServer:
    """What all of them have in common. ``ports`` are by what is behind them."""

    name = ""
    keeps_its_mail = False
    ports_named: Sequence[str] = ("STARTTLS", "TLS")
    conf: Mapping[str, str] = {}
    programs: Mapping[str, str] = {}

    def __init__(self, root: Path, *, sink: Sink, certificates: Mapping[str, bytes]) -> None:
        self.root = root
        self.ports = dict(zip(self.ports_named, quiet_ports(len(self.ports_named)), strict=True))
        self._sink = sink
        self._process: subprocess.Popen[bytes] | None = None
        root.mkdir(mode=0o755)
        for name, octets in certificates.items():
            (root / name).write_bytes(octets)
            (root / name).chmod(0o644 if "key" not in name else 0o600)
        self.prepare()

    def prepare(self) -> None:
        """Make the folders and files."""
        for conf, path in self.conf.items():
            self.write(path, (CONF / conf).read_text("utf-8"))

    def command(self) -> Sequence[str]:
        """What runs in the foreground."""
        raise NotImplementedError

    def taken(self) -> list[Taken]:
        """What it took and did not lose."""
        return [(each.subject, name) for each in self._sink.taken() for name in each.rcpt]

    @classmethod
    def need(cls) -> None:
        """MissingRequirement, unless it can be run here."""
        parts.private_root()
        for name, package in cls.programs.items():
            parts.program(name, package=package)

    def refuse(self, name: str) -> None:
        """Have what it relays to refuse this recipient too."""
        self._sink.play({"stage": "rcpt", "answer": "550 5.1.1 unknown", "recipient": name})

    def start(self) -> None:
        """Start it, and wait until it greets."""
        with (self.root / "output").open("ab") as output:
            self._process = subprocess.Popen(
                list(self.command()),
                cwd=self.root,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )
        try:
            wait_until(self._listens, patience=PATIENCE_S)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{self.name} does not start: {self.told()}") from error

    def reload(self) -> None:
        """Reload the configuration."""
        self._signal(signal.SIGHUP)

    def stop(self) -> None:
        """Ask it to end."""
        pids = self._pids()
        self._signal(signal.SIGTERM)
        self._wait(pids)

    def kill(self) -> None:
        """End it and all its children at once."""
        self._signal(signal.SIGSTOP)  # or it forks one more, which keeps the port
        pids = self._pids()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._wait(pids)

    def restart_after(self, end: Callable[[], None]) -> None:
        """Ended by *end*, and started again."""
        end()
        self.start()

    def told(self) -> str:
        """The end of what it printed."""
        return (self.root / "output").read_text("utf-8", "replace")[:3000]

    def write(self, path: str, text: str) -> Path:
        """A file in its folder, with what it needs to know filled in."""
        known = {
            "ROOT": str(self.root),
            "NAME": self.root.parent.name,
            "SINK": str(self._sink.port),
            "PASSWORD": PASSWORD,
            "KEY": KEY.decode(),
            "EXIM": str(parts.KEPT / "exim/usr/sbin/exim4"),
            **{name: str(port) for name, port in self.ports.items()},
        }
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(re.sub(r"@([A-Z]+)@", lambda found: known[found[1]], text), "utf-8")
        return file

    def _pids(self) -> list[int]:
        if self._process is None:
            return []
        return [self._process.pid, *descendants_of(self._process.pid)]

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _wait(self, pids: Sequence[int]) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(PATIENCE_S)
        finally:
            for pid in pids:
                if is_alive(pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} ended: {self.told()}"
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5) as probe:
            probe.settimeout(5)
            return probe.recv(4).startswith(b"220")
        return False

    @property
    def _port(self) -> int:
        return next(iter(self.ports.values()))


class _OfFiles(MailServer):
    """One that leaves a file for every recipient."""

    keeps_its_mail = True
    programs = {"node": "nodejs", "npm": "npm"}  # noqa: RUF012

    def prepare(self) -> None:
        super().prepare()
        (self.root / "taken").mkdir()

    def taken(self) -> list[Taken]:
        return [_of_file(file) for file in (self.root / "taken").iterdir() if file.suffix == ""]


def _of_file(file: Path) -> Taken:
    text = file.read_text("utf-8", "replace")
    envelope, _, rest = text.partition("\n")
    subject = re.search(r"^Subject: (.*?)\r?$", rest, re.MULTILINE)
    return (subject[1] if subject else ""), envelope.removeprefix("X-Env: ").strip()


class Dovecot(MailServer):
    """Dovecot's submission service; it relays, and logs in for Postfix."""

    name = "Dovecot"
    ports_named = ("STARTTLS", "TLS", "AUTH")
    programs = {"dovecot": "dovecot-core dovecot-submissiond"}  # noqa: RUF012
    conf = {  # noqa: RUF012
        "dovecot.conf": "dovecot.conf",
        "dovecot-oauth2.conf": "oauth2.conf",
    }

    def prepare(self) -> None:
        super().prepare()
        self.write("users", f"{USER}:{{PLAIN}}{PASSWORD}::::::\n").chmod(0o644)
        self.write("keys/default/HS256/default", base64.b64encode(KEY).decode())
        (self.root / "mail").mkdir()
        shutil.chown(self.root / "mail", 65534, 65534)

    def command(self) -> Sequence[str]:
        dovecot = parts.program("dovecot", package="dovecot-core dovecot-submissiond")
        return (dovecot, "-F", "-c", str(self.root / "dovecot.conf"))


class Postfix(MailServer):
    """Postfix, logged in by a Dovecot of its own."""

    name = "Postfix"
    ports_named = (*("STARTTLS", "TLS", "OWNER", "RATE", "NARROW", "WRONGNAME", "HELO", "AUTH"),)
    programs = {"postfix": "postfix", "dovecot": "dovecot-core"}  # noqa: RUF012
    conf = {  # noqa: RUF012
        "postfix-main.cf": "etc/main.cf",
        "postfix-master.cf": "etc/master.cf",
    }

    def prepare(self) -> None:
        self._dovecot = Dovecot(
            self.root / "dovecot",
            sink=self._sink,
            certificates={
                name: (self.root / name).read_bytes() for name in ("cert.pem", "key.pem")
            },
        )
        self.ports["AUTH"] = self._dovecot.ports["AUTH"]
        super().prepare()
        self.write("etc/boxes", r"/^u[0-9]+@example\.test$/ ok" + "\n")
        for folder in ("spool", "data"):
            (self.root / folder).mkdir()
        shutil.chown(self.root / "data", "postfix")

    def command(self) -> Sequence[str]:
        postfix = parts.program("postfix", package="postfix")
        return (postfix, "-c", str(self.root / "etc"), "start-fg")

    def start(self) -> None:
        if self._dovecot._process is None:
            self._dovecot.start()
        super().start()

    def reload(self) -> None:
        self._postfix("reload")

    def stop(self) -> None:
        pids = self._pids()
        self._postfix("stop")
        self._wait(pids)

    def close(self) -> None:
        """End it with its Dovecot."""
        self._dovecot.kill()

    def _postfix(self, verb: str) -> None:
        postfix = parts.program("postfix", package="postfix")
        subprocess.run([postfix, "-c", str(self.root / "etc"), verb], capture_output=True)

    def told(self) -> str:
        log = self.root / "maillog"
        return super().told() + (log.read_text("utf-8")[-1500:] if log.exists() else "")


class _Mounted(MailServer):
    """One that is unpacked, not installed: it sees users and folders of its own."""

    packages: Sequence[str] = ()
    programs = {"apt-get": "apt", "dpkg": "dpkg", "unshare": "util-linux"}  # noqa: RUF012
    users: Sequence[str] = ()

    def prepare(self) -> None:
        self.unpacked = parts.debian(self.name.lower(), self.packages)
        super().prepare()
        etc = self.root / "etc"
        shutil.copytree("/etc", etc, symlinks=True, dirs_exist_ok=True, ignore=_unreadable)
        libraries = next((self.unpacked / "usr/lib").glob("*-linux-gnu"), self.unpacked)
        (etc / "ld.so.conf.d/00-unpacked.conf").write_text(f"{libraries}\n")
        for number, user in enumerate(self.users, 64001):
            with (etc / "passwd").open("a") as passwd:
                passwd.write(f"{user}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n")
            with (etc / "group").open("a") as group:
                group.write(f"{user}:x:{number}:\n")

    def mounted(self, mounts: Mapping[Path, str], *command: str) -> Sequence[str]:
        """The command, with folders of ours in the place of the machine's."""
        binds = [f"mount --bind '{ours}' '{theirs}'" for ours, theirs in mounts.items()]
        words = " ".join(f"'{word}'" for word in command)
        steps = ["mount --make-rprivate /", *binds, "ldconfig", f"exec {words}"]
        return ("unshare", "-m", "sh", "-c", " && ".join(steps))


def _unreadable(folder: str, names: list[str]) -> list[str]:
    """Sockets and the like; what is large is not needed either."""
    return [
        name
        for name in names
        if name in ("alternatives",)
        or not (Path(folder, name).is_file() or Path(folder, name).is_dir())
    ]


class Exim(_Mounted):
    """Exim: 12 messages a connection."""

    name = "Exim"
    packages = parts.EXIM
    users = ("Debian-exim",)
    ports_named = ("STARTTLS", "TLS", "SHORT")
    conf = {"exim.conf": "exim.conf"}  # noqa: RUF012

    def prepare(self) -> None:
        super().prepare()
        (self.root / "etc/exim4").mkdir(exist_ok=True)
        shutil.copy(self.root / "exim.conf", self.root / "etc/exim4/exim4.conf")
        # it can judge no token: it is told the digest of every message that logs in
        messages = (
            hashlib.sha256(f"user={USER}\1auth=Bearer {token}\1\1".encode()).hexdigest()
            for token in tokens_of(USER)
        )
        self.write("tokens", "".join(f"{digest}: yes\n" for digest in messages)).chmod(0o644)
        for folder in ("spool", "log"):
            (self.root / folder).mkdir()
            os.chown(self.root / folder, 64001, 64001)
        for name in ("cert.pem", "key.pem"):
            os.chown(self.root / name, 64001, 64001)

    def command(self) -> Sequence[str]:
        exim = str(self.unpacked / "usr/sbin/exim4")
        mounts = {self.root / "etc": "/etc", self.unpacked / "usr/sbin/exim4": exim}
        return self.mounted(mounts, exim, "-bdf", "-q2s")

    def told(self) -> str:
        logs = [file.read_text("utf-8", "replace") for file in (self.root / "log").glob("*")]
        return super().told() + "".join(log[-1500:] for log in logs)


class OpenSmtpd(_Mounted):
    """OpenSMTPD: 12 messages a connection.

    Debian 12's cannot do TLS with OpenSSL 3 ("missing private key") without a few lines that are
    loaded before it.
    """

    name = "OpenSMTPD"
    packages = parts.OPENSMTPD
    programs = {**_Mounted.programs, "cc": "gcc libc6-dev"}  # noqa: RUF012
    users = ("opensmtpd", "opensmtpq")
    conf = {"smtpd.conf": "smtpd.conf", "same-key.c": "same-key.c"}  # noqa: RUF012

    def prepare(self) -> None:
        super().prepare()
        self.write("boxes", "".join(f"u{n}@example.test\n" for n in range(1, 10)))
        self.write("logins", f"{USER}\t{hashed(PASSWORD)}\n").chmod(0o644)
        self._same_key = self.root / "same-key.so"
        compiled = ("-shared", "-fPIC", "-o", str(self._same_key), str(self.root / "same-key.c"))
        subprocess.run([parts.program("cc", package="gcc"), *compiled, "-ldl"], check=True)
        for folder, mode in (
            ("spool/smtpd", 0o711),
            ("lib/opensmtpd/empty", 0o711),
            ("run", 0o755),
        ):
            (self.root / folder).mkdir(parents=True)
            (self.root / folder).chmod(mode)

    def command(self) -> Sequence[str]:
        smtpd = str(self.unpacked / "usr/sbin/smtpd")
        mounts = {
            self.root / "etc": "/etc",
            self.root / "spool": "/var/spool",
            self.root / "lib": "/var/lib",
            self.root / "run": "/run",
            self.unpacked / "usr/libexec": "/usr/libexec",
        }
        first = f"LD_PRELOAD={self._same_key}"
        smtpd_conf = str(self.root / "smtpd.conf")
        return self.mounted(mounts, "env", first, smtpd, "-d", "-f", smtpd_conf)

    def reload(self) -> None:
        """It cannot: it is stopped and started."""
        self.restart_after(self.stop)


class Haraka(_OfFiles):
    """Haraka, which refuses what is written behind a dot."""

    name = "Haraka"
    conf = {"haraka-sink.js": "plugins/sink.js"}  # noqa: RUF012

    def prepare(self) -> None:
        super().prepare()
        self._modules = parts.npm() / "node_modules"
        both = ",".join(f"127.0.0.1:{port}" for port in self.ports.values())
        for name, text in {
            "plugins": "tls\nauth/flat_file\nsink\n",
            "smtp.ini": f"listen={both}\nsmtps_port=@TLS@\nnodes=0\n",
            "auth_flat_file.ini": "[core]\nmethods=PLAIN,LOGIN,CRAM-MD5\n[users]\n"
            f"{USER}=@PASSWORD@\n",
            "tls.ini": "key=key.pem\ncert=cert.pem\n",
            "me": "haraka.test\n",
            "loglevel": "WARN\n",
            "dhparams.pem": _dh_parameters(),
            "host_list": "example.test\n",
            "databytes": "2000000\n",
        }.items():
            self.write(f"config/{name}", text)
        # it has no defaults for what stands there
        shutil.copy(self._modules / "Haraka/config/connection.ini", self.root / "config")
        for name in ("cert.pem", "key.pem"):
            shutil.copy(self.root / name, self.root / "config" / f"tls_{name}")
            shutil.copy(self.root / name, self.root / "config" / name)

    def command(self) -> Sequence[str]:
        node = parts.program("node", package="nodejs")
        return (node, str(self._modules / "Haraka/bin/haraka"), "-c", str(self.root))

    def reload(self) -> None:
        """It cannot in one process: it is stopped and started."""
        self.restart_after(self.stop)


class SmtpServerOfNode(_OfFiles):
    """nodemailer's smtp-server, with one oddity a port."""

    name = "smtp-server"
    ports_named = (
        *("STARTTLS", "TLS", "LOGIN", "CRAM", "XOAUTH", "BARE", "SMALL", "HIDDEN"),
        *("IMPATIENT", "SINGLE", "UNWELCOME", "SENDER"),
    )
    conf = {"smtp-server.js": "server.js"}  # noqa: RUF012

    def prepare(self) -> None:
        super().prepare()
        (self.root / "node_modules").symlink_to(parts.npm() / "node_modules")

    def command(self) -> Sequence[str]:
        return (parts.program("node", package="nodejs"), str(self.root / "server.js"))

    def reload(self) -> None:
        """It cannot: it is stopped and started."""
        self.restart_after(self.stop)


ALL: Final[Sequence[type[MailServer]]] = (
    *(Postfix, Exim, OpenSmtpd, Dovecot, Haraka, SmtpServerOfNode),
)


class Certificates:
    """An authority of the tests, and what it signed: for this machine, and for another name."""

    def __init__(self) -> None:
        authority = trustme.CA()
        own = authority.issue_cert("localhost", "127.0.0.1")
        other = authority.issue_cert("elsewhere.test")
        self.authority = authority.cert_pem.bytes()
        self.files = {
            "cert.pem": own.cert_chain_pems[0].bytes(),
            "key.pem": own.private_key_pem.bytes(),
            "wcert.pem": other.cert_chain_pems[0].bytes(),
            "wkey.pem": other.private_key_pem.bytes(),
        }


@contextmanager
def running(
    kind: type[MailServer], certificates: Certificates, *, sink: Any = None
) -> Iterator[MailServer]:
    """One of them, in a folder that others may enter; it is killed at the end.

    *sink* is what it relays to, in place of one of its own: anything with a port.
    """
    kind.need()
    folder = Path(tempfile.mkdtemp(prefix="mail-server-", dir="/tmp"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        sink = sink or stack.enter_context(Sink(folder))
        server = kind(folder / "root", sink=sink, certificates=certificates.files)
        stack.callback(server.kill)
        if isinstance(server, Postfix):
            stack.callback(server.close)
        server.start()
        yield server


def as_json(server: MailServer) -> str:
    """For a person who wants to look at it while it runs."""
    return json.dumps({"server": server.name, "root": str(server.root), "ports": server.ports})


def wait_for(seconds: float) -> None:
    """Let a server live for a while between two faults."""
    time.sleep(seconds)


def hashed(password: str) -> str:
    """As crypt(3) does it."""
    made = ["openssl", "passwd", "-6", password]
    return subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()


def _dh_parameters() -> str:
    """Those of RFC 7919: Haraka looks for its own at its first start, for a minute."""
    group = ("-algorithm", "DH", "-pkeyopt", "group:ffdhe2048")
    made = subprocess.run(
        ["openssl", "genpkey", "-genparam", *group], capture_output=True, text=True, check=True
    )
    return made.stdout

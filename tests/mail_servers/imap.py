"""IMAP servers with one mailbox, and Dovecot among them."""

import base64
import imaplib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from adapters.imap_reader import ImapReader
from adapters.name_resolver import NameResolver
from tests.faults.requirements import MissingRequirement
from tests.mail_servers import parts
from tests.mail_servers.servers import CONF, Certificates
from tests.mail_servers.tokens import KEY
from tests.running import descendants_of, is_alive, quiet_ports, wait_until

USER: Final = "bounces@example.test"
PASSWORD: Final = "secret-of-the-inbox"
MAIL_UID: Final = 65534  # nobody
_CONF: Final = """
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
instance_name = imap-{port}
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{root}/cert.pem
ssl_key = <{root}/key.pem
disable_plaintext_auth = yes
auth_mechanisms = plain login xoauth2
auth_failure_delay = 1 secs
mail_location = maildir:{root}/mail
mail_uid = 65534
mail_gid = 65534
first_valid_uid = 100
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {root}/oauth2.conf
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={root}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {starttls}
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
"""


class ImapServer:
    """One that runs; what all of them have in common."""

    name = ""

    def __init__(self, root: Path, certificates: Certificates) -> None:
        self.root = root
        self.port, self.starttls, self.spare = quiet_ports(3)
        self.authority = root / "ca.pem"
        self.authority.write_bytes(certificates.authority)
        for name in ("cert.pem", "key.pem"):
            (root / name).write_bytes(certificates.files[name])
        self._process: subprocess.Popen[bytes] | None = None
        self.prepare()

    @classmethod
    def need(cls) -> None:
        """MissingRequirement, unless it can be run here."""

    def prepare(self) -> None:
        """Make the folders and files."""
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        """What runs in the foreground."""
        raise NotImplementedError

    def environ(self) -> Mapping[str, str]:
        """What it runs with."""
        return os.environ

    def deliver(self, octets: bytes, *, at: datetime | None = None) -> None:
        """Put a message into the mailbox; *at* is when it came."""
        raise NotImplementedError

    def number_anew(self) -> None:
        """Give the mailbox another UIDVALIDITY, while the server is stopped."""
        raise NotImplementedError

    def start(self) -> None:
        """Until it greets."""
        with (self.root / "output").open("ab") as output:
            self._process = subprocess.Popen(
                list(self.command()),
                env=dict(self.environ()),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            wait_until(self._greets, patience=30)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{self.name} does not start: {self.told()}") from error

    def stop(self) -> None:
        """End it, and the sessions that would outlive it."""
        if self._process is None:
            return
        pids = descendants_of(self._process.pid)  # some leave the group
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for pid in pids:
            if is_alive(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def told(self) -> str:
        """The end of what it printed."""
        return (self.root / "output").read_text("utf-8", "replace")[-3000:]

    def client(self) -> imaplib.IMAP4_SSL:
        """A client of the tests' own, logged in."""
        context = ssl.create_default_context(cafile=str(self.authority))
        client = imaplib.IMAP4_SSL("localhost", self.port, ssl_context=context, timeout=30)
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.login(USER, PASSWORD)
        return client

    def flags(self) -> dict[int, frozenset[str]]:
        """Those of each message, by its UID; looking changes none, not even \\Recent."""
        with self.client() as client:
            client.select("INBOX", readonly=True)
            _, lines = client.uid("FETCH", "1:*", "(UID FLAGS)")
        found = {}
        for line in lines:
            if isinstance(line, bytes) and (uid := re.search(rb"UID (\d+)", line)):
                found[int(uid[1])] = frozenset(flag.decode() for flag in imaplib.ParseFlags(line))
        return found

    def _greets(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} ended: {self.told()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
            with socket.create_connection(("127.0.0.1", self.starttls), 5) as probe:
                probe.settimeout(5)
                return probe.recv(4).startswith(b"* OK")
        except OSError:
            return False


class MaildirServer(ImapServer):
    """One with a mailbox whose messages are files: `deliver` is what an MTA here does."""

    numbers: Sequence[str] = ()  # the files in which it keeps those of the messages

    def prepare(self) -> None:
        """The mailbox."""
        for folder in ("cur", "new", "tmp"):
            (self.root / "mail" / folder).mkdir(parents=True)
        for folder in (self.root / "mail", *(self.root / "mail").iterdir()):
            shutil.chown(folder, MAIL_UID, MAIL_UID)
        self._number = 0

    def deliver(self, octets: bytes, *, at: datetime | None = None) -> None:
        """A file in Maildir's way."""
        self._number += 1
        name = f"{time.time_ns()}.{self._number:08}.test"
        tmp = self.root / "mail" / "tmp" / name
        tmp.write_bytes(octets)
        shutil.chown(tmp, MAIL_UID, MAIL_UID)
        if at is not None:
            os.utime(tmp, (at.timestamp(), at.timestamp()))
        tmp.rename(self.root / "mail" / "new" / name)

    def number_anew(self) -> None:
        """Its numbers are lost."""
        for pattern in self.numbers:
            for path in (self.root / "mail").glob(pattern):
                path.unlink()


class DovecotImap(MaildirServer):
    """Dovecot."""

    name = "Dovecot"
    numbers = ("dovecot-uidlist", "dovecot.index*", "dovecot-uidvalidity*")

    @classmethod
    def need(cls) -> None:
        parts.program("dovecot", package="dovecot-core dovecot-imapd")
        if not Path("/usr/lib/dovecot/imap").exists():
            raise MissingRequirement("dovecot-imapd is not installed")

    def prepare(self) -> None:
        super().prepare()
        text = _CONF.format(
            root=self.root, port=self.port, starttls=self.starttls, password=PASSWORD
        )
        (self.root / "dovecot.conf").write_text(text)
        keys = self.root / "keys/default/HS256"
        keys.mkdir(parents=True)
        (keys / "default").write_text(base64.b64encode(KEY).decode())
        (self.root / "oauth2.conf").write_text(
            (CONF / "dovecot-oauth2.conf").read_text().replace("@ROOT@", str(self.root))
        )

    def command(self) -> Sequence[str]:
        dovecot = parts.program("dovecot", package="dovecot-core dovecot-imapd")
        return (dovecot, "-F", "-c", str(self.root / "dovecot.conf"))

    def told(self) -> str:
        log = self.root / "log"
        return super().told() + (log.read_text("utf-8", "replace")[-3000:] if log.exists() else "")


@contextmanager
def imap_server(
    kind: type[ImapServer] = DovecotImap, certificates: Certificates | None = None
) -> Iterator[ImapServer]:
    """One in a folder of its own; MissingRequirement."""
    kind.need()
    folder = Path(tempfile.mkdtemp(prefix="imap-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        server = kind(folder, certificates or Certificates())
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def a_reader(authority: Path, port: int) -> ImapReader:
    """What reads it: it trusts *authority*, and *port* is TLS from the first byte."""

    def context() -> ssl.SSLContext:
        made = ssl.create_default_context()
        made.load_verify_locations(authority)
        return made

    return ImapReader(
        resolver=NameResolver(allow=lambda _: True),
        ssl_context=context,
        tls_ports=frozenset({port}),
    )

"""Cyrus IMAP: strict, and with its own idea of a mailbox.

Debian's package excludes Dovecot's, so its archives are unpacked and not installed. It needs no
root: it runs as nobody where root starts it, and else as whoever does.
"""

import imaplib
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from adapters.clock import SystemClock
from tests.faults.requirements import MissingRequirement
from tests.mail_servers import parts
from tests.mail_servers.imap import PASSWORD, USER, ImapServer
from tests.running import wait_until

_IMAPD: Final = """
configdirectory: {root}/conf
proc_path: {root}/run/proc
mboxname_lockpath: {root}/run/lock
defaultpartition: default
partition-default: {root}/mail
sievedir: {root}/sieve
cyrus_user: {user}
unixhierarchysep: yes
altnamespace: yes
virtdomains: userid
defaultdomain: internal
autocreate_quota: 1000000
allowplaintext: no
sasl_mech_list: PLAIN LOGIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {root}/sasldb2
tls_server_cert: {root}/cert.pem
tls_server_key: {root}/key.pem
"""
_MASTER: Final = """
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {root}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{bin}/imapd -C {root}/imapd.conf" listen="127.0.0.1:{starttls}" prefork=0
  imaps cmd="{bin}/imapd -C {root}/imapd.conf -s" listen="127.0.0.1:{port}" prefork=0
  lmtp cmd="{bin}/lmtpd -C {root}/imapd.conf -a" listen="127.0.0.1:{lmtp}" prefork=0
}}
EVENTS {{
}}
"""


class CyrusImap(ImapServer):
    """Cyrus; an MTA delivers to its port *lmtp*, once the mailbox is there."""

    name = "Cyrus"

    @classmethod
    def need(cls) -> None:
        if not any(Path("/usr/lib").glob("*-linux-gnu/sasl2/libplain.so")):
            raise MissingRequirement("libsasl2-modules is not installed")
        parts.debian("cyrus", parts.CYRUS)

    def prepare(self) -> None:
        self._unpacked = parts.debian("cyrus", parts.CYRUS)
        self._client: imaplib.IMAP4_SSL | None = None
        self.lmtp = self.spare
        owner = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        known = {
            "root": self.root,
            "bin": self._bin,
            "user": owner,
            **{name: getattr(self, name) for name in ("port", "starttls", "lmtp")},
        }
        (self.root / "imapd.conf").write_text(_IMAPD.format(**known))
        (self.root / "cyrus.conf").write_text(_MASTER.format(**known))
        for folder in ("conf/db", "conf/socket", "conf/log", "conf/msg", "mail", "run", "sieve"):
            (self.root / folder).mkdir(parents=True)
        name, _, domain = USER.partition("@")
        made = ("-f", str(self.root / "sasldb2"), "-p", "-c", "-u", domain, name)
        self._run(self._unpacked / "usr/sbin/saslpasswd2", *made, told=PASSWORD)
        for path in (self.root, *self.root.rglob("*")):
            shutil.chown(path, owner)

    def command(self) -> Sequence[str]:
        files = ("-C", str(self.root / "imapd.conf"), "-M", str(self.root / "cyrus.conf"))
        return (str(self._bin / "master"), "-D", "-p", str(self.root / "run/master.pid"), *files)

    def environ(self) -> Mapping[str, str]:
        folders = [
            str(folder)
            for place in ("usr/lib", "lib")
            for folder in (self._unpacked / place).glob("*-linux-gnu")
        ]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}

    def start(self) -> None:
        """And make the mailbox, at the first login."""
        super().start()
        self._client = self.client()

    def stop(self) -> None:
        """And forget the client of `deliver`."""
        super().stop()
        if self._client is not None:
            self._client.shutdown()
            self._client = None

    def deliver(self, octets: bytes, *, at: datetime | None = None) -> None:
        """By APPEND. It takes no message without an octet, or with a NUL."""
        assert self._client is not None
        status, said = self._client.append("INBOX", "", at or SystemClock().now(), octets)
        assert status == "OK", said

    def number_anew(self) -> None:
        """Its index is lost, and made anew from the messages; its UIDVALIDITY is then the time."""
        clock = SystemClock()
        began = clock.now()
        for index in (self.root / "mail").rglob("cyrus.index"):
            index.unlink()
        wait_until(lambda: clock.now() >= began + timedelta(seconds=1))
        self._run(self._bin / "reconstruct", "-C", str(self.root / "imapd.conf"), f"user/{USER}")

    @property
    def _bin(self) -> Path:
        return self._unpacked / "usr/lib/cyrus/bin"

    def _run(self, program: Path, *arguments: str, told: str = "") -> None:
        ran = subprocess.run(
            [str(program), *arguments],
            env=dict(self.environ()),
            input=told,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr

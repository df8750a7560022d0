"""Courier-IMAP: it names no UIDNEXT, and offers no SASL but asks for LOGIN.

Debian's package excludes Dovecot's, so its archives are unpacked and not installed. It looks for
its files in fixed places, so it is given mounts of its own, which takes root.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.faults.requirements import MissingRequirement
from tests.mail_servers import parts
from tests.mail_servers.imap import MAIL_UID, PASSWORD, USER, MaildirServer
from tests.mail_servers.servers import hashed

_COURIER: Final = 64005  # its TLS is spoken by a user of its own
_ENVIRON: Final = {
    "IMAP_CAPABILITY": "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE SORT QUOTA IDLE",
    "IMAP_STARTTLS": "YES",
    "IMAP_TLS_REQUIRED": "0",  # where TLS was there from the first byte it asks for more
    "IMAP_USELOCKS": "0",
    "IMAP_ENHANCEDIDLE": "0",
    "IMAP_UMASK": "022",
    "COURIERTLS": "/usr/bin/couriertls",
    "TLS_VERIFYPEER": "NONE",
    "MAILDIRPATH": "mail",
}
_OVERLAY: Final = """
mount --make-rprivate /
mount -t overlay overlay -o lowerdir={unpacked}/usr:/usr /usr
"""
_COMMAND: Final = (
    _OVERLAY
    + """mount --bind {root}/etc /etc
mount --bind {root}/run /run
makeuserdb
/usr/lib/courier/courier-authlib/authdaemond &
login="/usr/lib/courier/courier/imaplogin /usr/bin/imapd mail"
serve="couriertcpd -address=127.0.0.1 -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup"
$serve {starttls} $login &
export IMAP_TLS=1
exec $serve {port} /usr/bin/couriertls -server -tcpd $login
"""
)


class CourierImap(MaildirServer):
    """Courier-IMAP."""

    name = "Courier"
    numbers = ("courierimapuiddb",)

    @classmethod
    def need(cls) -> None:
        parts.private_root()
        tried = _OVERLAY.format(unpacked=parts.debian("courier", parts.COURIER))
        if subprocess.run(["unshare", "-m", "sh", "-ec", tried], capture_output=True).returncode:
            raise MissingRequirement("Courier needs an overlay of /usr, which cannot be mounted")

    def prepare(self) -> None:
        super().prepare()
        self._unpacked = parts.debian("courier", parts.COURIER)
        etc = self.root / "etc"
        shutil.copytree("/etc", etc, symlinks=True, ignore=_special)
        entry = f"courier:x:{_COURIER}:"
        more = {"passwd": f"{entry}{_COURIER}::/nonexistent:/usr/sbin/nologin", "group": entry}
        for name, line in more.items():
            with (etc / name).open("a") as file:
                file.write(f"{line}\n")
        courier = etc / "courier"
        courier.mkdir()
        (courier / "authdaemonrc").write_text(
            'authmodulelist="authuserdb"\nauthmodulelistorig="authuserdb"\ndaemons=5\n'
            "authdaemonvar=/run/courier/authdaemon\nDEBUG_LOGIN=0\n"
        )
        fields = f"uid={MAIL_UID}|gid={MAIL_UID}|home={self.root}|imappw={hashed(PASSWORD)}"
        (courier / "userdb").write_text(f"{USER}\t{fields}\n")
        (courier / "userdb").chmod(0o600)
        pem = (self.root / name for name in ("key.pem", "cert.pem"))
        (self.root / "imapd.pem").write_bytes(b"".join(part.read_bytes() for part in pem))
        (self.root / "run/courier/authdaemon").mkdir(parents=True)

    def command(self) -> Sequence[str]:
        known = {"unpacked": self._unpacked, "root": self.root}
        text = _COMMAND.format(**known, port=self.port, starttls=self.starttls)
        return ("unshare", "-m", "sh", "-ec", text)

    def environ(self) -> Mapping[str, str]:
        libraries = ":".join(map(str, (self._unpacked / "lib").glob("*-linux-gnu")))
        certificate = str(self.root / "imapd.pem")
        mine = {"LD_LIBRARY_PATH": libraries, "TLS_CERTFILE": certificate}
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        return {**os.environ, **_ENVIRON, **mine, "PATH": path}


def _special(folder: str, names: list[str]) -> list[str]:
    """What is no file, folder or link; and folders of Courier's own."""
    kinds = {name: Path(folder, name) for name in names}
    return [
        name
        for name, path in kinds.items()
        if name == "courier" or not (path.is_symlink() or path.is_file() or path.is_dir())
    ]

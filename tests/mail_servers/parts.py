"""Where the programs of the mail servers come from: what is installed, Debian's archive, npm.

Postfix and Dovecot are installed as packages. Exim and OpenSMTPD exclude Postfix, Cyrus and Courier
exclude Dovecot, so theirs are downloaded and unpacked into a folder; Haraka and smtp-server are
installed from the lock file beside this one. All of it is kept under ``build/mail-servers`` for the
next run.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.faults.requirements import MissingRequirement
from tests.running import ROOT

KEPT: Final = ROOT / "build" / "mail-servers"
HERE: Final = Path(__file__).parent
EXIM: Final = ("exim4-base", "exim4-daemon-light", "libidn12", "libgnutls-dane0", "libnsl2")
OPENSMTPD: Final = ("opensmtpd", "libevent-2.1-7")
CYRUS: Final = (
    *("cyrus-common", "cyrus-imapd", "sasl2-bin", "libclamav12", "libmspack0", "libical3"),
    *("libjansson4", "libldap-2.5-0", "libpcre3", "libpq5", "libxapian30", "libxml2", "libzephyr4"),
)
COURIER: Final = (
    *("courier-imap", "courier-base", "courier-authlib", "courier-authdaemon"),
    *("courier-authlib-userdb", "libcourier-unicode4", "libgamin0", "libidn12", "libltdl7"),
    *("libpcre3", "libgnutls-dane0"),
)
_LOOK_IN: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def program(name: str, *, package: str) -> str:
    """An installed program. MissingRequirement says how to get it."""
    found = shutil.which(name, path=_LOOK_IN)
    if found is None:
        raise MissingRequirement(f"{name} is needed: apt-get install {package}")
    return found


def private_root() -> None:
    """MissingRequirement, unless this user may give a process mounts of its own."""
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        raise MissingRequirement(
            "real mail servers need root, and unshare -m: in a container add --cap-add SYS_ADMIN"
        )


def debian(name: str, packages: Sequence[str]) -> Path:
    """A folder with the unpacked *packages*, as if it were the root."""
    folder = KEPT / name
    with _alone():
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _run("apt-get", "download", *packages, cwd=folder)
            for archive in folder.glob("*.deb"):
                _run("dpkg", "-x", str(archive), str(folder), cwd=folder)
                archive.unlink()
            (folder / ".complete").touch()
    return folder


def npm() -> Path:
    """The folder with ``node_modules``."""
    program("node", package="nodejs npm")
    folder = KEPT / "npm"
    lock = (HERE / "package-lock.json").read_bytes()
    with _alone():
        done = folder / ".complete"
        if not done.exists() or done.read_bytes() != lock:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder)
            options = ("--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
            _run("npm", "ci", *options, cwd=folder)
            done.write_bytes(lock)
    return folder


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time fetches."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str, cwd: Path) -> None:
    try:
        ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingRequirement(f"{' '.join(command[:2])}: {error}") from error
    if ran.returncode:
        told = (ran.stderr or ran.stdout).strip().splitlines()[-1:]
        raise MissingRequirement(f"{' '.join(command[:2])} failed: {''.join(told)[:200]}")

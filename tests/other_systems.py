"""Programs that run as on a system with less: what Windows or macOS lack is taken away.

It is taken away in the program's own process before the program begins (as `sitecustomize`, see
`environment`). The standard library's own modules are loaded first: on those systems they are other
ones. The packages of the extras are hidden too, for `requirements/run.txt` has none of them. What
cannot be shown so is how those systems behave: whether a file that is open can be removed, say.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.running import ROOT

# Of `os`, `select`, `signal` and `socket`, by the availability that Python's documentation
# gives. A name that the Python at hand does not have is passed over; a star stands for any letters.
MACOS: Final[Mapping[str, Sequence[str]]] = {
    "os": (
        *("posix_fallocate", "posix_fadvise", "sched_*", "SCHED_*", "getrandom", "memfd_create"),
        *("eventfd*", "pidfd_open", "pipe2", "O_TMPFILE", "O_PATH", "O_DIRECT", "copy_file_range"),
        *("getresuid", "getresgid", "splice", "*xattr", "unshare", "setns", "fdatasync"),
    ),
    "select": ("epoll", "EPOLL*"),
    "signal": ("SIGRT*", "SIGPWR", "SIGSTKFLT", "SIGPOLL", "sigtimedwait", "sigwaitinfo"),
    "socket": (
        *("MSG_MORE", "SOCK_CLOEXEC", "SOCK_NONBLOCK", "SO_BINDTODEVICE", "AF_VSOCK"),
        "AF_NETLINK",
    ),
    "modules": (),
}
WINDOWS: Final[Mapping[str, Sequence[str]]] = {
    "os": (
        *MACOS["os"],
        *("fork*", "getuid", "geteuid", "getgid", "getegid", "getgroups", "setuid", "setgid"),
        *("getpgid", "getpgrp", "getsid", "setsid", "setpgid", "killpg", "nice", "getpriority"),
        *("getloadavg", "sysconf*", "confstr*", "uname", "chown", "fchown", "lchown", "chroot"),
        *("fchmod", "lockf", "F_LOCK", "F_TLOCK", "F_ULOCK", "mkfifo", "mknod", "pread*"),
        "pwrite*",
        *("readv", "writev", "sendfile", "wait", "wait3", "wait4", "waitid"),
        *("openpty", "ttyname", "sync", "pathconf*", "fpathconf", "ctermid"),
        *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC", "O_DSYNC", "O_NOCTTY"),
        *("register_at_fork", "posix_spawn*", "WNOHANG", "WUNTRACED"),
    ),
    "select": ("poll", "epoll", "POLL*", "EPOLL*"),
    "signal": (
        *MACOS["signal"],
        *("SIGHUP", "SIGQUIT", "SIGKILL", "SIGUSR*", "SIGCHLD", "SIGCLD", "SIGALRM", "SIGPIPE"),
        *("SIGSTOP", "SIGTSTP", "SIGCONT", "SIGWINCH", "alarm", "setitimer", "pthread_*"),
        *("siginterrupt", "sigpending", "sigwait", "pause"),
    ),
    "socket": (
        *MACOS["socket"],
        *("EAI_ADDRFAMILY", "EAI_SYSTEM", "EAI_OVERFLOW", "MSG_DONTWAIT", "MSG_NOSIGNAL"),
        *("SO_REUSEPORT", "sethostname", "CMSG_*"),
    ),
    "modules": ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"),
}

_EXTRAS = ("psycopg", "psycopg_binary", "celery", "kombu", "redis", "gunicorn")

_SITE = """
import fnmatch, importlib, sys

# what the standard library itself stands on here
import asyncio, concurrent.futures.thread, ctypes, getpass, http.server, logging.handlers, mimetypes
import multiprocessing, multiprocessing.pool, platform, random, selectors, shutil, smtplib
import socketserver, ssl, subprocess, tempfile, urllib.request, uuid, webbrowser, zoneinfo

LACKS = {lacks!r}

has_poll = "poll" not in LACKS["select"]
selectors.DefaultSelector = selectors.PollSelector if has_poll else selectors.SelectSelector
for module in ("os", "select", "signal", "socket"):
    loaded = importlib.import_module(module)
    for pattern in LACKS[module]:
        for name in fnmatch.filter(list(vars(loaded)), pattern):
            delattr(loaded, name)


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in LACKS["modules"]:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


for name in LACKS["modules"]:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
"""


def environment(folder: Path, lacks: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The variables with which Python runs as on that system; *folder* is the test's own."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        _SITE.format(lacks={**lacks, "modules": (*lacks["modules"], *_EXTRAS)})
    )
    return {"PYTHONPATH": f"{site}:{ROOT}"}

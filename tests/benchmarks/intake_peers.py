"""What Postfix and Haraka reach at submission by SMTP: each message durable before its 250.

Both get what `intake` sends to ours: the same client, messages of 10 KB, 8 connections, in clear,
nothing delivered meanwhile. Run them together, so that a slow minute slows all of them:

    python -m tests.benchmarks intake intake-peers

What they do less of: nobody logs in, From is not looked at, and nothing is recognised as sent
again.

- Postfix puts every message on hold, so its queue manager has nothing to do. Its cleanup calls
  fsync for each message before it answers.
- Haraka stores the message in its queue for outbound mail, with fsync, and delivers nothing
  (``disabled`` in outbound.ini). It runs as one process, as ours does.

Postfix needs root, and Haraka npm. Where one cannot be run, its figures are not there, and a line
says why.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.benchmarks.peers import NotHere, not_here
from tests.benchmarks.submission import CONNECTIONS, Connection, submitted
from tests.faults.requirements import MissingRequirement
from tests.mail_servers import parts
from tests.running import descendants_of, quiet_port, wait_until

RATE: Final = "submission by SMTP to {}"
P99: Final = "submission by SMTP to {}, p99 of a message"
POSTFIX, HARAKA = "Postfix", "Haraka"
# the port of a server that runs in a folder, and where it has put what it took
Starter: TypeAlias = Callable[[Path], AbstractContextManager[tuple[int, Path]]]
_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
multi_instance_name = postfix-benchmark
multi_instance_enable = yes
myhostname = mail.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
smtpd_client_event_limit_exceptions = static:all
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = static:hold
maillog_file = {root}/maillog
maillog_file_prefixes = {root}
"""
_MASTER: Final = """\
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""
# it relays for everybody here, and asks no resolver
_PLUGIN: Final = """\
exports.hook_connect = (next, connection) => { connection.relaying = true; next(); };
exports.hook_lookup_rdns = (next) => setImmediate(() => next(OK, 'localhost'));
exports.hook_mail = exports.hook_rcpt = (next) => next(OK);
"""


def intake_peers(scene: Scene) -> Reached:
    """One after the other, in the same run."""
    return {**_measured(scene, POSTFIX, _postfix), **_measured(scene, HARAKA, _haraka)}


def _measured(scene: Scene, name: str, start: Starter) -> Reached:
    try:
        with start(scene.folder) as (port, stored):
            return _reached(scene, name, port, stored)
    except (MissingRequirement, NotHere) as why:
        return not_here(NotHere(f"{name}: {why}"))


def _reached(scene: Scene, name: str, port: int, stored: Path) -> Reached:
    number, first = scene.size(6000, 60), scene.size(300, 10)
    submitted(_all_connected(port), first)
    connections = _all_connected(port)
    begun = time.perf_counter()
    took = submitted(connections, number)
    lasted = time.perf_counter() - begun
    for connection in connections:
        connection.socket.close()
    there = sum(len(files) for _, _, files in os.walk(stored))
    assert there >= number + first, f"{name} has stored {there}"
    return {RATE.format(name): number / lasted, P99.format(name): percentile(took, 0.99) * 1000}


def _all_connected(port: int) -> Sequence[Connection]:
    return [Connection(port) for _ in range(CONNECTIONS)]


@contextmanager
def _postfix(folder: Path) -> Iterator[tuple[int, Path]]:
    parts.private_root()
    program, root, port = (
        parts.program("postfix", package="postfix"),
        folder / POSTFIX,
        quiet_port(),
    )
    for name in ("etc", "spool", "data"):
        (root / name).mkdir(parents=True)
    for parent in (root, *root.parents):
        if parent.stat().st_uid == os.getuid() and parent.is_relative_to("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)
    shutil.chown(root / "data", "postfix")
    (root / "etc/main.cf").write_text(_MAIN.format(root=root))
    (root / "etc/master.cf").write_text(_MASTER.format(port=port))
    with _running((program, "-c", str(root / "etc"), "start-fg"), root, port):
        yield port, root / "spool/hold"


@contextmanager
def _haraka(folder: Path) -> Iterator[tuple[int, Path]]:
    modules, root, port = parts.npm() / "node_modules", folder / HARAKA, quiet_port()
    for name in ("config", "plugins", "queue"):
        (root / name).mkdir(parents=True)
    for name, text in {
        "config/plugins": "intake\n",
        "config/smtp.ini": f"listen=127.0.0.1:{port}\nnodes=0\n",
        "config/outbound.ini": "disabled=true\n",
        "config/me": "mail.test\n",
        "config/loglevel": "WARN\n",
        "plugins/intake.js": _PLUGIN,
    }.items():
        (root / name).write_text(text)
    shutil.copy(modules / "Haraka/config/connection.ini", root / "config")
    node = parts.program("node", package="nodejs npm")
    with _running((node, str(modules / "Haraka/bin/haraka"), "-c", str(root)), root, port):
        yield port, root / "queue"


@contextmanager
def _running(command: Sequence[str], root: Path, port: int) -> Iterator[None]:
    """*command*, once it greets; it and all its children are ended at the end."""
    with (root / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=root, stdout=output, stderr=output)
    try:
        try:
            wait_until(lambda: process.poll() is not None or _greets(port), patience=30)
        except AssertionError as error:
            raise NotHere(_end(root)) from error
        if process.poll() is not None:
            raise NotHere(_end(root))
        yield
    finally:
        for pid in (process.pid, *descendants_of(process.pid)):
            _kill(pid)
        process.wait()


def _greets(port: int) -> bool:
    try:
        Connection(port).socket.close()
    except OSError:
        return False
    return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _end(root: Path) -> str:
    return (root / "output").read_text("utf-8", "replace")[-500:]


BENCHMARKS: Final = (
    Benchmark(
        name="intake-peers",
        about="the messages of intake, to Postfix and to Haraka",
        figures=tuple(
            Figure(name=form.format(name), unit=unit)
            for name in (POSTFIX, HARAKA)
            for form, unit in ((RATE, "/s"), (P99, "ms"))
        ),
        run=intake_peers,
        optional=True,
    ),
)

"""What some experiments need of the machine; each names in one line how to get it.

They are tried, not looked up: a container may have the program and not the right to use it.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import NoPostgres, any_server, private_server

_LIBRARIES = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/faketime/libfaketimeMT.so.1"),
)


class MissingRequirement(Exception):
    """Something that an experiment needs is not there; the message names how to get it."""


def libfaketime() -> Path:
    """The library that lies to a process about the wall clock."""
    given = os.environ.get("LIBFAKETIME")
    for library in ([Path(given)] if given else []) + list(_LIBRARIES):
        if library.exists():
            return library
    raise MissingRequirement(
        "libfaketime is needed: apt-get install libfaketime (or name the library in LIBFAKETIME)"
    )


def strace() -> str:
    """The program that records a process's system calls."""
    program = shutil.which("strace")
    if program is None:
        raise MissingRequirement("strace is needed: apt-get install strace")
    tried = subprocess.run([program, "-o", "/dev/null", "true"], capture_output=True, text=True)
    if tried.returncode:
        raise MissingRequirement(
            "strace may not trace here: in a container add --cap-add SYS_PTRACE "
            f"({tried.stderr.strip()[:100]})"
        )
    return program


def redis_server() -> str:
    """The program, to start a broker that may be killed."""
    program = shutil.which("redis-server")
    if program is None:
        raise MissingRequirement("redis-server is needed: apt-get install redis-server")
    return program


def rabbitmq_server() -> str:
    """The program, to start a node that may be killed."""
    program = shutil.which("rabbitmq-server")
    if program is None:
        raise MissingRequirement("rabbitmq-server is needed: apt-get install rabbitmq-server")
    # what stands in the PATH may be a wrapper that runs it as the machine's own node
    return str(Path(program).resolve().with_name("rabbitmq-server"))


def postgres() -> None:
    """A PostgreSQL server to make databases on."""
    try:
        with any_server():
            pass
    except NoPostgres as missing:
        raise MissingRequirement(str(missing)) from missing


def postgres_of_our_own() -> None:
    """The binaries of PostgreSQL, to start a server that may be crashed."""
    try:
        with private_server():
            pass
    except NoPostgres as missing:
        raise MissingRequirement(str(missing)) from missing


def small_disks() -> None:
    """The right to mount a tmpfs."""
    with tempfile.TemporaryDirectory() as folder, small_disk(Path(folder), megabytes=1):
        pass


@contextmanager
def small_disk(path: Path, *, megabytes: int) -> Iterator[None]:
    """A disk of that size at *path*."""
    size = f"size={megabytes}m"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(path)]
    tried = subprocess.run(mount, capture_output=True, text=True)
    if tried.returncode:
        raise MissingRequirement(
            "a small disk (tmpfs) is mounted: run this as root, in a container with --privileged "
            f"({tried.stderr.strip()[:100]})"
        )
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)

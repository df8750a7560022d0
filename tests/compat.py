"""Runs a part of the tests with other Pythons that are installed here.

python -m tests.compat             the oldest and the newest of them
python -m tests.compat PYTHON…     these

The lock is installed for each of them as `make setup` does it: a dependency that only one version
needs, a standard library that has changed its mind, an API that is gone are found before a user
finds them. One of each version is enough, and that of this environment has run everything.

An environment is made by one process and the tests take both of two processors, so the environments
are made side by side and the tests run one version after the other.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from tests.running import ROOT

T = TypeVar("T")

OLDEST: Final = (3, 11)
TESTS: Final = ("tests/unit", "tests/contract", "tests/e2e/test_http_emails.py")
_LOCKS: Final = ("-r", "requirements/build.txt", "-r", "requirements/dev.txt")
_ASK: Final = "import sys; print(*sys.version_info[:3]); import ensurepip, venv"


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 if all tests passed with all of them."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="compat-") as folder, ThreadPoolExecutor(2) as makers:
        found = sorted(installed(arguments or candidates()).items())
        environments = [
            (".".join(map(str, version)), python)
            for version, python in (found if arguments else ends(found))
        ]
        making = [
            makers.submit(make_environment, python, Path(folder, name))
            for name, python in environments
        ]
        for (name, python), made in zip(environments, making, strict=True):
            print(f"-- Python {name} ({python})", flush=True)
            if not (made.result() and passes(Path(folder, name))):
                failed.append(name)
    if failed:
        print(f"failed with Python {', '.join(failed)}")
    return bool(failed)


def candidates() -> Iterator[str]:
    """Where Pythons usually are."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    folders += [Path("/usr/bin"), *Path.home().glob(".pyenv/versions/*/bin")]
    for folder in folders:
        yield from map(str, sorted(folder.glob("python3.[1-9][0-9]")))


def installed(pythons: Iterable[str]) -> dict[tuple[int, ...], str]:
    """One for each version that can run us, except the one that runs this."""
    found: dict[tuple[int, ...], str] = {}
    for python in pythons:
        try:
            asked = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, timeout=60)
        except OSError:
            continue
        if asked.returncode == 0:
            version = tuple(map(int, asked.stdout.split()))
            if version[:2] >= OLDEST and version != sys.version_info[:3]:
                found.setdefault(version, python)
    return found


def ends(found: Sequence[T]) -> Sequence[T]:
    """The first and the last: what both have, those between them have too."""
    return [*found[:1], *found[1:][-1:]]


def make_environment(python: str, folder: Path) -> bool:
    """Whether the lock can be installed for *python*, in *folder*."""
    pip = (_python_of(folder), "-m", "pip", "--disable-pip-version-check", "--quiet")
    return all(
        subprocess.run(command, cwd=ROOT).returncode == 0
        for command in (
            (python, "-m", "venv", str(folder)),
            (*pip, "install", "--no-deps", "--require-hashes", *_LOCKS),
            (*pip, "check"),
        )
    )


def passes(environment: Path) -> bool:
    """Whether the tests pass with it."""
    pytest = (_python_of(environment), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile")
    return subprocess.run((*pytest, *TESTS), cwd=ROOT).returncode == 0


def _python_of(environment: Path) -> str:
    return str(environment / "bin" / "python")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""npm packages that tests use: pinned in a folder of theirs, installed into a temporary one."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.missing import missing

PATIENCE_S = 300
OLDEST = 18  # the first with fetch


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What *command* came to in *folder*."""
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def with_packages(source: Path, folder: Path) -> Path:
    """*folder* with the files of *source* and the packages that its lock names."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("node and npm are not installed: apt-get install nodejs npm")
    version = run(node, "--version", folder=source).stdout
    if int(re.findall(r"\d+", version)[0]) < OLDEST:
        missing(f"node {version.strip()} is too old: {OLDEST} or newer is needed")
    for path in source.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    options = ("--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts")
    installed = run(npm, "ci", *options, folder=folder)
    if installed.returncode:
        missing(f"npm cannot install {source}/package-lock.json: {installed.stderr[-500:]}")
    return folder

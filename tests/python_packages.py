"""Python packages that tests use beside the service's own: pinned, installed into a folder."""

import os
import subprocess
import sys
from pathlib import Path

from tests.missing import missing
from tests.node import PATIENCE_S
from tests.running import ROOT

CLIENTS = ROOT / "requirements/clients.txt"
OPTIONS = ("--disable-pip-version-check", "--quiet", "--no-deps", "--require-hashes")


def with_clients(folder: Path) -> dict[str, str]:
    """The environment of a Python that finds the vendors' clients, which are put in *folder*."""
    pip = (sys.executable, "-m", "pip", "install", *OPTIONS)
    made = subprocess.run(
        (*pip, "--target", folder, "-r", CLIENTS),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if made.returncode:
        missing(f"pip cannot install {CLIENTS}: {made.stderr[-500:]}")
    return {**os.environ, "PYTHONPATH": str(folder)}

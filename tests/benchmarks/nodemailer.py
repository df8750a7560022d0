"""What nodemailer reaches with files of 1 MB: it keeps no queue and stores nothing.

It sends over as many connections as ours, from a process of its own, to the same sink. npm installs
it into build/peers once, as its lock in peers/nodemailer names it. If that fails, the figure is not
there, and a line says why.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from domain.message.attachment import encoded_size
from tests.benchmarks.attachments import CONNECTIONS, MB
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene
from tests.benchmarks.filling import message
from tests.benchmarks.peers import ENVIRONMENTS, PROGRAMS, NotHere, last_line, not_here, told
from tests.benchmarks.sink import sink

NODEMAILER: Final = "nodemailer, 32 connections, a file of 1 MB each, on the wire"
FILES: Final = ("package.json", "package-lock.json", "send.mjs")
INSTALL: Final = "npm ci --no-audit --no-fund --prefer-offline --ignore-scripts".split()


def nodemailer(scene: Scene) -> Reached:
    """One process that has nothing to do but that."""
    try:
        folder = _installed()
    except NotHere as why:
        return not_here(why)
    number = scene.size(400, 20)
    with sink() as target:
        content = told(scene, target)["MESSAGE"]
        arguments = map(str, (target.port, number, MB, CONNECTIONS, content))
        done = subprocess.run(
            ["node", "send.mjs", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
    octets = len(message(short=False)) + encoded_size(MB)
    return {NODEMAILER: number * octets / float(done.stdout) / MB}


def _installed() -> Path:
    """A folder with the program and what it needs. NotHere."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NotHere("nodemailer: node and npm are not installed")
    folder = ENVIRONMENTS / "nodemailer"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(PROGRAMS / "nodemailer" / name, folder / name)
    done = subprocess.run(INSTALL, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise NotHere(f"nodemailer cannot be installed: {last_line(done.stderr)}")
    return folder


BENCHMARKS: Final = (
    Benchmark(
        name="nodemailer",
        about="400 emails with a file of 1 MB, 32 connections, on the same sink",
        figures=(Figure(name=NODEMAILER, unit="MB/s"),),
        run=nodemailer,
        optional=True,
    ),
)

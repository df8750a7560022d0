"""A benchmark of `email-service send-csv`: the whole command, from the file to the report."""

import os
import sys
import time
from pathlib import Path
from typing import Final

from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene
from tests.benchmarks.filling import Filling, fill
from tests.benchmarks.serving import service
from tests.benchmarks.templates import TEMPLATE, VARIABLES, published
from tests.running import ROOT, Running

COMMAND: Final = (sys.executable, "-m", "entrypoints", "send-csv")


def send_csv(scene: Scene) -> Reached:
    """A template of 2 kB and 10 columns, to a service that does not deliver."""
    number = scene.size(20_000, 20)
    fill(scene.folder / "service.db", Filling(emails=0, port=2525))
    people = scene.folder / "people.csv"
    with people.open("w") as file:
        file.write(f"email,{','.join(f'v{n}' for n in range(VARIABLES))}\n")
        for n in range(number):
            file.write(f"ada{n}@example.org,{','.join(f'value {n}' for _ in range(VARIABLES))}\n")
    with service(scene, DISPATCHER="none") as running:
        published(running)
        seconds, memory_mb = _run(running, people)
    return {
        "send-csv of rows with 10 columns, a template of 2 kB": number / seconds,
        "memory of the command": memory_mb,
    }


def _run(running: Running, people: Path) -> tuple[float, float]:
    """The seconds it took, and the most memory it had, in MB."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "EMAIL_SERVICE_URL": running.url,
        "EMAIL_SERVICE_TIMEOUT": "300",
    }
    arguments = [*COMMAND, "--template", TEMPLATE["name"], "--yes", str(people)]
    started = time.monotonic()
    silent = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    pid = os.posix_spawn(sys.executable, arguments, environ, file_actions=silent)
    _, status, used = os.wait4(pid, 0)
    seconds = time.monotonic() - started
    assert status == 0, os.waitstatus_to_exitcode(status)
    return seconds, used.ru_maxrss / 1024


BENCHMARKS: Final = (
    Benchmark(
        name="send-csv",
        about="20,000 rows, one process that does not deliver",
        figures=(
            Figure(
                name="send-csv of rows with 10 columns, a template of 2 kB", unit="/s", least=2000
            ),
            Figure(name="memory of the command", unit="MB", most=100),
        ),
        run=send_csv,
    ),
)

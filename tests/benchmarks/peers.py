"""What others reach: django-post_office, and a Celery task for each email.

Both send the same message of 10 KB to the same sink as ours, from a backlog that stands before they
start, and are timed from the first email that the sink took to the last: their start is not in it.
Their settings are the fastest that were found here. What they keep less of:

- django-post_office has its queue in PostgreSQL and selects a batch without claiming it; a lock
  file keeps a second run away. What became of a batch is written once, when all of it has been
  sent: a crash before sends it again, up to 5,000 emails here. There is no mark before the dot and
  there are no limits of an account. Its log of successes, a row each, is switched off.
- The Celery task keeps nothing but a message in Redis, here without files: a crash of Redis loses
  the backlog. A task is acknowledged before it runs, as is the default: a crash of the worker loses
  what it was sending. No outcome is stored, there are no limits, and each email makes a connection.

Each has an environment of its own in build/peers, made once, by pip, from the pinned versions in
the folder peers beside this file, where the programs that run in it are too. If it cannot be made,
the figure is not there, and a line says why.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import attrs

from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene
from tests.benchmarks.filling import TEN_KB_HTML, TEN_KB_TEXT
from tests.benchmarks.sink import Sink, listens, sink
from tests.running import ROOT, free_port, wait_until

PROGRAMS: Final = Path(__file__).with_name("peers")
ENVIRONMENTS: Final = ROOT / "build" / "peers"
PATIENCE_S: Final = 300.0
ON_POSTGRESQL: Final = "django-post_office, PostgreSQL, 2 processes"
ON_SQLITE: Final = "django-post_office, SQLite (no PostgreSQL here), 2 processes"
CELERY: Final = "a Celery task for each email, Redis, the better of 2 and 8 processes"
POST_OFFICE_COST: Final = "django-post_office, processor time an email, without PostgreSQL's"
CELERY_COST: Final = "a Celery task for each email, processor time an email, without Redis's"
REDIS: Final = shutil.which("redis-server")

Environ = Mapping[str, str]


@attrs.frozen
class Sender:
    """A process that sends, and what it says."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def output(self) -> str:
        """The end of it."""
        return self.log.read_text("utf-8")[-2000:]

    def processor_s(self) -> float:
        """Processor time of all its processes, those too that have ended."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has just ended
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.process.pid:  # the session that it leads
                    ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")


class NotHere(Exception):
    """A peer cannot be measured on this machine; the message says why."""


# -- django-post_office --------------------------------------------------------------------------


def django_post_office(scene: Scene) -> Reached:
    """`send_queued_mail --processes 2`, as from cron."""
    try:
        python = environment("django-post-office", scene)
    except NotHere as why:
        return not_here(why)
    number = scene.size(10_000, 100)
    count = scene.folder / "taken"
    with sink(count=count) as target:
        environ = {**told(scene, target), "DATABASE": f"peers_{os.getpid()}"}
        created = program(python, "create", environ=environ, check=False)
        if created.returncode:
            print(f"no PostgreSQL: {last_line(created.stderr)}", file=sys.stderr)
            environ["DATABASE"] = str(scene.folder / "post_office.db")
            return {ON_SQLITE: _send_queued(python, number, target, environ=environ)[0]}
        try:
            reached, cost = _send_queued(python, number, target, environ=environ)
            return {ON_POSTGRESQL: reached, POST_OFFICE_COST: cost}
        finally:
            program(python, "drop", environ=environ)


def _send_queued(
    python: Path, number: int, target: Sink, *, environ: Environ
) -> tuple[float, float]:
    program(python, "fill", str(number), environ=environ)
    command = [python, PROGRAMS / "django_project.py", "send"]
    log = Path(environ["MESSAGE"]).with_name("send.log")
    with running(command, log=log, environ=environ) as sender:
        return pace(target, number, sender)


def program(
    python: Path, *arguments: str, environ: Environ, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """One command of the Django project."""
    done = subprocess.run(
        [python, PROGRAMS / "django_project.py", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 or not check, done.stderr
    return done


# -- Celery --------------------------------------------------------------------------------------


def celery_task(scene: Scene) -> Reached:
    """With as many processes as processors, and with more, since a task mostly waits."""
    try:
        python = environment("celery-task", scene)
        if REDIS is None:
            raise NotHere("celery-task: redis-server is not installed")
    except NotHere as why:
        return not_here(why)
    reached, cost = max(_work_off(python, scene, processes=processes) for processes in (2, 8))
    return {CELERY: reached, CELERY_COST: cost}


def _work_off(python: Path, scene: Scene, *, processes: int) -> tuple[float, float]:
    number = scene.size(1000, 50)
    count = scene.folder / f"taken-by-{processes}"
    with sink(count=count) as target, _redis(scene) as broker:
        environ = {**told(scene, target), "BROKER": broker}
        subprocess.run(
            [python, PROGRAMS / "celery_project.py", str(number)],
            env={**os.environ, **environ},
            check=True,
        )
        worker = "worker --pool prefork --loglevel WARNING --without-gossip --without-mingle"
        command = [python, "-m", "celery", "--workdir", PROGRAMS, "-A", "celery_project"]
        options = [*worker.split(), "--without-heartbeat", "--concurrency", str(processes)]
        log = scene.folder / f"worker-{processes}.log"
        with running([*command, *options], log=log, environ=environ) as sender:
            return pace(target, number, sender)


@contextmanager
def _redis(scene: Scene) -> Iterator[str]:
    """A broker of our own that writes no files; its address."""
    port = free_port()
    assert REDIS is not None
    options = f"--bind 127.0.0.1 --port {port} --appendonly no --loglevel warning".split()
    command = [REDIS, *options, "--save", "", "--dir", scene.folder]
    with running(command, log=scene.folder / "redis.log", environ={}):
        wait_until(lambda: listens(port), every=0.02)
        yield f"redis://127.0.0.1:{port}/0"


# -- what both need ------------------------------------------------------------------------------


def environment(name: str, scene: Scene) -> Path:
    """The Python of an environment that holds what peers/*name*.txt pins; made if it is not there.

    NotHere if that fails, which is tried once in a run of the benchmarks.
    """
    pins = PROGRAMS / f"{name}.txt"
    folder = ENVIRONMENTS / name
    made = folder / "pins.txt"  # written last: what stands there is complete
    python = folder / "bin" / "python"
    failed = scene.shared / f"{name}.failed"
    if made.exists() and made.read_text("utf-8") == pins.read_text("utf-8"):
        return python
    if failed.exists():
        raise NotHere(failed.read_text("utf-8"))
    print(f"{name}: installing it into {folder.relative_to(ROOT)}", file=sys.stderr)
    pip = "-m pip --disable-pip-version-check --quiet --retries 1 --timeout 10 install -r".split()
    for command in ([sys.executable, "-m", "venv", "--clear", folder], [python, *pip, pins]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            why = last_line(done.stderr or done.stdout)
            failed.write_text(f"{name} cannot be installed: {why}", "utf-8")
            raise NotHere(failed.read_text("utf-8"))
    shutil.copyfile(pins, made)
    return python


def not_here(why: NotHere) -> Reached:
    """Nothing, and one line that says why."""
    print(why, file=sys.stderr)
    return {}


def told(scene: Scene, target: Sink) -> dict[str, str]:
    """What the programs learn from their environment: the sink, and the message that all send."""
    message = scene.folder / "message.json"
    content = {
        "from": "Sender <me@example.com>",
        "to": "ada@example.org",
        "text": TEN_KB_TEXT,
        "html": TEN_KB_HTML,
    }
    message.write_text(json.dumps(content), "utf-8")
    return {"SINK_PORT": str(target.port), "MESSAGE": str(message)}


def pace(target: Sink, number: int, sender: Sender) -> tuple[float, float]:
    """Emails a second, and microseconds of processor time for each, but the store's and broker's.

    Both from the first that the sink took to the last.
    """

    def taken() -> int:
        ended = sender.process.poll()
        there = target.taken()
        assert there >= number or ended is None, f"{there} taken, then: {sender.output()}"
        return there

    before = wait_until(taken, patience=PATIENCE_S, every=0.005)
    started, used = time.monotonic(), sender.processor_s()
    wait_until(lambda: taken() >= number, patience=PATIENCE_S, every=0.02)
    seconds, used = time.monotonic() - started, sender.processor_s() - used
    return (number - before) / seconds, used * 1e6 / (number - before)


@contextmanager
def running(command: Sequence[str | Path], *, log: Path, environ: Environ) -> Iterator[Sender]:
    """A process and what it starts, for a while."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environ},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Sender(process, log)
    finally:
        with suppress(ProcessLookupError):  # all of them have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def last_line(output: str) -> str:
    """What a program said at its end, without the lines that go on with it."""
    said = [line for line in output.splitlines() if line and not line[0].isspace()]
    return said[-1] if said else "it said nothing"


BENCHMARKS: Final = (
    Benchmark(
        name="django-post-office",
        about="a backlog of 10,000 and `send_queued_mail`, on the same sink",
        figures=(
            Figure(name=ON_POSTGRESQL, unit="/s"),
            Figure(name=POST_OFFICE_COST, unit="µs"),
            Figure(name=ON_SQLITE, unit="/s"),
        ),
        run=django_post_office,
        optional=True,
    ),
    Benchmark(
        name="celery-task",
        about="1,000 tasks with 2 and with 8 processes, on the same sink",
        figures=(Figure(name=CELERY, unit="/s"), Figure(name=CELERY_COST, unit="µs")),
        run=celery_task,
        optional=True,
    ),
)

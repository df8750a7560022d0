"""The API, a worker of Celery and beat as processes, on one database and one broker."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.brokers import a_queue, found
from tests.running import Running, children_of, wait_until
from tests.smtp_server import SmtpServer

CELERY = (sys.executable, "-m", "celery", "-A", "entrypoints.celery_app")


class Worker(Running):
    """`celery worker` with its children."""

    _said_before = 0

    def children(self) -> list[int]:
        """The processes that it has forked."""
        assert self.process is not None
        return children_of(self.process.pid)

    def pids(self) -> list[int]:
        """All of them."""
        return [*super().pids(), *self.children()]

    def freeze(self) -> None:
        """SIGSTOP to all of them."""
        super().freeze()
        for child in self.children():
            os.kill(child, signal.SIGSTOP)

    def kill(self) -> None:
        """SIGKILL to all of them."""
        assert self.process is not None
        children = self.children() if self.process.poll() is None else []
        super().kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def start(self, *, ready: bool = True) -> "Worker":
        """Start it, and wait until it takes tasks."""
        self._said_before = len(self.output()) if self.log.exists() else 0
        super().start(ready=False)
        return self.wait_until_ready() if ready else self

    def wait_until_ready(self) -> "Worker":
        """Until it takes tasks. A SIGTERM before that is no warm shutdown, it just ends."""
        wait_until(lambda: " ready." in self.output()[self._said_before :])
        return self


class CeleryTrio:
    """``api``, ``worker`` and ``beat`` in one folder; of the workers there may be more than one."""

    def __init__(
        self,
        folder: Path,
        *,
        broker_url: str,
        queue: str = "email-service",
        pool: str = "prefork",
        children: int = 2,
        workers: int = 1,
        app: str = CELERY[-1],
        **environ: object,
    ) -> None:
        environ = {
            "DISPATCHER": "celery",
            "CELERY_BROKER_URL": broker_url,
            "CELERY_QUEUE": queue,
            "ONE_PROCESSOR": 0,
            **environ,
        }
        celery = (*CELERY[:-1], app)
        self.api = Running(folder, **environ)
        self.workers = [
            Worker(
                folder,
                command=(
                    *(*celery, "worker", "--pool", pool, "--concurrency", str(children)),
                    *("--hostname", f"{queue}-{n}@%h", "--without-mingle", "--without-gossip"),
                    "-E",
                ),
                **environ,
            )
            for n in range(workers)
        ]
        self.worker = self.workers[0]
        self.beat = Running(folder, command=(*celery, "beat"), **environ)
        for number, worker in enumerate(self.workers):
            worker.log = folder / f"worker-{number}.log"
        self.beat.log = folder / "beat.log"

    def start(self) -> "CeleryTrio":
        """All of them."""
        self.api.start()
        for each in (*self.workers, self.beat):
            each.start(ready=False)
        for worker in self.workers:
            worker.wait_until_ready()
        wait_until(lambda: _stops_cleanly(self.beat))
        return self

    def stop(self) -> list[int]:
        """SIGTERM to one after the other, and their exit codes."""
        return [each.stop() for each in (self.api, *self.workers, self.beat)]

    def end(self) -> None:
        """Whatever still runs is killed."""
        for each in (self.api, *self.workers, self.beat):
            if each.process is not None and each.process.poll() is None:
                each.kill()


@contextmanager
def celery_running(trio: CeleryTrio) -> Iterator[CeleryTrio]:
    """Started, and ended in any case."""
    try:
        yield trio.start()
    finally:
        trio.end()


@contextmanager
def a_trio(folder: Path, broker: str, **options: Any) -> Iterator[CeleryTrio]:
    """A trio on one of the brokers that tests share, with a queue of its own."""
    url = found(broker)
    with a_queue(url) as queue:
        trio = CeleryTrio(folder, broker_url=url, queue=queue, **options)
        with celery_running(trio):
            yield trio


def _stops_cleanly(running: Running) -> bool:
    """Whether SIGTERM does not end it at once, as it does in a program that has just begun."""
    assert running.process is not None
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    (caught,) = (int(line[7:], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def copies(server: SmtpServer) -> Counter[str]:
    """How often each subject was taken."""
    return Counter(received.subject for received in server.accepted)

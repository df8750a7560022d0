"""Webhook calls to a receiver on loopback, and hand-off beside them."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene
from tests.benchmarks.filling import Filling, fill
from tests.benchmarks.serving import WORKER, database, sent_rate, service, wait_for_sent
from tests.benchmarks.sink import sink
from tests.running import ROOT, free_port, wait_until

PATIENCE_S: Final = 300.0
_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_LENGTH: Final = b"content-length: "


def webhooks(scene: Scene) -> Reached:
    """A backlog is handed off without a webhook, then one as large with one that is told all."""
    number = scene.size(20_000, 200)
    with sink() as target:
        filling = Filling(emails=number, port=target.port, accounts=4, connections=8)
        alone, _ = _handed_off(scene, "alone", filling, None)
        with _receiver(scene.folder / "calls") as port:
            beside, meanwhile = _handed_off(scene, "beside", filling, port)
            first, last, calls = _read(scene.folder / "calls")
    share = beside / alone * 100
    print(f"hand-off beside webhook calls: {share:.0f} % of {alone:.0f}/s")
    return {
        "webhook calls from one process, loopback": (calls - 1) / max(1e-6, last - first),
        "webhook calls while email is handed off": meanwhile,
        "hand-off beside webhook calls, share of that without": share,
    }


def _handed_off(
    scene: Scene, name: str, filling: Filling, receiver: int | None
) -> tuple[float, float]:
    """Emails a second, and calls a second meanwhile; the *receiver* is told of all of them."""
    apart = Scene(folder=scene.folder / name, shared=scene.shared, quick=scene.quick)
    apart.folder.mkdir()
    fill(apart.folder / "service.db", filling)
    if receiver is not None:
        with service(apart, DISPATCHER="none") as running:
            body = {"url": f"http://127.0.0.1:{receiver}/", "events": ["email.sent"]}
            assert running.post("/api/webhooks", body)[0] == 201
    with (
        service(apart, command=WORKER, QUEUE_WORKERS=32, MAX_WORKERS=32) as running,
        database(apart) as looking,
    ):
        begun = time.monotonic()
        wait_for_sent(running, looking, filling.emails)
        meanwhile = 0.0
        if receiver is not None:
            meanwhile = _read(scene.folder / "calls")[2] / (time.monotonic() - begun)
            wait_until(
                lambda: _read(scene.folder / "calls")[2] >= filling.emails,
                patience=PATIENCE_S,
                every=0.2,
            )
        return sent_rate(looking), meanwhile


@contextmanager
def _receiver(counts: Path) -> Iterator[int]:
    """The port of a receiver in a process of its own, which writes how many calls came and when."""
    port = free_port()
    counts.write_text("0 0 0")
    command = [sys.executable, "-m", "tests.benchmarks.webhooks", str(port), str(counts)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield port
        finally:
            process.kill()


def _read(counts: Path) -> tuple[float, float, int]:
    """The moments of the first and the last call, and how many there were."""
    first, last, calls = counts.read_text().split()
    return float(first), float(last), int(calls)


class _Receiving(asyncio.Protocol):
    """Answers each request with 204, as quickly as can be."""

    calls = 0
    first = last = 0.0

    def __init__(self) -> None:
        self._unread = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while b"\r\n\r\n" in self._unread:
            head, _, rest = self._unread.partition(b"\r\n\r\n")
            at = head.lower().index(_LENGTH) + len(_LENGTH)
            length = int(head[at:].split(b"\r\n", 1)[0])
            if len(rest) < length:
                return
            self._unread = rest[length:]
            kind = _Receiving
            kind.calls += 1
            kind.last = time.monotonic()
            kind.first = kind.first or kind.last
            self._transport.write(_ANSWER)


async def _serve(port: int, counts: Path) -> None:
    await asyncio.get_running_loop().create_server(_Receiving, "127.0.0.1", port)
    print("listening", flush=True)
    while True:
        await asyncio.sleep(0.1)
        new = counts.with_name(counts.name + ".new")
        new.write_text(f"{_Receiving.first} {_Receiving.last} {_Receiving.calls}")
        new.replace(counts)


BENCHMARKS: Final = (
    Benchmark(
        name="webhooks",
        about="20,000 emails handed off from a backlog, each of them told to one webhook",
        figures=(
            Figure(name="webhook calls from one process, loopback", unit="/s", least=500),
            Figure(name="webhook calls while email is handed off", unit="/s", least=500),
            Figure(name="hand-off beside webhook calls, share of that without", unit="%", least=90),
        ),
        run=webhooks,
    ),
)

if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))

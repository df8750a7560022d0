"""Benchmarks of emails with files: accepting them, handing them off, and uploading beside mail."""

import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from adapters.clock import SystemClock
from adapters.fakes.sender import FakeSender
from adapters.peewee_store import SqliteStore
from application.intake.draft import Draft
from application.ports.store import Transaction
from domain.access import LOCAL
from domain.address import Address
from domain.message.attachment import encoded_size
from entrypoints.stores import open_store
from tests.benchmarks.client import an_email, volley
from tests.benchmarks.figures import Benchmark, Figure, Reached, Scene, percentile
from tests.benchmarks.filling import SHORT_HTML, Filling, fill, message
from tests.benchmarks.million import peak_mb
from tests.benchmarks.plain import seconds_for
from tests.benchmarks.serving import WORKER, database, sent_rate, service, wait_for_sent
from tests.benchmarks.sink import sink
from tests.benchmarks.stages import application_on
from tests.running import Running

MB: Final = 1_000_000
BATCH: Final = 500
CONNECTIONS: Final = 32
PATH: Final = "/api/emails/batch"

# -- accepting -----------------------------------------------------------------------------------


def attachment_batch(scene: Scene) -> Reached:
    """Batches of 500 emails that carry one file, and the same batches without it, in turns."""
    fill(scene.folder / "service.db", Filling(emails=0, port=2525))
    emails, seconds, grown = [0, 0], [0.0, 0.0], [0.0, 0.0]
    with service(scene, DISPATCHER="none") as running:
        for with_file in (0, 1):
            before = _stored_mb(scene)
            body = _batch(running, files=with_file)
            volley(running.url, number=1, clients=1, path=PATH, body=body)
            grown[with_file] = _stored_mb(scene) - before
        bodies = [_batch(running, files=with_file) for with_file in (0, 1)]
        for _ in range(scene.size(4, 1)):
            for with_file, body in enumerate(bodies):
                number = scene.size(8, 2)
                done = volley(running.url, number=number, clients=2, path=PATH, body=body)
                assert set(done.statuses) == {"201"}, done.statuses
                emails[with_file] += number * BATCH
                seconds[with_file] += done.duration
    bare, carrying = (number / spent for number, spent in zip(emails, seconds, strict=True))
    return {
        "POST of 500 emails that carry one file of 1 MB": carrying,
        "POST of the same 500 emails without it": bare,
        "carrying one file, of the rate without it": carrying / bare,
        "500 emails that carry one file of 1 MB, growth of the store": grown[1],
        "500 emails without it, growth of the store": grown[0],
    }


def _batch(running: Running, *, files: int) -> Any:
    attachments = [_attached(_upload(running.url, MB)) for _ in range(files)]
    return {"emails": [an_email(attachments=attachments) for _ in range(BATCH)]}


def _attached(attachment_id: str) -> dict[str, str]:
    return {"filename": "invoice.pdf", "attachment_id": attachment_id}


def _upload(url: str, size: int) -> str:
    """The id of a file of so many octets that nobody has stored before."""
    request = urllib.request.Request(
        f"{url}/api/attachments",
        data=_file(size),
        headers={"Content-Type": "application/pdf"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        stored: str = json.load(answer)["attachment_id"]
    return stored


def _file(size: int) -> bytes:
    return os.urandom(1000) * (size // 1000)


def _stored_mb(scene: Scene) -> float:
    """The size of the database, with what has not been moved into its file yet."""
    with database(scene) as looking:
        (octets,) = looking.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone()
    return float(octets / MB)


# -- handing off ---------------------------------------------------------------------------------


def attachment_hand_off(scene: Scene) -> Reached:
    """A backlog whose emails carry a file each, one whose emails carry the same, and the plain
    way.
    """
    number = scene.size(400, 20)
    octets = len(message(short=False)) + encoded_size(MB)
    each, peak = _handed_off(scene, "each", number=number, files=number)
    same, peak_of_same = _handed_off(scene, "same", number=number, files=1)
    plainly = scene.size(200, 5)
    built = plainly * octets / seconds_for(plainly, file_octets=MB) / MB
    return {
        "hand-off, a file of 1 MB each, on the wire": each,
        "hand-off, the same file of 1 MB in all, on the wire": same,
        "smtplib, EmailMessage, a file of 1 MB each, on the wire": built,
        "hand-off, a file of 1 MB each, times smtplib": each / built,
        "hand-off, the same file of 1 MB in all, times smtplib": same / built,
        "memory with 32 connections that send files of 1 MB": max(peak, peak_of_same),
    }


def _handed_off(scene: Scene, name: str, *, number: int, files: int) -> tuple[float, float]:
    """MB a second on the wire, and the most memory in MB."""
    folder = scene.folder / name
    folder.mkdir()
    apart = Scene(folder=folder, shared=scene.shared, quick=scene.quick)
    with sink() as target:
        filling = Filling(emails=0, port=target.port, accounts=4, connections=CONNECTIONS // 4)
        fill(folder / "service.db", filling)
        with service(apart, DISPATCHER="none") as running:
            ids = [_upload(running.url, MB) for _ in range(files)]
            _post_all(running, [ids[n % files] for n in range(number)])
        workers = {"QUEUE_WORKERS": CONNECTIONS, "MAX_WORKERS": CONNECTIONS}
        with service(apart, command=WORKER, **workers) as running, database(apart) as looking:
            wait_for_sent(running, looking, number)
            (size,) = looking.execute("SELECT MAX(size) FROM email").fetchone()
            return sent_rate(looking) * size / MB, peak_mb(running)


def _post_all(running: Running, attachment_ids: Sequence[str]) -> None:
    for at in range(0, len(attachment_ids), BATCH):
        emails = [an_email(attachments=[_attached(one)]) for one in attachment_ids[at : at + BATCH]]
        status, answer = running.post(PATH, {"emails": emails})
        assert status == 201, answer


# -- uploading beside mail -----------------------------------------------------------------------


def upload_beside(scene: Scene) -> Reached:
    """Sixteen clients that post small mail, alone and while files of 10 MB are uploaded."""
    fill(scene.folder / "service.db", Filling(emails=0, port=2525))
    reached: dict[str, float | None] = {}
    small = an_email(html_content=SHORT_HTML, text_content="Hello")
    number = scene.size(4000, 60)
    with service(scene, DISPATCHER="none") as running:
        volley(running.url, number=scene.size(300, 20), clients=16, body=small)
        alone = volley(running.url, number=number, clients=16, body=small)
        with _again_and_again(lambda: _upload(running.url, 10 * MB)) as times:
            beside = volley(running.url, number=number, clients=16, body=small)
            uploads = len(times)
    for name, done in (("alone", alone), ("beside uploads", beside)):
        assert set(done.statuses) == {"201"}, done.statuses
        reached[f"POST of small mail {name}"] = done.rate
        reached[f"POST of small mail {name}, p50"] = percentile(done.times, 0.5) * 1000
        reached[f"POST of small mail {name}, p99"] = percentile(done.times, 0.99) * 1000
    reached["files of 10 MB uploaded meanwhile"] = uploads / beside.duration
    return reached | _commits(scene)


@contextmanager
def _again_and_again(act: Callable[[], object]) -> Iterator[list[float]]:
    """*act* runs all the time in a thread; how long it took each time, in seconds."""
    times: list[float] = []
    failures: list[BaseException] = []
    ending = threading.Event()

    def repeat() -> None:
        try:
            while not ending.is_set():
                started = time.monotonic()
                act()
                times.append(time.monotonic() - started)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield times
    finally:
        ending.set()
        thread.join()
    if failures:
        raise failures[0]


class WaitingStore:
    """The Store port: how long each write waited for its commit, in seconds."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.waits: list[float] = []

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        started = time.monotonic()
        try:
            return self._store.write(work)
        finally:
            self.waits.append(time.monotonic() - started)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _commits(scene: Scene) -> Reached:
    """How long the commits of one email after the other take, alone and while files are stored."""
    path = scene.folder / "commits.db"
    fill(path, Filling(emails=0, port=2525))
    store = open_store(f"sqlite:///{path}", clock=SystemClock())
    waiting = WaitingStore(store)
    try:
        sender = FakeSender()
        submission = application_on(waiting, sender).submission
        files = application_on(store, sender).files
        draft = Draft(subject="Hello", html=SHORT_HTML, to=(Address.parse("ada@example.org"),))
        number = scene.size(2000, 30)

        def submit_all() -> Sequence[float]:
            waiting.waits = []
            for _ in range(number):
                submission.submit([draft])
            return waiting.waits

        alone = submit_all()
        with _again_and_again(
            lambda: files.upload(_file(10 * MB), content_type=None, caller=LOCAL)
        ):
            beside = submit_all()
    finally:
        store.close()
    return {
        "commit of an email alone, slowest": max(alone) * 1000,
        "commit of an email beside uploads, slowest": max(beside) * 1000,
        "commit of an email beside uploads, p99": percentile(beside, 0.99) * 1000,
    }


BENCHMARKS: Final = (
    Benchmark(
        name="attachment-batch",
        about="32 POSTs of 500 emails each, 2 clients, with one uploaded file and without,"
        " one process that does not deliver",
        figures=(
            Figure(name="POST of 500 emails that carry one file of 1 MB", unit="/s", least=2000),
            Figure(name="POST of the same 500 emails without it", unit="/s"),
            Figure(name="carrying one file, of the rate without it", unit="×"),
            Figure(
                name="500 emails that carry one file of 1 MB, growth of the store",
                unit="MB",
                most=8,
            ),
            Figure(name="500 emails without it, growth of the store", unit="MB"),
        ),
        run=attachment_batch,
    ),
    Benchmark(
        name="attachment-handoff",
        about="a backlog of 400 emails with a file of 1 MB, 4 accounts of 8 connections,"
        " 32 threads, one process",
        figures=(
            Figure(name="hand-off, a file of 1 MB each, on the wire", unit="MB/s", least=60),
            Figure(
                name="hand-off, the same file of 1 MB in all, on the wire", unit="MB/s", least=60
            ),
            Figure(name="smtplib, EmailMessage, a file of 1 MB each, on the wire", unit="MB/s"),
            Figure(name="hand-off, a file of 1 MB each, times smtplib", unit="×", least=2.5),
            Figure(
                name="hand-off, the same file of 1 MB in all, times smtplib", unit="×", least=2.5
            ),
            Figure(name="memory with 32 connections that send files of 1 MB", unit="MB", most=200),
        ),
        run=attachment_hand_off,
    ),
    Benchmark(
        name="upload-beside",
        about="4,000 POSTs of small mail, 16 clients, alone and while one more client uploads"
        " files of 10 MB; and 2,000 commits in a process without HTTP",
        figures=(
            Figure(name="POST of small mail alone", unit="/s"),
            Figure(name="POST of small mail alone, p50", unit="ms"),
            Figure(name="POST of small mail alone, p99", unit="ms"),
            Figure(name="POST of small mail beside uploads", unit="/s"),
            Figure(name="POST of small mail beside uploads, p50", unit="ms"),
            Figure(name="POST of small mail beside uploads, p99", unit="ms", most=60),
            Figure(name="files of 10 MB uploaded meanwhile", unit="/s"),
            Figure(name="commit of an email alone, slowest", unit="ms"),
            Figure(name="commit of an email beside uploads, slowest", unit="ms", most=50),
            Figure(name="commit of an email beside uploads, p99", unit="ms"),
        ),
        run=upload_beside,
    ),
)

"""PARTS: a process is killed while files are uploaded and while emails that carry them go out.

What is proved: an answered 201 survives, for a file as for an email; every message arrives with its
file byte for byte; and after the sweep each chunk that is stored belongs to an email.
"""

import json
import random
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from adapters.clock import SystemClock
from adapters.fakes.clock import FakeClock
from adapters.observers import ListObserver
from application.maintenance.leftovers import Leftovers
from domain.message.attachment import CHUNK
from entrypoints.stores import open_store
from tests.faults.harness import (
    Answer,
    Client,
    Database,
    Load,
    Numbers,
    Sink,
    an_email,
    database_of,
    ended,
    judged_load,
)
from tests.running import Running, wait_until

KILO: Final = 1000
SHARED: Final = "shared"  # the way of an email that names a file uploaded before the run
WAYS: Final = ("raw", "form", "email form", "base64", SHARED, SHARED)
_FORM: Final = "multipart/form-data; boundary=b0undary"
_A_DAY_LATER: Final = timedelta(hours=25)


def killed_with_files(
    folder: Path,
    *,
    emails: int = 360,
    kills: int = 20,
    connections: int = 4,
    least: int = 100 * KILO,
    most: int = 900 * KILO,
    shared: int = 2000 * KILO,
    seed: int = 1,
) -> Numbers:
    """PARTS: kill -9 at random, every second time in the middle of an upload.

    A third of the emails share one file of *shared* octets; each other one has a file of its own,
    of *least* to *most* octets. Beside them somebody uploads files and never tries again.
    """
    chance = random.Random(seed)
    service = Running(folder, RETRY_SCHEDULE="1", QUEUE_WORKERS=connections)
    database = database_of(service)
    between_dot_and_result = amid_an_upload = 0
    cut_off: set[str] = set()
    with Sink(folder, latency_ms=20, reads_files=True) as sink, ended(service):
        service.start()
        service.account(sink.port, max_connections=connections)
        files = Files(seed, least=least, most=most, shared=shared)
        files.share(service.port)
        load = Load([service.port], files.bodies(emails), post=files.post).start()
        careless = Careless(service.port, seed=seed).start()
        for number in range(kills):
            goal = (number + chance.random()) * emails / (kills + 1)
            wait_until(lambda goal=goal: sink.count() >= goal, patience=300, every=0.02)
            time.sleep(chance.random() / 20)
            if number % 2 == 0:
                wait_until(
                    lambda known=cut_off: _unfinished(database) - known, patience=300, every=0.001
                )
            service.kill()
            between_dot_and_result += database.committing()
            known, cut_off = cut_off, _unfinished(database)
            amid_an_upload += bool(cut_off - known)
            service.start()
        load.join()
        careless.stop()
        _send_what_was_uploaded(service, careless, load, files)
        database.wait_for_the_end()
        numbers = judged_load(load, sink, database, excused={"outcome_unknown"})
        assert service.stop() == 0
    _files_arrived(sink, files)
    before = _counts(database)
    removed = _swept(folder)
    after = _counts(database)
    wanted = Counter(files.digest(subject) for subject in load.accepted)
    assert set(database.reasons().values()) <= {"outcome_unknown"}, database.reasons()
    assert sum(database.statuses().values()) == len(load.accepted), "a key made two emails"
    assert numbers["copies beyond one"] <= between_dot_and_result <= kills * connections  # type: ignore[operator]
    assert amid_an_upload >= kills // 3, f"only {amid_an_upload} kills cut an upload off"
    assert removed == before["blobs"] - after["blobs"] > 0, "the sweep had nothing to do"
    assert _references(database) == wanted, "emails refer to other files than they were given"
    assert _stored_whole(database) == set(wanted), "what is stored is not what emails carry"
    assert _strays(database) == 0, "chunks or references without a blob are left"
    return numbers | {
        "kills": kills,
        "in the middle of an upload": amid_an_upload,
        "between dot and result at the kills": between_dot_and_result,
        "unfinished uploads removed": before["unfinished"] - after["unfinished"],
        "finished, unused ones removed": removed - before["unfinished"] + after["unfinished"],
        "chunk rows before and after the sweep": f"{before['chunks']} and {after['chunks']}",
        "blobs": after["blobs"],
        "references": sum(wanted.values()),
        "orphaned or missing chunk rows": 0,
        "seed": seed,
    }


class Files:
    """The file of each email, made again from its subject whenever it is needed."""

    def __init__(self, seed: int, *, least: int, most: int, shared: int) -> None:
        self._seed = seed
        self._least, self._most = least, most
        self._shared = random.Random(seed).randbytes(shared)
        self._shared_id = ""
        self._digests: dict[str, str] = {}

    def share(self, port: int) -> None:
        """Upload the shared file."""
        with closing(Client(port)) as client:
            answer = _upload(client, self._shared)
        assert answer.status == 201, answer
        self._shared_id = answer.body["attachment_id"]

    def bodies(self, number: int) -> list[dict[str, object]]:
        """Emails that differ in the way in which their files come."""
        ways = [WAYS[n % len(WAYS)] for n in range(number)]
        return [an_email(f"parts {n} {way}") | {"way": way} for n, way in enumerate(ways)]

    def post(self, client: Client, body: dict[str, object], key: str) -> Answer:
        """Submit the email with its file. What was uploaded for it once is kept in *body*."""
        subject, way = str(body["subject"]), body["way"]
        email = {name: value for name, value in body.items() if name not in ("way", "uploaded")}
        if way == SHARED:
            body["uploaded"] = self._shared_id
        elif way in ("raw", "form") and "uploaded" not in body:
            answer = _upload(client, self._octets(subject), form=way == "form")
            if answer.status != 201:
                return answer
            body["uploaded"] = answer.body["attachment_id"]
        if "uploaded" in body:
            named = {"filename": "a.bin", "attachment_id": body["uploaded"]}
            return client.post("/api/emails", email | {"attachments": [named]}, key=key)
        octets = self._octets(subject)
        if way == "email form":
            form = _form(("email", "", json.dumps(email).encode()), ("file", "a.bin", octets))
            return client.send("/api/emails", form, kind=_FORM, key=key)
        inline = {"filename": "a.bin", "content": b64encode(octets).decode()}
        return client.post("/api/emails", email | {"attachments": [inline]}, key=key)

    def was_given(self, subject: str, digest: str) -> None:
        """The email with that subject carries a file that was made elsewhere."""
        self._digests[subject] = digest

    def digest(self, subject: str) -> str:
        """SHA-256 of the email's file."""
        if subject not in self._digests:
            octets = self._shared if SHARED in subject else self._octets(subject)
            self._digests[subject] = sha256(octets).hexdigest()
        return self._digests[subject]

    def _octets(self, subject: str) -> bytes:
        chance = random.Random(f"{self._seed} {subject}")
        return chance.randbytes(chance.randint(self._least, self._most))


class Careless:
    """Somebody who uploads a new file again and again, and never the same one twice."""

    def __init__(self, port: int, *, seed: int, size: int = 3000 * KILO) -> None:
        self._port = port
        self._chance = random.Random(-seed)
        self._size = size
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answered: dict[str, str] = {}  # attachment_id: digest
        self._wrong: list[Answer] = []

    def start(self) -> "Careless":
        self._thread.start()
        return self

    def stop(self) -> None:
        """Upload nothing more."""
        self._stopping.set()
        self._thread.join()
        assert not self._wrong, f"an answer that no caller should get: {self._wrong[0]}"

    def _run(self) -> None:
        while not self._stopping.wait(0.2):
            octets = self._chance.randbytes(self._size)
            with closing(Client(self._port)) as client:
                answer = _upload(client, octets, form=self._chance.random() < 0.5)
            digest = sha256(octets).hexdigest()
            if answer.status == 201 and answer.body["sha256"] == digest:
                self.answered[answer.body["attachment_id"]] = digest
            elif answer.status not in (0, 503):
                self._wrong.append(answer)


def _send_what_was_uploaded(
    service: Running, careless: Careless, load: Load, files: Files, *, every: int = 3
) -> None:
    """Attach every third answered upload to an email: a 201 is a promise for files too."""
    for attachment_id, digest in list(careless.answered.items())[::every]:
        subject = f"parts of {attachment_id}"
        attachments = [{"filename": "a.bin", "attachment_id": attachment_id}]
        load.accepted[subject] = service.submit(subject, attachments=attachments)
        files.was_given(subject, digest)


def _files_arrived(sink: Sink, files: Files) -> None:
    wrong = [each for each in sink.taken() if each.files != (files.digest(each.subject),)]
    assert not wrong, f"{len(wrong)} messages came without their file, or with another: {wrong[0]}"


def _upload(client: Client, octets: bytes, *, form: bool = False) -> Answer:
    if form:
        return client.send("/api/attachments", _form(("file", "a.bin", octets)), kind=_FORM)
    return client.send("/api/attachments", octets, kind="application/octet-stream")


def _form(*parts: tuple[str, str, bytes]) -> bytes:
    """multipart/form-data of (name, file name, octets)."""
    lines = []
    for name, filename, octets in parts:
        named = f'; filename="{filename}"' if filename else ""
        lines += [
            b"--b0undary",
            f'Content-Disposition: form-data; name="{name}"{named}'.encode(),
            b"",
            octets,
        ]
    return b"\r\n".join([*lines, b"--b0undary--", b""])


def _swept(folder: Path) -> int:
    """How many blobs the sweep removes when a day has passed."""
    clock = FakeClock(SystemClock().now() + _A_DAY_LATER)
    with closing(open_store(f"sqlite:///{folder / 'service.db'}", clock=clock)) as store:
        return Leftovers(store=store, clock=clock, observe=ListObserver()).run()


def _unfinished(database: Database) -> set[str]:
    """The digests of what is being uploaded, or was not uploaded to its end."""
    return {digest for (digest,) in database.rows("SELECT digest FROM blob WHERE complete = 0")}


def _counts(database: Database) -> Mapping[str, int]:
    query = (
        "SELECT (SELECT COUNT(*) FROM blob), (SELECT COUNT(*) FROM blob WHERE complete = 0),"
        " (SELECT COUNT(*) FROM blob_chunk)"
    )
    return dict(zip(("blobs", "unfinished", "chunks"), *database.rows(query), strict=True))


def _references(database: Database) -> Counter[str]:
    """How many emails carry each digest."""
    return Counter(dict(database.rows("SELECT digest, COUNT(*) FROM email_blob GROUP BY digest")))


def _strays(database: Database) -> int:
    """Chunks and references whose blob is not there."""
    query = (
        "SELECT COUNT(*) FROM (SELECT digest FROM blob_chunk UNION ALL SELECT digest FROM"
        " email_blob UNION ALL SELECT digest FROM upload) WHERE digest NOT IN"
        " (SELECT digest FROM blob)"
    )
    return int(database.rows(query)[0][0])


def _stored_whole(database: Database) -> set[str]:
    """The digests of all blobs. AssertionError unless each has its chunks, and they are its own."""
    blobs = database.rows("SELECT digest, size, complete FROM blob")
    for digest, size, complete in blobs:
        chunks = database.rows(
            f"SELECT n, octets FROM blob_chunk WHERE digest = '{digest}' ORDER BY n"
        )
        whole = b"".join(octets for _, octets in chunks)
        assert complete == 1, f"the blob {digest} is not complete"
        assert [n for n, _ in chunks] == list(range(-(-size // CHUNK))), f"chunks of {digest}"
        assert sha256(whole).hexdigest() == digest, f"other octets than those of {digest}"
    return {digest for digest, _, _ in blobs}

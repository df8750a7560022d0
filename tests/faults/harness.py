"""What the experiments share: a mail server that survives, a client that insists, the verdict.

The mail server is a process of its own, so that what talks to it can be killed and its log cannot.
The client repeats a request with the same Idempotency-Key until it has read a 201: what it counts
as accepted is exactly what the service has promised.
"""

import http.client
import json
import math
import queue
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import attrs

from tests.faults.measures import extra_copies
from tests.running import ROOT, Running, wait_until

Numbers = dict[str, object]
PATIENCE_S = 180.0


@attrs.frozen(kw_only=True)
class Taken:
    """One message in the mail server's log, with the server's own times."""

    subject: str
    sha: str
    rcpt: tuple[str, ...]
    wall: float
    monotonic: float
    bad: tuple[str, ...]
    files: tuple[str, ...] = ()


class Sink:
    """The scripted mail server (tests/smtp_server.py) as a process."""

    def __init__(
        self,
        folder: Path,
        *,
        latency_ms: float = 0,
        rules: Sequence[Mapping[str, object]] = (),
        reads_files: bool = False,
    ) -> None:
        self.log = folder / f"accepted-{time.monotonic_ns()}.jsonl"
        self._counted = 0
        self._read_to = 0
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.smtp_server", "--log", str(self.log)),
                *("--latency-ms", str(latency_ms), "--rules", json.dumps(list(rules))),
                *(["--files"] if reads_files else []),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def play(self, *rules: Mapping[str, object]) -> None:
        """Replace its rules."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(rules) + "\n")
        self._process.stdin.flush()
        time.sleep(0.05)  # it reads them on a thread of its own

    def taken(self) -> list[Taken]:
        """What it has taken so far."""
        text = self.log.read_text("utf-8") if self.log.exists() else ""
        return [_taken(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def count(self) -> int:
        """How much it has taken so far. For one thread: only what is new is read."""
        if self.log.exists():
            with self.log.open("rb") as log:
                log.seek(self._read_to)
                new = log.read()
            self._read_to += len(new)
            self._counted += new.count(b"\n")
        return self._counted


def until_the_next(sink: Sink, *, of: float = math.inf) -> float:
    """How many seconds it takes until a message more is taken; none if that was the last one *of*
    so many."""
    started, before = time.monotonic(), sink.count()
    wait_until(lambda: sink.count() > before or before >= of, every=0.02)
    return time.monotonic() - started


def _taken(line: str) -> Taken:
    entry = json.loads(line)
    return Taken(
        subject=entry["subject"],
        sha=entry["sha"],
        rcpt=tuple(entry["rcpt"]),
        wall=entry["time"],
        monotonic=entry["monotonic"],
        bad=tuple(entry["bad"]),
        files=tuple(entry["files"]),
    )


@attrs.frozen(kw_only=True)
class Answer:
    """What became of one request; status 0 if there was no answer."""

    status: int
    body: Any
    seconds: float


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int, *, timeout_s: float = 60.0) -> None:
        self._port = port
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: object, *, key: str | None = None) -> Answer:
        """One request in JSON. A connection that breaks is an answer too: 0."""
        return self.send(path, json.dumps(body).encode(), kind="application/json", key=key)

    def send(self, path: str, body: bytes, *, kind: str, key: str | None = None) -> Answer:
        """One request with a body of that media type."""
        started = time.monotonic()
        headers = {"Content-Type": kind} | ({"Idempotency-Key": key} if key else {})
        try:
            connection = self._connection or self._connect()
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            status, octets = response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return Answer(status=0, body=None, seconds=time.monotonic() - started)
        return Answer(status=status, body=json.loads(octets), seconds=time.monotonic() - started)

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_s)
        connection.connect()
        assert connection.sock is not None
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        return connection


def an_email(subject: str, **fields: object) -> dict[str, object]:
    """The body of a POST."""
    return {
        "subject": subject,
        "recipients": ["ada@example.org"],
        "html_content": "<p>Hi</p>",
        **fields,
    }


def _post_email(client: Client, body: dict[str, object], key: str) -> Answer:
    return client.post("/api/emails", body, key=key)


class Load:
    """Some threads that post emails until each is accepted, whatever happens to the service.

    *post* makes the request of a body with an Idempotency-Key; without it the body is that of an
    email. ``accepted`` maps the subjects whose 201 was read to their ids. Any answer but 201 and
    503 fails the run when it is joined.
    """

    def __init__(
        self,
        ports: Sequence[int],
        bodies: Iterable[dict[str, object]],
        *,
        threads: int = 4,
        per_second: float | None = None,
        post: Callable[[Client, dict[str, object], str], Answer] | None = None,
    ) -> None:
        self._post = post or _post_email
        self.accepted: dict[str, int] = {}
        self.statuses: Counter[int] = Counter()
        self.slowest_s = 0.0
        self._wrong: list[Answer] = []
        self._bodies: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()
        for body in bodies:
            self._bodies.put(body)
        self._pause_s = threads / per_second if per_second else 0.0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(ports[number % len(ports)],), daemon=True)
            for number in range(threads)
        ]

    def start(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Post nothing more."""
        self._stopping.set()
        self.join()

    def join(self) -> None:
        """Until all is accepted (or it was stopped)."""
        for thread in self._threads:
            thread.join()
        assert not self._wrong, f"an answer that no caller should get: {self._wrong[0]}"

    def _run(self, port: int) -> None:
        client = Client(port)
        while not self._stopping.is_set():
            try:
                body = self._bodies.get_nowait()
            except queue.Empty:
                break
            self._insist(client, body)
            self._stopping.wait(self._pause_s)
        client.close()

    def _insist(self, client: Client, body: dict[str, object]) -> None:
        subject = str(body["subject"])
        while not self._stopping.is_set():
            answer = self._post(client, body, subject.replace(" ", "-"))
            with self._lock:
                self.statuses[answer.status] += 1
                if answer.status:
                    self.slowest_s = max(self.slowest_s, answer.seconds)
                if answer.status == 201:
                    self.accepted[subject] = answer.body["email_id"]
                    return
                if answer.status not in (0, 503):
                    self._wrong.append(answer)
                    return
            client.close()  # a draining server says so, and a new one may listen by now
            self._stopping.wait(0.05)


_CHARGED = (
    "SELECT account_id, {width}, ts / {width}000000 * {width}000000, -units, -1 FROM ledger"
    " WHERE ts IS NOT NULL"
)
_WRONG_SUMS = (
    "SELECT account_id, width, start, SUM(units), SUM(number) FROM"
    " (SELECT account_id, width, start, units, number FROM ledger_sum"
    f" UNION ALL {_CHARGED.format(width=10)} UNION ALL {_CHARGED.format(width=600)}) AS both_ways"
    " GROUP BY 1, 2, 3 HAVING SUM(units) <> 0 OR SUM(number) <> 0"
)


class Database:
    """What stands in the service's SQLite file, read beside it.

    Read with the library of the store: where the service runs in this very process, a second SQLite
    would drop the locks that the first one has on the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def _open(self) -> apsw.Connection:
        database = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        database.set_busy_timeout(5000)
        return database

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with closing(self._open()) as database:
            return database.execute(sql).fetchall()

    @contextmanager
    def watched(self) -> Iterator[Callable[[], bool]]:
        """Tells whether anybody has committed since."""
        with closing(self._open()) as database:
            before = database.execute("PRAGMA data_version").fetchall()
            yield lambda: database.execute("PRAGMA data_version").fetchall() != before

    def statuses(self) -> Counter[str]:
        """How many emails stand in each status."""
        return Counter(dict(self.rows("SELECT status, COUNT(*) FROM email GROUP BY status")))

    def committing(self) -> int:
        """How many stand between the mark and their result."""
        return self.rows("SELECT COUNT(*) FROM email WHERE phase = 'committing'")[0][0]

    def wrong_sums(self) -> list[tuple[Any, ...]]:
        """The sums of the ledger that are not those of its rows, as one moment shows both."""
        return self.rows(_WRONG_SUMS)

    def has_ended(self) -> bool:
        """Whether no email waits or is being sent."""
        return set(self.statuses()) <= {"sent", "failed", "cancelled"}

    def reasons(self) -> dict[str, str]:
        """Why emails have failed, by subject."""
        return dict(
            self.rows("SELECT subject, COALESCE(reason_code, '') FROM email WHERE status='failed'")
        )

    def waiting(self) -> set[str]:
        """The subjects of what is still to be handed off."""
        query = "SELECT subject FROM email WHERE status IN ('queued', 'scheduled', 'retry')"
        return {subject for (subject,) in self.rows(query)}

    def unknown_outcomes(self) -> Counter[str]:
        """How often the outcome of an email was unknown, by subject."""
        query = (
            "SELECT subject, COUNT(*) FROM attempt JOIN email ON email.id = attempt.email_id"
            " WHERE attempt.result = 'unknown' GROUP BY email.id"
        )
        return Counter(dict(self.rows(query)))

    def wait_for_the_end(self, *, patience: float = PATIENCE_S) -> None:
        """Until every email has ended."""
        wait_until(self.has_ended, patience=patience, every=0.2)


def database_of(service: Running) -> Database:
    """The database of a service that was started in its own folder."""
    return Database(service.folder / "service.db")


def judged(
    *,
    accepted: Collection[str],
    taken: Sequence[Taken],
    database: Database,
    statuses: Mapping[int, int],
    excused: Collection[str] = (),
    most_copies: int = 2,
    unfinished: bool = False,
) -> Numbers:
    """The numbers of a run, after the criteria that hold for every experiment.

    A failed email is lost unless its reason is *excused*: the fault must justify it. What waits is
    lost too, except for a run that is cut short while its faults last (*unfinished*).
    """
    copies = Counter(each.subject for each in taken)
    shas: dict[str, set[str]] = {}
    for each in taken:
        shas.setdefault(each.subject, set()).add(each.sha)
    reasons = database.reasons()
    kept = database.waiting() if unfinished else set()
    absent = [s for s in accepted if not copies[s] and s not in kept]
    lost = [s for s in absent if reasons.get(s) not in excused]
    numbers: Numbers = {
        "accepted": len(accepted),
        "handed off": len(copies),
        "lost": len(lost),
        "copies beyond one": extra_copies(copies.elements()),
        "most copies": max(copies.values(), default=0),
        "HTTP 500": sum(count for status, count in statuses.items() if 500 <= status != 503),
    }
    assert not lost, f"{len(lost)} emails were lost, {lost[:5]} among them"
    assert numbers["most copies"] <= most_copies  # type: ignore[operator]
    assert not [subject for subject, each in shas.items() if len(each) > 1], "copies differ"
    assert not [bad for each in taken for bad in each.bad], "bad octets on the wire"
    assert numbers["HTTP 500"] == 0
    assert "sending" not in database.statuses(), "emails are left in `sending`"
    assert database.wrong_sums() == [], "the ledger's sums are not those of its rows"
    return numbers


def judged_load(
    load: Load,
    sink: Sink,
    database: Database,
    *,
    excused: Collection[str] = (),
    most_copies: int = 2,
) -> Numbers:
    """The numbers of a run of one load and one mail server."""
    return judged(
        accepted=load.accepted,
        taken=sink.taken(),
        database=database,
        statuses=load.statuses,
        excused=excused,
        most_copies=most_copies,
    )


@contextmanager
def ended(*services: Running) -> Iterator[None]:
    """Whatever happens, these processes are gone afterwards."""
    try:
        yield
    finally:
        for service in services:
            if service.process is not None and service.process.poll() is None:
                service.kill()


def timed(action: Callable[[], object]) -> float:
    """How many seconds it took."""
    started = time.monotonic()
    action()
    return time.monotonic() - started

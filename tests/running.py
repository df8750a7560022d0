"""A service in a process of its own, driven as a user would: over HTTP, and by signals."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60.0


def free_port() -> int:
    """A port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def quiet_port() -> int:
    """A port without a listener, that the system gives to no connection meanwhile."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(first - 12_000, first)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def quiet_ports(number: int) -> list[int]:
    """So many of them, none twice."""
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(quiet_port())
    return list(ports)


def wait_until(met: Any, *, patience: float = PATIENCE_S, every: float = 0.05) -> Any:
    """What *met* answers once it is true; AssertionError if that takes longer than *patience*."""
    deadline = time.monotonic() + patience
    while True:
        answer = met()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience} s in vain, last answer {answer!r}")
        time.sleep(every)


def children_of(pid: int) -> list[int]:
    """The processes that it has forked, in whichever thread; a thread may end meanwhile."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, (task / "children").read_text().split())
    return found


def descendants_of(pid: int) -> list[int]:
    """The processes that it has forked, and those that they have; some may end meanwhile."""
    found: list[int] = []
    more = [pid]
    while more:
        children = []
        for parent in more:
            with suppress(OSError):
                children += children_of(parent)
        found += children
        more = children
    return found


def is_alive(pid: int) -> bool:
    """Whether it may still do something: a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


class Running:
    """One `serve` process (or another command) on its own database folder."""

    def __init__(
        self, folder: Path, *, command: Sequence[str] | None = None, **environ: object
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "service.log"
        self.command = command or (sys.executable, "-m", "entrypoints", "serve")
        self.environ = {
            name: value for name, value in os.environ.items() if not name.startswith("FLASK")
        } | {
            "PYTHONPATH": str(ROOT),
            "FLASK_ENV": "development",
            "PORT": str(self.port),
            "DATABASE_URL": f"sqlite:///{folder / 'service.db'}",
            "SANDBOX": "0",
            **{name: str(value) for name, value in environ.items()},
        }
        self.key: str | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, on the same settings."""
        return subprocess.run(
            [sys.executable, "-m", "entrypoints", *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def with_key(self, *scopes: str) -> "Running":
        """Make an API key by command and call with it from now on."""
        wanted = [word for scope in scopes for word in ("--scope", scope)]
        made = self.run("keys", "create", "--name", "test", *wanted)
        assert made.returncode == 0, made.stderr
        self.key = made.stdout.strip()
        return self

    def start(self, *, ready: bool = True) -> "Running":
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [word.replace("{port}", str(self.port)) for word in self.command],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if ready:
            wait_until(self.is_ready)
        return self

    def is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode}: {self.output()}")
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def pids(self) -> list[int]:
        """Its processes."""
        assert self.process is not None
        return [self.process.pid]

    def freeze(self) -> None:
        """SIGSTOP: it does nothing more, and what it has done can be looked at before it dies."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """SIGKILL: it gets no chance to clean up."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def output(self) -> str:
        """Its output."""
        return self.log.read_text("utf-8", "replace")

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and parsed JSON of one request."""
        octets = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path,
            data=octets,
            method=method,
            headers=self._headers(body=octets is not None),
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def _headers(self, *, body: bool) -> dict[str, str]:
        headers = {"Content-Type": "application/json"} if body else {}
        return headers | ({"X-API-Key": self.key} if self.key else {})

    def get(self, path: str) -> tuple[int, Any]:
        return self.call("GET", path)

    def post(self, path: str, body: object = None) -> tuple[int, Any]:
        return self.call("POST", path, body)

    def account(self, smtp_port: int, **fields: object) -> int:
        """A new account on a loopback server, without limits."""
        status, answer = self.post(
            "/api/smtp-configs",
            {
                "name": f"account-{smtp_port}",
                "email_address": "me@example.com",
                "smtp_host": "127.0.0.1",
                "smtp_port": smtp_port,
                "use_tls": False,
                "daily_limit": None,
                "hourly_limit": None,
                "priority_reserve": 0,  # whoever sets a limit wants to see all of it used
                **fields,
            },
        )
        assert status == 201, answer
        config_id: int = answer["config_id"]
        return config_id

    def submit(self, subject: str, **fields: object) -> int:
        """The id of an accepted email."""
        status, answer = self.post(
            "/api/emails",
            {
                "subject": subject,
                "recipients": ["ada@example.org"],
                "html_content": "<p>Hi</p>",
                **fields,
            },
        )
        assert status == 201, answer
        email_id: int = answer["email_id"]
        return email_id

    def statuses(self) -> dict[str, int]:
        """How many emails stand in each status, by the API."""
        counts: dict[str, int] = {}
        path: str | None = "/api/emails?limit=500"
        while path:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                for email in json.load(answer):
                    counts[email["status"]] = counts.get(email["status"], 0) + 1
                link = answer.headers.get("Link", "")
            path = link[1 : link.index(">")].removeprefix(self.url) if link else None
        return counts

    def all_sent(self) -> bool:
        return set(self.statuses()) <= {"sent"}


@contextmanager
def running(folder: Path, **environ: object) -> Iterator[Running]:
    """A started service that is ended in any case."""
    service = Running(folder, **environ)
    try:
        yield service.start()
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill()

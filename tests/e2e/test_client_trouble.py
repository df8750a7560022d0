"""`email-service send` and `sendmail` while the service goes away, and with large files."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.running import ROOT, Running, free_port, running, wait_until

OK, TEMPFAIL = 0, 75
MIB = 1024 * 1024
MESSAGE = b"From: me@example.com\nTo: ada@example.org\nSubject: Hi\n\nHello.\n"
# with a file of ten megabytes
LARGE = (
    MESSAGE.partition(b"\n\n")[0]
    + b"\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
    + (b"MTIg" * 19 + b"\n") * (10 * MIB // 57)
)
SENDMAIL = ("sendmail", "-t", "-i")
SEND = ("send", "--to", "ada@example.org", "--subject", "Hi")


def begun(
    service: Running, *arguments: str, url: str = "", **environ: str
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "entrypoints", *arguments],
        cwd=service.folder,
        env=environ_of(service, url or service.url) | environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def environ_of(service: Running, url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "EMAIL_SERVICE_URL": url,
        "EMAIL_SERVICE_KEY": service.key or "",
    }


@contextmanager
def losing_answers(service: Running, number: int) -> Iterator[str]:
    """The address of a way to the service that breaks the first *number* answers off."""
    left = [number]

    def carry(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", service.port)) as there:
            threading.Thread(target=pour, args=(client, there), daemon=True).start()
            while answer := there.recv(65_536):
                if left[0] > 0:
                    left[0] -= 1
                    break
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)  # a close alone would wait for the other thread

    def pour(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while octets := source.recv(65_536):
                sink.sendall(octets)

    def accept() -> None:
        with suppress(OSError):
            while True:
                carry(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert left == [0]


def emails(service: Running) -> int:
    return len(service.get("/api/emails?limit=500")[1])


# A process begins with the peak of the one that it was forked from: a small one forks it.
MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "entrypoints", *sys.argv[1:]], stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(done.returncode)
"""


def peak_of(service: Running, arguments: Sequence[str], stdin: bytes) -> int:
    """The most memory that a call which is accepted has at once, in octets."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments],
        cwd=service.folder,
        input=stdin,
        env=environ_of(service, service.url),
        capture_output=True,
        timeout=90,
    )
    assert done.returncode == OK, done.stderr
    return int(done.stdout)


def test_answers_that_are_lost_make_no_double(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.account(free_port())
        service.with_key("admin")
        for arguments in (SENDMAIL, SEND):
            with losing_answers(service, 2) as url:
                told = begun(service, *arguments, url=url).communicate(MESSAGE, timeout=90)
                assert told[1].decode() == ""

        assert emails(service) == 2


def test_a_service_that_is_killed_and_started_again_gets_the_email_once(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.account(free_port())
        service.with_key("admin")
        service.freeze()
        # when the service dies, the short one is in the socket and the long one in the middle
        calls = [begun(service, *arguments) for arguments in (SENDMAIL, SEND)]
        for call, text in zip(calls, (LARGE, b"Hello"), strict=True):
            assert call.stdin is not None
            call.stdin.write(text)
            call.stdin.close()
            call.stdin = None
        wait_until(lambda: all(is_connected(call.pid) for call in calls))
        service.kill()
        service.start()
        for call in calls:
            assert call.communicate(timeout=90)[1] == b""
            assert call.returncode == OK

        assert emails(service) == 2


def is_connected(pid: int) -> bool:
    with suppress(OSError):
        links = [os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()]
        return any(link.startswith("socket:") for link in links)
    return False


def test_without_a_service_it_is_for_later_within_the_patience(tmp_path: Path) -> None:
    service = Running(tmp_path)
    begin = time.monotonic()
    for arguments in (SENDMAIL, SEND):
        call = begun(service, *arguments, EMAIL_SERVICE_TIMEOUT="3")
        errors = call.communicate(MESSAGE, timeout=90)[1].decode()
        assert call.returncode == TEMPFAIL
        assert "does not answer: Connection refused. Is the service running, and is" in errors
        assert "EMAIL_SERVICE_URL its address? Try it again later." in errors

    assert 2 * 1.5 < time.monotonic() - begin < 25


def test_ten_megabytes_are_not_held_many_times(tmp_path: Path) -> None:
    """A file is read piece by piece; a message is in memory, its base64 not."""
    file = tmp_path / "film.bin"
    file.write_bytes(os.urandom(10 * MIB))
    with running(tmp_path) as service:
        service.account(free_port())
        service.with_key("admin")
        least_send = peak_of(service, SEND, b"Hello")
        send = peak_of(service, (*SEND, "--attach", str(file)), b"Hello")
        least_sendmail = peak_of(service, SENDMAIL, MESSAGE)
        sendmail = peak_of(service, SENDMAIL, LARGE)

    assert least_sendmail < 40 * MIB
    assert send - least_send < 4 * MIB
    assert sendmail - least_sendmail < 1.5 * len(LARGE)

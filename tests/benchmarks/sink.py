"""Where benchmarks hand off to: Debian's smtp-sink if it is there, else a small one of our own.

Ours is needed anyway where replies take time, or where the moment of each final dot counts. It
keeps nothing, offers PIPELINING, and answers late as a network does: what was asked in one write is
answered in one, a round trip later.
"""

import argparse
import asyncio
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.running import ROOT, free_port, wait_until

SMTP_SINK: Final = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin:/usr/local/sbin")
_EHLO: Final = b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250 8BITMIME\r\n"
_OK: Final = b"250 2.0.0 Ok\r\n"
_GO_ON: Final = b"354 Go ahead\r\n"
_BYE: Final = b"221 2.0.0 Bye\r\n"
_END: Final = b"\r\n.\r\n"
_MESSAGES: Final = re.compile(rb"mesg= *([0-9]+)\s")  # the last number may be half written
_SUBJECT: Final = re.compile(rb"^Subject: ([^\r\n]*)", re.MULTILINE)


class Sink:
    """A mail server that takes everything. ``dots`` is empty where none are written down."""

    def __init__(
        self, port: int, *, name: str, log: Path | None, count: Path | None = None
    ) -> None:
        self.port = port
        self.name = name
        self._log = log
        self._count = count

    def taken(self) -> int:
        """How many messages it has taken, if it was asked to count them."""
        if self._count is None:
            return 0 if self._log is None else self._log.read_bytes().count(b"\n")
        with self._count.open("rb") as counted:
            counted.seek(max(0, self._count.stat().st_size - 200))
            found = _MESSAGES.findall(counted.read())
        return int(found[-1]) if found else 0

    def dots(self) -> dict[str, float]:
        """Subject to the moment of its final dot, by the machine's monotonic clock."""
        if self._log is None:
            return {}
        lines = self._log.read_text("utf-8").split("\n")[:-1]  # the last may be half written
        return {subject: float(at) for at, _, subject in (line.partition(" ") for line in lines)}


@contextmanager
def sink(
    *, latency_s: float = 0.0, log: Path | None = None, count: Path | None = None
) -> Iterator[Sink]:
    """A sink in a process of its own; *log* takes the moment of each dot, *count* their number
    where that is enough: Debian's then does it.
    """
    port = free_port()
    ours = latency_s > 0 or log is not None or SMTP_SINK is None
    log = count if ours and log is None else log
    command = _ours(port, latency_s, log) if ours else _debians(port, counts=count is not None)
    output = (count or Path(os.devnull)).open("ab")
    process = subprocess.Popen(command, cwd=ROOT, stdout=output)
    output.close()
    try:
        wait_until(lambda: listens(port), every=0.02)
        name = "benchmarks' sink" if ours else "smtp-sink"
        yield Sink(port, name=name, log=log, count=None if ours else count)
    finally:
        process.kill()
        process.wait()


def _debians(port: int, *, counts: bool) -> list[str]:
    assert SMTP_SINK is not None
    options = ["-c"] if counts else []
    return [SMTP_SINK, *options, "-u", "nobody", "-m", "1000", f"127.0.0.1:{port}", "1000"]


def _ours(port: int, latency_s: float, log: Path | None) -> list[str]:
    command = [sys.executable, "-m", "tests.benchmarks.sink", str(port), str(latency_s)]
    return command if log is None else [*command, str(log)]


def listens(port: int) -> bool:
    """Whether somebody answers there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Session(asyncio.Protocol):
    """One connection. Commands are trusted to be good: this is a measuring instrument."""

    def __init__(self, latency_s: float, log: Any) -> None:
        self._latency_s = latency_s
        self._log = log
        self._in = bytearray()
        self._in_body = False
        self._searched = 0

    def connection_made(self, transport: Any) -> None:
        """Greet."""
        self._transport = transport
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer whatever is complete, in one write."""
        self._in += data
        replies = []
        while (reply := self._end_of_body() if self._in_body else self._command()) is not None:
            replies.append(reply)
        if replies:
            self._answer(b"".join(replies))

    def _command(self) -> bytes | None:
        end = self._in.find(b"\r\n")
        if end < 0:
            return None
        verb = bytes(self._in[:4]).upper()
        del self._in[: end + 2]
        if verb == b"DATA":
            self._in_body, self._searched = True, 0
            return _GO_ON
        return {b"EHLO": _EHLO, b"QUIT": _BYE}.get(verb, _OK)

    def _end_of_body(self) -> bytes | None:
        end = self._in.find(_END, max(0, self._searched - len(_END)))
        if end < 0:
            self._searched = len(self._in)
            return None
        if self._log is not None:
            self._note(time.monotonic())
        del self._in[: end + len(_END)]
        self._in_body = False
        return _OK

    def _note(self, at: float) -> None:
        found = _SUBJECT.search(self._in)
        self._log.write(f"{at:.6f} {found[1].decode() if found else ''}\n")

    def _answer(self, octets: bytes) -> None:
        if self._latency_s:
            asyncio.get_running_loop().call_later(self._latency_s, self._transport.write, octets)
        else:
            self._transport.write(octets)


async def _serve(port: int, latency_s: float, log: Any) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(latency_s, log), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    """Run it as a process until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("latency_s", type=float)
    parser.add_argument("log", type=Path, nargs="?")
    options = parser.parse_args()
    log = None if options.log is None else options.log.open("a", encoding="utf-8", buffering=1)
    # epoll rounds a wait up to milliseconds, so that 20 of them were 20.6; select does not
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    loop.run_until_complete(_serve(options.port, options.latency_s, log))


if __name__ == "__main__":
    main()

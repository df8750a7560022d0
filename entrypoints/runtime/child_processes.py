"""Child processes beside this one: started, restarted and stopped with it.

The interpreter lets a process use one processor; a second one needs a second process. Each child
reads from a pipe: a byte says that there is something to do. The end of the pipe says that this
process has ended, in whatever way, so that no child outlives it.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import BinaryIO, Final

import attrs

from application.ports.system import Observe
from domain.events import Event as Happened

LOOK_S: Final = 0.2  # between two checks for one that has ended
RESTART_S: Final = (
    0.5,
    1.0,
    2.0,
    5.0,
    15.0,
    30.0,
)  # the delay grows while one keeps ending at once
WELL_S: Final = 60.0  # one that ran this long has not ended at once
COALESCE_S: Final = 0.005  # notifications within it are one byte
KILL_S: Final = 5.0  # beyond its own time to drain


@attrs.define
class _Child:
    """One child process."""

    process: "subprocess.Popen[bytes]"
    number: int
    started_at: float = attrs.field(factory=time.monotonic)


class ChildProcesses:
    """*number* processes of *command*. Start once, stop once; safe from many threads.

    Each gets its number, from 1, as the last argument; a restarted one keeps the number. The
    command must read its standard input as `watch_parent` does.
    """

    def __init__(
        self,
        number: int,
        command: Sequence[str],
        *,
        observe: Observe,
        drain_s: float,
        unbound: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._number = number
        self._unbound = unbound  # around each start
        self._command = [*command]
        self._observe = observe
        self._drain_s = drain_s
        self._running: list[_Child] = []
        self._failures = 0
        self._mutex = threading.Lock()
        self._stopping = threading.Event()
        self._notified = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def pids(self) -> Sequence[int]:
        """The process ids of the running children."""
        with self._mutex:
            return [child.process.pid for child in self._running]

    def start(self) -> None:
        """Start them. OSError if the command cannot be run."""
        if not self._number:
            return
        with self._mutex:
            self._running = [self._started(number) for number in range(1, self._number + 1)]
        for target, name in ((self._watch, "children"), (self._notify_all, "notifier")):
            thread = threading.Thread(target=target, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def notify(self) -> None:
        """Wake the children: they find whatever was stored before this call."""
        self._notified.set()

    def ask_to_stop(self) -> None:
        """Ask the children to drain; none is restarted from now on."""
        self._stopping.set()
        self._notified.set()
        for thread in self._threads:
            thread.join()
        with self._mutex:
            for child in self._running:
                child.process.send_signal(signal.SIGTERM)

    def join(self, *, timeout: float | None = None) -> bool:
        """Wait until all have ended; whether one has left an unknown outcome, or may have.

        One that has not ended shortly after *timeout* seconds, or else its time to drain, is
        killed.
        """
        drain_s = self._drain_s if timeout is None else timeout
        deadline = time.monotonic() + drain_s + KILL_S
        with self._mutex:
            ended, self._running = self._running, []
        exit_codes = [_exit_code(child.process, deadline) for child in ended]
        # one that was ended by the signal itself had not installed its handler yet
        return any(code not in (0, -signal.SIGTERM) for code in exit_codes)

    def _notify_all(self) -> None:
        while self._notified.wait() and not self._stopping.is_set():
            self._notified.clear()  # before the write: a later notification must write again
            with self._mutex:
                for child in self._running:
                    pipe = child.process.stdin
                    assert pipe is not None
                    with suppress(
                        OSError, ValueError
                    ):  # a full pipe: it has not read the last one yet
                        os.write(pipe.fileno(), b".")
            self._stopping.wait(COALESCE_S)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_S):
            with self._mutex:
                dead = [s for s in self._running if s.process.poll() is not None]
                self._running = [s for s in self._running if s not in dead]
            for child in dead:
                self._replace(child)

    def _replace(self, dead: _Child) -> None:
        _close(dead.process)
        well = time.monotonic() - dead.started_at > WELL_S
        self._failures = 0 if well else self._failures + 1
        fields = {"pid": dead.process.pid, "exit_code": dead.process.returncode}
        self._observe(Happened(name="process_ended", fields=fields))
        if self._stopping.wait(RESTART_S[min(self._failures, len(RESTART_S) - 1)]):
            return
        try:
            next_one = self._started(
                dead.number
            )  # without the mutex: a notification does not wait for it
        except OSError as error:
            fields = {"error": type(error).__name__, "text": str(error)}
            self._observe(Happened(name="process_not_started", fields=fields))
            next_one = dead  # the next check tries again
        with self._mutex:
            self._running.append(next_one)

    def _started(self, number: int) -> _Child:
        with self._unbound():
            process = subprocess.Popen(  # noqa: S603 - our own command
                [*self._command, str(number)],
                stdin=subprocess.PIPE,
                start_new_session=True,  # Ctrl+C is for this process, which stops the others
            )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        return _Child(process, number)


def watch_parent(pipe: BinaryIO, *, notify: Callable[[], None], ended: Callable[[], None]) -> None:
    """In a thread of the child: call *notify* when *pipe* has bytes, and *ended* at its end."""

    def listen() -> None:
        while os.read(pipe.fileno(), 4096):
            notify()
        ended()

    threading.Thread(target=listen, name="child", daemon=True).start()


def _exit_code(process: "subprocess.Popen[bytes]", deadline: float) -> int:
    try:
        code = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    _close(process)
    return code


def _close(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()

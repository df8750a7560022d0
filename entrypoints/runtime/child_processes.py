"""Other processes that deliver beside this one: begun with it, begun again, and ended with it.

The interpreter lets a process use one processor; the next one needs another process. Each holds the
end of a pipe: a byte says that there is something to do, and the end of the pipe that this process
is gone, however it went, so that none is left behind.
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

LOOK_S: Final = 0.2  # how soon it is noticed that one has ended
AGAIN_S: Final = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)  # one that ends at once is begun again so late
WELL_S: Final = 60.0  # who has lived so long did not end at once
RING_S: Final = 0.005  # rings within it are one byte
KILL_S: Final = 5.0  # beyond its own time to drain


@attrs.define
class _Sibling:
    """One of them."""

    process: "subprocess.Popen[bytes]"
    number: int
    begun_at: float = attrs.field(factory=time.monotonic)


class ChildProcesses:
    """So many processes of *command*. Start once, stop once; safe from many threads.

    The command is told its number, from 1, behind its arguments; one that is begun in the place of
    another has the same. It must read its standard input as `watch_parent` does.
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
        self._unbound = unbound  # around each begin
        self._command = [*command]
        self._observe = observe
        self._drain_s = drain_s
        self._running: list[_Sibling] = []
        self._failures = 0
        self._mutex = threading.Lock()
        self._stopping = threading.Event()
        self._rung = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def pids(self) -> Sequence[int]:
        """Of those that run."""
        with self._mutex:
            return [sibling.process.pid for sibling in self._running]

    def start(self) -> None:
        """Begin them. OSError if the command cannot be run."""
        if not self._number:
            return
        with self._mutex:
            self._running = [self._begun(number) for number in range(1, self._number + 1)]
        for target, name in ((self._watch, "siblings"), (self._ring, "ringer")):
            thread = threading.Thread(target=target, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def notify(self) -> None:
        """Tell them that there is something to do: what was stored before it, they will see."""
        self._rung.set()

    def ask_to_stop(self) -> None:
        """Let them drain; none is begun again."""
        self._stopping.set()
        self._rung.set()
        for thread in self._threads:
            thread.join()
        with self._mutex:
            for sibling in self._running:
                sibling.process.send_signal(signal.SIGTERM)

    def join(self) -> bool:
        """Wait until all have ended; whether one of them has left an unknown outcome, or may."""
        deadline = time.monotonic() + self._drain_s + KILL_S
        with self._mutex:
            ended, self._running = self._running, []
        exit_codes = [_exit_code(sibling.process, deadline) for sibling in ended]
        # who is ended by the signal itself had not come so far as to listen to it
        return any(code not in (0, -signal.SIGTERM) for code in exit_codes)

    def _ring(self) -> None:
        while self._rung.wait() and not self._stopping.is_set():
            self._rung.clear()  # before the bytes: who rings from now on is owed others
            with self._mutex:
                for sibling in self._running:
                    pipe = sibling.process.stdin
                    assert pipe is not None
                    with suppress(OSError, ValueError):  # full: it has not heard the last one yet
                        os.write(pipe.fileno(), b".")
            self._stopping.wait(RING_S)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_S):
            with self._mutex:
                dead = [s for s in self._running if s.process.poll() is not None]
                self._running = [s for s in self._running if s not in dead]
            for sibling in dead:
                self._replace(sibling)

    def _replace(self, dead: _Sibling) -> None:
        _close(dead.process)
        well = time.monotonic() - dead.begun_at > WELL_S
        self._failures = 0 if well else self._failures + 1
        fields = {"pid": dead.process.pid, "exit_code": dead.process.returncode}
        self._observe(Happened(name="process_ended", level="error", fields=fields))
        if self._stopping.wait(AGAIN_S[min(self._failures, len(AGAIN_S) - 1)]):
            return
        try:
            next_one = self._begun(dead.number)  # without the mutex: a ring does not wait for it
        except OSError as error:
            fields = {"error": type(error).__name__, "text": str(error)}
            self._observe(Happened(name="process_not_started", level="error", fields=fields))
            next_one = dead  # and again
        with self._mutex:
            self._running.append(next_one)

    def _begun(self, number: int) -> _Sibling:
        with self._unbound():
            process = subprocess.Popen(  # noqa: S603 - our own command
                [*self._command, str(number)],
                stdin=subprocess.PIPE,
                start_new_session=True,  # Ctrl+C is for this process, which stops the others
            )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        return _Sibling(process, number)


def watch_parent(pipe: BinaryIO, *, notify: Callable[[], None], ended: Callable[[], None]) -> None:
    """The sibling's part, in a thread of its own: hear the rings of *pipe*, and its end."""

    def listen() -> None:
        while os.read(pipe.fileno(), 4096):
            notify()
        ended()

    threading.Thread(target=listen, name="sibling", daemon=True).start()


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

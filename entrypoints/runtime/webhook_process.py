"""The child process that calls webhooks: there while there is a webhook to call.

Calls cost processor time, and the interpreter lets a process use one processor: in the threads of
a process that delivers they would take it from the emails.
"""

import threading
from collections.abc import Callable
from typing import Final

from application.ports.system import Observe
from application.webhooks.election import CallerElection
from domain.errors import StoreUnavailable
from domain.events import Event as Happened
from entrypoints.runtime.child_processes import ChildProcesses

LOOK_S: Final = 1.0
IDLE_LOOKS: Final = 60  # so often nothing was to be called before the child is stopped
JOIN_S: Final = 1.0


class WebhookProcess:
    """Has a child process call webhooks if no other process does. Start once, stop once."""

    def __init__(
        self,
        election: CallerElection,
        *,
        new_child: Callable[[str], ChildProcesses],
        observe: Observe,
        look_s: float = LOOK_S,
    ) -> None:
        """*new_child* is given in whose name the child holds the lease."""
        self._election = election
        self._new_child = new_child
        self._observe = observe
        self._look_s = look_s
        self._child: ChildProcesses | None = None
        self._idle = 0
        self._stopping = threading.Event()
        self._starting = threading.Lock()  # no child is started any more once a stop was asked for
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._started = False

    def start(self) -> None:
        """Begin. Safe to call again."""
        if not self._started and not self._stopping.is_set():
            self._started = True
            self._thread.start()

    def ask_to_stop(self) -> None:
        """Ask the child to begin no more calls; none is started from now on."""
        self._stopping.set()
        if self._started:
            self._thread.join(JOIN_S)
        with self._starting:
            child = self._child
        if child is not None:
            child.ask_to_stop()
        elif self._started:
            self._give_up()

    def stop(self, *, timeout: float) -> None:
        """Wait until the child has ended, which is killed shortly after *timeout* seconds.

        What it could not store is told again by the next one.
        """
        if self._child is not None:
            self._child.join(timeout=timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except StoreUnavailable as error:
                self._tell("store_unavailable", error)
            except OSError as error:
                self._tell("process_not_started", error)
            except Exception as error:  # a bug must not end the thread
                self._tell("webhooks_failed", error)
            self._stopping.wait(self._look_s)

    def _look(self) -> None:
        if self._election.needed():
            self._idle = 0
            if self._child is None and self._election.won():
                self._start_child()
            return
        self._idle += 1
        if self._child is not None and self._idle >= IDLE_LOOKS:
            child, self._child = self._child, None
            child.ask_to_stop()
            child.join()

    def _start_child(self) -> None:
        with self._starting:
            if not self._stopping.is_set():
                child = self._new_child(self._election.holder)
                child.start()
                self._child = child
                return
        self._give_up()  # the store was so slow that the stop did not wait for the lease

    def _give_up(self) -> None:
        try:
            self._election.give_up()
        except StoreUnavailable as error:
            self._tell("store_unavailable", error)

    def _tell(self, name: str, error: Exception) -> None:
        fields = {"error": type(error).__name__, "text": str(error)}
        self._observe(Happened(name=name, fields=fields))

"""Stopping a process of this service.

The first SIGTERM, SIGINT or SIGHUP starts the drain: nothing more is accepted or claimed, and what
is under way may end. The second one ends the process at once: the queue is on the disk, nothing is
lost by it.
"""

import logging
import os
import signal
import time
from threading import Thread
from types import FrameType
from typing import Final, Protocol

log = logging.getLogger("email_service.server")

LOOK_S: Final = 0.1  # how soon a signal is noticed
SIGNALS: Final = ("SIGTERM", "SIGINT", "SIGHUP")  # Windows has no SIGHUP


class Draining(Protocol):
    """What a process can drain."""

    def drain(self) -> bool:
        """Finish work in progress; True if an unknown outcome or an unwritten result is left."""
        ...


class Stop:
    """Whether the process was asked to stop. The second signal ends it at once."""

    def __init__(self) -> None:
        self.asked = False

    def install(self) -> None:
        """Install the handlers of the signals that stop a process. In the main thread only.

        Who started it with nohup wants SIGHUP to be ignored, and it stays so.
        """
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is None:
                continue
            if name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN:
                continue
            signal.signal(number, self._hear)

    def wait(self) -> None:
        """Wait until a stop is requested."""
        while not self.asked:
            time.sleep(LOOK_S)

    def ask(self) -> None:
        """Request a stop, from any thread; asking again changes nothing."""
        self.asked = True

    def _hear(self, number: int, _: FrameType | None) -> None:
        # no lock, no log: this runs between any two instructions of the main thread
        if self.asked:
            os._exit(128 + number)
        self.asked = True


def run_worker(service: Draining, stop: Stop) -> int:
    """Wait until asked to stop, then drain; the exit code."""
    stop.wait()
    log.info("stopping")
    drain = Drain(service)
    drain.run()
    return drain.exit_code


class Drain(Thread):
    """The drain, beside a server that still answers that it is under way."""

    def __init__(self, service: Draining) -> None:
        super().__init__(name="drain", daemon=True)
        self._service = service
        self.exit_code = 1

    def run(self) -> None:
        try:
            self.exit_code = int(self._service.drain())
        except Exception:  # whatever it was, the process ends with the exit code of an unclean stop
            log.exception("the drain failed")

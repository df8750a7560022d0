"""A service that stands still between its mark and its dot: for FROZEN.

It is the real one, except for an email with "freeze" in its subject: when its mark is durable the
process stops itself (SIGSTOP), once for each, before the final dot is written. WHERE says how late:
`mark` is the moment in which the mark is answered, `permission` the one after it was checked.
"""

import os
import signal
import threading
from pathlib import Path
from typing import Any

from application.delivery.result_writer import CommitPermit, ResultWriter
from entrypoints.runtime.stopping import Stop
from entrypoints.settings import Settings, load_environment
from entrypoints.wiring import build


def stand_still(where: str, marks: Path) -> None:
    """Stop this process at the next mark that there is a note for, and take the note away."""

    def stop() -> None:
        note = marks / "freeze"
        if note.exists():
            note.unlink()
            # to this very thread: it must not get one instruction further
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    instance: Any = ResultWriter if where == "mark" else CommitPermit
    name = "mark" if where == "mark" else "__call__"
    asked = getattr(instance, name)

    def then_stop(self: Any, *arguments: Any, **options: Any) -> Any:
        answer = asked(self, *arguments, **options)
        if answer:
            stop()
        return answer

    setattr(instance, name, then_stop)


def main() -> int:
    """The exit code, if it is asked to stop."""
    settings = Settings.from_environment(load_environment())
    stand_still(os.environ["WHERE"], Path(os.environ["MARKS"]))
    stop = Stop()
    stop.install()
    service = build(settings)
    service.migrate()
    server = service.listen()
    service.start_delivery()
    return server.run(service, stop)


if __name__ == "__main__":
    raise SystemExit(main())

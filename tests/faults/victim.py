"""A service that kills itself between the commit and the answer: for E14.

It is the real one, except for a `submit` that, for a subject with "die" in it and once for each,
returns to no caller: the email is durable, the process is dead.
"""

import os
import signal
from pathlib import Path
from typing import Any

from entrypoints.runtime.stopping import Stop
from entrypoints.settings import Settings, load_environment
from entrypoints.wiring import build


def main() -> int:
    """The exit code, if it is asked to stop before it kills itself."""
    settings = Settings.from_environment(load_environment())
    stop = Stop()
    stop.install()
    service = build(settings)
    service.migrate()
    submission = service.application.submission
    submit = submission.submit

    def submit_and_die(drafts: Any, **options: Any) -> Any:
        accepted = submit(drafts, **options)
        mark = Path(os.environ["MARKS"]) / drafts[0].subject
        if "die" in drafts[0].subject and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return accepted

    submission.submit = submit_and_die  # type: ignore[method-assign]
    server = service.listen()
    service.start_delivery()
    return server.run(service, stop)


if __name__ == "__main__":
    raise SystemExit(main())

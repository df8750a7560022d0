"""A process of the real service that fetches the token of account 1 for each line it reads.

It answers with the token, or with the problem behind a "!". With ``die stored`` it kills itself as
soon as a new token is stored, and before anybody has used it.
"""

import os
import signal
import sys
from typing import Any

from application.oauth.grants import Grants
from application.ports.oauth import TokenUnavailable
from entrypoints.settings import Settings, load_environment
from entrypoints.wiring import build


def main() -> int:
    """The exit code, once there is nothing more to read."""
    service = build(Settings.from_environment(load_environment()))
    service.migrate()
    application = service.application
    keep = Grants.keep

    def keep_and_die(self: Grants, asked: Any) -> None:
        keep(self, asked)
        os.kill(os.getpid(), signal.SIGKILL)

    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "die stored":
            Grants.keep = keep_and_die  # type: ignore[method-assign]
        account = application.account_queries.account(1).account
        try:
            print(application.tokens.token(account), flush=True)
        except TokenUnavailable as error:
            print(f"!{error.problem.value}", flush=True)
    service.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

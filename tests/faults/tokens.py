"""TOKENS: processes of one service share the token of an account at a provider that rotates.

The provider takes a refresh token once: one that comes twice ends the consent. So a refresh too
many is not only a request too many: the account would be lost.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from adapters.clock import SystemClock
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.fernet_vault import FernetVault
from adapters.peewee_store import SqliteStore
from application.oauth.access_tokens import LEASE_S
from domain.account.oauth_credentials import Credentials, sealed_for
from tests.builders import an_account
from tests.faults.harness import Numbers
from tests.oauth_server import OAuthServer, running_oauth_server
from tests.running import ROOT, wait_until

KEY = "3f9c1d07b2a84e65aa10c2d4e6f80912"
LIFETIME_S = 2
PROCESSES = 3


class Asker:
    """A process that fetches tokens."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.token_process"],
            cwd=ROOT,
            env=os.environ
            | {
                "DATABASE_URL": f"sqlite:///{folder / 'mail.db'}",
                "SECRET_KEY": KEY,
                "FLASK_ENV": "development",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.answer() == "ready"

    def ask(self, how: str = "ask") -> None:
        """Without waiting for the answer."""
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(f"{how}\n")
        stdin.flush()

    def answer(self) -> str:
        """The next line; "" if the process is dead."""
        stdout = self._process.stdout
        assert stdout is not None
        return stdout.readline().strip()

    def kill(self) -> None:
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        with self._process as process:  # it closes the pipes
            return process.wait(60)


@contextmanager
def _account(folder: Path, oauth: OAuthServer) -> Iterator[SqliteStore]:
    """A database with one account that a person has authorized."""
    store = SqliteStore(folder / "mail.db", clock=SystemClock())
    store.migrate()
    account = an_account(sealed_password=None, oauth=oauth.client(client_id="public"))
    refresh = oauth.provider.grant("public")
    sealed = FernetVault(KEY).seal(refresh, context=sealed_for(1, "refresh"))
    stored = Credentials(account_id=1, sealed_refresh=sealed)
    store.write(lambda tx: (tx.accounts.add(account), tx.credentials.save(stored)))
    try:
        yield store
    finally:
        store.close()


def one_refresh(folder: Path, *, rounds: int = 20) -> Numbers:
    """Tokens end at once in all processes; then one dies behind a refresh, and one within one."""
    provider = PlayedProvider(clock=SystemClock(), clients={"public": ""}, lifetime=LIFETIME_S)
    with ExitStack() as stack:
        oauth = stack.enter_context(running_oauth_server(provider))
        stack.enter_context(_account(folder, oauth))
        askers = [Asker(folder) for _ in range(PROCESSES)]
        for asker in askers:
            stack.callback(asker.kill)

        for number in range(rounds):
            answers = _at_once(askers)
            assert len(set(answers)) == 1, answers
            assert provider.takes(answers[0]), answers
            assert provider.asked["refresh_token"] == number + 1
            time.sleep(LIFETIME_S)

        victim, *others = askers
        victim.ask("die stored")
        assert victim.wait() == -9
        before = provider.asked["refresh_token"]
        kept = _at_once(others)
        assert provider.asked["refresh_token"] == before, "the token was stored before the kill"
        assert provider.takes(kept[0])

        time.sleep(LIFETIME_S)
        oauth.lose_next = True  # the victim's request reaches nobody
        dying = others[0]
        dying.ask()
        wait_until(lambda: oauth.lost)
        dying.kill()
        began = time.monotonic()
        last = others[1]
        answer = "!"
        while answer.startswith("!"):
            last.ask()
            answer = last.answer()
        waited = time.monotonic() - began
        assert provider.takes(answer)
        assert waited < LEASE_S + 15
        assert provider.asked["refresh_token"] == before + 1
    return {
        "processes": PROCESSES,
        "rounds": rounds,
        "refreshes beyond one a round": 0,
        "consents lost": 0,
        "kill within a request to the next token, s": round(waited, 1),
    }


def _at_once(askers: list[Asker]) -> list[str]:
    for asker in askers:
        asker.ask()
    return [asker.answer() for asker in askers]

"""Accounts that log in by OAuth at a played provider, and processes that want their tokens."""

from collections.abc import Callable
from typing import Any

import attrs

from adapters.fakes.authorization_server import FakeAuthorizationServer
from adapters.fakes.clock import FakeClock
from adapters.fakes.entropy import FakeEntropy
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.fakes.vault import FakeVault
from adapters.observers import ListObserver
from application.oauth.access_tokens import AccessTokens
from application.oauth.grants import Grants
from application.oauth.renewals import Renewals
from application.ports.oauth import AuthorizationServer
from domain.account.account import Account
from domain.account.oauth import Flow
from domain.account.oauth_credentials import Credentials, sealed_for
from tests.builders import an_account, an_oauth_client

SECRET = "the client secret of the tests"


@attrs.define
class Process:
    """One process: what it keeps in memory is its own."""

    tokens: AccessTokens
    server: Any
    renewals: Renewals


class OAuthWorld:
    """A store, a clock and a provider that takes the clients ``app`` and ``other``."""

    def __init__(self, *, store: Any = None, clock: Any = None, **provider: Any) -> None:
        self.clock = clock or FakeClock()
        self.store = store or MemoryStore(clock=self.clock)
        self.vault = FakeVault()
        self.heard = ListObserver()
        clients = {"app": SECRET, "other": SECRET}
        self.provider = PlayedProvider(clock=self.clock, clients=clients, **provider)
        self.entropy = FakeEntropy()

    def process(
        self,
        *,
        wait: Callable[[float], object] | None = None,
        server: AuthorizationServer | None = None,
        store: Any = None,
    ) -> Process:
        """Another process on the same store; waiting lets the clock go on."""
        server = server or FakeAuthorizationServer(self.provider)
        store = store or self.store
        ports = {"store": store, "clock": self.clock}
        grants = Grants(**ports, vault=self.vault, server=server, observe=self.heard)
        tokens = AccessTokens(
            **ports,
            entropy=self.entropy,
            vault=self.vault,
            grants=grants,
            wait=wait or self.clock.tick,
        )
        renewals = Renewals(**ports, tokens=tokens, observe=self.heard)
        return Process(tokens=tokens, server=server, renewals=renewals)

    def account(
        self, *, refresh: str | None = None, secret: str = SECRET, **client: Any
    ) -> Account:
        """An account that a person has authorized; *refresh* "" is one that nobody has."""
        name = f"account {len(self.store.read(lambda tx: tx.accounts.all())) + 1}"
        oauth = an_oauth_client(**{"client_id": "app", **client})
        account = self.store.write(
            lambda tx: tx.accounts.add(an_account(name=name, sealed_password=None, oauth=oauth))
        )
        token = self.provider.grant(oauth.client_id) if refresh is None else refresh
        consented = oauth.flow in (Flow.AUTHORIZATION_CODE, Flow.DEVICE) and token
        stored = Credentials(
            account_id=account.id,
            sealed_secret=self.seal(account, "secret", secret) if secret else None,
            sealed_refresh=self.seal(account, "refresh", token) if consented else None,
            obtained_at=self.clock.now() if consented else None,
        )
        self.store.write(lambda tx: tx.credentials.save(stored))
        return account

    def seal(self, account: Account, what: str, secret: str) -> bytes:
        return self.vault.seal(secret, context=sealed_for(account.id, what))

    def stored(self, account: Account) -> Credentials:
        found = self.store.read(lambda tx: tx.credentials.find(account.id))
        assert found is not None
        return found

    def now(self, account: Account) -> Account:
        return self.store.read(lambda tx: tx.accounts.get(account.id))

    def pause(self, account: Account) -> str | None:
        pause = self.now(account).health.pause
        return pause.reason if pause else None

    def refreshes(self) -> int:
        """How often the provider was asked for a new token by a refresh token."""
        return self.provider.asked["refresh_token"]

    def kept(self, account: Account) -> str:
        """The refresh token that is stored."""
        sealed = self.stored(account).sealed_refresh
        assert sealed is not None
        return self.vault.open(sealed, context=sealed_for(account.id, "refresh"))

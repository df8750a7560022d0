"""The ports of OAuth: tokens that a sender logs in with, who grants them, where they are kept."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.account.account import Account
from domain.account.authorization import Authorization
from domain.account.oauth import OAuthClient
from domain.account.oauth_answer import DeviceCode, Granted
from domain.account.oauth_credentials import Credentials
from domain.outcome.handoff import Problem


class TokenUnavailable(Exception):
    """There is no token to log in with.

    *problem* says who can mend it: NEEDS_CONSENT a person who authorizes the account again,
    OAUTH_CLIENT whoever registered the application, TOKEN_SERVER nobody but time, SECRET our key.
    STOPPED nobody: the account was changed or removed meanwhile, or the store is away.
    """

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail


class Tokens(Protocol):
    """Access tokens of accounts that log in by OAuth. Safe from many threads and processes."""

    def token(self, account: Account, *, refused: str = "") -> str:
        """A token that is good for some time. TokenUnavailable.

        *refused* is the one that the server has just refused, "" if it refused none: a new one is
        fetched unless another thread or process has done so since. It may take as long as the
        authorization server takes to answer (10 s at most), and is called outside any transaction.
        """
        ...


class NoTokens:
    """Those of an installation without OAuth."""

    def token(self, account: Account, *, refused: str = "") -> str:
        """TokenUnavailable."""
        detail = "this installation is not set up for OAuth"
        raise TokenUnavailable(Problem.OAUTH_CLIENT, detail)


class AuthorizationServer(Protocol):
    """Asks the authorization server that a client names. Safe from many threads.

    Each *client* is complete (`OAuthClient.complete`); *secret* is "" where there is none. Every
    call but the first two may raise GrantRefused, and takes 10 s at most. Outside any transaction.
    """

    def check_key(self, key: str) -> None:
        """ValueError, which says why, if *key* is no private RSA key in PEM."""
        ...

    def authorize_url(
        self,
        client: OAuthClient,
        *,
        state: str,
        challenge: str,
        redirect_uri: str,
        login_hint: str,
    ) -> str:
        """Where a person consents; *challenge* is of PKCE's method S256 (RFC 7636)."""
        ...

    def exchange(
        self, client: OAuthClient, *, secret: str, code: str, verifier: str, redirect_uri: str
    ) -> Granted:
        """The first token for a *code* that a person's consent has brought."""
        ...

    def refresh(self, client: OAuthClient, *, secret: str, refresh_token: str) -> Granted:
        """The next token. The refresh token may be replaced by another one: it is over then."""
        ...

    def as_client(self, client: OAuthClient, *, secret: str) -> Granted:
        """A token that is granted to the application itself."""
        ...

    def as_service_account(self, client: OAuthClient, *, key: str, subject: str) -> Granted:
        """A token for the mailbox *subject*. ValueError as for `check_key`."""
        ...

    def begin_device(self, client: OAuthClient, *, secret: str) -> DeviceCode:
        """What a person types in at another device."""
        ...

    def ask_device(self, client: OAuthClient, *, secret: str, device_code: str) -> Granted:
        """The first token, once that person has consented. GrantRefused with PENDING before."""
        ...


class CredentialsRepository(Protocol):
    """The secrets and tokens of accounts that log in by OAuth, sealed: one row an account."""

    def find(self, account_id: int) -> Credentials | None:
        """Those of one account."""
        ...

    def all(self) -> Sequence[Credentials]:
        """All of them, by account."""
        ...

    def save(self, credentials: Credentials) -> None:
        """Store all of it, in the place of what the account had."""
        ...

    def remove(self, account_id: int) -> None:
        """Remove what the account has, if it has any."""
        ...


class AuthorizationRepository(Protocol):
    """Authorizations that persons have begun, by the digests of their states."""

    def add(self, authorization: Authorization) -> None:
        """Store it. Conflict if its digest is there."""
        ...

    def find(self, digest: str) -> Authorization | None:
        """The one with this digest, be it over or not."""
        ...

    def take(self, digest: str) -> Authorization | None:
        """The same, and remove it: of several works that take it one gets it."""
        ...

    def devices(self) -> Sequence[str]:
        """The digests of those of devices, the one that ends first before the others."""
        ...

    def remove_of(self, account_id: int) -> None:
        """Remove those of an account."""
        ...

    def prune(self, now: datetime, *, limit: int) -> int:
        """Remove up to *limit* that are over; how many went."""
        ...

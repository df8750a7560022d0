"""What senders share: stopping an attempt from another thread, resolving, what they log in with."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager

from application.ports.network import Endpoint, Resolver, Unresolved
from application.ports.oauth import Tokens, TokenUnavailable
from application.ports.system import Vault
from domain.account.account import Account
from domain.dialogue.credential import Credential
from domain.dialogue.ends import ExchangeEnded
from domain.errors import SecretUnreadable
from domain.outcome.handoff import Problem
from domain.outcome.notifications import OFF_S


class CancelToken:
    """Lets another thread stop an attempt at any moment before the final dot, and none after.

    It serves one attempt after the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupt: Callable[[], object] | None = None
        self._released = False
        self.stopped = False

    def renew(self) -> None:
        """The next attempt begins: what stopped the one before does not stop it."""
        with self._lock:
            self._released = self.stopped = False

    def watch(self, interrupt: Callable[[], object] | None) -> None:
        """From now on *interrupt* wakes the thread that makes the attempt."""
        with self._lock:
            self._interrupt = interrupt
            if self.stopped and interrupt is not None:
                interrupt()

    def stop(self) -> None:
        """Stop the attempt, unless it has passed the dot."""
        with self._lock:
            if self._released or self.stopped:
                return
            self.stopped = True
            if self._interrupt is not None:
                self._interrupt()

    def release(self) -> bool:
        """The dot may be sent and nothing can stop it; False if it was stopped before."""
        with self._lock:
            self._released = not self.stopped
            return self._released


class CancelTokens:
    """Those of the attempts under way, so that `abort` finds them. Safe from many threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._all: set[CancelToken] = set()

    def add(self) -> CancelToken:
        """One for a conversation or a probe that begins."""
        cancel_token = CancelToken()
        with self.lock:
            self._all.add(cancel_token)
        return cancel_token

    def discard(self, cancel_token: CancelToken) -> None:
        """It is over."""
        with self.lock:
            self._all.discard(cancel_token)

    @contextmanager
    def one(self) -> Iterator[CancelToken]:
        """The same for the length of a ``with``."""
        cancel_token = self.add()
        try:
            yield cancel_token
        finally:
            self.discard(cancel_token)

    def stop(self) -> None:
        """Stop every attempt that has not passed the final dot."""
        with self.lock:
            tokens = list(self._all)
        for cancel_token in tokens:
            cancel_token.stop()


class DsnRefusals:
    """Accounts whose servers refuse the parameters of DSN though they offer it, for an hour.

    Of this process, by account and version. Safe from many threads.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: dict[tuple[int, int], float] = {}

    def add(self, account: Account) -> None:
        """Its server has refused them."""
        self._until[account.id, account.version] = self._monotonic() + OFF_S

    def lately(self, account: Account) -> bool:
        """Whether the account does without them now."""
        until = self._until.get((account.id, account.version))
        return until is not None and self._monotonic() < until


def resolved(
    account: Account, resolver: Resolver, *, timeout_s: float, cancel_token: CancelToken
) -> Sequence[Endpoint]:
    """Where the account's server may be connected to. ExchangeEnded if that is nowhere."""
    lookup = resolver.start(account.host, account.port)
    cancel_token.watch(lookup.cancel)
    try:
        return lookup.result(timeout_s)
    except Unresolved as unresolved:
        raise ExchangeEnded(problem=unresolved.problem, detail=unresolved.detail) from None
    except TimeoutError:
        lookup.cancel()
        raise ExchangeEnded(problem=Problem.TIMEOUT, detail="no answer in time") from None
    except CancelledError:
        raise ExchangeEnded(problem=Problem.STOPPED) from None


def credential_of(account: Account, *, vault: Vault, tokens: Tokens) -> Credential:
    """What the account logs in with, for one login."""
    return Credential(
        account,
        password=lambda: password_of(account, vault),
        token=lambda refused: token_of(account, tokens, refused=refused),
    )


def token_of(account: Account, tokens: Tokens, *, refused: str) -> str:
    """The account's token, from its authorization server if need be. ExchangeEnded."""
    try:
        return tokens.token(account, refused=refused)
    except TokenUnavailable as unavailable:
        raise ExchangeEnded(problem=unavailable.problem, detail=unavailable.detail) from None


def password_of(account: Account, vault: Vault) -> str:
    """The account's password. ExchangeEnded if it cannot be opened."""
    assert account.sealed_password is not None, "see `Credential.prepare`"
    try:
        return vault.open(account.sealed_password, context=f"account:{account.id}")
    except SecretUnreadable:
        detail = "the password cannot be opened"
        raise ExchangeEnded(problem=Problem.SECRET, detail=detail) from None

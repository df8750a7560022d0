"""The access tokens that senders log in with: kept in this process, renewed by one at a time.

A token is renewed before its end. Of all threads one asks the authorization server, of all
processes and machines the one whose mark stands in the account's row (`Credentials.held_by`). The
mark is written before the request, in a work of its own: no transaction waits for the network. The
others go on with the old token while it is good; once it is over they wait for the new one.

A mark says nothing about time: clocks differ between machines. Whoever holds it is taken for dead
when the same mark was seen for a whole lease by the monotonic clock of the one who waits.

A refresh token may be used once only. So the new one is stored before the access token that came
with it is used, and kept in this process while the store is away.
"""

import threading
from collections.abc import Callable
from typing import Final, Self

import attrs

from application.oauth.grants import Asked, Grants
from application.ports.oauth import AuthorizationServer, TokenUnavailable
from application.ports.store import Store
from application.ports.system import Clock, Entropy, Observe, Vault
from domain.account.account import Account
from domain.account.oauth_credentials import Credentials, fits, sealed_for
from domain.errors import NotFound, SecretUnreadable, StoreUnavailable
from domain.outcome.handoff import Problem

LONGEST_WAIT_S: Final = 10.0  # for a token that somebody else fetches
LEASE_S: Final = 15.0  # the request's 10 s and the time to store what it brought
LOOK_S: Final = 0.2


@attrs.frozen(kw_only=True)
class _Known:
    """A token in this process, of one version of its account."""

    version: int
    token: str = attrs.field(repr=False)
    credentials: Credentials

    @property
    def generation(self) -> int:
        return self.credentials.generation


@attrs.frozen
class _Sighting:
    """The mark of another process, and since when it is seen, by our monotonic clock."""

    mark: str
    since: float


class AccessTokens:
    """The Tokens port. Safe from many threads; each process has one."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        vault: Vault,
        grants: Grants,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """*wait* lets so many seconds pass."""
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._grants = grants
        self._wait = wait or threading.Event().wait
        self._known: dict[int, _Known] = {}
        self._marks = _Marks(clock)
        self._unstored: dict[int, Asked] = {}
        self._locks: dict[int, threading.Lock] = {}
        self._guard = threading.Lock()

    @classmethod
    def on(
        cls,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        vault: Vault,
        server: AuthorizationServer,
        observe: Observe,
    ) -> Self:
        """On these ports; a process has one, for its sender, its sweep and its use cases."""
        grants = Grants(store=store, clock=clock, vault=vault, server=server, observe=observe)
        return cls(store=store, clock=clock, entropy=entropy, vault=vault, grants=grants)

    def token(self, account: Account, *, refused: str = "") -> str:
        """A token that is good for some time; from this process, if it has one. TokenUnavailable.

        Another one than *refused*, unless the authorization server itself gives that one again.
        """
        return self._token(account, refused=refused).token

    def renew(self, account: Account) -> None:
        """Fetch a new token now, whether it is due or not, unless another one is at it.

        TokenUnavailable, StoreUnavailable.
        """
        lock = self._lock(account.id)
        if not lock.acquire(blocking=False):
            return
        try:
            self._store_what_is_left(account)
            stored = self._look(account)
            if not stored.waits(self._clock.now()) and not self._marks.held(stored):
                self._asked(account, stored, None)
        finally:
            lock.release()

    def forget(self, account_id: int) -> None:
        """The account was changed or removed: its token is read again."""
        self._known.pop(account_id, None)

    def _token(self, account: Account, *, refused: str) -> _Known:
        good = self._good(account, refused)
        if good is not None and self._may_rest(good):
            return good
        lock = self._lock(account.id)
        # while the old one is good nobody waits for the new one
        if not lock.acquire(timeout=0 if good is not None else LONGEST_WAIT_S):
            if good is not None:
                return good
            raise TokenUnavailable(Problem.TOKEN_SERVER, "the authorization server is slow")
        try:
            return self._renewed(account, refused=refused)
        finally:
            lock.release()

    def _renewed(self, account: Account, *, refused: str) -> _Known:
        """Look into the store until there is a token, or until it can be fetched."""
        deadline = self._clock.monotonic() + LONGEST_WAIT_S
        while True:
            good = self._good(account, refused)
            try:
                found = self._found(account, good, refused)
            except StoreUnavailable as error:
                if good is None:
                    raise TokenUnavailable(Problem.STOPPED, str(error)) from error
                found = good
            if found is not None:
                return found
            if self._clock.monotonic() >= deadline:
                raise TokenUnavailable(
                    Problem.TOKEN_SERVER, "another process waits for the authorization server"
                )
            self._wait(LOOK_S)

    def _found(self, account: Account, good: _Known | None, refused: str) -> _Known | None:
        """The token that is stored, or a new one; the *good* one while that cannot be.

        None while another process fetches it and there is none to go on with.
        """
        self._store_what_is_left(account)
        stored = self._look(account)
        good = self._adopted(account, stored, refused=refused) or good
        if good is not None and self._may_rest(good):
            return good
        if stored.waits(self._clock.now()):
            if good is None:
                raise TokenUnavailable(Problem.TOKEN_SERVER, stored.last_error)
            return good
        if self._marks.held(stored):
            return good
        return self._asked(account, stored, good) or good

    def _asked(self, account: Account, stored: Credentials, good: _Known | None) -> _Known | None:
        """What the authorization server grants; None if another process was quicker."""
        try:
            asked = self._grants.ask(account, stored, mark=self._entropy.token())
        except TokenUnavailable as error:
            now = self._clock.now()
            if good is None or error.problem is not Problem.TOKEN_SERVER:
                self.forget(account.id)
                raise
            if not good.credentials.good(now):
                raise
            later = good.credentials.failed(error.detail, retry_after=None, now=now)
            self._known[account.id] = attrs.evolve(good, credentials=later)
            return good
        if asked is None:
            return None
        self._unstored[account.id] = asked
        self._store_what_is_left(account)
        return self._adopted(account, self._look(account), refused="")

    def _store_what_is_left(self, account: Account) -> None:
        """Store what was granted and is in this process only. StoreUnavailable."""
        asked = self._unstored.get(account.id)
        if asked is not None:
            self._grants.keep(asked)
            del self._unstored[account.id]

    def _look(self, account: Account) -> Credentials:
        """What is stored for *account*. TokenUnavailable if that is not the same account now."""
        try:
            current, stored = self._store.read(
                lambda tx: (tx.accounts.get(account.id), tx.credentials.find(account.id))
            )
        except NotFound as error:
            raise TokenUnavailable(Problem.STOPPED, "the SMTP configuration was removed") from error
        if not fits(account, current):
            raise TokenUnavailable(Problem.STOPPED, "the SMTP configuration was changed meanwhile")
        return stored or Credentials(account_id=account.id)

    def _adopted(self, account: Account, stored: Credentials, *, refused: str) -> _Known | None:
        """The stored token, if it is good and not the one that was refused."""
        if stored.sealed_access is None or not stored.good(self._clock.now()):
            return None
        known = self._known.get(account.id)
        if known is None or (known.generation, known.version) != (
            stored.generation,
            account.version,
        ):
            try:
                token = self._vault.open(
                    stored.sealed_access, context=sealed_for(account.id, "access")
                )
            except SecretUnreadable as error:
                raise TokenUnavailable(Problem.SECRET, str(error)) from error
            known = _Known(version=account.version, token=token, credentials=stored)
            self._known[account.id] = known
        return None if known.token == refused else known

    def _good(self, account: Account, refused: str) -> _Known | None:
        """The token in this process, if it is one for *account* and not over."""
        known = self._known.get(account.id)
        if known is None or known.version != account.version or known.token == refused:
            return None
        return known if known.credentials.good(self._clock.now()) else None

    def _may_rest(self, known: _Known) -> bool:
        now = self._clock.now()
        return not known.credentials.due(now) or known.credentials.waits(now)

    def _lock(self, account_id: int) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(account_id, threading.Lock())


class _Marks:
    """The marks of other processes, as this one has seen them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[int, _Sighting] = {}

    def held(self, stored: Credentials) -> bool:
        """Whether somebody asks the authorization server, and is not known to be dead."""
        if not stored.held_by:
            self._seen.pop(stored.account_id, None)
            return False
        now = self._clock.monotonic()
        seen = self._seen.get(stored.account_id)
        if seen is None or seen.mark != stored.held_by:
            seen = _Sighting(stored.held_by, now)
            self._seen[stored.account_id] = seen
        return now - seen.since < LEASE_S

"""One request to the authorization server, with what is stored before and after it.

Who is to blame for a refusal, and what follows: a person's consent is over (the account is paused
until it is given again, and its tokens are thrown away), the application is not known (all accounts
that show the same client ID and secret are paused), or the server is away (nobody is paused, and it
is not asked again for a while).
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import attrs

from application.ports.oauth import AuthorizationServer, TokenUnavailable
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe, Vault
from application.telling import save_account_health
from domain.account.account import Account
from domain.account.oauth import NEEDS_CONSENT, OAUTH_CLIENT, Flow, OAuthClient, how_to_authorize
from domain.account.oauth_answer import Granted, GrantRefused, Refusal
from domain.account.oauth_credentials import Credentials, by_graph, fits, sealed_for
from domain.errors import NotFound, SecretUnreadable
from domain.events import Event
from domain.outcome.handoff import Problem

_OURS = (NEEDS_CONSENT, OAUTH_CLIENT)


@attrs.frozen(kw_only=True)
class Asked:
    """What was granted for the *generation* of credentials that it was asked with, sealed."""

    account: Account
    generation: int
    sealed_access: bytes = attrs.field(repr=False)
    sealed_refresh: bytes | None = attrs.field(repr=False)
    lifetime: timedelta
    asked_at: datetime


class Grants:
    """Asks for tokens. Safe from many threads."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        server: AuthorizationServer,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._server = server
        self._observe = observe

    def ask(self, account: Account, stored: Credentials, *, mark: str) -> Asked | None:
        """What the server grants for *stored*; None if another process is at it, or was.

        It is not stored yet: see `keep`. TokenUnavailable, StoreUnavailable.
        """
        request = self._request(account, stored)  # opens what is sealed before the mark is set
        if not self._marked(account, stored, mark):
            return None
        asked_at = self._clock.now()
        try:
            granted = request()
        except GrantRefused as error:
            self._refused(account, stored, error)
            return None
        except ValueError as error:  # the key of a service account; it was good when it was given
            refused = GrantRefused(Refusal.REQUEST, f"the key of its service account {error}")
            self._refused(account, stored, refused)
            return None
        return self.sealed(account, granted, generation=stored.generation, asked_at=asked_at)

    def sealed(
        self, account: Account, granted: Granted, *, generation: int, asked_at: datetime
    ) -> Asked:
        """The tokens, sealed for their account."""
        refresh = granted.refresh_token
        return Asked(
            account=account,
            generation=generation,
            sealed_access=self._seal(account, "access", granted.access_token),
            sealed_refresh=None if refresh is None else self._seal(account, "refresh", refresh),
            lifetime=granted.lifetime,
            asked_at=asked_at,
        )

    def keep(self, asked: Asked) -> None:
        """Store it; a pause for the want of a token is over. StoreUnavailable.

        Nothing is stored where the account was changed or removed, or has a newer token.
        """

        def work(tx: Transaction) -> bool:
            current = _locked(tx, asked.account)
            if current is None:
                return False
            before = tx.credentials.find(current.id) or Credentials(account_id=current.id)
            if not before.takes(asked.generation, rotated=asked.sealed_refresh is not None):
                return False
            tx.credentials.save(
                before.renewed(
                    access=asked.sealed_access,
                    refresh=asked.sealed_refresh,
                    lifetime=asked.lifetime,
                    now=asked.asked_at,
                )
            )
            _lift(tx, current, now=self._clock.now())
            return True

        if self._store.write(work):
            self._observe(Event(name="token_renewed", account_id=asked.account.id))

    def _request(self, account: Account, stored: Credentials) -> Callable[[], Granted]:
        """The request that the account's flow makes. TokenUnavailable if it has not what it takes.

        An account of which nothing is stored has no secret and no tokens.
        """
        assert account.oauth is not None, "it logs in by OAuth"
        client = account.oauth.complete(graph=by_graph(account))
        server = self._server
        secret = self._opened(account, "secret", stored.sealed_secret)
        if client.needs_consent:
            if stored.sealed_refresh is None:
                text = f"it is not authorized: {how_to_authorize(account.id)}"
                raise TokenUnavailable(Problem.NEEDS_CONSENT, text)
            token = self._opened(account, "refresh", stored.sealed_refresh)
            return lambda: server.refresh(client, secret=secret, refresh_token=token)
        if client.flow is Flow.SERVICE_ACCOUNT:
            if stored.sealed_key is None:
                text = "the key of its service account is missing: send auth.service_account"
                raise TokenUnavailable(Problem.OAUTH_CLIENT, text)
            key = json.loads(self._opened(account, "key", stored.sealed_key))["private_key"]
            subject = account.username
            return lambda: server.as_service_account(client, key=key, subject=subject)
        if not secret:
            text = "its client secret is missing: send auth.client_secret"
            raise TokenUnavailable(Problem.OAUTH_CLIENT, text)
        return lambda: server.as_client(client, secret=secret)

    def _marked(self, account: Account, stored: Credentials, mark: str) -> bool:
        """Whether the mark stands in the row now, and nothing happened since it was read."""

        def work(tx: Transaction) -> bool:
            if _locked(tx, account) is None:
                raise TokenUnavailable(
                    Problem.STOPPED, "the SMTP configuration was changed meanwhile"
                )
            now = tx.credentials.find(account.id)
            if now is None or (now.generation, now.held_by) != (stored.generation, stored.held_by):
                return False
            tx.credentials.save(attrs.evolve(now, held_by=mark))
            return True

        return self._store.write(work)

    def _refused(self, account: Account, stored: Credentials, error: GrantRefused) -> None:
        """Write down what a refusal means, and raise it as TokenUnavailable.

        No error if there is a newer token or secret: then it says nothing about that one.
        """
        assert account.oauth is not None, "it logs in by OAuth"
        problem = _problem(account.oauth, error.refusal)
        text = _text(account, problem, error)

        def work(tx: Transaction) -> list[Account] | None:
            sharing = self._sharing(tx, account, stored) if error.refusal is Refusal.CLIENT else []
            for number in sorted([account.id, *sharing]):
                tx.accounts.lock(number)
            current = _locked(tx, account)
            found = tx.credentials.find(account.id)
            if current is None or found is None or found.generation != stored.generation:
                return None
            if problem is Problem.OAUTH_CLIENT and not _shows_the_same(found, stored):
                # its owner has given another secret meanwhile, which was not refused
                tx.credentials.save(attrs.evolve(found, held_by=""))
                return None
            now = self._clock.now()
            tx.credentials.save(_after(found, problem, error, now=now))
            if problem is Problem.TOKEN_SERVER:
                return []
            others = [tx.accounts.get(number) for number in sharing]
            for each in (current, *others):
                health = each.health.halted(problem.value, now=now, text=text)
                paused = attrs.evolve(each, health=health)
                save_account_health(tx, paused, was=each, at=now)
            return others

        try:
            paused = self._store.write(work)
        except NotFound as gone:
            raise TokenUnavailable(Problem.STOPPED, "the SMTP configuration was removed") from gone
        if paused is None:
            return
        fields = {"reason": problem.value, "text": error.detail}
        self._observe(Event(name="token_refused", account_id=account.id, fields=fields))
        for each in paused:
            fields = {"reason": problem.value, "text": text}
            self._observe(Event(name="account_paused", account_id=each.id, fields=fields))
        raise TokenUnavailable(problem, text)

    def _sharing(self, tx: Transaction, account: Account, stored: Credentials) -> list[int]:
        """The other accounts of the same application and flow that show the same secret.

        One whose owner gave it another secret may go on: that was not refused.
        """
        return [
            other.id
            for other in tx.accounts.all()
            if other.id != account.id
            and _application(other) == _application(account)
            and self._shown(other, tx.credentials.find(other.id)) == self._shown(account, stored)
        ]

    def _shown(self, account: Account, stored: Credentials | None) -> tuple[str, str] | None:
        """What the account shows an authorization server; None if that cannot be told."""
        if stored is None:
            return None
        try:
            return (
                self._opened(account, "secret", stored.sealed_secret),
                self._opened(account, "key", stored.sealed_key),
            )
        except TokenUnavailable:
            return None

    def _opened(self, account: Account, what: str, sealed: bytes | None) -> str:
        if sealed is None:
            return ""
        try:
            return self._vault.open(sealed, context=sealed_for(account.id, what))
        except SecretUnreadable as error:
            raise TokenUnavailable(Problem.SECRET, str(error)) from error

    def _seal(self, account: Account, what: str, secret: str) -> bytes:
        return self._vault.seal(secret, context=sealed_for(account.id, what))


def _locked(tx: Transaction, account: Account) -> Account | None:
    """The account as it is now; None if it is gone or another one by now."""
    try:
        current = tx.accounts.lock(account.id)
    except NotFound:
        return None
    return current if fits(account, current) else None


def _lift(tx: Transaction, current: Account, *, now: datetime) -> None:
    pause = current.health.pause
    if pause is not None and pause.reason in _OURS:
        lifted = attrs.evolve(current, health=current.health.resumed())
        save_account_health(tx, lifted, was=current, at=now)


def _shows_the_same(found: Credentials, stored: Credentials) -> bool:
    return (found.sealed_secret, found.sealed_key) == (stored.sealed_secret, stored.sealed_key)


def _application(account: Account) -> tuple[str, ...] | None:
    """As it is registered: another directory, or another flow, may still allow it."""
    return None if account.oauth is None else account.oauth.registration


def _problem(client: OAuthClient, refusal: Refusal) -> Problem:
    if refusal is Refusal.CONSENT:
        # where no person consents it is the application that is refused
        return Problem.NEEDS_CONSENT if client.needs_consent else Problem.OAUTH_CLIENT
    if refusal in (Refusal.CLIENT, Refusal.REQUEST):
        return Problem.OAUTH_CLIENT
    return Problem.TOKEN_SERVER


def _text(account: Account, problem: Problem, error: GrantRefused) -> str:
    if problem is Problem.NEEDS_CONSENT:
        return f"{error.detail}; authorize it again: {how_to_authorize(account.id)}"
    return error.detail


def _after(
    found: Credentials, problem: Problem, error: GrantRefused, *, now: datetime
) -> Credentials:
    if problem is Problem.NEEDS_CONSENT:
        return found.refused(error.detail)
    if problem is Problem.TOKEN_SERVER:
        return found.failed(error.detail, retry_after=error.retry_after, now=now)
    return attrs.evolve(found, held_by="", last_error=error.detail)

"""Tokens that are renewed before anybody needs them: early, and where they are not used, weekly."""

from datetime import datetime
from typing import Final

from application.oauth.access_tokens import AccessTokens
from application.ports.oauth import TokenUnavailable
from application.ports.store import Store
from application.ports.system import Clock, Observe
from domain.account.account import Account
from domain.account.oauth import NEEDS_CONSENT, OAUTH_CLIENT
from domain.account.oauth_credentials import Credentials
from domain.events import Event
from domain.outcome.handoff import Problem

LONGEST_RUN_S: Final = 15.0  # the sweep has other things to do


class Renewals:
    """A part of the sweep, which one process does."""

    def __init__(
        self, *, store: Store, clock: Clock, tokens: AccessTokens, observe: Observe
    ) -> None:
        self._store = store
        self._clock = clock
        self._tokens = tokens
        self._observe = observe

    def run(self) -> None:
        """Renew what is due of accounts in use, and what has been idle for a week.

        It ends at the first server that is away, and after a while; the next sweep goes on.
        """
        now = self._clock.now()
        accounts, stored = self._store.read(
            lambda tx: (
                {account.id: account for account in tx.accounts.all()},
                tx.credentials.all(),
            )
        )
        began = self._clock.monotonic()
        for credentials in stored:
            account = accounts.get(credentials.account_id)
            if account is None or not _wanted(account, credentials, now):
                continue
            if self._clock.monotonic() - began > LONGEST_RUN_S or not self._renewed(account):
                return

    def _renewed(self, account: Account) -> bool:
        """Whether the server answered, be it with a refusal."""
        try:
            self._tokens.renew(account)
        except TokenUnavailable as error:
            if error.problem is Problem.TOKEN_SERVER:
                return False
            if error.problem in (Problem.NEEDS_CONSENT, Problem.OAUTH_CLIENT):
                fields = {"reason": error.problem.value, "text": error.detail}
                self._observe(Event(name="account_paused", account_id=account.id, fields=fields))
        return True


def _wanted(account: Account, credentials: Credentials, now: datetime) -> bool:
    pause = account.health.pause
    if not account.active or account.oauth is None or credentials.waits(now):
        return False
    if pause is not None and pause.reason in (NEEDS_CONSENT, OAUTH_CLIENT):
        return False
    if credentials.idle(now):
        return True
    if credentials.sealed_access is None or not credentials.due(now):
        return False
    assert credentials.refreshed_at is not None, "there is a token"
    used = account.last_sent_at
    return used is not None and used >= credentials.refreshed_at

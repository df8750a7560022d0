"""The secrets and tokens of one account, sealed, and when they are to be renewed."""

from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.account.account import Account, Transport, shares_destination, shares_oauth_secret
from domain.account.oauth import Flow, OAuthClient

# What is sealed: the fields ``sealed_…`` of `Credentials`, and the ends of their contexts.
SEALED: Final = ("secret", "key", "refresh", "access")
# A token is renewed so long before its end, or a quarter of its life, whichever is less: some
# servers refuse a token that is about to end (501 5.5.127 at Microsoft's HVE).
EARLY: Final = timedelta(minutes=15)
# Refresh tokens end where they are not used: at Microsoft after 90 days, at Google after 6 months.
IDLE: Final = timedelta(days=7)
FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_OWN_WAIT: Final = timedelta(minutes=5)
_LONGEST_HEEDED: Final = timedelta(hours=1)
_MOST_DOUBLINGS: Final = 8


@attrs.frozen(kw_only=True)
class Credentials:
    """What an account that logs in by OAuth has, each sealed for this row (`sealed_for`).

    ``generation`` rises with every access token, and with every change that ends one; it never
    falls, not even where the account logs in by password for a time. ``obtained_at`` is when it was
    authorized, ``refreshed_at`` when it got its last access token. ``held_by`` is the mark of
    whoever asks the authorization server just now, "" if nobody does. After ``failures`` in a row
    it is not asked before ``retry_at``.
    """

    account_id: int
    sealed_secret: bytes | None = attrs.field(default=None, repr=False)
    sealed_key: bytes | None = attrs.field(default=None, repr=False)
    sealed_refresh: bytes | None = attrs.field(default=None, repr=False)
    sealed_access: bytes | None = attrs.field(default=None, repr=False)
    expires_at: datetime | None = None
    obtained_at: datetime | None = None
    refreshed_at: datetime | None = None
    generation: int = 0
    held_by: str = ""
    failures: int = 0
    retry_at: datetime | None = None
    last_error: str = ""

    def may_ask(self, client: OAuthClient) -> bool:
        """Whether it has what tokens are granted for."""
        if client.needs_consent:
            return self.sealed_refresh is not None
        by_key = client.flow is Flow.SERVICE_ACCOUNT
        return (self.sealed_key if by_key else self.sealed_secret) is not None

    def good(self, now: datetime) -> bool:
        """Whether its access token is not over."""
        if self.sealed_access is None or self.expires_at is None:
            return False
        return now < self.expires_at

    def due(self, now: datetime) -> bool:
        """Whether its access token should be renewed, or there is none."""
        return self.sealed_access is None or now >= self.due_at

    @property
    def due_at(self) -> datetime:
        """When its access token is to be renewed."""
        assert self.expires_at is not None, "there is a token"
        assert self.refreshed_at is not None, "there is a token"
        # a clock that was set back since makes the life longer: the quarter is bounded above
        life = self.expires_at - self.refreshed_at
        return self.expires_at - min(EARLY, life / 4)

    def idle(self, now: datetime) -> bool:
        """Whether its refresh token would soon be forgotten for want of use."""
        if self.sealed_refresh is None:
            return False
        last = self.refreshed_at or self.obtained_at
        return last is None or now >= last + IDLE

    def waits(self, now: datetime) -> bool:
        """Whether the authorization server is not to be asked yet.

        A time further away than any server is heeded is of a clock that was set back: it is over.
        """
        return self.retry_at is not None and now < self.retry_at <= now + _LONGEST_HEEDED

    def renewed(
        self, *, access: bytes, refresh: bytes | None, lifetime: timedelta, now: datetime
    ) -> "Credentials":
        """With a new access token, and a new refresh token if one came."""
        return attrs.evolve(
            self,
            sealed_access=access,
            sealed_refresh=refresh or self.sealed_refresh,
            expires_at=now + lifetime,
            refreshed_at=now,
            generation=self.generation + 1,
            held_by="",
            failures=0,
            retry_at=None,
            last_error="",
        )

    def failed(self, error: str, *, retry_after: timedelta | None, now: datetime) -> "Credentials":
        """The authorization server could not be asked: the next time is not before a while."""
        doublings = min(self.failures, _MOST_DOUBLINGS)
        wait = min(FIRST_WAIT * 2**doublings, LONGEST_OWN_WAIT)
        if retry_after is not None:
            wait = min(max(wait, retry_after), _LONGEST_HEEDED)
        return attrs.evolve(
            self, failures=self.failures + 1, retry_at=now + wait, last_error=error, held_by=""
        )

    def refused(self, error: str) -> "Credentials":
        """The authorization server grants nothing any more: a person must act first."""
        return attrs.evolve(self.without_tokens(), last_error=error)

    def without_tokens(self) -> "Credentials":
        """Only what its owner gave: the client secret, the service account's key."""
        return Credentials(
            account_id=self.account_id,
            sealed_secret=self.sealed_secret,
            sealed_key=self.sealed_key,
            generation=self.generation + 1,  # a process that knows the old token forgets it
        )

    def takes(self, generation: int, *, rotated: bool) -> bool:
        """Whether what was granted for *generation* of them is stored. *rotated*: a refresh token
        came with it.

        A process that slept after it was granted a token may come late: another one has found its
        refresh token used up then, and has thrown the old one away (`refused`). The new one saves
        the account. That is one step further. An owner who changes the application and changes it
        back takes two at least, and what was granted before is not for the new credentials.
        """
        if self.generation == generation:
            return True
        return rotated and self.sealed_refresh is None and self.generation == generation + 1

    def after_change(self, before: Account, after: Account) -> "Credentials":
        """What is left of it when its owner changes the account, as with a password.

        Another server, user or application forgets everything: a person who may change them must
        not come by what was meant for others. Another scope or transport needs new tokens.
        """
        if not shares_oauth_secret(before, after):
            return attrs.evolve(self.without_tokens(), sealed_secret=None, sealed_key=None)
        if before.oauth != after.oauth or before.transport is not after.transport:
            return self.without_tokens()
        return self


def fits(given: Account, stored: Account) -> bool:
    """Whether a token of *stored* may be used for *given*, a copy that may be older."""
    return (
        shares_destination(given, stored)
        and given.oauth == stored.oauth
        and given.transport is stored.transport
    )


def by_graph(account: Account) -> bool:
    """Whether its tokens are for Microsoft's Graph API."""
    return account.transport is Transport.GRAPH


def sealed_for(account_id: int, what: str) -> str:
    """The context that *what* is sealed with: one of SEALED."""
    return f"oauth-{what}:{account_id}"

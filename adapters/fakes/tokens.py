"""Access tokens in memory: what each account is given was said before."""

import threading
from collections.abc import Sequence

import attrs

from application.ports.oauth import TokenUnavailable
from domain.account.account import Account
from domain.outcome.handoff import Problem


@attrs.define
class _Supply:
    left: list[str | Problem]
    asked: list[bool] = attrs.field(factory=list)


class FakeTokens:
    """The `Tokens` port for tests. A token is given until it is named as refused.

    A `Problem` in the place of a token is raised as TokenUnavailable. An account that was given
    nothing, or is out of tokens, has not been authorized.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._supplies: dict[int, _Supply] = {}

    def give(self, account: Account, *tokens: str | Problem) -> None:
        """From now on it has these, one after the other."""
        with self._lock:
            self._supplies[account.id] = _Supply(list(tokens))

    def asked(self, account: Account) -> Sequence[bool]:
        """Of each call for the account, whether a token was named as refused."""
        with self._lock:
            supply = self._supplies.get(account.id)
            return () if supply is None else tuple(supply.asked)

    def token(self, account: Account, *, refused: str = "") -> str:
        """The token, or the one after it. TokenUnavailable."""
        assert account.oauth is not None, "a token is asked for an account that has a password"
        with self._lock:
            supply = self._supplies.setdefault(account.id, _Supply([]))
            supply.asked.append(bool(refused))
            if refused and supply.left and supply.left[0] == refused:
                supply.left.pop(0)
            token = supply.left[0] if supply.left else Problem.NEEDS_CONSENT
        if isinstance(token, Problem):
            raise TokenUnavailable(token, f"no token: {token}")
        return token

"""What an account logs in with: its password, or an OAuth token that may be replaced once."""

from collections.abc import Callable

from domain.account.account import Account
from domain.dialogue.ends import ConnectionFailed, ExchangeEnded
from domain.outcome.handoff import Problem


class Credential:
    """That of one login, over as many connections as the login takes. For one thread.

    A token is presented twice at most: what the server refuses first is replaced by a fresh one,
    and what it says to that is final.
    """

    def __init__(
        self, account: Account, *, password: Callable[[], str], token: Callable[[str], str]
    ) -> None:
        """*password* opens the sealed one. *token* fetches one, another than the one that it is
        given ("" for any). Both raise ExchangeEnded.
        """
        self._account = account
        self._password = password
        self._fetch = token
        self._tokens: list[str] = []
        self._presented = 0
        self._refused = False

    def prepare(self) -> None:
        """Have ready what takes time, before a server is troubled and its patience begins.

        ExchangeEnded (at AUTH) if the account cannot log in.
        """
        account = self._account
        if not account.authenticates:
            return
        if account.oauth is not None:
            self._tokens = [self._fetch("")]
        elif account.sealed_password is None:
            raise ExchangeEnded(problem=Problem.NO_PASSWORD, detail="no password is stored")

    def password(self) -> str:
        """The password, opened as late as possible. ExchangeEnded."""
        return self._password()

    def present(self) -> tuple[str, str]:
        """The token that goes to the server now, and the one it refused before ("" if none)."""
        self._presented += 1
        earlier = self._tokens[0] if len(self._tokens) > 1 else ""
        return self._tokens[-1], earlier

    def judged(self, *, refused: bool) -> None:
        """Whether the server refuses the token that was presented, as far as is known."""
        self._refused = refused

    def renew(self) -> bool:
        """Whether a fresh token is there, in the place of the first one that was refused.

        ExchangeEnded if there is none to be had.
        """
        if not self._refused or self._presented != 1:
            return False
        if len(self._tokens) == 1:
            self._tokens.append(self._fetch(self._tokens[0]))
        return True

    def goes_on_after(self, failure: ConnectionFailed) -> bool:
        """Whether a server that closed the connection over the first token is asked again, with a
        fresh token and over another connection. ExchangeEnded if there is none to be had.
        """
        return failure.problem is Problem.CLOSED and self.renew()

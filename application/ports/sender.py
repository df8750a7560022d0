"""The port to mail servers."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from domain.account.account import Account
from domain.account.verification import Step
from domain.address import Address
from domain.outcome.handoff import Handoff, Parcel


class Conversation(Protocol):
    """A connection to one account's server for one message after the other; for one thread."""

    def send(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        still: Callable[[], bool] = lambda: True,
        then: Callable[[], Parcel | None] = lambda: None,
    ) -> Handoff:
        """One attempt. Never raises for what a server says or does.

        *before_dot* is called once, after the whole body and right before the terminator; if it
        answers False the connection is dropped without the dot and the stage is BODY with
        Problem.STOPPED. It is not called when the dialogue ends earlier. *still* is asked after it,
        in the last moment before the terminator is written, and a False means the same: the process
        may have stood still since. Recipients are asked in the envelope's order; DATA is sent only
        if one of them was accepted.

        *then* gives, before *before_dot* is asked, what will be sent next, if anything. Only where
        the account's ``announce_next`` is on, its envelope may go out with this dot, which saves a
        round trip. Nothing of it is handed over by that. It may not be asked at all.

        A refusal that is the end of a session that has delivered (`domain/outcome/session.py`), and
        replies that belong to no command, are followed by the same message over a fresh connection.
        """
        ...


class Sender(Protocol):
    """Hands messages to mail servers. Safe from many threads."""

    def converse(self, account: Account) -> AbstractContextManager[Conversation]:
        """A conversation over an idle connection, or a new one when the first message is sent."""
        ...

    def probe(self, account: Account) -> Handoff:
        """Connect, TLS, AUTH on a connection of its own, then QUIT.

        The stage is where it failed, or MAIL without reply or problem if all went well.
        """
        ...

    def verify(self, account: Account, *, recipient: Address) -> Sequence[Step]:
        """Connect, TLS, AUTH, MAIL from the account, RCPT, RSET and QUIT; nothing is sent.

        What each stage came to, in order, on a connection of its own. The last one is the one that
        failed, or RCPT; over Graph, which says nothing of a recipient without sending to it, AUTH.
        """
        ...

    def retire(self, account_id: int) -> None:
        """Close the account's idle connections."""
        ...

    def abort(self) -> None:
        """Drop every connection that has not passed the final dot; their sends end as STOPPED."""
        ...

    def tend(self) -> None:
        """Close the connections that have idled for too long."""
        ...

    def drop_idle(self) -> None:
        """Close every idle connection; the next send opens one of its own."""
        ...

    def close(self) -> None:
        """Close everything that is idle and keep nothing; sends under way end by themselves."""
        ...

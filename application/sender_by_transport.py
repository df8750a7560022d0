"""A `Sender` that hands each account's mail to the sender of its transport."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from application.ports.sender import Conversation, Sender
from domain.account.account import Account, Transport
from domain.account.verification import Step
from domain.address import Address
from domain.outcome.handoff import Handoff


class SenderByTransport:
    """The senders of this process, one for each transport. See the port."""

    def __init__(self, senders: Mapping[Transport, Sender]) -> None:
        missing = set(Transport) - set(senders)
        if missing:
            raise ValueError(f"no sender for {', '.join(sorted(missing))}")
        self._senders = dict(senders)

    def converse(self, account: Account) -> AbstractContextManager[Conversation]:
        """A conversation over the account's transport."""
        return self._senders[account.transport].converse(account)

    def probe(self, account: Account) -> Handoff:
        """A login over the account's transport."""
        return self._senders[account.transport].probe(account)

    def verify(self, account: Account, *, recipient: Address) -> tuple[Step, ...]:
        """Each stage over the account's transport; nothing is sent."""
        return tuple(self._senders[account.transport].verify(account, recipient=recipient))

    def retire(self, account_id: int) -> None:
        """Close the account's idle connections, also of the transport that it had before."""
        for sender in self._senders.values():
            sender.retire(account_id)

    def abort(self) -> None:
        """Of each: drop what has not passed the final dot."""
        for sender in self._senders.values():
            sender.abort()

    def tend(self) -> None:
        """Of each: close what has idled for too long."""
        for sender in self._senders.values():
            sender.tend()

    def drop_idle(self) -> None:
        """Of each: close every idle connection."""
        for sender in self._senders.values():
            sender.drop_idle()

    def close(self) -> None:
        """Of each: close what is idle and keep nothing."""
        for sender in self._senders.values():
            sender.close()

"""The parts of a transaction that delivery uses; each use case asks for the fewest.

A function that uses one repository takes that repository alone.
"""

from typing import Protocol

from application.ports.accounts import AccountRepository, Ledger
from application.ports.cluster import InstanceRepository
from application.ports.queue import AttemptRepository, EmailRepository


class QueueRows(Protocol):
    """What tells who may send, and how much: accounts, the emails that wait, the ledger."""

    @property
    def accounts(self) -> AccountRepository: ...

    @property
    def emails(self) -> EmailRepository: ...

    @property
    def ledger(self) -> Ledger: ...


class ResultRows(QueueRows, Protocol):
    """What the end of an attempt changes: its row too."""

    @property
    def attempts(self) -> AttemptRepository: ...


class ClaimRows(ResultRows, Protocol):
    """What a claim reads and changes: the processes too, among which connections are divided."""

    @property
    def instances(self) -> InstanceRepository: ...


class AccountRows(Protocol):
    """What a result changes of its account."""

    @property
    def accounts(self) -> AccountRepository: ...

    @property
    def ledger(self) -> Ledger: ...

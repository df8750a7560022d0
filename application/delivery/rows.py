"""The parts of a transaction that delivery uses; each use case asks for the fewest.

A function that uses one repository takes that repository alone.
"""

from typing import Protocol

from application.ports.accounts import AccountRepository, Ledger
from application.ports.bounces import BounceRepository
from application.ports.cluster import InstanceRepository
from application.ports.events import EventLog
from application.ports.queue import AttemptRepository, DetailRepository, EmailRepository
from application.ports.suppression import SuppressionRepository, TopicRepository
from application.ports.throughput import ThroughputRepository
from application.ports.watching import FullMailboxes


class QueueRows(Protocol):
    """What tells who may send, and how much: accounts, the emails that wait, the ledger.

    What a claim ends at once is told and counted.
    """

    @property
    def accounts(self) -> AccountRepository: ...

    @property
    def emails(self) -> EmailRepository: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def events(self) -> EventLog: ...

    @property
    def throughput(self) -> ThroughputRepository: ...


class ListRows(QueueRows, Protocol):
    """What a claim reads of who is suppressed, and ends of what nobody wants."""

    @property
    def suppressions(self) -> SuppressionRepository: ...

    @property
    def topics(self) -> TopicRepository: ...

    @property
    def details(self) -> DetailRepository: ...


class ResultRows(ListRows, Protocol):
    """What the end of an attempt changes: its row too, the name that a provider gave, and what is
    known of mailboxes.
    """

    @property
    def attempts(self) -> AttemptRepository: ...

    @property
    def bounces(self) -> BounceRepository: ...

    @property
    def full_mailboxes(self) -> FullMailboxes: ...


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

    @property
    def events(self) -> EventLog: ...

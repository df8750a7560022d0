"""The port to the one place of truth: works, and the transaction that a work is given."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from application.ports.access import (
    AuditTrail,
    DashboardSessionRepository,
    IdempotencyRepository,
    KeyRepository,
    KeyUsage,
    SecretRepository,
)
from application.ports.accounts import AccountRepository, DkimKeyRepository, Ledger
from application.ports.backlog import Backlog
from application.ports.blobs import BlobRepository, UploadRepository
from application.ports.bounces import BounceRepository
from application.ports.cluster import InstanceRepository
from application.ports.erasure import ErasureRepository
from application.ports.events import EventLog
from application.ports.hooks import HookRepository
from application.ports.inbox import InboxRepository
from application.ports.labels import LabelRepository
from application.ports.oauth import AuthorizationRepository, CredentialsRepository
from application.ports.queue import AttemptRepository, DetailRepository, EmailRepository
from application.ports.retention import RetentionRepository
from application.ports.suppression import SuppressionRepository, TopicRepository
from application.ports.templates import TemplateRepository
from application.ports.throughput import ThroughputRepository
from application.ports.watching import FullMailboxes, WatchRepository
from application.ports.webhooks import LeaseRepository, WebhookRepository

T = TypeVar("T")


class Transaction(Protocol):
    """What a work may touch. Valid only while the work runs."""

    @property
    def accounts(self) -> AccountRepository: ...

    @property
    def dkim_keys(self) -> DkimKeyRepository: ...

    @property
    def credentials(self) -> CredentialsRepository: ...

    @property
    def inboxes(self) -> InboxRepository: ...

    @property
    def authorizations(self) -> AuthorizationRepository: ...

    @property
    def emails(self) -> EmailRepository: ...

    @property
    def details(self) -> DetailRepository: ...

    @property
    def blobs(self) -> BlobRepository: ...

    @property
    def uploads(self) -> UploadRepository: ...

    @property
    def topics(self) -> TopicRepository: ...

    @property
    def suppressions(self) -> SuppressionRepository: ...

    @property
    def labels(self) -> LabelRepository: ...

    @property
    def templates(self) -> TemplateRepository: ...

    @property
    def attempts(self) -> AttemptRepository: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def backlog(self) -> Backlog: ...

    @property
    def instances(self) -> InstanceRepository: ...

    @property
    def idempotency(self) -> IdempotencyRepository: ...

    @property
    def keys(self) -> KeyRepository: ...

    @property
    def dashboard_sessions(self) -> DashboardSessionRepository: ...

    @property
    def secrets(self) -> SecretRepository: ...

    @property
    def key_usage(self) -> KeyUsage: ...

    @property
    def audit(self) -> AuditTrail: ...

    @property
    def retention(self) -> RetentionRepository: ...

    @property
    def bounces(self) -> BounceRepository: ...

    @property
    def events(self) -> EventLog: ...

    @property
    def throughput(self) -> ThroughputRepository: ...

    @property
    def watch(self) -> WatchRepository: ...

    @property
    def full_mailboxes(self) -> FullMailboxes: ...

    @property
    def hooks(self) -> HookRepository: ...

    @property
    def erasures(self) -> ErasureRepository: ...

    @property
    def webhooks(self) -> WebhookRepository: ...

    @property
    def leases(self) -> LeaseRepository: ...


class StoreReader(Protocol):
    """What a use case that only reads is given."""

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* on one consistent snapshot."""
        ...

    def read_latest(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* without a snapshot: each of its statements sees the latest commit.

        It costs less than `read`: for a work of one statement, or one to which it makes no
        difference.
        """
        ...

    def ping(self) -> None:
        """StoreUnavailable if it cannot be read."""
        ...


class Store(StoreReader, Protocol):
    """The one place of truth. Works are short, touch nothing but their transaction, may be rerun.

    A work that raises is rolled back as if it had not run, whatever it had written, and its error
    reaches the caller; other works are not touched by it. StoreUnavailable when the store cannot be
    reached, is locked for too long or its disk is full.
    """

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* and return its answer once it is durable. Works are serialisable."""
        ...

    def post(self, work: Callable[[Transaction], T]) -> "Future[T]":
        """Like write, without waiting: works posted by one thread run in their order."""
        ...

    def close(self) -> None:
        """Finish what was posted and let go of everything."""
        ...

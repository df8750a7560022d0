"""The rows of the store in memory, and the journal that undoes what a failed work has written."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import attrs

from domain.access import ApiKey, AuditEntry, IdempotencyRecord
from domain.account.account import Account
from domain.account.authorization import Authorization
from domain.account.dkim_key import DkimKey
from domain.account.inbox import Inbox
from domain.account.oauth_credentials import Credentials
from domain.bounce.bounce import Bounce
from domain.capability import Capability
from domain.dashboard_session import DashboardSession
from domain.email.attempt import Attempt
from domain.email.detail import Detail
from domain.email.labels import Labels
from domain.email.lifecycle import Email
from domain.email.status import Status
from domain.erasure import Erasure
from domain.event.alert import AlertRecord
from domain.event.event import StoredEvent
from domain.hook.hook import EventHook
from domain.message.skeleton import PlacedBlob
from domain.message.template import Template
from domain.message.upload import Upload
from domain.outcome.verdict import Result
from domain.suppression import Subscription, Suppression
from domain.throughput import Via
from domain.webhook.delivery import Delivery, WebhookAttempt
from domain.webhook.webhook import Webhook

K = TypeVar("K")
V = TypeVar("V")


@attrs.frozen(kw_only=True)
class Reservation:
    """What an attempt uses of its account's limits; not charged yet without a time."""

    account_id: int
    units: int
    charged_at: datetime | None = None


@attrs.frozen(kw_only=True)
class StoredBlob:
    """What is known of a blob; its chunks stand elsewhere."""

    size: int
    created_at: datetime
    complete: bool = False


@attrs.frozen(kw_only=True)
class Counted:
    """One email or attempt that was counted. An email of no account has 0."""

    hour: datetime
    of: Via | Result | Status
    account_id: int = 0
    duration: timedelta | None = None


@attrs.frozen
class Tables:
    """Everything there is. Only a journal may write here."""

    accounts: dict[int, Account] = attrs.field(factory=dict)
    dkim_keys: dict[tuple[int, str, str], DkimKey] = attrs.field(factory=dict)
    credentials: dict[int, Credentials] = attrs.field(factory=dict)
    inboxes: dict[int, Inbox] = attrs.field(factory=dict)
    authorizations: dict[str, Authorization] = attrs.field(factory=dict)
    emails: dict[int, Email] = attrs.field(factory=dict)
    octets: dict[int, bytes] = attrs.field(factory=dict)
    details: dict[int, Detail] = attrs.field(factory=dict)
    topics: dict[int, Subscription] = attrs.field(factory=dict)
    suppressions: dict[tuple[str, str, str], Suppression] = attrs.field(factory=dict)
    emails_before: dict[int, int] = attrs.field(factory=dict)  # the last, by suppression
    dashboard_sessions: dict[bytes, DashboardSession] = attrs.field(factory=dict)
    secrets: dict[str, bytes] = attrs.field(factory=dict)
    labels: dict[int, Labels] = attrs.field(factory=dict)
    templates: dict[int, Template] = attrs.field(factory=dict)
    attempts: dict[tuple[int, int], Attempt] = attrs.field(factory=dict)
    ledger: dict[tuple[int, int], Reservation] = attrs.field(factory=dict)
    blobs: dict[bytes, StoredBlob] = attrs.field(factory=dict)
    chunks: dict[tuple[bytes, int], bytes] = attrs.field(factory=dict)
    placed: dict[int, tuple[PlacedBlob, ...]] = attrs.field(factory=dict)
    uploads: dict[str, Upload] = attrs.field(factory=dict)
    instances: dict[int, int] = attrs.field(factory=dict)
    capabilities: dict[int, Capability] = attrs.field(factory=dict)
    records: dict[tuple[str, str], IdempotencyRecord] = attrs.field(factory=dict)
    keys: dict[int, ApiKey] = attrs.field(factory=dict)
    key_hours: dict[tuple[int, datetime], int] = attrs.field(factory=dict)
    audit: dict[int, AuditEntry] = attrs.field(factory=dict)
    purged: dict[int, datetime] = attrs.field(factory=dict)
    bounces: dict[tuple[int, int, str], Bounce] = attrs.field(factory=dict)
    provider_names: dict[tuple[int, int], str] = attrs.field(factory=dict)
    events: dict[int, StoredEvent] = attrs.field(factory=dict)
    full_mailboxes: dict[tuple[str, int], datetime] = attrs.field(factory=dict)
    alerts: dict[tuple[int | None, str], AlertRecord] = attrs.field(factory=dict)
    watch_notes: dict[str, Any] = attrs.field(factory=dict)
    counted: dict[int, Counted] = attrs.field(factory=dict)
    folded: dict[int, None] = attrs.field(factory=dict)
    forgotten: dict[int, None] = attrs.field(factory=dict)
    kept_accounts: dict[int, None] = attrs.field(factory=dict)
    hooks: dict[int, EventHook] = attrs.field(factory=dict)
    hook_tokens: dict[tuple[int, str], tuple[str, datetime]] = attrs.field(factory=dict)
    erasures: dict[int, Erasure] = attrs.field(factory=dict)
    erased_emails: dict[tuple[int, int], None] = attrs.field(factory=dict)
    erased_files: dict[tuple[int, bytes], None] = attrs.field(factory=dict)
    webhooks: dict[int, Webhook] = attrs.field(factory=dict)
    deliveries: dict[tuple[int, int], Delivery] = attrs.field(factory=dict)
    webhook_attempts: dict[int, WebhookAttempt] = attrs.field(factory=dict)
    leases: dict[str, tuple[str, datetime]] = attrs.field(factory=dict)
    last_ids: dict[str, int] = attrs.field(factory=dict)


class Journal:
    """The only way to write: remembers how to undo it, and is of no use once the work has ended."""

    def __init__(self, *, writable: bool) -> None:
        self._writable = writable
        self._ended = False
        self._undo: list[Callable[[], object]] = []

    def put(self, table: dict[K, V], key: K, value: V) -> None:
        """Write one row."""
        self._remember(table, key)
        table[key] = value

    def remove(self, table: dict[K, V], key: K) -> None:
        """Remove one row that is there."""
        self._remember(table, key)
        del table[key]

    def next_id(self, tables: Tables, table: str) -> int:
        """An id that was never given out before."""
        new = tables.last_ids.get(table, 0) + 1
        self.put(tables.last_ids, table, new)
        return new

    def undo(self) -> None:
        """Take back everything, newest first."""
        while self._undo:
            self._undo.pop()()

    def end(self) -> None:
        """The work is over."""
        self._ended = True

    def _remember(self, table: dict[K, V], key: K) -> None:
        if self._ended:
            raise RuntimeError("a transaction is valid only while its work runs")
        if not self._writable:
            raise RuntimeError("a read may not write")
        if key in table:
            self._undo.append(partial(table.__setitem__, key, table[key]))
        else:
            self._undo.append(partial(table.__delitem__, key))

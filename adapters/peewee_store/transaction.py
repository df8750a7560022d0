"""What a work may touch: the repositories on one session."""

import threading
from collections.abc import Collection

from adapters.peewee_store.accounts import SqlAccounts
from adapters.peewee_store.audit import SqlAudit
from adapters.peewee_store.authorizations import SqlAuthorizations
from adapters.peewee_store.backlog import SqlBacklog
from adapters.peewee_store.blobs import SqlBlobs, SqlUploads
from adapters.peewee_store.bounces import SqlBounces
from adapters.peewee_store.credentials import SqlCredentials
from adapters.peewee_store.dashboard_sessions import SqlDashboardSessions
from adapters.peewee_store.details import SqlDetails
from adapters.peewee_store.dkim_keys import SqlDkimKeys
from adapters.peewee_store.emails import SqlEmails
from adapters.peewee_store.erasures import SqlErasures
from adapters.peewee_store.events import SqlEvents
from adapters.peewee_store.hooks import SqlHooks
from adapters.peewee_store.idempotency import SqlIdempotency
from adapters.peewee_store.inboxes import SqlInboxes
from adapters.peewee_store.instances import SqlInstances
from adapters.peewee_store.keys import SqlKeys, SqlKeyUsage
from adapters.peewee_store.labels import SqlLabels
from adapters.peewee_store.last_sent_times import LastSentTimes
from adapters.peewee_store.ledger import SqlAttempts, SqlLedger
from adapters.peewee_store.retention import SqlRetention
from adapters.peewee_store.secrets import SqlSecrets
from adapters.peewee_store.session import SAVEPOINT, Session
from adapters.peewee_store.status_counts import StatusCounts
from adapters.peewee_store.suppressions import SqlSuppressions, SqlTopics
from adapters.peewee_store.templates import SqlTemplates
from adapters.peewee_store.throughput import SqlThroughput
from adapters.peewee_store.transaction_cache import TransactionCache
from adapters.peewee_store.watching import SqlFullMailboxes, SqlWatch
from adapters.peewee_store.webhooks import SqlLeases, SqlWebhooks
from application.ports.system import Clock
from domain.event.types import ALL_EVENTS, EventType


class AtWork(threading.local):
    """Whether the thread that asks is inside a work of this store.

    A work that waited for its own store would wait for ever.
    """

    here = False

    def refuse(self) -> None:
        """RuntimeError inside a work."""
        if self.here:
            raise RuntimeError("a work may touch nothing but its own transaction")


class SqlTransaction:
    """The Transaction port, and how a store begins and ends it. Used again and again."""

    def __init__(
        self, session: Session, *, clock: Clock, events: Collection[EventType] = ALL_EVENTS
    ) -> None:
        self._cache = cache = TransactionCache()
        self._status_counts = StatusCounts(session, cache)
        self._last_sent_times = LastSentTimes(session, cache)
        self.accounts = SqlAccounts(session, cache, self._last_sent_times)
        self.dkim_keys = SqlDkimKeys(session, self.accounts)
        self.credentials = SqlCredentials(session)
        self.inboxes = SqlInboxes(session)
        self.authorizations = SqlAuthorizations(session)
        self.emails = SqlEmails(session, self._status_counts)
        self.details = SqlDetails(session)
        self.blobs = SqlBlobs(session)
        self.uploads = SqlUploads(session)
        self.topics = SqlTopics(session)
        self.suppressions = SqlSuppressions(session, cache)
        self.dashboard_sessions = SqlDashboardSessions(session)
        self.secrets = SqlSecrets(session)
        self.labels = SqlLabels(session)
        self.templates = SqlTemplates(session)
        self.attempts = SqlAttempts(session)
        self.ledger = SqlLedger(session, cache, clock)
        self.backlog = SqlBacklog(session, self._status_counts, clock)
        self.instances = SqlInstances(session, cache)
        self.idempotency = SqlIdempotency(session)
        self.keys = SqlKeys(session)
        self.key_usage = SqlKeyUsage(session)
        self.audit = SqlAudit(session)
        self.retention = SqlRetention(session, self._status_counts)
        self.bounces = SqlBounces(session)
        self.events = SqlEvents(session, events)
        self.throughput = SqlThroughput(session, cache)
        self.watch = SqlWatch(session)
        self.full_mailboxes = SqlFullMailboxes(session)
        self.hooks = SqlHooks(session)
        self.erasures = SqlErasures(session, cache)
        self.webhooks = SqlWebhooks(session)
        self.leases = SqlLeases(session)
        self.session = session

    def begin(self, *, pipelined: bool = False) -> None:
        """Begin, for one work or a group; see Session.begin."""
        self._cache.begin()
        self.session.begin(pipelined=pipelined)

    def begin_without_snapshot(self) -> None:
        """Begin a work whose statements see each the latest commit: there is no transaction."""
        self._cache.begin()

    def verify(self) -> None:
        """Write the rest, before the commit; what is wrong with anything of it is raised."""
        self._last_sent_times.write()
        self._status_counts.write()
        self.throughput.write()
        self.session.verify()
        self._last_sent_times.find_late()

    def commit(self) -> None:
        """Make it durable."""
        self.session.commit()

    def rollback(self) -> None:
        """As if it had not begun; what is noted here is forgotten as the next one begins. No error
        if the engine has done so by itself.
        """
        if self.session.in_transaction:
            self.session.rollback()

    def save_point(self) -> None:
        """Begin one work of a group."""
        self._cache.save_point()
        self.session.execute(f"SAVEPOINT {SAVEPOINT}")

    def release(self) -> None:
        """End one work of a group: it stands or falls with the commit."""
        self.session.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")

    def undo(self) -> None:
        """As if this work of the group had not run."""
        self.session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
        self.session.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
        self._cache.undo()

    def close(self) -> None:
        """Let go of the connection."""
        self.session.close()

"""Every port of the application; the docstring is the contract, `tests/contract` proves it.

A port speaks the domain's words. No SQL, no socket and no framework type crosses it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar

from domain.access import ApiKey, AuditEntry, IdempotencyRecord
from domain.account import Account
from domain.address import Address
from domain.email import POISON_CRASHES, Attempt, Email, Page, Status, Waiting
from domain.events import Event
from domain.handoff import Handoff, Parcel
from domain.limits import Window, WindowLengths
from domain.verification import Step

T = TypeVar("T")


class Clock(Protocol):
    """Time. The only source of it."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC. It may step."""
        ...

    def steady(self) -> datetime:
        """A clock for the ledger: never ahead of the wall, and never jumps forward with it.

        The smaller of the wall and (its last answer + monotonic time since).
        """
        ...

    def monotonic(self) -> float:
        """Seconds that only rise, for durations and deadlines."""
        ...

    def boottime(self) -> float:
        """Like monotonic, but it goes on while the machine is suspended, where that is known."""
        ...


class Entropy(Protocol):
    """Chance. The only source of it."""

    def token(self) -> str:
        """128 random bits as 32 lower-case hexadecimal digits."""
        ...

    def jitter(self) -> float:
        """Uniform in [-1, 1]."""
        ...


class Vault(Protocol):
    """Seals secrets so that they open only in the place they were sealed for."""

    def seal(self, secret: str, *, context: str) -> bytes:
        """Ciphertext of *secret*, bound to *context* (a row's name)."""
        ...

    def open(self, sealed: bytes, *, context: str) -> str:
        """The secret. SecretUnreadable if the key or the context is another one."""
        ...

    def fingerprints(self, secret: str) -> Sequence[bytes]:
        """A keyed digest of *secret* for each key at hand, the one that seals first.

        Equal for equal secrets and keys, and of no use to whoever has not the key. At least one.
        """
        ...

    def is_current(self, fingerprint: bytes) -> bool:
        """Whether a fingerprint was made with the key that seals, and not with an older one."""
        ...


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

        *then* tells, before *before_dot* is asked, what will be sent next, if anything. Only where
        the account's ``announce_next`` is on, its envelope may go out with this dot, which saves a
        round trip. Nothing of it is handed over by that. It may not be asked at all.

        A refusal that is the end of a session that has delivered (`domain/session.py`), and replies
        that belong to no command, are followed by the same message over a fresh connection.
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
        failed, or RCPT.
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


class Locks(Protocol):
    """Named locks that the operating system frees when their holder dies, by kill -9 too."""

    def acquire(self, name: str) -> bool:
        """Take the lock for this process, or answer False at once if another one holds it."""
        ...

    def release(self, name: str) -> None:
        """Give it back. No error if it is not held."""
        ...

    def abandoned(self, name: str) -> bool:
        """Whether the lock existed and its holder is surely dead. False when that is not known.

        True again and again, for every process, until somebody has taken it and given it back.
        """
        ...


class Headroom(Protocol):
    """Whether the store's disk has room left for the results of what is under way."""

    def __call__(self) -> bool: ...


class Wake(Protocol):
    """Tell the dispatcher to look now. May be lost, may be spurious; never blocks, never fails."""

    def __call__(self) -> None: ...


class Observe(Protocol):
    """Hears what happened, after it is durable. Never fails."""

    def __call__(self, event: Event) -> None: ...


class AccountRepository(Protocol):
    """The accounts."""

    def add(self, account: Account) -> Account:
        """Store it and return it with its id (from 1, rising). NameTaken if the name is in use."""
        ...

    def get(self, account_id: int) -> Account:
        """NotFound if there is none."""
        ...

    def all(self) -> Sequence[Account]:
        """All of them, by id."""
        ...

    def save(self, account: Account) -> None:
        """Write all of an account that exists. NameTaken, NotFound."""
        ...

    def save_health(self, account: Account) -> None:
        """Write only health and last_sent_at, and only if the stored version is the same.

        A result that belongs to an older configuration must not pause the new one.
        """
        ...

    def lock(self, account_id: int) -> Account:
        """The account, with every other writer of its limits waiting until this work commits.

        NotFound if there is none.
        """
        ...

    def touch(self, account_id: int, *, sent_at: datetime) -> None:
        """Write last_sent_at alone. No error if the account is gone."""
        ...

    def delete(self, account_id: int) -> None:
        """Remove it. NotFound if there is none."""
        ...


class EmailRepository(Protocol):
    """The emails, which are also the queue."""

    def add(self, email: Email, octets: bytes) -> Email:
        """Store it, its recipients and its message; returned with its id (from 1, rising)."""
        ...

    def add_all(self, emails: Sequence[tuple[Email, bytes]]) -> Sequence[Email]:
        """Store several as `add` does, in their order; each comes back with a higher id."""
        ...

    def get(self, email_id: int) -> Email:
        """NotFound if there is none."""
        ...

    def octets(self, email_id: int) -> bytes:
        """The message as it was composed at acceptance. NotFound if there is none."""
        ...

    def messages(self, email_ids: Sequence[int]) -> Mapping[int, bytes]:
        """Several messages by id. NotFound if one of them is not there."""
        ...

    def page(
        self,
        *,
        status: Status | None = None,
        account_id: int | None = None,
        key_id: int | None = None,
        among: Collection[int] | None = None,
        before: int | None = None,
        limit: int,
    ) -> Page:
        """Newest first (id falling), ids below *before*, at most *limit*.

        With *key_id* only what that API key submitted, with *among* only emails of these accounts.
        """
        ...

    def claim(
        self,
        account: Account,
        *,
        limit: int,
        units: int,
        urgent_units: int,
        now: datetime,
        owner: int,
        fair: int = 0,
        shared: int | None = None,
        last: Collection[int] = (),
        crashes: int = POISON_CRASHES,
    ) -> Sequence[Email]:
        """Take up to *limit* due emails for this account: they are `sending`, phase `claimed`.

        Due: waiting, eligible_at <= now, pinned to this account or to none. Ordered by priority,
        eligible_at, id. If there are so many, up to *fair* more come behind them: of the others
        that fit, whatever their priority, those that are due the longest.
        Their units (one each, or one per open recipient) add up to at most *urgent_units*, and
        those of priorities 3 to 5 to at most *units*; taking stops at the first that does not fit,
        but an email that could never fit the account's limits is passed over.
        Of those pinned to no account at most *shared* are taken, and taking stops there. Those with
        an id in *last* are taken only if nothing else can be. What `domain.claiming` passes over
        (*crashes* is handed on to it) is left, and a suspect is taken alone.
        attempt_no has risen by one and owner is set. Safe from any number of processes: no email is
        given out twice.
        """
        ...

    def mark_committing(
        self, claims: Iterable[tuple[int, int]], *, owner: int
    ) -> Collection[tuple[int, int]]:
        """The last permission before the final dots of *claims*, each an email's id and the number
        of its attempt: those that are still current, and so marked.
        """
        ...

    def save(self, email: Email, *, was: Email) -> None:
        """Write what a transition changed, recipients too, if it still stands as *was*.

        The guard is one statement on id, status and attempt_no; StaleAttempt if it finds no row.
        """
        ...

    def held_by(self, owner: int, *, limit: int) -> Sequence[Email]:
        """Up to *limit* emails that are `sending` for *owner*."""
        ...

    def expired(self, *, now: datetime, limit: int) -> Sequence[Email]:
        """Up to *limit* waiting emails whose lifetime has ended."""
        ...

    def from_the_future(
        self, *, now: datetime, after: tuple[datetime, int] | None, limit: int
    ) -> Sequence[Email]:
        """Up to *limit* waiting emails that nobody has scheduled and whose last change is later
        than *now*, by (expires_at, id) and behind *after*.
        """
        ...

    def next_due(self, account_ids: Sequence[int], *, urgent_only: bool = False) -> datetime | None:
        """The earliest eligible_at that one of these accounts may claim, or None.

        *urgent_only*: of the emails that may use an account's reserve.
        """
        ...

    def depth(self, account_id: int | None) -> int:
        """How many emails wait for this account by name; with None, for any account."""
        ...

    def waiting(self, account_id: int | None = None) -> Waiting:
        """How many emails wait (for this account by name, or in all) and how many are sending."""
        ...

    def counts(self) -> Mapping[Status, int]:
        """How many emails stand in each status."""
        ...


class AttemptRepository(Protocol):
    """One row for every attempt from the moment it begins; of a new connection's first one the row
    is durable before the socket is opened.
    """

    def open(self, attempts: Iterable[Attempt]) -> None:
        """Store attempts that begin."""
        ...

    def close(self, attempt: Attempt) -> None:
        """Write how it ended, by email_id and attempt_no."""
        ...

    def withdraw(self, email_id: int, attempt_no: int) -> None:
        """Remove an attempt that was not made. No error if there is none, or if it has ended."""
        ...

    def of(self, email_id: int) -> Sequence[Attempt]:
        """The attempts of one email, oldest first."""
        ...


class Ledger(Protocol):
    """What each account has used of its limits. Times are of the store's steady clock."""

    def reserve(self, emails: Iterable[Email], *, units: Callable[[Email], int]) -> None:
        """Reserve the units of claimed emails: they count in every window until settled."""
        ...

    def charge(self, email_id: int, attempt_no: int, *, units: int) -> None:
        """The server took it, or may have: count these units from now."""
        ...

    def free(self, email_id: int, attempt_no: int) -> None:
        """Surely not accepted: remove the reservation."""
        ...

    def used(self, account_id: int, lengths: WindowLengths) -> Mapping[Window, int]:
        """Units that count in each window now, reservations included."""
        ...

    def totals(self, account_id: int, lengths: WindowLengths) -> Mapping[Window, tuple[int, int]]:
        """For each window what `used` gives, and the emails charged (reservations not included)."""
        ...

    def room_returns_at(
        self, account_id: int, window: Window, lengths: WindowLengths, *, units: int
    ) -> datetime | None:
        """When charged units of *window* have left it so far that *units* fewer count.

        None while only reservations stand in the way.
        """
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Remove up to *limit* charged rows older than *before*; how many went."""
        ...


class InstanceRepository(Protocol):
    """The processes that deliver, and their heartbeats."""

    def join(self, *, host: str, pid: int, now: datetime) -> int:
        """A new owner id, never used before."""
        ...

    def beat(self, owner: int) -> bool:
        """Raise the heartbeat counter; False if the instance was declared dead."""
        ...

    def beats(self) -> Mapping[int, int]:
        """The counter of every instance that has not left."""
        ...

    def leave(self, owner: int) -> None:
        """Remove it. No error if it is gone."""
        ...

    def orphaned(self) -> Sequence[int]:
        """Owners of `sending` emails that are no instance (any more)."""
        ...


class IdempotencyRepository(Protocol):
    """Answers remembered by Idempotency-Key, for a day."""

    def find(self, key: str, *, scope: str) -> IdempotencyRecord | None:
        """What was stored under this key for this caller."""
        ...

    def add(self, record: IdempotencyRecord) -> None:
        """Remember it. Conflict if the key is taken."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Remove up to *limit* records created before; how many went."""
        ...


class KeyRepository(Protocol):
    """The API keys. They are never deleted: emails and the audit name them."""

    def add(self, key: ApiKey) -> ApiKey:
        """Store it and return it with its id (from 1, rising). Conflict if the prefix is in use."""
        ...

    def find(self, prefix: str) -> ApiKey | None:
        """The key with this prefix, whether it is usable or not."""
        ...

    def all(self) -> Sequence[ApiKey]:
        """All of them, by id."""
        ...

    def save(self, key: ApiKey) -> None:
        """Write what may change of a key that exists: digest and revoked_at. NotFound."""
        ...


class KeyUsage(Protocol):
    """How many recipients each API key has named, by the hour."""

    def add(self, key_id: int, *, hour: datetime, recipients: int) -> None:
        """Count *recipients* more in the hour that begins at *hour*."""
        ...

    def hours(self, key_id: int, *, since: datetime) -> Sequence[tuple[datetime, int]]:
        """The hours that begin at *since* or later with what was counted, oldest first."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Remove up to *limit* hours that began before; how many went."""
        ...


class AuditTrail(Protocol):
    """Who did what. Written in the same work as the change; nothing is ever removed."""

    def add(self, entry: AuditEntry) -> None:
        """Append it."""
        ...

    def latest(self, *, limit: int) -> Sequence[AuditEntry]:
        """The last *limit* entries, newest first."""
        ...


class Transaction(Protocol):
    """What a work may touch. Valid only while the work runs."""

    @property
    def accounts(self) -> AccountRepository: ...

    @property
    def emails(self) -> EmailRepository: ...

    @property
    def attempts(self) -> AttemptRepository: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def instances(self) -> InstanceRepository: ...

    @property
    def idempotency(self) -> IdempotencyRepository: ...

    @property
    def keys(self) -> KeyRepository: ...

    @property
    def key_usage(self) -> KeyUsage: ...

    @property
    def audit(self) -> AuditTrail: ...


class Store(Protocol):
    """The one place of truth. Works are short, touch nothing but their transaction, may be rerun.

    A work that raises is rolled back as if it had not run, whatever it had written, and its error
    reaches the caller; other works are not touched by it. StoreUnavailable when the store cannot be
    reached, is locked for too long or its disk is full.
    """

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* on one consistent snapshot."""
        ...

    def glance(self, work: Callable[[Transaction], T]) -> T:
        """Like read, but each question is answered as of its own moment, which costs less: for a
        *work* that asks one, or to whom it makes no difference.
        """
        ...

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* and return its answer once it is durable. Works are serialisable."""
        ...

    def post(self, work: Callable[[Transaction], T]) -> "Future[T]":
        """Like write, without waiting: works posted by one thread run in their order."""
        ...

    def ping(self) -> None:
        """StoreUnavailable if it cannot be read."""
        ...

    def close(self) -> None:
        """Finish what was posted and let go of everything."""
        ...

"""What delivery writes many at a time: the marks before the final dots, and the results.

The connections of a process ask for their marks and hand in their results within the same moments,
and the store commits them together anyway. So whoever comes while a work waits for its turn joins
it: the store runs one work with a few statements in the place of one for each email.

A connection hands in a result before it asks for its next mark, and the result must not be durable
later than the mark: a crash would leave two outcomes unknown where there can only be one. So
results and marks join the same work, results first, and the next one begins when this one's turn
has come.
"""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from math import inf
from threading import Condition, Lock

import attrs

from application.ports.store import Store, Transaction
from application.ports.system import Clock
from domain.email.lifecycle import Email
from domain.errors import StoreUnavailable

Work = Callable[[Transaction], object]
Done = Callable[[BaseException | None], None]
Claim = tuple[int, int]  # an email's id and the number of its attempt


class CommitPermit:
    """The last permission before the final dot, asked once, durable before it is given.

    ``waited`` is how many seconds that was waited for. ``late``: it came when the lease of
    *instance* may have been over, and so the dot was not allowed.
    """

    def __init__(
        self,
        results: "ResultWriter",
        email: Email,
        *,
        instance: int,
        clock: Clock,
        lease_ends: Callable[[int], float] = lambda instance: inf,
    ) -> None:
        self._lease_ends = lease_ends
        self._until = inf
        self.late = False
        self._results = results
        self._claim = (email.id, email.attempt_no)
        self._instance = instance
        self._clock = clock
        self.made = False
        self.refused = False
        self.waited = 0.0

    def __call__(self) -> bool:
        asked = self._clock.monotonic()
        # as of now: a later beat does not give back what was taken meanwhile
        self._until = self._lease_ends(self._instance)
        try:
            self.made = self._results.mark(self._claim, instance=self._instance)
        except StoreUnavailable:
            return False  # the dot is not sent: it goes back uncharged when the store returns
        finally:
            self.waited = self._clock.monotonic() - asked
        self.refused = not self.made
        return self.made and self.still()

    def still(self) -> bool:
        """Whether nobody can have taken the email meanwhile: a process may have stood still."""
        self.late = self.late or self._clock.boottime() >= self._until
        return not self.late


@attrs.frozen
class _Result:
    """A work, and who is told when it is durable."""

    work: Work
    done: Done


class _Asked:
    """A mark that is asked for. One thread waits for it: with a Future, which serves many, a
    hand-off takes 8 % more instructions.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._made = False
        self._error: BaseException | None = None
        self._answered = Lock()
        self._answered.acquire()

    def answer(self, marked: Collection[Claim]) -> None:
        """Which claims were marked."""
        self._made = self.claim in marked
        self._answered.release()

    def fail(self, error: BaseException) -> None:
        """It is not known: nothing was written."""
        self._error = error
        self._answered.release()

    def wait(self) -> bool:
        """Whether it was made, as soon as that is durable."""
        self._answered.acquire()
        if self._error is not None:
            raise self._error
        return self._made


@attrs.define(eq=False)
class _WriteGroup:
    """Results and marks of one work."""

    instance: int | None = None  # whose claims they are, if there are any
    results: list[_Result] = attrs.field(factory=list)
    marks: list[_Asked] = attrs.field(factory=list)

    def __call__(self, tx: Transaction) -> Collection[Claim]:
        for result in self.results:
            result.work(tx)
        if self.instance is None:
            return ()
        return tx.emails.mark_committing(
            [mark.claim for mark in self.marks], instance=self.instance
        )


class ResultWriter:
    """Marks, and results on their way to the store: posted, never dropped, posted again while it is
    away. Safe from many threads.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._settled = Condition(self._lock)
        self._next: _WriteGroup | None = None
        self._pending = 0
        self._waiting: list[_Result] = []

    def mark(self, claim: Claim, *, instance: int) -> bool:
        """Whether this attempt may go on; if so, that is durable. StoreUnavailable."""
        asked = _Asked(claim)
        with self._lock:
            group = self._next
            joins = group is not None and group.instance in (None, instance)
            if group is None or not joins:
                group = self._next = _WriteGroup()
            group.instance = instance
            group.marks.append(asked)
        if not joins:  # and without the lock, for the work may be run before `post` returns
            self._post(group)
        return asked.wait()

    def persist(self, work: Work, done: Done = lambda error: None) -> None:
        """Write *work* soon, then call *done* with its error if the store did run it."""
        with self._lock:
            self._pending += 1
            group = self._next
            joins = group is not None
            if group is None:
                group = self._next = _WriteGroup()
            group.results.append(_Result(work, done))
        if not joins:
            self._post(group)

    def retry(self) -> None:
        """Post the results that could not be written."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if waiting:
            self._post(_WriteGroup(results=waiting))

    def wait(self, *, timeout: float) -> bool:
        """Until no result is pending."""
        with self._lock:
            return self._settled.wait_for(lambda: not self._pending, timeout)

    def _post(self, group: _WriteGroup) -> None:
        def work(tx: Transaction) -> Collection[Claim]:
            self._close(group)
            return group(tx)

        try:
            future = self._store.post(work)
        except BaseException as error:
            self._failed(group, error)
            if not isinstance(error, StoreUnavailable):
                raise
        else:
            future.add_done_callback(lambda future: self._posted(group, future))

    def _close(self, group: _WriteGroup) -> None:
        """From now on nobody joins it: its turn has come."""
        with self._lock:
            if self._next is group:
                self._next = None

    def _posted(self, group: _WriteGroup, future: "Future[Collection[Claim]]") -> None:
        error = future.exception()
        if error is not None:
            self._failed(group, error)
            return
        marked = future.result()
        try:
            # first: who has its mark runs at once, and would take turns with the rest of this
            self._tell(group.results, None)
        finally:
            for asked in group.marks:
                asked.answer(marked)

    def _failed(self, group: _WriteGroup, error: BaseException) -> None:
        self._close(group)  # it may never have been run
        results = group.results
        if isinstance(error, StoreUnavailable):
            for asked in group.marks:
                asked.fail(error)
            with self._lock:
                self._waiting += results
        elif len(results) + bool(group.marks) > 1:
            for result in results:  # one of them is at fault: each is to fail for itself
                self._post(_WriteGroup(results=[result]))
            if group.marks:
                self._post(_WriteGroup(instance=group.instance, marks=group.marks))
        else:
            for asked in group.marks:
                asked.fail(error)
            self._tell(results, error)

    def _tell(self, results: list[_Result], error: BaseException | None) -> None:
        for result in results:
            result.done(error)
        with self._lock:
            self._pending -= len(results)
            if not self._pending:
                self._settled.notify_all()

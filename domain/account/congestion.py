"""Three controls of how fast an account's server is approached: breaker, concurrency, pace.

* The *breaker* opens when the server cannot be reached at all: after 5 s … 15 min a login probes
  it, then one email on one connection, and its result decides.
* The *concurrency* (connections at a time) grows by one after as many successes and halves when the
  server asks for less (421, 4.3.2, 4.7.x) or a connection fails: additive increase, multiplicative
  decrease, as in TCP (RFC 5681). A server that has no room for one more connection holds up none of
  the others: how many it had room for is the *ceiling*, beyond which one more is tried a hundred
  times less often.
* The *pace* in messages a minute halves when the server says that mail comes too fast, and grows by
  a tenth a minute.
"""

from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.account.suspicion import together

DEFAULT_BREAKER: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 300, 900))
PROBE_INTERVAL: Final = timedelta(hours=1)
DEFAULT_ASIDES: Final = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600))
# A breaker that emails have opened is probed by other emails soon, until so many have failed: there
# may be several bad ones among many good ones.
SOON: Final = 2
MANY_FAILURES: Final = 16
GROWTH: Final = 1.1  # of the pace, each minute
BEYOND_CEILING: Final = 100  # times as many successes before one connection more is tried
ONE_BURST: Final = timedelta(seconds=5)  # replies within it count once


@attrs.frozen(kw_only=True)
class CongestionPolicy:
    """The waits of the breaker, and how often a paused account's login is probed."""

    breaker: tuple[timedelta, ...] = DEFAULT_BREAKER
    jitter: float = 0.2
    probe_interval: timedelta = PROBE_INTERVAL
    asides: tuple[timedelta, ...] = DEFAULT_ASIDES

    def wait(self, failures: int, *, jitter: float) -> timedelta:
        """How long the breaker stays open after *failures* in a row."""
        step = self.breaker[min(failures, len(self.breaker)) - 1]
        return step * (1 + self.jitter * jitter)


@attrs.frozen(kw_only=True)
class Breaker:
    """Open, half open or closed by how many connections have failed in a row.

    ``opened_at`` and ``reason`` tell when and why it opened last, ``until`` how long it is open.
    ``proven``: a login has worked since.
    """

    failures: int = 0
    until: datetime | None = None
    opened_at: datetime | None = None
    reason: str = ""
    proven: bool = False

    def is_open(self, now: datetime) -> bool:
        """Whether nothing is tried for now."""
        return self.until is not None and now < self.until

    def needs_login(self, now: datetime) -> bool:
        """Whether it is half open and no login has shown yet that the server answers."""
        return bool(self.failures) and not self.proven and not self.is_open(now)

    def proved(self) -> "Breaker":
        """A login has worked: the next probe is one email."""
        return attrs.evolve(self, proven=True)

    def failed(
        self, reason: str, *, now: datetime, policy: CongestionPolicy, jitter: float, by_email: bool
    ) -> "Breaker":
        """Open, longer each time.

        Connections that were opened before the breaker may fail after it: they count once. One that
        was opened *by an email*'s dialogue opens again soon, for the next email to tell more.
        """
        if self.is_open(now):
            return self
        failures = self.failures + 1
        step = max(min(failures, SOON), failures - MANY_FAILURES) if by_email else failures
        until = now + policy.wait(step, jitter=jitter)
        return Breaker(failures=failures, until=until, opened_at=now, reason=reason)

    def clock_set_back(self, now: datetime) -> "Breaker":
        """The same wait from *now*, if it began in the future of this clock."""
        if self.opened_at is None or self.until is None or self.opened_at <= now:
            return self
        return attrs.evolve(self, opened_at=now, until=self.until - (self.opened_at - now))


@attrs.frozen(kw_only=True)
class Concurrency:
    """How many connections are used at a time.

    ``limit`` is None until congestion has been seen: the owner's ``max_connections`` then rules.
    ``ceiling`` is how many connections the server had room for when it refused one more.
    """

    limit: int | None = None
    ceiling: int | None = None
    narrowed_at: datetime | None = None  # when the limit was reduced last
    successes: int = 0

    def of(self, most: int) -> int:
        """How many connections of *most* that the owner allows."""
        return most if self.limit is None else max(1, min(self.limit, most))

    def grown(self, most: int) -> "Concurrency":
        """After one more success."""
        if self.limit is None:
            return self
        limit, successes = self.limit, self.successes + 1
        if successes >= limit * (BEYOND_CEILING if limit == self.ceiling else 1):
            limit, successes = limit + 1, 0
        if limit >= most:
            return attrs.evolve(self, limit=None, successes=0)
        return attrs.evolve(self, limit=limit, successes=successes)

    def halved(
        self, current: int, *, now: datetime, began: datetime | None = None
    ) -> "Concurrency":
        """The server asked for less than the *current* connections: half, never fewer than one.

        Connections that had *begun* before they were halved last count once.
        """
        if together(began, self.narrowed_at):
            return self
        return attrs.evolve(self, limit=max(1, current // 2), successes=0, narrowed_at=now)

    def crowded(
        self, current: int, *, now: datetime, began: datetime | None = None
    ) -> "Concurrency":
        """The server had no room for one more connection: fewer are opened, as it is remembered.

        A ceiling that was known is kept to; half of the connections are kept until one is known.
        """
        if together(began, self.narrowed_at):
            return self
        ceiling = max(1, current - 1)
        limit = ceiling if ceiling == self.ceiling else max(1, current // 2)
        return Concurrency(limit=limit, ceiling=ceiling, narrowed_at=now)

    def clock_set_back(self, now: datetime) -> "Concurrency":
        """The same, reduced at *now* at the latest."""
        if self.narrowed_at is None or self.narrowed_at <= now:
            return self
        return attrs.evolve(self, narrowed_at=now)


@attrs.frozen(kw_only=True)
class Pace:
    """What a server that found us too fast is sent: messages a minute as of ``since``.

    It is forgotten when it has grown back to ``before``.
    """

    per_minute: float
    since: datetime
    before: float

    def now(self, now: datetime) -> float | None:
        """Messages a minute; None when it holds nothing back any more."""
        minutes = max(0.0, (now - self.since) / timedelta(minutes=1))
        # capped: a pace may not have been looked at for years
        grown = self.per_minute * GROWTH ** min(minutes, 1000.0)
        return None if grown >= self.before else max(1.0, grown)

    def halved(self, *, now: datetime) -> "Pace":
        """Half of it as it is now; replies of the same burst count once."""
        current = self.now(now)
        if current is None or now - self.since < ONE_BURST:
            return self
        return attrs.evolve(self, per_minute=max(1.0, current / 2), since=now)

    def clock_set_back(self, now: datetime) -> "Pace":
        """The same, counted from *now* at the latest."""
        return self if self.since <= now else attrs.evolve(self, since=now)


def slower(pace: Pace | None, sent: int, *, now: datetime) -> Pace:
    """Mail comes too fast for the server: half of the pace, or of what was *sent* in a minute."""
    if pace is not None and pace.now(now) is not None:
        return pace.halved(now=now)
    before = float(max(sent, 2))
    return Pace(per_minute=before / 2, since=now, before=before)

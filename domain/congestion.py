"""How an account fares: paused by a reason, broken by an unreachable server, slowed by a busy one.

Three controls, from the slowest to the quickest:

* a *pause* has a reason a person can read, and ends by itself (``until``) or by a person;
* the *breaker* opens when the server cannot be reached at all: after 5 s … 15 min one connection
  (the half-open probe) is let through, and its fate decides;
* the *window* of connections grows by one after a window of successes and halves when the server
  asks for less (421, 4.3.2, 4.7.x) or a connection fails: additive increase, multiplicative
  decrease, as in TCP (RFC 5681).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.verdict import AccountEffect, Verdict

DEFAULT_BREAKER: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 300, 900))
PROBE_INTERVAL: Final = timedelta(hours=1)
# Only of these does a working login prove that they are cured; the others wait for a person.
CURED_BY_LOGIN: Final = frozenset(
    "auth_failed auth_disabled auth_required no_auth_mechanism secret_unreadable tls_certificate"
    " tls_unavailable tls_mode blocked_host helo no_esmtp protocol server_refuses".split()
)
LONGEST_PAUSE: Final = timedelta(hours=24)


@attrs.frozen(kw_only=True)
class CongestionPolicy:
    """The waits of the breaker, and how often a paused account's login is probed."""

    breaker: tuple[timedelta, ...] = DEFAULT_BREAKER
    jitter: float = 0.2
    probe_interval: timedelta = PROBE_INTERVAL

    def wait(self, failures: int, *, jitter: float) -> timedelta:
        """How long the breaker stays open after *failures* in a row."""
        step = self.breaker[min(failures, len(self.breaker)) - 1]
        return step * (1 + self.jitter * jitter)


@attrs.frozen(kw_only=True)
class Pause:
    """Why nothing is handed off, and until when; ``until=None`` waits for a person or a probe."""

    reason: str
    text: str = ""
    since: datetime
    until: datetime | None = None


def _tuple_of_pairs(pairs: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((name, count) for name, count in pairs.items() if count))


@attrs.frozen(kw_only=True)
class Health:
    """The state of the three controls. A new account starts open with all its connections.

    ``window`` is None until congestion has been seen: the owner's ``max_connections`` then rules.
    ``streaks`` counts faults of one kind in a row, by the name of the pause they lead to.
    """

    pause: Pause | None = None
    failures: int = 0
    broken_until: datetime | None = None
    window: int | None = None
    successes: int = 0
    streaks: tuple[tuple[str, int], ...] = ()
    probed_at: datetime | None = None
    last_reply: str = ""

    def paused(self, now: datetime) -> bool:
        """Whether a pause is in force."""
        return self.pause is not None and (self.pause.until is None or now < self.pause.until)

    def broken(self, now: datetime) -> bool:
        """Whether the breaker is open."""
        return self.broken_until is not None and now < self.broken_until

    def opens_at(self, now: datetime) -> datetime | None:
        """When mail may flow again by itself: *now*, a later time, or None for never."""
        if self.paused(now):
            assert self.pause is not None
            return self.pause.until
        if self.broken_until is not None and now < self.broken_until:
            return self.broken_until
        return now

    @property
    def untroubled(self) -> bool:
        """Whether there is nothing that a success would forgive."""
        return not (
            self.failures
            or self.successes
            or self.streaks
            or self.pause
            or self.window
            or self.broken_until
            or self.probed_at
        )

    def wants_probe(self, now: datetime, interval: timedelta) -> bool:
        """Whether a login should be tried: it may cure the pause, and none was for *interval*."""
        if self.pause is None or self.pause.until or self.pause.reason not in CURED_BY_LOGIN:
            return False
        return now >= (self.probed_at or self.pause.since) + interval

    def probed(self, *, now: datetime) -> "Health":
        """A probe failed."""
        return attrs.evolve(self, probed_at=now)

    def connections(self, most: int) -> int:
        """How many connections may be used, of *most* that the owner allows.

        While the breaker is half open it is one: the probe.
        """
        if self.failures:
            return 1
        return most if self.window is None else max(1, min(self.window, most))

    def succeeded(self, *, most: int) -> "Health":
        """The server took an email: faults are forgotten, the window may grow."""
        if self.window is None:
            return Health(last_reply=self.last_reply)
        successes = self.successes + 1
        window = self.window
        if successes >= window:
            window, successes = window + 1, 0
        grown = None if window >= most else window
        return Health(window=grown, successes=successes if grown else 0, last_reply=self.last_reply)

    def congested(self, *, most: int) -> "Health":
        """The server asked for less: half the connections, never fewer than one."""
        return attrs.evolve(self, window=max(1, self.connections(most) // 2), successes=0)

    def unreachable(
        self, *, now: datetime, policy: CongestionPolicy, jitter: float, most: int
    ) -> "Health":
        """A connection failed: halve the window and open the breaker, longer each time.

        Connections that were opened before the breaker may fail after it: they count once.
        """
        slowed = self.congested(most=most)
        if self.broken(now):
            return slowed
        failures = self.failures + 1
        return attrs.evolve(
            slowed, failures=failures, broken_until=now + policy.wait(failures, jitter=jitter)
        )

    def halted(
        self, reason: str, *, now: datetime, text: str = "", until: datetime | None = None
    ) -> "Health":
        """Paused for *reason*."""
        return attrs.evolve(self, pause=Pause(reason=reason, text=text, since=now, until=until))

    def resumed(self) -> "Health":
        """Everything forgiven, as after a person looked at it or a probe got through."""
        return Health(last_reply=self.last_reply)

    def counted(self, reason: str) -> tuple["Health", int]:
        """One more fault of this kind in a row, and how many that makes."""
        streaks = dict(self.streaks)
        streaks[reason] = streaks.get(reason, 0) + 1
        return attrs.evolve(self, streaks=_tuple_of_pairs(streaks)), streaks[reason]


def judged(
    health: Health,
    verdict: Verdict,
    *,
    now: datetime,
    policy: CongestionPolicy,
    jitter: float,
    most: int,
) -> Health:
    """What one hand-off makes of the account's health; *most* is the owner's max_connections."""
    if verdict.effect is AccountEffect.HEALTHY:
        return health.succeeded(most=most)
    if verdict.text:
        health = attrs.evolve(health, last_reply=verdict.text)
    if verdict.effect is AccountEffect.SLOW:
        wait = verdict.pause_for or policy.wait(1, jitter=jitter)
        return health.congested(most=most).halted(
            verdict.reason, now=now, text=verdict.text, until=now + wait
        )
    if verdict.effect is AccountEffect.UNREACHABLE:
        return health.unreachable(now=now, policy=policy, jitter=jitter, most=most)
    if verdict.effect is AccountEffect.PAUSE:
        return _paused_longer(health, verdict, now=now)
    if verdict.effect is AccountEffect.STREAK:
        health, count = health.counted(verdict.reason)
        return _paused_longer(health, verdict, now=now) if count >= verdict.after else health
    return health


def _paused_longer(health: Health, verdict: Verdict, *, now: datetime) -> Health:
    """Paused by the verdict; a pause that ends by itself doubles while nothing succeeds between."""
    if verdict.pause_for is None:
        return health.halted(verdict.reason, now=now, text=verdict.text)
    if health.pause is not None and health.paused(now) and health.pause.reason == verdict.reason:
        return health  # replies of the same burst count once
    health, count = health.counted(f"pause:{verdict.reason}")
    wait = min(verdict.pause_for * 2 ** min(count - 1, 10), max(LONGEST_PAUSE, verdict.pause_for))
    return health.halted(verdict.reason, now=now, text=verdict.text, until=now + wait)

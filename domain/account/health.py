"""How an account fares: paused by a reason, or held up by one of the controls in `congestion`.

A *pause* has a reason that a person can read, and ends by itself (``until``) or by a person. What
one hand-off makes of an account's health is judged in `weighing`.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.account.congestion import Breaker, Concurrency, Pace, slower
from domain.account.limits import Window
from domain.account.suspicion import Suspicion

BY_HAND: Final = "by_hand"


@attrs.frozen(kw_only=True)
class Pause:
    """Why nothing is handed off, and until when; ``until=None`` waits for a person or a probe."""

    reason: str
    text: str = ""
    since: datetime
    until: datetime | None = None


@attrs.frozen(kw_only=True)
class LearnedLimit:
    """What a provider refused: after how many messages in a window, and how often."""

    window: Window
    least: int
    most: int
    times: int
    at: datetime

    def again(self, sent: int, *, now: datetime) -> "LearnedLimit":
        """Refused once more, after *sent*."""
        least, most = min(self.least, sent), max(self.most, sent)
        return attrs.evolve(self, least=least, most=most, times=self.times + 1, at=now)


def _tuple_of_pairs(pairs: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((name, count) for name, count in pairs.items() if count))


@attrs.frozen(kw_only=True)
class Health:
    """The state of the pause and the controls. A new account starts open with all its connections.

    ``streaks`` counts pauses of one kind with no success between. ``max_octets`` is the largest
    message that the server says it takes; None without a limit, and before it was asked.
    """

    pause: Pause | None = None
    breaker: Breaker = attrs.field(factory=Breaker)
    concurrency: Concurrency = attrs.field(factory=Concurrency)
    pace: Pace | None = None
    suspicions: tuple[Suspicion, ...] = ()
    learned: tuple[LearnedLimit, ...] = ()
    streaks: tuple[tuple[str, int], ...] = ()
    probed_at: datetime | None = None
    last_reply: str = ""
    max_octets: int | None = None

    def paused(self, now: datetime) -> bool:
        """Whether a pause is in force."""
        return self.pause is not None and (self.pause.until is None or now < self.pause.until)

    def opens_at(self, now: datetime) -> datetime | None:
        """When mail may flow again by itself: *now*, a later time, or None for never."""
        if self.paused(now):
            assert self.pause is not None
            return self.pause.until
        return self.breaker.until if self.breaker.is_open(now) else now

    @property
    def untroubled(self) -> bool:
        """Whether there is nothing that a success would forgive."""
        return not (
            self.breaker.failures
            or self.concurrency.successes
            or self.streaks
            or self.suspicions
            or self.pause
            or self.concurrency.limit
            or self.breaker.until
            or self.probed_at
        )

    @property
    def answers(self) -> bool:
        """Whether the server that opened the breaker did speak: it was busy, not unreachable."""
        return any(suspicion.known for suspicion in self.suspicions)

    @property
    def suspects(self) -> frozenset[int]:
        """The emails that brought trouble since the last success: others are to be tried first."""
        return frozenset(known for suspicion in self.suspicions for known in suspicion.known)

    def connections(self, most: int) -> int:
        """How many connections may be used, of *most* that the owner allows.

        While the breaker is half open it is one: the probe.
        """
        return 1 if self.breaker.failures else self.concurrency.of(most)

    def clock_set_back(self, now: datetime) -> "Health":
        """The same waits from *now*, where they began in the future of this clock."""
        pause = self.pause
        if pause is not None and pause.since > now:
            until = pause.until and pause.until - (pause.since - now)
            pause = attrs.evolve(pause, since=now, until=until)
        set_back = attrs.evolve(
            self,
            pause=pause,
            breaker=self.breaker.clock_set_back(now),
            concurrency=self.concurrency.clock_set_back(now),
            pace=self.pace and self.pace.clock_set_back(now),
            suspicions=tuple(suspicion.clock_set_back(now) for suspicion in self.suspicions),
            probed_at=self.probed_at and min(self.probed_at, now),
        )
        return self if set_back == self else set_back

    def wants_probe(
        self, now: datetime, interval: timedelta, *, cured_by_login: Collection[str]
    ) -> bool:
        """Whether a login should be tried: it may cure the pause, and none was for *interval*.

        *cured_by_login* are the reasons of which a working login proves that they are cured; the
        others wait for a person.
        """
        if self.pause is None or self.pause.until or self.pause.reason not in cured_by_login:
            return False
        return now >= (self.probed_at or self.pause.since) + interval

    def probed(self, *, now: datetime) -> "Health":
        """A probe failed."""
        return attrs.evolve(self, probed_at=now)

    def succeeded(self, *, most: int) -> "Health":
        """The server took an email: faults are forgotten, the concurrency may grow.

        What was learned of the server stays, and so does a pause that a person asked for.
        """
        by_hand = self.pause is not None and self.pause.reason == BY_HAND
        return Health(
            pause=self.pause if by_hand else None,
            concurrency=self.concurrency.grown(most),
            pace=self.pace,
            learned=self.learned,
            last_reply=self.last_reply,
            max_octets=self.max_octets,
        )

    def resumed(self) -> "Health":
        """All faults forgiven, as after a person looked at it or a probe got through."""
        return Health(learned=self.learned, last_reply=self.last_reply, max_octets=self.max_octets)

    def halted(
        self, reason: str, *, now: datetime, text: str = "", until: datetime | None = None
    ) -> "Health":
        """Paused for *reason*."""
        return attrs.evolve(self, pause=Pause(reason=reason, text=text, since=now, until=until))

    def slowed_down(self, sent: int, *, now: datetime) -> "Health":
        """Mail comes too fast for the server: half of the pace, *sent* in the last minute."""
        return attrs.evolve(self, pace=slower(self.pace, sent, now=now))

    def learnt(self, window: Window, sent: int, *, now: datetime) -> "Health":
        """A provider's limit was met after *sent* messages in *window*."""
        known = {limit.window: limit for limit in self.learned}
        before = known.get(window)
        known[window] = (
            before.again(sent, now=now)
            if before
            else LearnedLimit(window=window, least=sent, most=sent, times=1, at=now)
        )
        return attrs.evolve(self, learned=tuple(known[name] for name in sorted(known)))

    def counted(self, reason: str) -> tuple["Health", int]:
        """One more fault of this kind in a row, and how many that makes."""
        streaks = dict(self.streaks)
        streaks[reason] = streaks.get(reason, 0) + 1
        return attrs.evolve(self, streaks=_tuple_of_pairs(streaks)), streaks[reason]

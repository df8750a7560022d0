"""How an account fares: paused by a reason, broken by an unreachable server, slowed by a busy one.

Controls, from the slowest to the quickest:

* a *pause* has a reason a person can read, and ends by itself (``until``) or by a person;
* the *breaker* opens when the server cannot be reached at all: after 5 s … 15 min a login probes
  it, then one email on one connection, and its result decides;
* the *window* of connections grows by one after a window of successes and halves when the server
  asks for less (421, 4.3.2, 4.7.x) or a connection fails: additive increase, multiplicative
  decrease, as in TCP (RFC 5681). A server that has no room for one more connection holds up none
  of the others: how many it had room for is the window's *ceiling*, beyond which one more is tried
  a hundred times less often;
* the *pace* in messages a minute halves when the server says that mail comes too fast, and grows by
  a tenth a minute.

One email is no proof against an account. Evidence that is only circumstantial (what a server says
in the middle of one email's dialogue) counts when a second email, to other recipients, got the same
with no success between: see `weighed`.

What was under way together and failed together is one event: a server that dies with four emails in
their dialogues has died once.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

import attrs

from domain.account.limits import Window
from domain.address import Address
from domain.outcome.handoff import Handoff, Stage
from domain.outcome.verdict import ACCOUNT_GATES, AccountEffect, Evidence, Limit, Result, Verdict

DEFAULT_BREAKER: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 300, 900))
PROBE_INTERVAL: Final = timedelta(hours=1)
BY_HAND: Final = "by_hand"
LONGEST_PAUSE: Final = timedelta(hours=24)
DEFAULT_ASIDES: Final = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600))
# A breaker that emails have opened is probed by other emails soon, until so many have failed: there
# may be several bad ones among many good ones.
SOON: Final = 2
MANY_FAILURES: Final = 16
MOST_WITNESSES: Final = 32  # that are remembered of one account
MOST_RECIPIENTS: Final = 20  # by which two emails are told apart
GROWTH: Final = 1.1  # of the pace, each minute
BEYOND_CEILING: Final = 100  # times as many successes before one connection more is tried
CERTAIN_CODES: Final = frozenset({530, 534, 535})
_BEFORE_MAIL: Final = frozenset(
    {
        Stage.RESOLVE,
        Stage.CONNECT,
        Stage.TLS,
        Stage.BANNER,
        Stage.EHLO,
        Stage.STARTTLS,
        Stage.AUTH,
    }
)


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
class Pause:
    """Why nothing is handed off, and until when; ``until=None`` waits for a person or a probe."""

    reason: str
    text: str = ""
    since: datetime
    until: datetime | None = None


@attrs.frozen(kw_only=True)
class Witness:
    """An email whose hand-off brought trouble to its account; ``recipients`` are short digests."""

    email_id: int
    recipients: tuple[str, ...] = ()

    @classmethod
    def of(cls, email_id: int, recipients: Sequence[Address]) -> "Witness":
        """The email and whom this attempt named."""
        named = sorted({_digest(address) for address in recipients[:MOST_RECIPIENTS]})
        return cls(email_id=email_id, recipients=tuple(named))

    def independent_of(self, others: Sequence["Witness"]) -> bool:
        """Whether it is another email, to other recipients."""
        return all(
            self.email_id != other.email_id and not set(self.recipients) & set(other.recipients)
            for other in others
        )


def _digest(address: Address) -> str:
    return blake2b(str(address).lower().encode(), digest_size=4).hexdigest()


@attrs.frozen(kw_only=True)
class Suspicion:
    """Trouble of one kind since the last success, and the emails that it came with.

    ``known`` are all their ids, the latest last; ``independent`` have no recipient in common.
    ``at`` is when the latest event was counted, of trouble that is counted by events.
    """

    kind: str
    independent: tuple[Witness, ...] = ()
    known: tuple[int, ...] = ()
    anonymous: int = 0  # attempts that failed before any email was spoken of
    at: datetime | None = None

    @property
    def strength(self) -> int:
        """How many independent times it was seen."""
        return len(self.independent) + self.anonymous

    def heard(self, witness: Witness | None) -> "Suspicion":
        """The same with one more witness; None for an attempt that spoke of no email."""
        if witness is None:
            return attrs.evolve(self, anonymous=self.anonymous + 1)
        others = [known for known in self.known if known != witness.email_id]
        known = (*others, witness.email_id)[-MOST_WITNESSES:]
        counts = len(self.independent) < MOST_WITNESSES and witness.independent_of(self.independent)
        independent = (*self.independent, witness) if counts else self.independent
        return attrs.evolve(self, known=known, independent=independent)

    def met(self, witness: Witness | None, *, began: datetime | None, now: datetime) -> "Suspicion":
        """Like `heard`, of an email whose connection broke: together with others it counts once."""
        heard = self.heard(witness)
        if _together(began, self.at):
            return attrs.evolve(self, known=heard.known)
        return attrs.evolve(heard, at=now)

    def clock_set_back(self, now: datetime) -> "Suspicion":
        """The same, counted at *now* at the latest."""
        return self if self.at is None else attrs.evolve(self, at=min(self.at, now))


def _together(began: datetime | None, counted: datetime | None) -> bool:
    """Whether what began then was under way when the last event of its kind was *counted*."""
    return began is not None and counted is not None and began < counted


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
        # capped: the exponent of a pace that nobody looked at for years
        grown = self.per_minute * GROWTH ** min(minutes, 1000.0)
        return None if grown >= self.before else max(1.0, grown)


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
    """The state of the three controls. A new account starts open with all its connections.

    ``window`` is None until congestion has been seen: the owner's ``max_connections`` then rules.
    ``ceiling`` is how many connections the server had room for when it refused one more.
    ``streaks`` counts pauses of one kind with no success between. ``broken_at`` and
    ``broken_reason`` tell when and why the breaker opened last; ``proven``: a login has worked
    since.
    """

    pause: Pause | None = None
    failures: int = 0
    broken_until: datetime | None = None
    broken_at: datetime | None = None
    broken_reason: str = ""
    proven: bool = False
    suspicions: tuple[Suspicion, ...] = ()
    pace: Pace | None = None
    learned: tuple[LearnedLimit, ...] = ()
    window: int | None = None
    ceiling: int | None = None
    narrowed_at: datetime | None = None  # when the window was reduced last
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
            or self.suspicions
            or self.pause
            or self.window
            or self.broken_until
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

    def needs_login(self, now: datetime) -> bool:
        """Whether the breaker is half open and no login has shown yet that the server answers."""
        return bool(self.failures) and not self.proven and not self.broken(now)

    def proved(self) -> "Health":
        """A login has worked: the next probe is one email."""
        return attrs.evolve(self, proven=True)

    def clock_set_back(self, now: datetime) -> "Health":
        """The same waits from *now*, where they began in the future of this clock."""
        health = self
        if self.pause is not None and self.pause.since > now:
            back = self.pause.since - now
            until = self.pause.until and self.pause.until - back
            health = attrs.evolve(health, pause=attrs.evolve(self.pause, since=now, until=until))
        if self.broken_at is not None and self.broken_until is not None and self.broken_at > now:
            until = self.broken_until - (self.broken_at - now)
            health = attrs.evolve(health, broken_at=now, broken_until=until)
        if self.pace is not None and self.pace.since > now:
            health = attrs.evolve(health, pace=attrs.evolve(self.pace, since=now))
        if self.probed_at is not None and self.probed_at > now:
            health = attrs.evolve(health, probed_at=now)
        if self.narrowed_at is not None and self.narrowed_at > now:
            health = attrs.evolve(health, narrowed_at=now)
        if any(suspicion.at is not None and suspicion.at > now for suspicion in self.suspicions):
            earlier = tuple(suspicion.clock_set_back(now) for suspicion in self.suspicions)
            health = attrs.evolve(health, suspicions=earlier)
        return health

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

    def connections(self, most: int) -> int:
        """How many connections may be used, of *most* that the owner allows.

        While the breaker is half open it is one: the probe.
        """
        if self.failures:
            return 1
        return most if self.window is None else max(1, min(self.window, most))

    def succeeded(self, *, most: int) -> "Health":
        """The server took an email: faults are forgotten, the window may grow."""
        well = self._well()
        if self.window is None:
            return well
        successes = self.successes + 1
        window = self.window
        if successes >= window * (BEYOND_CEILING if window == self.ceiling else 1):
            window, successes = window + 1, 0
        grown = None if window >= most else window
        return attrs.evolve(well, window=grown, successes=successes if grown else 0)

    def _well(self) -> "Health":
        """Without any fault; what was learned of the server stays."""
        # what a person has stopped, no result starts again
        pause = self.pause if self.pause is not None and self.pause.reason == BY_HAND else None
        return Health(
            pause=pause,
            last_reply=self.last_reply,
            pace=self.pace,
            learned=self.learned,
            ceiling=self.ceiling,
            narrowed_at=self.narrowed_at,
        )

    def congested(self, *, now: datetime, most: int, began: datetime | None = None) -> "Health":
        """The server asked for less: half the connections, never fewer than one.

        Connections that had *begun* before they were halved last count once.
        """
        if _together(began, self.narrowed_at):
            return self
        half = max(1, self.connections(most) // 2)
        return attrs.evolve(self, window=half, successes=0, narrowed_at=now)

    def crowded(self, *, now: datetime, most: int, began: datetime | None = None) -> "Health":
        """The server had no room for one more connection: fewer are opened, as it is remembered.

        A ceiling that was known is kept to; half of the connections are kept until one is known.
        """
        if _together(began, self.narrowed_at):
            return self
        current = self.connections(most)
        ceiling = max(1, current - 1)
        window = ceiling if ceiling == self.ceiling else max(1, current // 2)
        return attrs.evolve(self, window=window, ceiling=ceiling, successes=0, narrowed_at=now)

    def unreachable(
        self,
        *,
        now: datetime,
        policy: CongestionPolicy,
        jitter: float,
        most: int,
        reason: str = "unreachable",
        by_email: bool = False,
        began: datetime | None = None,
    ) -> "Health":
        """A connection failed: halve the window and open the breaker, longer each time.

        Connections that were opened before the breaker may fail after it: they count once. One that
        was opened *by an email*'s dialogue opens again soon, for the next email to tell more.
        """
        slowed = self.congested(now=now, most=most, began=began)
        if self.broken(now):
            return slowed
        failures = self.failures + 1
        step = max(min(failures, SOON), failures - MANY_FAILURES) if by_email else failures
        return attrs.evolve(
            slowed,
            failures=failures,
            broken_until=now + policy.wait(step, jitter=jitter),
            broken_at=now,
            broken_reason=reason,
            proven=False,
        )

    def halted(
        self, reason: str, *, now: datetime, text: str = "", until: datetime | None = None
    ) -> "Health":
        """Paused for *reason*."""
        return attrs.evolve(self, pause=Pause(reason=reason, text=text, since=now, until=until))

    def halted_at_least(
        self, reason: str, *, now: datetime, text: str = "", until: datetime | None = None
    ) -> "Health":
        """Like `halted`, but a longer pause that is in force stays."""
        if self.pause is not None and self.paused(now):
            standing = self.pause.until
            if standing is None or (until is not None and standing >= until):
                return self
        return self.halted(reason, now=now, text=text, until=until)

    def resumed(self) -> "Health":
        """Everything forgiven, as after a person looked at it or a probe got through."""
        well = self._well()
        return attrs.evolve(well, pause=None, pace=None, ceiling=None, narrowed_at=None)

    def suspicion(self, kind: str) -> Suspicion:
        """What was seen of this kind since the last success."""
        found = (suspicion for suspicion in self.suspicions if suspicion.kind == kind)
        return next(found, Suspicion(kind=kind))

    def suspected(self, suspicion: Suspicion) -> "Health":
        """With *suspicion* in the place of what was known of its kind."""
        others = [known for known in self.suspicions if known.kind != suspicion.kind]
        return attrs.evolve(self, suspicions=(*others, suspicion))

    def slowed_down(self, sent: int, *, now: datetime) -> "Health":
        """Mail comes too fast for the server: half of the pace, *sent* in the last minute."""
        current = self.pace.now(now) if self.pace else None
        if self.pace is not None and current is not None:
            if now - self.pace.since < timedelta(seconds=5):
                return self  # replies of the same burst count once
            pace = attrs.evolve(self.pace, per_minute=max(1.0, current / 2), since=now)
        else:
            before = float(max(sent, 2))
            pace = Pace(per_minute=before / 2, since=now, before=before)
        return attrs.evolve(self, pace=pace)

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


def evidence_of(handoff: Handoff, verdict: Verdict) -> Evidence:
    """How sure it is that the account is to blame, and not this email.

    Before MAIL no email was spoken of. After it a busy or silent server may mean this one email,
    whatever the rule says; credentials are the account's at any time.
    """
    if handoff.stage in _BEFORE_MAIL:
        return Evidence.CERTAIN
    if handoff.reply is not None and handoff.reply.code in CERTAIN_CODES:
        return Evidence.CERTAIN
    if verdict.effect in (AccountEffect.SLOW, AccountEffect.UNREACHABLE):
        return Evidence.CIRCUMSTANTIAL
    return verdict.evidence


def speaks_of_an_email(handoff: Handoff) -> bool:
    """Whether an email's envelope was begun."""
    return handoff.stage not in _BEFORE_MAIL


@attrs.frozen(kw_only=True)
class Weighed:
    """What an account's health becomes, and what follows: ``effect`` is NONE while it takes a
    second witness. ``aside``: the email may be to blame.
    """

    health: Health
    effect: AccountEffect
    aside: bool


def weighed(
    health: Health,
    verdict: Verdict,
    witness: Witness | None,
    *,
    evidence: Evidence,
    again: bool,
    discredited: bool,
    now: datetime,
    policy: CongestionPolicy,
    jitter: float,
    most: int,
    began: datetime | None = None,
) -> Weighed:
    """What one hand-off makes of the account's health, as strong as the evidence is.

    *witness* is None if no email was spoken of. *again*: this email ended in the same way before.
    *discredited*: it had trouble before, and other mail has passed since: it says nothing more of
    the account. *began*: when the attempt did; what was under way together failed together.
    """
    certain = evidence is Evidence.CERTAIN
    effect = verdict.effect
    if effect is AccountEffect.RECONNECT:
        # a session may end at any email; one that ends every session is no accident
        return Weighed(health=health, effect=effect, aside=again)
    if verdict.result is Result.SENT and effect is not AccountEffect.NONE and not certain:
        # the server took it for somebody: the account is well
        aside = effect is not AccountEffect.HEALTHY
        return Weighed(
            health=health.succeeded(most=most), effect=AccountEffect.HEALTHY, aside=aside
        )
    gates = effect in ACCOUNT_GATES
    if not gates and effect is not AccountEffect.STREAK:
        well = effect is AccountEffect.HEALTHY
        return Weighed(
            health=health.succeeded(most=most) if well else health, effect=effect, aside=False
        )
    waits = verdict.result is Result.WAIT
    if discredited and not certain:
        return Weighed(health=health, effect=AccountEffect.NONE, aside=waits)
    # of what an email brought, its id is remembered in any case: it is not to be the next probe
    suspicion = health.suspicion(_kind(verdict))
    if verdict.result is Result.UNKNOWN:
        suspicion = suspicion.met(witness, began=began, now=now)
    else:
        suspicion = suspicion.heard(witness)
    if witness is not None or effect is AccountEffect.STREAK:
        health = health.suspected(suspicion)
    needed = verdict.after if effect is AccountEffect.STREAK else 1
    if not certain:
        needed = max(2, needed)
    if suspicion.strength < needed:
        if verdict.text:
            health = attrs.evolve(health, last_reply=verdict.text)
        return Weighed(
            health=health, effect=AccountEffect.NONE, aside=waits and witness is not None
        )
    health = _judged(
        health,
        verdict,
        now=now,
        policy=policy,
        jitter=jitter,
        most=most,
        by_email=not certain,
        began=began,
    )
    applied = AccountEffect.PAUSE if effect is AccountEffect.STREAK else effect
    return Weighed(health=health, effect=applied, aside=waits and witness is not None)


def _kind(verdict: Verdict) -> str:
    """Under what name two witnesses say the same."""
    if verdict.effect in (AccountEffect.SLOW, AccountEffect.UNREACHABLE):
        return verdict.effect.value
    return verdict.reason


def _judged(
    health: Health,
    verdict: Verdict,
    *,
    now: datetime,
    policy: CongestionPolicy,
    jitter: float,
    most: int,
    by_email: bool,
    began: datetime | None,
) -> Health:
    if verdict.text:
        health = attrs.evolve(health, last_reply=verdict.text)
    if verdict.effect is AccountEffect.SLOW and verdict.limit is Limit.CONNECTIONS:
        fewer = health.crowded(now=now, most=most, began=began)
        if health.connections(most) > 1 or fewer is health:
            return fewer  # the others stand
        return _asked_again_soon(fewer, verdict, now=now, first=policy.wait(1, jitter=jitter))
    if verdict.effect is AccountEffect.SLOW:
        wait = verdict.pause_for or policy.wait(1, jitter=jitter)
        return health.congested(now=now, most=most, began=began).halted_at_least(
            verdict.reason, now=now, text=verdict.text, until=now + wait
        )
    if verdict.effect is AccountEffect.UNREACHABLE:
        return health.unreachable(
            now=now,
            policy=policy,
            jitter=jitter,
            most=most,
            reason=verdict.reason,
            by_email=by_email,
            began=began,
        )
    return _paused_longer(health, verdict, now=now)


def _asked_again_soon(
    health: Health, verdict: Verdict, *, now: datetime, first: timedelta
) -> Health:
    """Paused because none of our connections has room: as long as was asked, or else for seconds.

    The wait doubles up to the rule's while nothing succeeds between.
    """
    longest = verdict.pause_for or first
    if verdict.wait is not None:
        first = longest
    health, count = health.counted(f"pause:{verdict.reason}")
    wait = min(first * 2 ** min(count - 1, 10), longest)
    return health.halted_at_least(verdict.reason, now=now, text=verdict.text, until=now + wait)


def window_of(verdict: Verdict) -> Window | None:
    """The window of the provider's limit that a reply names, as far as it says so."""
    if verdict.limit is Limit.RATE:
        return Window.MINUTE
    if verdict.limit is not Limit.QUOTA:
        return None
    text = verdict.text.lower()
    return Window.DAY if any(word in text for word in ("daily", "day", "24")) else Window.HOUR


def _paused_longer(health: Health, verdict: Verdict, *, now: datetime) -> Health:
    """Paused by the verdict; a pause that ends by itself doubles while nothing succeeds between."""
    if verdict.pause_for is None:
        return health.halted_at_least(verdict.reason, now=now, text=verdict.text)
    if health.pause is not None and health.paused(now) and health.pause.reason == verdict.reason:
        return health  # replies of the same burst count once
    health, count = health.counted(f"pause:{verdict.reason}")
    wait = min(verdict.pause_for * 2 ** min(count - 1, 10), max(LONGEST_PAUSE, verdict.pause_for))
    return health.halted_at_least(verdict.reason, now=now, text=verdict.text, until=now + wait)

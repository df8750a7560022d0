"""What one hand-off makes of an account's health, as strong as its evidence is.

Circumstantial evidence takes a second witness: see `suspicion`.
"""

from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.account.congestion import CongestionPolicy
from domain.account.health import Health
from domain.account.limits import Window
from domain.account.suspicion import Witness, suspicion_of, with_suspicion
from domain.outcome.handoff import Handoff, Stage
from domain.outcome.verdict import ACCOUNT_GATES, AccountEffect, Evidence, Limit, Result, Verdict

LONGEST_PAUSE: Final = timedelta(hours=24)
RESTING: Final = "throttled"  # the reason of a pause that was asked for with an acceptance
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
    *discredited*: it had trouble before, and other mail has passed since: it is no evidence
    against the account. *began*: when the attempt did; what was under way together failed together.
    """
    certain = evidence is Evidence.CERTAIN
    effect = verdict.effect
    if effect is AccountEffect.REST:
        until = now + (verdict.pause_for or timedelta())
        rested = _halted_at_least(
            health.succeeded(most=most), RESTING, now=now, text=verdict.text, until=until
        )
        return Weighed(health=rested, effect=effect, aside=False)
    if effect is AccountEffect.RECONNECT:
        # a session may end at any email; one that ends every session is no accident
        return Weighed(health=health, effect=effect, aside=again)
    if verdict.result is Result.SENT and effect is not AccountEffect.NONE and not certain:
        # the server took it for at least one recipient: the account is well
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
    # the email's id is remembered in any case: it must not be the next probe
    suspicion = suspicion_of(_kind(verdict), health.suspicions)
    if verdict.result is Result.UNKNOWN:
        suspicion = suspicion.met(witness, began=began, now=now)
    else:
        suspicion = suspicion.heard(witness)
    if witness is not None or effect is AccountEffect.STREAK:
        health = attrs.evolve(health, suspicions=with_suspicion(suspicion, health.suspicions))
    needed = verdict.after if effect is AccountEffect.STREAK else 1
    if not certain:
        needed = max(2, needed)
    if suspicion.strength < needed:
        if verdict.text:
            health = attrs.evolve(health, last_reply=verdict.text)
        return Weighed(
            health=health, effect=AccountEffect.NONE, aside=waits and witness is not None
        )
    health = _applied(
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


def unreachable(
    health: Health,
    *,
    now: datetime,
    policy: CongestionPolicy,
    jitter: float,
    most: int,
    reason: str = "unreachable",
    by_email: bool = False,
    began: datetime | None = None,
) -> Health:
    """A connection failed: half of the connections, and the breaker opens, longer each time.

    *by_email* and *began* as for `Breaker.failed` and `Concurrency.halved`.
    """
    breaker = health.breaker.failed(
        reason, now=now, policy=policy, jitter=jitter, by_email=by_email
    )
    return attrs.evolve(_halved(health, now=now, most=most, began=began), breaker=breaker)


def _halved(health: Health, *, now: datetime, most: int, began: datetime | None) -> Health:
    current = health.connections(most)
    concurrency = health.concurrency.halved(current, now=now, began=began)
    return attrs.evolve(health, concurrency=concurrency)


def _kind(verdict: Verdict) -> str:
    """Under what name two witnesses say the same."""
    if verdict.effect in (AccountEffect.SLOW, AccountEffect.UNREACHABLE):
        return verdict.effect.value
    return verdict.reason


def _applied(
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
        known, current = health.concurrency, health.connections(most)
        concurrency = known.crowded(current, now=now, began=began)
        fewer = attrs.evolve(health, concurrency=concurrency)
        if current > 1 or concurrency is known:
            return fewer  # the connections that are open stay
        return _asked_again_soon(fewer, verdict, now=now, first=policy.wait(1, jitter=jitter))
    if verdict.effect is AccountEffect.SLOW:
        wait = verdict.pause_for or policy.wait(1, jitter=jitter)
        return _halted_at_least(
            _halved(health, now=now, most=most, began=began),
            verdict.reason,
            now=now,
            text=verdict.text,
            until=now + wait,
        )
    if verdict.effect is AccountEffect.UNREACHABLE:
        return unreachable(
            health,
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
    return _halted_at_least(health, verdict.reason, now=now, text=verdict.text, until=now + wait)


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
        return _halted_at_least(health, verdict.reason, now=now, text=verdict.text)
    if health.pause is not None and health.paused(now) and health.pause.reason == verdict.reason:
        return health  # replies of the same burst count once
    health, count = health.counted(f"pause:{verdict.reason}")
    wait = min(verdict.pause_for * 2 ** min(count - 1, 10), max(LONGEST_PAUSE, verdict.pause_for))
    return _halted_at_least(health, verdict.reason, now=now, text=verdict.text, until=now + wait)


def _halted_at_least(
    health: Health, reason: str, *, now: datetime, text: str, until: datetime | None = None
) -> Health:
    """Paused for *reason*, but a longer pause that is in force stays."""
    if health.pause is not None and health.paused(now):
        standing = health.pause.until
        if standing is None or (until is not None and standing >= until):
            return health
    return health.halted(reason, now=now, text=text, until=until)

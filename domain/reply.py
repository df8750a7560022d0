"""Judging what a mail server said: rules that are data, and the fold over the recipients.

A rule says when it matches (stage, code, enhanced status, text, problem) and what follows (subject,
result, effect on the account). The first rule that matches decides; the table in
``smtp_rules.toml`` ends with one for every stage, so that there always is one.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import attrs

from domain.handoff import Handoff, Problem, RecipientReply, Reply, Stage
from domain.verdict import (
    AccountEffect,
    Evidence,
    Limit,
    RecipientVerdict,
    Result,
    Subject,
    Verdict,
)

SHORTEST_WISH: Final = timedelta(seconds=10)
LONGEST_WISH: Final = timedelta(hours=6)

_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_DURATION: Final = re.compile(r"(\d+)\s*([smh])")
_WISH: Final = re.compile(
    r"(?:again|retry|back)\s+(?:in|after)\s+(\d{1,6})\s*(s|m|h)(?:ec|in|our|r)?", re.IGNORECASE
)
# Among effects of one hand-off the strongest counts.
_STRENGTH: Final = (
    AccountEffect.NONE,
    AccountEffect.STREAK,
    AccountEffect.HEALTHY,
    AccountEffect.RECONNECT,
    AccountEffect.SLOW,
    AccountEffect.UNREACHABLE,
    AccountEffect.PAUSE,
)


@attrs.frozen(kw_only=True)
class Sample:
    """A reply line, or the name of a problem, that a rule was written for."""

    stage: Stage
    line: str


@attrs.frozen(kw_only=True)
class Rule:
    """One line of the table. An empty condition matches everything.

    ``codes`` holds codes and classes ("550", "5xx"); ``enhanced`` holds enhanced statuses with
    ``x`` for any number ("x.4.5", "5.7.x"); ``text`` is searched in the reply, case ignored.
    """

    reason: str
    stages: frozenset[Stage] = frozenset()
    codes: frozenset[str] = frozenset()
    enhanced: tuple[str, ...] = ()
    text: re.Pattern[str] | None = None
    problems: frozenset[Problem] = frozenset()
    after_accepted: bool = False
    used_connection: bool = False
    subject: Subject
    evidence: Evidence = Evidence.CERTAIN
    limit: Limit | None = None
    suppress: bool = False
    cured_by_login: bool = False
    told_without_admin: bool = True
    result: Result
    effect: AccountEffect = AccountEffect.NONE
    pause_for: timedelta | None = None
    after: int = 1
    retry_after: timedelta | None = None
    samples: tuple[Sample, ...] = ()

    def matches(
        self,
        stage: Stage,
        *,
        reply: Reply | None,
        problem: Problem | None,
        accepted_before: bool = False,
        used_connection: bool = False,
    ) -> bool:
        """Whether the rule speaks of this.

        *accepted_before*: a recipient was accepted already. *used_connection*: the connection has
        delivered an email before.
        """
        if self.stages and stage not in self.stages:
            return False
        if self.after_accepted and not accepted_before:
            return False
        if self.used_connection and not used_connection:
            return False
        if reply is None:
            return problem in self.problems
        if self.problems:
            return False
        return self._matches_reply(reply)

    def _matches_reply(self, reply: Reply) -> bool:
        code = str(reply.code)
        if self.codes and not {code, f"{code[0]}xx"} & self.codes:
            return False
        if self.enhanced and not any(_like(reply.enhanced, wanted) for wanted in self.enhanced):
            return False
        return self.text is None or self.text.search(reply.text) is not None


@attrs.frozen
class Rules:
    """The table, in order."""

    rules: tuple[Rule, ...]

    @property
    def cured_by_login(self) -> frozenset[str]:
        """The reasons of pauses that a working login ends."""
        return frozenset(rule.reason for rule in self.rules if rule.cured_by_login)

    @property
    def told_to_admins_only(self) -> frozenset[str]:
        """The reasons that say how the network around the service looks."""
        return frozenset(rule.reason for rule in self.rules if not rule.told_without_admin)

    def find(
        self,
        stage: Stage,
        *,
        reply: Reply | None = None,
        problem: Problem | None = None,
        accepted_before: bool = False,
        used_connection: bool = False,
    ) -> Rule:
        """The first rule that matches, or one that lets the email wait and blames the server."""
        for rule in self.rules:
            if rule.matches(
                stage,
                reply=reply,
                problem=problem,
                accepted_before=accepted_before,
                used_connection=used_connection,
            ):
                return rule
        return _LAST_RESORT


_LAST_RESORT: Final = Rule(
    reason="not_understood",
    subject=Subject.SERVER,
    result=Result.WAIT,
    effect=AccountEffect.UNREACHABLE,
)


def parse_rules(table: Mapping[str, Any], *, first: Mapping[str, Any] | None = None) -> Rules:
    """The rules of a parsed TOML file, those of *first* (an owner's own) in front.

    ValueError names the rule that cannot be understood.
    """
    entries = [*(first or {}).get("rule", ()), *table.get("rule", ())]
    return Rules(tuple(_parse_rule(entry) for entry in entries))


def classify(handoff: Handoff, *, recipients: int, rules: Rules) -> Verdict:
    """What follows from one hand-off to an envelope of so many recipients."""
    if handoff.accepted and all(r.reply and r.reply.positive for r in handoff.recipients):
        return _taken_by_all(handoff, recipients)
    if handoff.accepted:
        fallback, base = Result.SENT, attrs.evolve(_ACCEPTED, text=handoff.text)
    elif handoff.unknown:
        rule = rules.find(Stage.DOT, problem=handoff.problem or Problem.PROTOCOL)
        fallback, base = Result.UNKNOWN, attrs.evolve(_of(rule, handoff), result=Result.UNKNOWN)
    else:
        accepted_before = any(r.reply and r.reply.positive for r in handoff.recipients)
        rule = rules.find(
            handoff.stage,
            reply=handoff.reply,
            problem=handoff.problem,
            accepted_before=accepted_before,
            used_connection=handoff.delivered > 0,
        )
        fallback, base = rule.result, _of(rule, handoff)
    judged = _judge_recipients(handoff, recipients, rules, fallback=fallback, base=base)
    return _folded(base, judged)


def _taken_by_all(handoff: Handoff, recipients: int) -> Verdict:
    """What the rules come to for nearly every email, without asking them."""
    one = RecipientVerdict(result=Result.SENT, reason=_ACCEPTED.reason, reply=handoff.reply)
    return Verdict(
        result=_ACCEPTED.result,
        subject=_ACCEPTED.subject,
        reason=_ACCEPTED.reason,
        text=handoff.text,
        recipients=(one,) * recipients,
        effect=_ACCEPTED.effect,
    )


_ACCEPTED: Final = Verdict(
    result=Result.SENT, subject=Subject.NOBODY, reason="accepted", effect=AccountEffect.HEALTHY
)


@attrs.frozen(kw_only=True)
class _Judged:
    """One recipient's verdict with the rule behind it; None where the message's own holds."""

    verdict: RecipientVerdict
    rule: Rule | None = None


def _of(rule: Rule, handoff: Handoff) -> Verdict:
    """The verdict of a rule on the whole message."""
    wish = _wish(handoff.reply)
    return Verdict(
        result=rule.result,
        subject=rule.subject,
        evidence=rule.evidence,
        limit=rule.limit,
        wait=wish,
        suppress=rule.suppress,
        cured_by_login=rule.cured_by_login,
        told_without_admin=rule.told_without_admin,
        reason=rule.reason,
        text=handoff.text,
        effect=rule.effect,
        pause_for=_longer(rule.pause_for, wish) if rule.pause_for else rule.pause_for,
        after=rule.after,
        retry_after=(wish or rule.retry_after) if rule.result is Result.RETRY else rule.retry_after,
    )


def _judge_recipients(
    handoff: Handoff, count: int, rules: Rules, *, fallback: Result, base: Verdict
) -> tuple[_Judged, ...]:
    shared = _Judged(
        verdict=RecipientVerdict(result=fallback, reason=base.reason, reply=handoff.reply)
    )
    judged: list[_Judged] = []
    accepted_before = False
    for answer in _padded(handoff.recipients, count):
        reply = answer.reply if answer else None
        if reply is None or reply.positive:
            accepted_before |= reply is not None
            judged.append(shared)
            continue
        rule = rules.find(
            Stage.RCPT,
            reply=reply,
            accepted_before=accepted_before,
            used_connection=handoff.delivered > 0,
        )
        verdict = RecipientVerdict(
            result=rule.result,
            reason=rule.reason,
            reply=reply,
            subject=rule.subject,
            evidence=rule.evidence,
            suppress=rule.suppress,
        )
        judged.append(_Judged(verdict=verdict, rule=rule))
    return tuple(judged)


def _padded(answers: Sequence[RecipientReply], count: int) -> Sequence[RecipientReply | None]:
    return [*answers[:count], *[None] * (count - len(answers))]


def _folded(base: Verdict, judged: tuple[_Judged, ...]) -> Verdict:
    """The message's verdict with those of its recipients: their reasons, waits and effects."""
    verdicts = tuple(one.verdict for one in judged)
    own = [one for one in judged if one.rule is not None]
    if not own:
        return attrs.evolve(base, recipients=verdicts)
    strongest = max((one.rule for one in own if one.rule), key=lambda r: _STRENGTH.index(r.effect))
    if _STRENGTH.index(strongest.effect) > _STRENGTH.index(base.effect):
        base = attrs.evolve(
            base,
            effect=strongest.effect,
            pause_for=strongest.pause_for,
            after=strongest.after,
            subject=strongest.subject if base.result is not Result.SENT else base.subject,
        )
    told = _most_telling(own)
    return attrs.evolve(
        base,
        recipients=verdicts,
        result=base.result if base.result in _DECIDED else told.verdict.result,
        reason=base.reason if base.result is Result.UNKNOWN else told.verdict.reason,
        text=str(told.verdict.reply) if base.result is not Result.UNKNOWN else base.text,
        retry_after=_wait_of(base, own),
        suppress=base.suppress or any(one.verdict.suppress for one in own),
    )


_DECIDED: Final = frozenset({Result.SENT, Result.UNKNOWN})
_TELLING: Final = (Result.RETRY, Result.WAIT, Result.FAILED, Result.UNKNOWN, Result.SENT)


def _most_telling(own: Sequence[_Judged]) -> _Judged:
    """The one a reader wants to know of: who is tried again comes before who was refused."""
    return min(own, key=lambda one: _TELLING.index(one.verdict.result))


def _wait_of(base: Verdict, own: Sequence[_Judged]) -> timedelta | None:
    """The longest wait that a deferred recipient was told; zero only if nobody else has to wait."""
    open_left = [one for one in own if one.verdict.result in (Result.RETRY, Result.WAIT)]
    if not open_left or (base.result in (Result.WAIT, Result.RETRY) and base.retry_after):
        return base.retry_after
    told = [_wish(one.verdict.reply) or (one.rule and one.rule.retry_after) for one in open_left]
    known = [wait for wait in told if wait]
    if known:
        return max(known)
    return timedelta(0) if all(wait is not None for wait in told) else None


def _wish(reply: Reply | None) -> timedelta | None:
    """What "try again in N" asks for, kept within reason; None if nothing was asked."""
    match = _WISH.search(reply.text) if reply is not None else None
    if match is None:
        return None
    wish = timedelta(seconds=int(match[1]) * _UNITS[match[2].lower()])
    return min(max(wish, SHORTEST_WISH), LONGEST_WISH)


def _longer(one: timedelta, other: timedelta | None) -> timedelta:
    return one if other is None else max(one, other)


def _like(enhanced: str | None, wanted: str) -> bool:
    if enhanced is None:
        return False
    return all(
        pattern in ("x", number)
        for number, pattern in zip(enhanced.split("."), wanted.split("."), strict=True)
    )


_FIELDS: Final = frozenset(
    "reason stages codes enhanced text problems after_accepted used_connection subject blame"
    " evidence limit suppress cured_by_login told_without_admin result effect pause_for after"
    " retry_after samples near_miss".split()
)


def _parse_rule(entry: Mapping[str, Any]) -> Rule:
    name = entry.get("reason", "without a reason")
    unknown = set(entry) - _FIELDS
    if unknown:
        raise ValueError(f"rule {name!r}: unknown field {sorted(unknown)[0]!r}")
    try:
        return Rule(
            reason=entry["reason"],
            stages=frozenset(Stage(stage) for stage in entry.get("stages", ())),
            codes=frozenset(str(code) for code in entry.get("codes", ())),
            enhanced=tuple(_checked_pattern(text) for text in entry.get("enhanced", ())),
            text=re.compile(entry["text"], re.IGNORECASE) if "text" in entry else None,
            problems=frozenset(Problem(problem) for problem in entry.get("problems", ())),
            after_accepted=bool(entry.get("after_accepted", False)),
            used_connection=bool(entry.get("used_connection", False)),
            # `blame` is what `subject` was called before
            subject=Subject(entry["subject"] if "subject" in entry else entry["blame"]),
            evidence=Evidence(entry.get("evidence", "certain")),
            limit=Limit(entry["limit"]) if "limit" in entry else None,
            suppress=bool(entry.get("suppress", False)),
            cured_by_login=bool(entry.get("cured_by_login", False)),
            told_without_admin=bool(entry.get("told_without_admin", True)),
            result=Result(entry["result"]),
            effect=AccountEffect(entry.get("effect", "none")),
            pause_for=_duration(entry.get("pause_for")),
            after=int(entry.get("after", 1)),
            retry_after=_duration(entry.get("retry_after")),
            samples=tuple(
                Sample(stage=Stage(stage), line=line) for stage, line in entry.get("samples", ())
            ),
        )
    except (KeyError, ValueError, TypeError, re.error) as error:
        raise ValueError(f"rule {name!r}: {error}") from error


def _checked_pattern(text: str) -> str:
    if not re.fullmatch(r"[245x]\.(\d{1,3}|x)\.(\d{1,3}|x)", text):
        raise ValueError(f"{text!r} is no enhanced status")
    return text


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration such as 30s, 5m or 1h")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])

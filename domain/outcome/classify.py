"""What one hand-off means for its email, recipients and account.

The rules are data (`domain.outcome.rules_file`); this module asks them once for the message and
once for each recipient that was refused, and folds the answers into one verdict.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import attrs

from domain.outcome.handoff import Handoff, Problem, RecipientReply, Reply, Stage
from domain.outcome.reply_text import wish
from domain.outcome.rules_file import Rule, Rules
from domain.outcome.verdict import (
    AccountEffect,
    Evidence,
    RecipientVerdict,
    Result,
    Subject,
    Verdict,
)

LONGEST_RETRY_WISH: Final = timedelta(hours=6)

# Among effects of one hand-off the strongest counts.
_STRENGTH: Final = (
    AccountEffect.NONE,
    AccountEffect.STREAK,
    AccountEffect.HEALTHY,
    AccountEffect.RECONNECT,
    AccountEffect.SLOW,
    AccountEffect.UNREACHABLE,
    AccountEffect.PAUSE,
    AccountEffect.REST,  # of what was accepted as a whole: it meets no other
)


def classify(
    handoff: Handoff,
    *,
    recipients: int,
    rules: Rules,
    echoes: Sequence[str] = (),
    at_most_once: bool = False,
) -> Verdict:
    """What follows from one hand-off to an envelope of so many recipients.

    *echoes* are texts of the email that a reply may repeat, its subject above all: words in them
    are not the server's. *at_most_once*: a second copy of the email is worse than none, so that a
    refusal that is doubted leaves its outcome unknown.
    """
    if handoff.accepted and all(r.reply and r.reply.positive for r in handoff.recipients):
        return _taken_by_all(handoff, recipients)
    judge = _Judge(rules, handoff, tuple(echoes), at_most_once)
    base = judge.message(recipients)
    return _folded(base, judge.recipients(recipients, base=base))


def _taken_by_all(handoff: Handoff, recipients: int) -> Verdict:
    """What the rules come to for nearly every email, without asking them."""
    one = RecipientVerdict(result=Result.SENT, reason=_ACCEPTED.reason, reply=handoff.reply)
    rests = handoff.wait is not None
    return Verdict(
        result=_ACCEPTED.result,
        subject=_ACCEPTED.subject,
        reason=_ACCEPTED.reason,
        text=handoff.text,
        recipients=(one,) * recipients,
        effect=AccountEffect.REST if rests else _ACCEPTED.effect,
        pause_for=handoff.wait,
    )


_ACCEPTED: Final = Verdict(
    result=Result.SENT, subject=Subject.NOBODY, reason="accepted", effect=AccountEffect.HEALTHY
)


@attrs.frozen(kw_only=True)
class _Judged:
    """One recipient's verdict with all that its own reply says; None where the message's holds."""

    verdict: RecipientVerdict
    own: Verdict | None = None


@attrs.frozen
class _Judge:
    """The rules, asked about one hand-off."""

    rules: Rules
    handoff: Handoff
    echoes: tuple[str, ...]
    at_most_once: bool

    def message(self, recipients: int) -> Verdict:
        """The verdict on the email as a whole, before its recipients' own replies are seen."""
        handoff = self.handoff
        if handoff.accepted:
            return attrs.evolve(_ACCEPTED, text=handoff.text)
        if handoff.unknown:
            rule = self.rules.find(Stage.DOT, problem=handoff.problem or Problem.PROTOCOL)
            return attrs.evolve(self._of(rule, None), result=Result.UNKNOWN, text=handoff.text)
        rule = self.rules.find(
            handoff.stage,
            reply=handoff.reply,
            problem=handoff.problem,
            accepted_before=any(r.reply and r.reply.positive for r in handoff.recipients),
            used_connection=handoff.delivered > 0,
            by_token=handoff.by_token,
            echoes=self.echoes,
        )
        verdict = attrs.evolve(self._of(rule, handoff.reply), text=handoff.text)
        if handoff.doubted and self.at_most_once:
            return attrs.evolve(verdict, result=Result.UNKNOWN)
        if rule.subject is Subject.RECIPIENT and handoff.stage in _AFTER_RCPT and recipients > 1:
            # One of several is meant, and the reply does not say which.
            return attrs.evolve(
                verdict,
                subject=Subject.MESSAGE,
                evidence=Evidence.CIRCUMSTANTIAL,
                suppress=False,
            )
        return verdict

    def recipients(self, count: int, *, base: Verdict) -> tuple[_Judged, ...]:
        """The verdict on each: by its own refusal, or else by what became of the message."""
        shared = _Judged(
            verdict=RecipientVerdict(
                result=base.result,
                reason=base.reason,
                reply=self.handoff.reply,
                subject=base.subject,
                evidence=base.evidence,
                suppress=base.suppress and self.handoff.stage in _AFTER_RCPT,
            )
        )
        judged: list[_Judged] = []
        accepted_before = False
        for answer in _padded(self.handoff.recipients, count):
            reply = answer.reply if answer else None
            if reply is None or reply.positive:
                accepted_before |= reply is not None
                judged.append(shared)
            else:
                judged.append(self._recipient(reply, accepted_before=accepted_before))
        return tuple(judged)

    def _recipient(self, reply: Reply, *, accepted_before: bool) -> _Judged:
        rule = self.rules.find(
            Stage.RCPT,
            reply=reply,
            accepted_before=accepted_before,
            used_connection=self.handoff.delivered > 0,
            echoes=self.echoes,
        )
        verdict = RecipientVerdict(
            result=rule.result,
            reason=rule.reason,
            reply=reply,
            subject=rule.subject,
            evidence=rule.evidence,
            suppress=rule.suppress,
        )
        return _Judged(verdict=verdict, own=self._of(rule, reply))

    def _of(self, rule: Rule, reply: Reply | None) -> Verdict:
        """All that a rule says, with the wait that the reply asks for."""
        asked = self.handoff.wait
        if asked is None:
            asked = wish(reply, echoes=self.echoes)
        retry_after = rule.retry_after
        if asked is not None and rule.result is Result.RETRY:
            retry_after = min(asked, LONGEST_RETRY_WISH)
        return Verdict(
            result=rule.result,
            subject=rule.subject,
            reason=rule.reason,
            evidence=rule.evidence,
            limit=rule.limit,
            wait=asked,
            suppress=rule.suppress,
            text="" if reply is None else str(reply),
            effect=rule.effect,
            pause_for=rule.pause_for and (asked or rule.pause_for),
            after=rule.after,
            retry_after=retry_after,
        )


_AFTER_RCPT: Final = frozenset({Stage.DATA, Stage.BODY, Stage.DOT})


def _padded(answers: Sequence[RecipientReply], count: int) -> Sequence[RecipientReply | None]:
    return [*answers[:count], *[None] * (count - len(answers))]


def _folded(base: Verdict, judged: tuple[_Judged, ...]) -> Verdict:
    """The message's verdict with those of its recipients: their results, waits and effects.

    Who determines what happens to the account also gives the reason: a pause must never carry the
    text of another recipient.
    """
    own = [one.own for one in judged if one.own is not None]
    verdicts = tuple(one.verdict for one in judged)
    if not own:
        return attrs.evolve(base, recipients=verdicts)
    strongest = max([base, *own], key=lambda one: _STRENGTH.index(one.effect))
    shared = [base] if len(own) < len(judged) else []
    told = min([*own, *shared], key=lambda one: _TELLING.index(one.result))
    source = told if strongest.effect in _NO_FAULT else strongest
    if base.result is Result.UNKNOWN:
        source = attrs.evolve(source, reason=base.reason, text=base.text)
    return attrs.evolve(
        source,
        recipients=verdicts,
        result=base.result if base.result in _DECIDED else told.result,
        effect=strongest.effect,
        pause_for=strongest.pause_for,
        after=strongest.after,
        retry_after=_wait_of(base, own),
        suppress=any(verdict.suppress for verdict in verdicts),
    )


_NO_FAULT: Final = frozenset({AccountEffect.NONE, AccountEffect.HEALTHY})
_DECIDED: Final = frozenset({Result.SENT, Result.UNKNOWN})
# The one a reader wants to know of: who is tried again comes before who was refused.
_TELLING: Final = (Result.RETRY, Result.WAIT, Result.FAILED, Result.UNKNOWN, Result.SENT)


def _wait_of(base: Verdict, own: Sequence[Verdict]) -> timedelta | None:
    """The longest wait that a deferred recipient was told; zero only if nobody else has to wait."""
    open_left = [one for one in own if one.result in (Result.RETRY, Result.WAIT)]
    if not open_left or (base.result in (Result.WAIT, Result.RETRY) and base.retry_after):
        return base.retry_after
    told = [one.retry_after for one in open_left]
    known = [wait for wait in told if wait]
    if known:
        return max(known)
    return timedelta(0) if all(wait is not None for wait in told) else None

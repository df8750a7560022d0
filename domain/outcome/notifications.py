"""Servers that offer DSN and refuse its parameters: neither an email nor its account is to blame.

The envelope is said again without them. Where some recipients were accepted, the message goes to
those, and the others are tried again at once.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import attrs

from domain.outcome.classify import classify
from domain.outcome.handoff import Handoff, Reply, Stage
from domain.outcome.rules_file import Rules
from domain.outcome.verdict import RecipientVerdict, Result, Subject, Verdict

REFUSED: Final = "parameter_refused"
OFF_S: Final = 3600.0  # so long an account that was refused them does without

# The syntax of a parameter, one that is not implemented, one that is not recognized (RFC 5321).
_CODES: Final = frozenset({501, 504, 555})
# What is wrong is an address, or not allowed (RFC 3463): no parameter changes that.
_ABOUT_OTHERS: Final = ("5.1.", "5.7.")
# OpenSMTPD: "553 ORCPT address syntax error".
_NAMED: Final = re.compile(r"\b(?:ORCPT|ENVID|NOTIFY)\b|\bRET=")
_FURTHER: Final = {
    Stage.MAIL: frozenset({Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT}),
    Stage.RCPT: frozenset({Stage.DATA, Stage.BODY, Stage.DOT}),
}


def refuses_dsn(handoff: Handoff) -> bool:
    """Whether the envelope may have failed for the parameters: without them it may succeed."""
    if not handoff.dsn:
        return False
    if handoff.stage is Stage.MAIL:
        return _is_suspect(handoff.reply)
    return handoff.stage is Stage.RCPT and bool(_refused(handoff))


def refuses_dsn_of_some(handoff: Handoff) -> bool:
    """Whether a message was accepted, but not for recipients that may have been refused so."""
    return handoff.dsn and handoff.accepted and bool(_refused(handoff))


def proves_refusal(without: Handoff, refused: Handoff) -> bool:
    """Whether the envelope *without* the parameters came further than the one that was refused."""
    return without.stage in _FURTHER[refused.stage]


def classify_sparing(
    handoff: Handoff,
    *,
    recipients: int,
    rules: Rules,
    echoes: Sequence[str] = (),
    at_most_once: bool = False,
) -> Verdict:
    """What `classify` says, but that recipients refused for the parameters are tried again."""
    refused = _refused(handoff) if handoff.dsn and handoff.accepted else ()
    if not refused:
        return classify(
            handoff, recipients=recipients, rules=rules, echoes=echoes, at_most_once=at_most_once
        )
    answers = [
        attrs.evolve(answer, reply=handoff.reply) if place in refused else answer
        for place, answer in enumerate(handoff.recipients)
    ]
    judged = attrs.evolve(handoff, recipients=tuple(answers))
    verdict = classify(judged, recipients=recipients, rules=rules, echoes=echoes)
    each = list(verdict.recipients)
    for place in refused:
        reply = handoff.recipients[place].reply
        each[place] = RecipientVerdict(
            result=Result.WAIT, reason=REFUSED, reply=reply, subject=Subject.US
        )
    if any(one.result is Result.RETRY for one in each):  # they wait with the others
        return attrs.evolve(verdict, recipients=tuple(each))
    return attrs.evolve(
        verdict,
        reason=REFUSED,
        text=str(handoff.recipients[refused[0]].reply),
        recipients=tuple(each),
        retry_after=timedelta(0),
    )


def _refused(handoff: Handoff) -> tuple[int, ...]:
    """The places of the recipients that may have been refused for the parameters."""
    return tuple(
        place for place, answer in enumerate(handoff.recipients) if _is_suspect(answer.reply)
    )


def _is_suspect(reply: Reply | None) -> bool:
    if reply is None or reply.code < 500:
        return False
    if _NAMED.search(reply.text):
        return True
    if reply.code not in _CODES:
        return False
    return not (reply.enhanced or "").startswith(_ABOUT_OTHERS)

"""What a reply says about the connection it came over, rather than about the email.

Nothing has been accepted before the final dot, so an email that met the end of a session is sent
again over a fresh connection at once: uncharged, and its account is not blamed.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

import attrs

from domain.outcome.handoff import Handoff, Problem, RecipientReply, Reply, Stage
from domain.outcome.verdict import AccountEffect, RecipientVerdict, Result, Subject, Verdict

ENVELOPE: Final = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA})
_SESSION_CODES: Final = frozenset({421, 450, 451, 452})
# x.1 and x.2 are about an address and a mailbox (RFC 3463): another connection changes nothing.
_ABOUT_RECIPIENTS: Final = ("4.1.", "4.2.")
_OUT_OF_SEQUENCE: Final = frozenset({421, 500, 501, 502, 503})
_BROKEN: Final = frozenset({Problem.CLOSED, Problem.TIMEOUT, Problem.PROTOCOL})


def ends_session(handoff: Handoff, *, delivered: int) -> bool:
    """Whether a server that took *delivered* messages on this connection wants a new one.

    A 421, 450, 451 or 452 to MAIL or RCPT, before any recipient was accepted or with 421. It may
    mean something else: a fresh connection that hears it too tells.
    """
    reply = handoff.reply
    if not delivered or reply is None or handoff.stage not in (Stage.MAIL, Stage.RCPT):
        return False
    if reply.code not in _SESSION_CODES:
        return False
    if reply.code == 421:
        return True
    return handoff.stage is Stage.MAIL or all(map(_may_end_session, handoff.recipients))


def _may_end_session(answer: RecipientReply) -> bool:
    reply = answer.reply
    if reply is None or reply.code not in _SESSION_CODES:
        return False
    return not (reply.enhanced or "").startswith(_ABOUT_RECIPIENTS)


def out_of_step(handoff: Handoff) -> bool:
    """Whether replies and commands did not match in the envelope: no reply counts."""
    return handoff.problem is Problem.PROTOCOL and handoff.stage in ENVELOPE


def calls_for_another(handoff: Handoff, *, delivered: int) -> bool:
    """Whether an email that went over a used connection is to be sent over a fresh one at once."""
    # closed while it was idle, which is found out by writing to it
    lost = handoff.stage is Stage.MAIL and handoff.problem is Problem.CLOSED
    return lost or out_of_step(handoff) or ends_session(handoff, delivered=delivered)


def refuses_announcement(handoff: Handoff, *, announced: bool) -> bool:
    """Whether the server broke on an envelope that was written together with a final dot.

    *announced*: this hand-off's own envelope was; if not, the next one's was written with its dot.
    """
    code = handoff.reply.code if handoff.reply else None
    if handoff.stage is Stage.DOT:
        return not announced and (handoff.unknown or code in _OUT_OF_SEQUENCE)
    if not announced or handoff.stage not in ENVELOPE:
        return False
    return handoff.problem in _BROKEN or code in _OUT_OF_SEQUENCE


def excused(verdict: Verdict, handoff: Handoff) -> Verdict:
    """The verdict, without consequences for the account if an announcement brought it about.

    If the message was surely not taken it goes again at once, uncharged.
    """
    if not handoff.announcement_refused or handoff.stage is not Stage.DOT or handoff.accepted:
        return verdict
    if handoff.unknown:
        return attrs.evolve(verdict, effect=AccountEffect.NONE)
    if handoff.reply is None or handoff.reply.code not in _OUT_OF_SEQUENCE:
        return verdict
    again = RecipientVerdict(result=Result.WAIT, reason="announcement_refused", reply=handoff.reply)
    return Verdict(
        result=Result.WAIT,
        subject=Subject.US,
        reason=again.reason,
        text=handoff.text,
        recipients=tuple(
            each if each.result is Result.FAILED else again for each in verdict.recipients
        ),
        retry_after=timedelta(0),
    )


def same_refusal(handoff: Handoff, other: Handoff) -> bool:
    """Whether two connections were told the same, so that it is not about either of them."""
    return handoff.stage is other.stage and _key(handoff.reply) == _key(other.reply)


def _key(reply: Reply | None) -> tuple[int, str | None] | None:
    return None if reply is None else (reply.code, reply.enhanced)


def learned_limit(counts: Collection[int]) -> int | None:
    """Messages a connection, once the last two connections ended after equally many."""
    *_, before, last = (None, None, *counts)
    return last if last is not None and last == before else None

"""The hand-off that reports how a dialogue ended."""

from domain.account.account import Account
from domain.dialogue.ends import ConnectionFailed, ExchangeEnded
from domain.dialogue.redaction import Redaction
from domain.outcome.handoff import Handoff, Problem, RecipientReply, Stage
from domain.outcome.session import ENVELOPE


def handoff_after(
    end: ConnectionFailed | ExchangeEnded,
    *,
    stage: Stage,
    account: Account,
    redaction: Redaction,
    recipients: tuple[RecipientReply, ...] = (),
    used: bool = False,
    delivered: int = 0,
    usable: bool = False,
    stopped: bool = False,
    dsn: bool = False,
) -> Handoff:
    """What *end* at *stage* reports. Where the attempt was *stopped* only a reply matters more.

    *used*: an email went before on the connection. *dsn*: reports were asked for.
    """
    reply = end.reply if isinstance(end, ExchangeEnded) else None
    problem, detail = end.problem, end.detail
    if stopped and reply is None:
        problem, detail = Problem.STOPPED, "stopped"
    if problem is not None:
        at = "to" if stage is Stage.CONNECT else "at"
        detail = f"{stage} {at} {account.host}:{account.port}: {detail or problem}"
    if problem is not None and stage in ENVELOPE and (used or problem is Problem.PROTOCOL):
        recipients = ()  # each reply may belong to another command, and nothing will prove it
    return Handoff(
        stage=stage,
        reply=None if reply is None or problem is not None else redaction.clean(reply),
        problem=problem,
        recipients=recipients,
        detail=detail if problem is not None else "",
        delivered=delivered,
        usable=usable,
        dsn=dsn,
        by_token=account.oauth is not None,
    )

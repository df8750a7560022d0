"""What some callers are not shown.

Without the scope `admin`: how the network around the service looks. Whether a port is closed,
filtered or answers something else is the owner's business. Everybody else reads one text for all of
it, or mail accounts would be a way to scan from here.

Limited to some accounts: anything of the others. An email that names no account may have been tried
through one of them.
"""

from collections.abc import Collection, Sequence
from typing import Final

import attrs

from domain.access import Caller
from domain.account.account import Account
from domain.account.health import Pause
from domain.bounce.bounce import Bounce
from domain.email.attempt import Attempt
from domain.email.gates import Gate
from domain.email.lifecycle import Email
from domain.email.recipient import Recipient
from domain.event.event import EmailFacts, StoredEvent, ToldRecipient, told_reply
from domain.outcome.handoff import Reply, Stage

UNREACHED: Final = "the mail server could not be reached"
UNREAD: Final = "the mailbox could not be read"
REASON: Final = "unreachable"
ELSEWHERE: Final = "another SMTP configuration"
_BEFORE_ITS_WORD: Final = frozenset({Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.BANNER})
_REVEALING_GATES: Final = frozenset({"account_paused", "server_unreachable", "server_busy"})


def redact_attempt(attempt: Attempt) -> Attempt:
    """The attempt, alike for every way in which no server was reached."""
    if not _unreached(attempt):
        return attempt
    return attrs.evolve(attempt, stage=Stage.CONNECT, reason=REASON, text=UNREACHED, duration=None)


def redact_email(email: Email, last: Attempt | None) -> Email:
    """The email, if its *last* attempt reached no server without what that attempt found out."""
    if last is None or not _unreached(last):
        return email
    return attrs.evolve(
        email,
        recipients=tuple(map(_redact_recipient, email.recipients)),
        reason_code=email.reason_code and REASON,
        error_message=email.error_message and UNREACHED,
    )


def attempt_elsewhere(attempt: Attempt) -> Attempt:
    """The attempt through an account that the caller may not know: that there was one, and when."""
    return attrs.evolve(
        attempt,
        account_id=0,
        account_name=ELSEWHERE,
        duration=None,
        stage=None,
        reply=None,
        reason=None,
        text="",
    )


def email_tried_elsewhere(email: Email, *, own: Collection[Reply | None], last: bool) -> Email:
    """The email without the replies of other accounts' servers.

    *own* are the replies of the caller's accounts; *last* is whether the last result is from
    another one.
    """
    recipients = tuple(_without_text(each, own) for each in email.recipients)
    email = attrs.evolve(email, recipients=recipients)
    return attrs.evolve(email, reason_code=None, error_message=None) if last else email


def _without_text(recipient: Recipient, own: Collection[Reply | None]) -> Recipient:
    if recipient.reply is None or recipient.reply in own:
        return recipient
    return attrs.evolve(recipient, reply=attrs.evolve(recipient.reply, text=""))


def shown_reason(reason: str | None, attempts: Sequence[Attempt], caller: Caller) -> str | None:
    """The *reason* of an email's last result as this caller may see it beside its *attempts*, in
    their order: what `redact_email` and `email_tried_elsewhere` leave of it.
    """
    ended = [attempt for attempt in attempts if attempt.ended_at is not None]
    if ended and not caller.may_use(ended[-1].account_id):
        return None
    last = attempts[-1] if attempts else None
    hidden = last is not None and caller.may_use(last.account_id) and _unreached(last)
    return REASON if reason and hidden and not caller.is_admin else reason


def redact_event(event: StoredEvent, attempts: Sequence[Attempt], caller: Caller) -> StoredEvent:
    """The event of an email as this caller may see it, as the email itself.

    *attempts* are those of the email, in their order; those count that came before the event.
    """
    facts = event.facts
    if not isinstance(facts, EmailFacts):
        return event
    tried = [attempt for attempt in attempts if attempt.attempt_no <= facts.attempt]
    recipients = facts.recipients
    if not caller.is_admin and tried and _unreached(tried[-1]):
        recipients = tuple(map(_redact_told, recipients))
    if not all(caller.may_use(attempt.account_id) for attempt in tried):
        own = {told_reply(one.reply) for one in tried if caller.may_use(one.account_id)}
        recipients = tuple([_told_without_text(each, own) for each in recipients])
    if event.account_id is not None and not caller.may_use(event.account_id):
        recipients = tuple(map(_bounce_without_text, recipients))
    reason = shown_reason(facts.reason_code, tried, caller)
    shown = attrs.evolve(facts, recipients=recipients, reason_code=reason)
    return attrs.evolve(event, facts=shown)


def shown_bounces(bounces: Sequence[Bounce], email: Email, caller: Caller) -> Sequence[Bounce]:
    """What reports have told of an email, without the texts if another account has sent it."""
    if email.account_id is None or caller.may_use(email.account_id):
        return bounces
    return [attrs.evolve(bounce, text="") for bounce in bounces]


def redact_gate(gate: Gate) -> Gate:
    """The gate, without the texts of a server or the network."""
    return attrs.evolve(gate, detail="") if gate.name in _REVEALING_GATES else gate


def redact_account(account: Account, *, hidden: Collection[str]) -> Account:
    """The account, without its server's last reply and without the *hidden* reasons."""
    health = account.health
    pause = None if health.pause is None else _redact_pause(health.pause, hidden)
    breaker = health.breaker
    if breaker.reason in hidden:
        breaker = attrs.evolve(breaker, reason=REASON)
    return attrs.evolve(
        account,
        health=attrs.evolve(health, last_reply="", pause=pause, breaker=breaker),
    )


def _redact_pause(pause: Pause, hidden: Collection[str]) -> Pause:
    reason = REASON if pause.reason in hidden else pause.reason
    return attrs.evolve(pause, reason=reason, text="")


def _redact_recipient(recipient: Recipient) -> Recipient:
    if recipient.reply is not None or recipient.reason is None:
        return recipient
    return attrs.evolve(recipient, reason=REASON)


def _redact_told(recipient: ToldRecipient) -> ToldRecipient:
    if recipient.reply is not None or recipient.reason is None:
        return recipient
    return attrs.evolve(recipient, reason=REASON)


def _told_without_text(recipient: ToldRecipient, own: Collection[str | None]) -> ToldRecipient:
    if recipient.reply is None or recipient.reply in own:
        return recipient
    return attrs.evolve(recipient, reply=recipient.reply.partition(" ")[0])


def _bounce_without_text(recipient: ToldRecipient) -> ToldRecipient:
    if recipient.bounce is None:
        return recipient
    return attrs.evolve(recipient, bounce=attrs.evolve(recipient.bounce, text=""))


def _unreached(attempt: Attempt) -> bool:
    return attempt.stage in _BEFORE_ITS_WORD and attempt.reply is None

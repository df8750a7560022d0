"""What a caller without the scope `admin` is not told: how the network around the service looks.

Whether a port is closed, filtered or answers something else is the owner's business. Everybody else
reads one text for all of it, or mail accounts would be a way to scan from here.
"""

from typing import Final

import attrs

from domain.account import Account
from domain.congestion import Pause
from domain.email import Attempt, Email, Recipient
from domain.gates import Gate
from domain.handoff import Stage

UNREACHED: Final = "the mail server could not be reached"
REASON: Final = "unreachable"
_BEFORE_ITS_WORD: Final = frozenset({Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.BANNER})
_TELLING_REASONS: Final = frozenset({"blocked_host", "dns", "protocol", "connection_lost"})
_TELLING_GATES: Final = frozenset({"account_paused", "server_unreachable"})


def discreet_attempt(attempt: Attempt) -> Attempt:
    """The attempt, alike for every way in which no server was reached."""
    if not _unreached(attempt):
        return attempt
    return attrs.evolve(attempt, stage=Stage.CONNECT, reason=REASON, text=UNREACHED, duration=None)


def discreet_email(email: Email, last: Attempt | None) -> Email:
    """The email, if its *last* attempt reached no server without what that attempt found out."""
    if last is None or not _unreached(last):
        return email
    return attrs.evolve(
        email,
        recipients=tuple(map(_discreet_recipient, email.recipients)),
        reason_code=email.reason_code and REASON,
        error_message=email.error_message and UNREACHED,
    )


def discreet_gate(gate: Gate) -> Gate:
    """The gate, without what a server or the network said."""
    return attrs.evolve(gate, detail="") if gate.name in _TELLING_GATES else gate


def discreet_account(account: Account) -> Account:
    """The account, without what its server said last."""
    health = account.health
    pause = None if health.pause is None else _discreet_pause(health.pause)
    return attrs.evolve(account, health=attrs.evolve(health, last_reply="", pause=pause))


def _discreet_pause(pause: Pause) -> Pause:
    reason = REASON if pause.reason in _TELLING_REASONS else pause.reason
    return attrs.evolve(pause, reason=reason, text="")


def _discreet_recipient(recipient: Recipient) -> Recipient:
    if recipient.reply is not None or recipient.reason is None:
        return recipient
    return attrs.evolve(recipient, reason=REASON)


def _unreached(attempt: Attempt) -> bool:
    return attempt.stage in _BEFORE_ITS_WORD and attempt.reply is None

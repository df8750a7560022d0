"""What a hand-off means: whose fault it was and what follows, judged by rules that are data.

`classify` is pure: the rules come from ``domain/smtp_rules.toml`` (and a file of the owner's),
parsed by `parse_rules`.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final

import attrs

from domain.handoff import Reply


class Blame(StrEnum):
    """Whose fault it was. Only MESSAGE and RECIPIENT use up a retry."""

    NOBODY = "nobody"
    MESSAGE = "message"
    RECIPIENT = "recipient"
    ACCOUNT = "account"
    SERVER = "server"
    US = "us"


class Result(StrEnum):
    """What follows for the email, or for one recipient."""

    SENT = "sent"  # accepted
    RETRY = "retry"  # again later; a retry is charged
    WAIT = "wait"  # again when the account can; nothing is charged
    FAILED = "failed"  # refused for good
    UNKNOWN = "unknown"  # the dot was sent and no clear reply was read


class AccountEffect(StrEnum):
    """What follows for the account."""

    NONE = "none"
    HEALTHY = "healthy"  # the server took an email: forget all streaks
    SLOW = "slow"  # congestion: halve the connections, wait a little
    UNREACHABLE = "unreachable"  # breaker
    PAUSE = "pause"  # stop now, for `pause_for` or until a person or a probe resumes it
    STREAK = "streak"  # count it; pause after `after` in a row without a success


ACCOUNT_GATES: Final = frozenset(
    {AccountEffect.SLOW, AccountEffect.UNREACHABLE, AccountEffect.PAUSE}
)


@attrs.frozen(kw_only=True)
class RecipientVerdict:
    """What follows for the recipient at this place of the envelope."""

    result: Result
    reason: str
    reply: Reply | None = None


@attrs.frozen(kw_only=True)
class Verdict:
    """What follows from one hand-off.

    ``recipients`` is as long as the envelope's list and in its order. ``reason`` is the stable code
    shown as ``reason_code``. ``retry_after`` is what the server asked for ("try again in N"), zero
    for "the rest at once" (too many recipients in one transaction), None for our own schedule.
    ``pause_for`` is None when only a person, a probe or new credentials end the pause.
    """

    result: Result
    blame: Blame
    reason: str
    text: str = ""
    recipients: tuple[RecipientVerdict, ...] = ()
    retry_after: timedelta | None = None
    effect: AccountEffect = AccountEffect.NONE
    pause_for: timedelta | None = None
    after: int = 1

    @property
    def charged(self) -> bool:
        """Whether it counts against the account's limits: taken, or perhaps taken."""
        return self.result is Result.UNKNOWN or Result.SENT in [
            recipient.result for recipient in self.recipients
        ]

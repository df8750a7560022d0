"""What a hand-off means: who is responsible and what follows, judged by rules that are data.

`classify` is pure: the rules come from ``domain/outcome/smtp_rules.toml`` (and a file of the
owner's), parsed by `parse_rules`.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final

import attrs

from domain.outcome.handoff import Reply


class Subject(StrEnum):
    """What a reply is about."""

    NOBODY = "nobody"  # accepted
    MESSAGE = "message"  # this email: its content, its size
    RECIPIENT = "recipient"  # this recipient, or the mailbox behind it
    ACCOUNT = "account"  # the sender: its address, credentials, quota
    CLIENT = "client"  # this host: its IP address, its EHLO name
    SERVER = "server"  # the mail server, or the network up to it
    US = "us"  # what this service wrote


class Evidence(StrEnum):
    """How sure the subject is.

    Circumstantial evidence against an account or a client counts only when another email, to other
    recipients, got the same with no success between.
    """

    CERTAIN = "certain"
    CIRCUMSTANTIAL = "circumstantial"


class Limit(StrEnum):
    """Which limit of the provider a reply names."""

    QUOTA = "quota"  # so many emails an hour or a day
    RATE = "rate"  # too fast
    CONNECTIONS = "connections"  # too many at once
    SESSION = "session"  # so many emails on one connection


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
    RECONNECT = "reconnect"  # the session has ended: a new connection at once, no breaker
    REST = "rest"  # the server took an email, and wants none for `pause_for`


ACCOUNT_GATES: Final = frozenset(
    {AccountEffect.SLOW, AccountEffect.UNREACHABLE, AccountEffect.PAUSE, AccountEffect.REST}
)


@attrs.frozen(kw_only=True)
class RecipientVerdict:
    """What follows for the recipient at this place of the envelope.

    ``suppress`` says that the address does not exist or is closed: it should not be tried again.
    """

    result: Result
    reason: str
    reply: Reply | None = None
    subject: Subject = Subject.NOBODY
    evidence: Evidence = Evidence.CERTAIN
    suppress: bool = False


@attrs.frozen(kw_only=True)
class Verdict:
    """What follows from one hand-off.

    ``recipients`` is as long as the envelope's list and in its order. ``reason`` is the stable code
    shown as ``reason_code``. ``retry_after`` is what the server asked for ("try again in N"), zero
    for "the rest at once" (too many recipients in one transaction), None for our own schedule.
    ``pause_for`` is None when only a person, a probe or new credentials end the pause.

    ``subject`` and ``evidence`` belong to ``effect``: who is held responsible, and how sure that
    is. ``limit`` is the provider's limit that was met, if the reply names one. ``wait`` is what the
    server asked for in words, whatever follows from it. ``suppress`` is set if any recipient's is.
    """

    result: Result
    subject: Subject
    reason: str
    evidence: Evidence = Evidence.CERTAIN
    limit: Limit | None = None
    wait: timedelta | None = None
    suppress: bool = False
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

"""The types of events. A published type never changes its meaning."""

from enum import StrEnum
from typing import Final


class EventType(StrEnum):
    """What happened, as clients see it."""

    EMAIL_ACCEPTED = "email.accepted"
    EMAIL_DEFERRED = "email.deferred"  # for the first time
    EMAIL_SENT = "email.sent"
    EMAIL_FAILED = "email.failed"
    EMAIL_UNKNOWN = "email.unknown"  # failed, and a server may have the message
    EMAIL_CANCELLED = "email.cancelled"
    EMAIL_SUPPRESSED = "email.suppressed"  # a recipient gets no such mail; besides the end
    EMAIL_DELAYED = "email.delayed"  # reported after it was sent: not delivered yet
    EMAIL_BOUNCED = "email.bounced"  # reported after it was sent: not delivered
    EMAIL_COMPLAINED = "email.complained"  # a recipient called it spam
    EMAIL_UNSUBSCRIBED = "email.unsubscribed"  # besides the suppression
    ACCOUNT_PAUSED = "account.paused"
    ACCOUNT_RESUMED = "account.resumed"
    ACCOUNT_NEEDS_CONSENT = "account.needs_consent"  # besides the pause
    ACCOUNT_LEARNED_LIMIT = "account.learned_limit"
    QUEUE_GROWING = "queue.growing"
    SUPPRESSION_CREATED = "suppression.created"
    SUPPRESSION_DELETED = "suppression.deleted"  # by somebody; not as it expires
    WEBHOOK_DISABLED = "webhook.disabled"


ALL_EVENTS: Final = frozenset(EventType)
NO_EVENTS: Final[frozenset[EventType]] = frozenset()
# An event for each accepted email tells a client what the answer to its own call has told it.
USUAL_EVENTS: Final = ALL_EVENTS - {EventType.EMAIL_ACCEPTED}
# A webhook gets these only if it names them: they are many, or tell of what is not over yet.
ONLY_IF_NAMED: Final = frozenset({EventType.EMAIL_ACCEPTED, EventType.EMAIL_DEFERRED})

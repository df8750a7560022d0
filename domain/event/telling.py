"""Which events the change of an email, of an account or of the suppression list tells.

Each is told once for a change.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from domain.account.account import Account
from domain.account.health import LearnedLimit, Pause
from domain.account.oauth import NEEDS_CONSENT
from domain.email.lifecycle import Email
from domain.email.recipient import RecipientStatus
from domain.email.status import WAITING, Status
from domain.event.event import AccountFacts, OtherEvent, SuppressionFacts
from domain.event.types import EventType
from domain.suppression import Suppression, account_of

_NOTHING: Final[tuple[EventType, ...]] = ()
_SENT: Final = (EventType.EMAIL_SENT,)
_FAILED: Final = (EventType.EMAIL_FAILED,)
_UNKNOWN: Final = (EventType.EMAIL_UNKNOWN,)
_CANCELLED: Final = (EventType.EMAIL_CANCELLED,)
_DEFERRED: Final = (EventType.EMAIL_DEFERRED,)
_SUPPRESSED: Final = (EventType.EMAIL_SUPPRESSED,)
_ACCEPTED: Final = (EventType.EMAIL_ACCEPTED,)


def told_by(was: Email | None, now: Email) -> tuple[EventType, ...]:
    """What is told by the change of an email from *was* to *now*, None for one that is new.

    Its end is told, whenever it ends: one that was retried by hand may end again. ``deferred`` is
    told for the first of the retries alone, ``suppressed`` for the first suppressed recipient, and
    besides the end that follows from it.
    """
    if was is None:
        told = _ACCEPTED if now.status in WAITING else _ACCEPTED + _of_status(None, now)
    else:
        told = _NOTHING if now.status is was.status else _of_status(was, now)
        if now.recipients is was.recipients:
            return told
    if _any(now, RecipientStatus.SUPPRESSED):
        before = was is not None and _any(was, RecipientStatus.SUPPRESSED)
        return told if before else told + _SUPPRESSED
    return told


def _of_status(was: Email | None, now: Email) -> tuple[EventType, ...]:
    status = now.status
    if status is Status.SENT:
        return _SENT
    if status is Status.FAILED:
        return _UNKNOWN if _any(now, RecipientStatus.UNKNOWN) else _FAILED
    if status is Status.CANCELLED:
        return _CANCELLED
    first_retry = was is not None and not was.retry_count and now.retry_count == 1
    return _DEFERRED if status is Status.RETRY and first_retry else _NOTHING


def _any(email: Email, status: RecipientStatus) -> bool:
    return status in [recipient.status for recipient in email.recipients]


def told_of_account(was: Account, now: Account, *, at: datetime) -> Iterator[OtherEvent]:
    """What is told by the change of an account from *was* to *now* at this time.

    A pause that goes on, or is prolonged for the same reason before it is over, is not told again.
    """
    if now.health is was.health:
        return
    old, new = was.health.pause, now.health.pause
    if new is not None and not (was.health.paused(at) and old and old.reason == new.reason):
        yield _paused(EventType.ACCOUNT_PAUSED, now, new, at)
        if new.reason == NEEDS_CONSENT:
            yield _paused(EventType.ACCOUNT_NEEDS_CONSENT, now, new, at)
    if new is None and old is not None:
        facts = AccountFacts(name=now.name, reason=old.reason)
        yield OtherEvent(type=EventType.ACCOUNT_RESUMED, at=at, account_id=now.id, facts=facts)
    known = {_bounds(limit) for limit in was.health.learned}
    for limit in now.health.learned:
        if _bounds(limit) not in known:
            yield _learned(now, limit, at)


def _bounds(limit: LearnedLimit) -> tuple[str, int, int]:
    return (limit.window, limit.least, limit.most)


def _paused(event_type: EventType, account: Account, pause: Pause, at: datetime) -> OtherEvent:
    facts = AccountFacts(name=account.name, reason=pause.reason, text=pause.text, until=pause.until)
    return OtherEvent(type=event_type, at=at, account_id=account.id, facts=facts)


def _learned(account: Account, limit: LearnedLimit, at: datetime) -> OtherEvent:
    facts = AccountFacts(name=account.name, window=limit.window, least=limit.least, most=limit.most)
    return OtherEvent(
        type=EventType.ACCOUNT_LEARNED_LIMIT, at=at, account_id=account.id, facts=facts
    )


def told_of_suppression(
    event_type: EventType, suppression: Suppression, *, at: datetime
) -> OtherEvent:
    """What is told of an entry of the suppression list that was made or removed at this time."""
    facts = SuppressionFacts(
        address=suppression.address,
        scope=suppression.scope,
        reason=suppression.reason,
        email_id=suppression.email_id,
        expires_at=suppression.expires_at,
    )
    return OtherEvent(type=event_type, at=at, account_id=account_of(suppression.scope), facts=facts)

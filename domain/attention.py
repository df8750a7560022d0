"""What needs a person: what does not mend itself, or what mail waits for.

Only an account's own state and sums that the store keeps are looked at, so that it may be asked for
every few seconds.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs

from domain.account.account import Account, AccountState
from domain.account.health import LearnedLimit
from domain.account.inbox import Inbox
from domain.account.limits import LimitUnit
from domain.email.listing import FailedEmail
from domain.event.alert import AlertRecord
from domain.webhook.webhook import DisabledReason, Webhook

RECENT: Final = timedelta(days=1)  # failed emails and alerts that are older are no news
LONGEST_DUE: Final = timedelta(minutes=2)  # then somebody should have delivered
INBOX_FAILURES: Final = 3  # in a row; fewer are a server that was away for a moment
MOST_REASONS: Final = 5


class NeedKind(StrEnum):
    """What is wrong, the most urgent first."""

    NOBODY_DELIVERS = "nobody_delivers"
    NO_ACCOUNT = "no_account"  # none is active
    NEEDS_CONSENT = "needs_consent"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"
    INACTIVE = "inactive"  # mail waits for an account that is switched off
    QUEUE_GROWING = "queue_growing"
    EMAILS_FAILED = "emails_failed"
    LEARNED_LIMIT = "learned_limit"
    INBOX_FAILS = "inbox_fails"
    WEBHOOK_DISABLED = "webhook_disabled"
    ALERT_NOT_SENT = "alert_not_sent"
    WAITS = "waits"  # a pause that ends by itself


@attrs.frozen(kw_only=True)
class Need:
    """One thing that is wrong; what it is not about is None or empty.

    ``reason`` is a code (of a pause, of failed emails, of a webhook), ``text`` what a server or a
    person said about it. ``number`` counts emails. ``until`` is when it ends by itself.
    """

    kind: NeedKind
    account: Account | None = None
    reason: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    number: int = 0
    limit: LearnedLimit | None = None
    webhook: Webhook | None = None


def of_account(account: Account, *, waiting: int, now: datetime) -> Sequence[Need]:
    """What one account needs; *waiting* emails wait for it by name."""
    found = [*_of_state(account, waiting=waiting, now=now)]
    found += [
        Need(kind=NeedKind.LEARNED_LIMIT, account=account, limit=limit, since=limit.at)
        for limit in limits_to_lower(account)
    ]
    return found


def limits_to_lower(account: Account) -> Sequence[LearnedLimit]:
    """What the provider was seen to refuse below the limit that its owner has set.

    Providers are counted in messages: of an account that counts recipients nothing is told.
    """
    if account.limits.unit is LimitUnit.RECIPIENTS or not account.active:
        return ()
    return [
        learned
        for learned in account.health.learned
        for limit in [account.limits.of(learned.window)]
        if limit is None or limit > max(1, learned.least)
    ]


def of_inbox(inbox: Inbox, account: Account) -> Sequence[Need]:
    """What its inbox needs."""
    if inbox.failures < INBOX_FAILURES or not account.active:
        return ()
    return (Need(kind=NeedKind.INBOX_FAILS, account=account, text=inbox.last_error),)


def of_failed(failed: Iterable[FailedEmail]) -> Sequence[Need]:
    """The most frequent reasons of *failed* emails."""
    reasons = Counter(email.reason or "" for email in failed)
    return [
        Need(kind=NeedKind.EMAILS_FAILED, reason=reason, number=number)
        for reason, number in reasons.most_common(MOST_REASONS)
    ]


def of_webhook(webhook: Webhook) -> Sequence[Need]:
    """What a webhook needs: nothing, if a person has disabled it."""
    if webhook.disabled is None or webhook.disabled is DisabledReason.REQUEST:
        return ()
    return (
        Need(
            kind=NeedKind.WEBHOOK_DISABLED,
            webhook=webhook,
            reason=webhook.disabled.value,
            since=webhook.disabled_at,
        ),
    )


def of_alert(alert: AlertRecord, account: Account | None, *, now: datetime) -> Sequence[Need]:
    """What to know of an alert that nobody got."""
    if alert.problem is None or alert.at < now - RECENT:
        return ()
    return (
        Need(
            kind=NeedKind.ALERT_NOT_SENT,
            account=account,
            reason=alert.reason,
            text=alert.problem,
            since=alert.at,
        ),
    )


def of_queue(
    *, waiting: int, oldest_due: timedelta, growing: bool, active: bool, delivering: bool
) -> Sequence[Need]:
    """What the queue needs: *waiting* emails are in it, the oldest due for *oldest_due* that an
    open account may send. *active*: an account is; *delivering*: a process is.
    """
    if not active:
        return (Need(kind=NeedKind.NO_ACCOUNT, number=waiting),)
    if oldest_due >= LONGEST_DUE and not delivering:
        return (Need(kind=NeedKind.NOBODY_DELIVERS, number=waiting),)
    return (Need(kind=NeedKind.QUEUE_GROWING, number=waiting),) if growing else ()


def in_order(needs: Iterable[Need]) -> Sequence[Need]:
    """The most urgent first; those of one kind as they come."""
    places = {kind: place for place, kind in enumerate(NeedKind)}
    return sorted(needs, key=lambda need: places[need.kind])


def _of_state(account: Account, *, waiting: int, now: datetime) -> Sequence[Need]:
    health = account.health
    match account.state(now):
        case AccountState.PAUSED:
            pause = health.pause
            assert pause is not None, "it is paused"
            kind = NeedKind.PAUSED if pause.until is None else NeedKind.WAITS
            return (
                Need(
                    kind=NeedKind.NEEDS_CONSENT if account.awaits_consent else kind,
                    account=account,
                    reason=pause.reason,
                    text=pause.text,
                    since=pause.since,
                    until=pause.until,
                    number=waiting,
                ),
            )
        case AccountState.UNREACHABLE:
            return (
                Need(
                    kind=NeedKind.UNREACHABLE,
                    account=account,
                    reason=health.breaker.reason,
                    text=health.last_reply,
                    since=health.breaker.opened_at,
                    until=health.breaker.until,
                    number=waiting,
                ),
            )
        case AccountState.INACTIVE if waiting:
            return (Need(kind=NeedKind.INACTIVE, account=account, number=waiting),)
        case _:
            return ()

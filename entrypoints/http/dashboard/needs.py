"""What needs somebody, in words: what is wrong, what to do, and the page where it is done."""

import re
from datetime import datetime
from typing import Final, NamedTuple

from flask import url_for

from domain.account.account import Account
from domain.account.limits import Window
from domain.attention import Need, NeedKind
from domain.webhook.webhook import DisabledReason
from entrypoints.http.dashboard import reasons, words
from entrypoints.http.dashboard.words import Word

_WORDS: Final = {
    NeedKind.NOBODY_DELIVERS: Word("stopped", "bad"),
    NeedKind.NO_ACCOUNT: Word("stopped", "bad"),
    NeedKind.NEEDS_CONSENT: Word("needs consent", "bad"),
    NeedKind.PAUSED: Word("paused", "bad"),
    NeedKind.UNREACHABLE: Word("unreachable", "bad"),
    NeedKind.INACTIVE: Word("inactive", "wait"),
    NeedKind.QUEUE_GROWING: Word("queue", "wait"),
    NeedKind.EMAILS_FAILED: Word("failed", "bad"),
    NeedKind.LEARNED_LIMIT: Word("limit", "wait"),
    NeedKind.INBOX_FAILS: Word("inbox", "wait"),
    NeedKind.WEBHOOK_DISABLED: Word("webhook", "bad"),
    NeedKind.ALERT_NOT_SENT: Word("alert", "wait"),
    NeedKind.WAITS: Word("waits", "wait"),
}
_SPACES: Final = re.compile(r"[._]")
_SPANS: Final = {Window.MINUTE: "a minute", Window.HOUR: "an hour", Window.DAY: "a day"}
_WHY_DISABLED: Final = {
    DisabledReason.GONE.value: "its receiver answered 410, which asks for no more calls",
    DisabledReason.FAILING.value: "no call has succeeded for five days",
}


class ToldNeed(NamedTuple):
    """One need: *said* is what a server or a person said, *href* the page for it."""

    word: Word
    title: str
    advice: str
    said: str
    since: datetime | None
    until: datetime | None
    href: str
    link: str


def told(need: Need) -> ToldNeed:
    """The need in words."""
    title, advice = _texts(need)
    href, link = _place(need)
    return ToldNeed(
        word=_WORDS[need.kind],
        title=title,
        advice=advice,
        said=need.text,
        since=need.since,
        until=need.until,
        href=href,
        link=link,
    )


def _texts(need: Need) -> tuple[str, str]:
    """What is wrong, and one sentence what to do."""
    waiting = words.emails_wait(need.number)
    name = need.account.name if need.account is not None else ""
    match need.kind:
        case NeedKind.NOBODY_DELIVERS:
            return "No process delivers email", (
                f"{waiting}: start email-service serve, or a Celery worker, on this database."
            )
        case NeedKind.NO_ACCOUNT:
            title = (
                f"{waiting} and no account is active"
                if need.number
                else ("No account can send: none is active")
            )
            return title, "Add an account, or make one active."
        case NeedKind.QUEUE_GROWING:
            return f"{waiting}, and the queue grows", (
                "Look which account holds it up: raise its limits, or add another account."
            )
        case NeedKind.INACTIVE:
            return f"{name} is switched off and {waiting} for it", (
                "Edit it and make it active, or cancel the emails."
            )
        case NeedKind.EMAILS_FAILED:
            reason = reasons.of_emails(need.reason)
            return (
                f"{words.emails(need.number)} failed in the last 24 hours: {reason.what}",
                reason.advice,
            )
        case NeedKind.LEARNED_LIMIT:
            return _of_limit(need)
        case NeedKind.INBOX_FAILS:
            return f"The inbox of {name} cannot be read", (
                "Check its server and password: bounces are not noticed until it is read again."
            )
        case NeedKind.WEBHOOK_DISABLED:
            number = need.webhook.id if need.webhook is not None else 0
            why = _WHY_DISABLED.get(need.reason, need.reason)
            return f"Webhook {number} is disabled: {why}", (
                "Mend its receiver, then enable it: it gets the events that it missed."
            )
        case NeedKind.ALERT_NOT_SENT:
            about = name or _SPACES.sub(" ", need.reason)
            return f"An alert about {about} could not be sent", (
                "Keep a second account that can send, so that alerts reach you."
            )
        case _:
            return _of_pause(need, name)


def _of_pause(need: Need, name: str) -> tuple[str, str]:
    reason = reasons.of_account(need.reason)
    held = f" {words.emails_wait(need.number)} for it." if need.number else ""
    return f"{name} sends nothing: {reason.what}", f"{reason.advice}{held}"


def _of_limit(need: Need) -> tuple[str, str]:
    assert need.account is not None, "the limit is of an account"
    assert need.limit is not None, "the need is about one"
    span, least = _SPANS[need.limit.window], max(1, need.limit.least)
    return (
        f"The provider of {need.account.name} refused mail after {words.number(least)} in {span}",
        f"Edit it and set its limit for {span} to {words.number(least)}.",
    )


def _place(need: Need) -> tuple[str, str]:
    """Where it is done, and what the link is called."""
    match need.kind:
        case NeedKind.EMAILS_FAILED:
            return url_for("dashboard.emails", status="failed"), "Failed emails"
        case NeedKind.WEBHOOK_DISABLED if need.webhook is not None:
            webhook_id = need.webhook.id
            return url_for("dashboard.webhook", webhook_id=webhook_id), "Open the webhook"
        case _ if need.account is not None:
            return _account_place(need.account), "Open the account"
        case _:
            return url_for("dashboard.accounts"), "Accounts"


def _account_place(account: Account) -> str:
    return url_for("dashboard.account", account_id=account.id)

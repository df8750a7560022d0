"""The words of the pages: what a status, a state, a time and a number are called for a person."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from markupsafe import Markup

from domain.account.account import AccountState
from domain.doctor.finding import Status as Finding
from domain.email.status import Status
from domain.suppression import EVERYTHING, SuppressionReason, account_of
from entrypoints import explaining


class Word(NamedTuple):
    """A word and how it looks: ``good``, ``busy``, ``wait``, ``bad`` or ``off``."""

    text: str
    look: str


STATUSES: Final = {
    Status.QUEUED: Word("waiting", "wait"),
    Status.SCHEDULED: Word("scheduled", "wait"),
    Status.SENDING: Word("sending", "busy"),
    Status.SENT: Word("sent", "good"),
    Status.RETRY: Word("will be retried", "wait"),
    Status.FAILED: Word("failed", "bad"),
    Status.CANCELLED: Word("cancelled", "off"),
}
STATES: Final = {state: Word(state.value.replace("_", " "), "bad") for state in AccountState} | {
    AccountState.OPEN: Word("open", "good"),
}
YES: Final = Word("yes", "good")
NO: Final = Word("no", "wait")
DRAFT: Final = Word("draft", "wait")
PUBLISHED: Final = Word("published", "good")
SUPPRESSION_REASONS: Final = {
    SuppressionReason.HARD_BOUNCE: "the address does not exist, or its mailbox stayed full",
    SuppressionReason.COMPLAINT: "the recipient called a mail spam",
    SuppressionReason.UNSUBSCRIBE: "the recipient has unsubscribed",
    SuppressionReason.MANUAL: "somebody put it on the list",
}
_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60))


def time(when: datetime | None) -> Markup:
    """The time as an element: UTC for who has no script, local time for who has one."""
    if when is None:
        return Markup("")
    utc = when.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def number(value: int) -> str:
    """An integer with a thin space between thousands."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def emails(number_of: int) -> str:
    """So many emails."""
    return "1 email" if number_of == 1 else f"{number(number_of)} emails"


def emails_wait(number_of: int) -> str:
    """So many emails wait."""
    return f"{emails(number_of)} {'waits' if number_of == 1 else 'wait'}"


def duration(span: timedelta) -> str:
    """A span in its two largest units: 2 d 4 h, 3 min; less than a minute in seconds."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    parts = []
    for unit, length in _UNITS:
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def status(value: Status) -> Word:
    """The word for the status of an email."""
    return STATUSES[value]


def status_of(value: Status, *, recipients: int, not_reached: int) -> Word:
    """The same, and how many *recipients* did not get an email that was sent."""
    if value is not Status.SENT or not not_reached:
        return status(value)
    return Word(f"sent, {not_reached} of {recipients} not reached", "bad")


def of_recipients(number_of: int, of: int) -> str:
    """So many of its recipients, as the subject of a sentence in the past."""
    return f"{number_of} of {of} recipients {'was' if number_of == 1 else 'were'}"


def state(value: AccountState) -> Word:
    """The word for the state of an account."""
    return STATES[value]


_OBSTACLES: Final = {
    "scheduled": "its time: it is scheduled, or is retried later",
    "minute_limit": "the limit for a minute",
    "hour_limit": "the limit for an hour",
    "day_limit": "the limit for a day",
    "slowed_down": "the pace that the server asked for",
    "connections": "the server: it takes mail no faster",
    "account_paused": "a pause of the account",
    "server_unreachable": "the server: it cannot be reached",
    "account_inactive": "the account: it is switched off",
}


def obstacle(limited_by: str | None) -> str:
    """What a forecast says that holds emails up."""
    return "nothing" if limited_by is None else _OBSTACLES.get(limited_by, limited_by)


def sentence(text: str) -> str:
    """The text with a capital letter in front."""
    return text[:1].upper() + text[1:]


_FINDINGS: Final = {
    Finding.OK: Word("fine", "good"),
    Finding.WARN: Word("could be better", "wait"),
    Finding.FAIL: Word("wrong", "bad"),
    Finding.UNKNOWN: Word("not known", "off"),
}
_DIAGNOSES: Final = {
    Finding.OK: "Everything is as it should be.",
    Finding.WARN: "Mail is sent; some things could be better.",
    Finding.FAIL: "Something is wrong: mail may be refused, or end as spam.",
    Finding.UNKNOWN: "Some questions had no answer: run it again later.",
}


def finding(value: Finding) -> Word:
    """The word for what the doctor found."""
    return _FINDINGS[value]


def diagnosis(value: Finding) -> str:
    """What the findings come to together."""
    return _DIAGNOSES[value]


def scope(text: str, accounts: Mapping[int, str]) -> str:
    """What mail a suppression of this scope holds for; *accounts* are names by their ids."""
    if text == EVERYTHING:
        return "all mail"
    account_id = account_of(text)
    if account_id is None:
        return f"mail of the topic {text.partition(':')[2]}"
    name = accounts.get(account_id, f"number {account_id}")
    return f"mail of the account {name}"


_ABBREVIATIONS: Final = frozenset(
    "auth dkim dmarc dns ehlo mail mta mx ptr rcpt spf starttls sts tls".split()
)


def on_pages(text: str) -> str:
    """A text as pages say it: what the API calls an SMTP configuration is an account."""
    return text.replace("SMTP configuration", "account")


def reason(code: str | None) -> str:
    """What a reason code means. See `explaining.reason`."""
    return on_pages(explaining.reason(code))


def waits_for(name: str | None) -> str:
    """What a gate, or what limits a forecast, waits for."""
    return on_pages(explaining.waits_for(name))


def subject(code: str) -> str:
    """What a finding of the doctor is about, by its code."""
    parts = code.split("_")
    return sentence(" ".join(one.upper() if one in _ABBREVIATIONS else one for one in parts))

"""The life of an email in the order of time: its acceptance, its attempts, its events."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import attrs

from application.event_feed import Shown
from application.queries import EmailView
from domain.email.attempt import Attempt
from domain.event.event import EmailFacts, StoredEvent
from domain.event.types import EventType
from domain.outcome.verdict import Result
from entrypoints.explaining import RESULTS
from entrypoints.http.dashboard.words import Word, duration, reason

_EVENTS: Final = {
    EventType.EMAIL_ACCEPTED: Word("accepted by the service", "off"),
    EventType.EMAIL_DEFERRED: Word("deferred", "wait"),
    EventType.EMAIL_SENT: Word("sent", "good"),
    EventType.EMAIL_FAILED: Word("failed", "bad"),
    EventType.EMAIL_UNKNOWN: Word("outcome unknown", "bad"),
    EventType.EMAIL_CANCELLED: Word("cancelled", "off"),
    EventType.EMAIL_SUPPRESSED: Word("suppressed", "off"),
    EventType.EMAIL_DELAYED: Word("reported as delayed", "wait"),
    EventType.EMAIL_BOUNCED: Word("bounced", "bad"),
    EventType.EMAIL_COMPLAINED: Word("called spam", "bad"),
    EventType.EMAIL_UNSUBSCRIBED: Word("unsubscribed", "off"),
}
_RESULTS: Final = {
    Result.SENT: Word("accepted", "good"),
    Result.RETRY: Word("deferred", "wait"),
    Result.WAIT: Word("put back", "wait"),
    Result.FAILED: Word("refused", "bad"),
    Result.UNKNOWN: Word("unknown", "bad"),
}
_WITH_REASON: Final = frozenset({EventType.EMAIL_FAILED, EventType.EMAIL_SUPPRESSED})
_MOST_RECIPIENTS: Final = 5


@attrs.frozen(kw_only=True)
class Entry:
    """What happened at a time. *said* is what a server, or a report, said."""

    at: datetime
    what: str
    word: Word | None = None
    lines: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def timeline(view: EmailView, events: Sequence[Shown]) -> Sequence[Entry]:
    """The oldest first."""
    entries = [
        _accepted(view),
        *map(_attempt, view.attempts),
        *(_event(event) for event, _ in events if event.type is not EventType.EMAIL_ACCEPTED),
    ]
    if view.content_purged_at is not None:
        entries.append(Entry(at=view.content_purged_at, what="The message was removed"))
    return sorted(entries, key=lambda entry: entry.at)


def _accepted(view: EmailView) -> Entry:
    email, used = view.email, view.detail.template
    lines = [f"Priority {email.priority}."]
    if used is not None:
        locale = f" ({used.locale})" if used.locale else ""
        lines.append(f"Written by version {used.version} of the template {used.name}{locale}.")
    if view.detail.topic is not None:
        lines.append(f"Topic {view.detail.topic}.")
    return Entry(at=email.created_at, what="Accepted by the service", lines=tuple(lines))


def _attempt(attempt: Attempt) -> Entry:
    result = attempt.result
    ended = attempt.ended_at is not None
    return Entry(
        at=attempt.started_at,
        what=f"Attempt {attempt.attempt_no} through {attempt.account_name}",
        word=_RESULTS[result] if result else Word("ended" if ended else "under way", "busy"),
        lines=tuple(_about(attempt)),
        said=(str(attempt.reply),) if attempt.reply else ((attempt.text,) if attempt.text else ()),
    )


def _about(attempt: Attempt) -> Iterator[str]:
    if attempt.result is not None:
        text = RESULTS[attempt.result]
        why = reason(attempt.reason)
        because = "" if not why or attempt.result is Result.SENT else f": {why}"
        yield f"{text[0].upper()}{text[1:]}{because}."
    if attempt.stage is not None and attempt.result is not Result.SENT:
        yield f"That was at the stage {attempt.stage.value}."
    if attempt.duration is not None:
        milliseconds = attempt.duration.total_seconds() * 1000
        length = f"{milliseconds:.0f} ms" if milliseconds < 1000 else duration(attempt.duration)
        yield f"It took {length}."


def _event(event: StoredEvent) -> Entry:
    facts = event.facts
    lines: list[str] = []
    said: list[str] = []
    if isinstance(facts, EmailFacts):
        reported = [(one.address, one.bounce) for one in facts.recipients if one.bounce]
        for address, bounce in reported[:_MOST_RECIPIENTS]:
            said.append(" ".join(part for part in (address, bounce.status, bounce.text) if part))
        if facts.reason_code and event.type in _WITH_REASON:
            lines.append(f"Because {reason(facts.reason_code)}.")
    word = _EVENTS.get(event.type, Word(event.type.value, "off"))
    return Entry(at=event.at, what="The email", word=word, lines=tuple(lines), said=tuple(said))

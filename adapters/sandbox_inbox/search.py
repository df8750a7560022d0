"""The search in the sandbox: words that all must be found, some of them in one field.

``order "for you"``        both stand somewhere: subject, sender, recipients, text, names of files
``subject:`` ``from:`` ``to:`` ``cc:`` ``bcc:`` ``body:`` ``file:``    the word stands there
``has:attachment`` ``has:html`` ``is:unread`` ``is:read``              what the message has and is
``larger:100k`` ``smaller:2m`` ``after:2026-01-31`` ``before:2026-02-01``   by UTC
``-word`` ``-is:read``     it must not be so

What is none of these is a word. Upper and lower case are the same.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from domain.message.html_markup import MARKUP, unescaped
from domain.message.letter import Letter

if TYPE_CHECKING:
    from adapters.sandbox_inbox.mailbox import Received

LONGEST: Final = 1000  # characters
_TERM: Final = re.compile(
    r"""(?P<no>[-!])?(?:(?P<field>[a-z]+):)?(?:"(?P<quoted>[^"]*)"?|(?P<word>[^\s"]+))""", re.I
)
_SIZE: Final = re.compile(r"(\d{1,9})([km]?)b?")
_UNITS: Final = {"": 1, "k": 1000, "m": 1_000_000}
# One pass, however hostile: what is not closed runs to the end.
_STYLE: Final = re.compile(r"<style(?:[^<]++|(?!</style)<)*+", re.I)


class Search:
    """Whether a message is what *query* looks for."""

    def __init__(self, query: str) -> None:
        self._terms = [_term(found) for found in _TERM.finditer(query[:LONGEST])]

    def __call__(self, received: "Received") -> bool:
        """Whether all of it is so."""
        return all(term(received) for term in self._terms)


def _term(found: "re.Match[str]") -> "Callable[[Received], bool]":
    value = (found["word"] or found["quoted"] or "").casefold()
    field = (found["field"] or "").lower()
    holds = _condition(field, value)
    if holds is None:
        word = f"{field}:{value}" if field else value
        holds = _within(lambda one: (*_people(one), one.letter.subject, *_said(one.letter)), word)
    return (lambda received: not holds(received)) if found["no"] else holds


def _condition(field: str, value: str) -> "Callable[[Received], bool] | None":
    """None if it is none."""
    if field in _FIELDS:
        return _within(_FIELDS[field], value)
    if field in ("has", "is"):
        return _STATES.get(f"{field}:{value}")
    if field in ("larger", "smaller") and (size := _SIZE.fullmatch(value)):
        octets = int(size[1]) * _UNITS[size[2]]
        if field == "larger":
            return lambda one: len(one.octets) > octets
        return lambda one: len(one.octets) < octets
    if field in ("before", "after") and (day := _day(value)):
        if field == "before":
            return lambda one: one.received_at < day
        return lambda one: one.received_at >= day
    return None


def _within(
    texts: "Callable[[Received], tuple[str, ...]]", word: str
) -> "Callable[[Received], bool]":
    return lambda received: any(word in text.casefold() for text in texts(received))


def _people(received: "Received") -> tuple[str, ...]:
    return (*_sender(received), *received.recipients, *_named(received, "to", "cc"))


def _sender(received: "Received") -> tuple[str, ...]:
    return (received.sender, *received.letter.author)


def _named(received: "Received", *names: str) -> tuple[str, ...]:
    return tuple(value for name, value in received.letter.headers if name.lower() in names)


def _body(letter: Letter) -> tuple[str, ...]:
    shown = "" if letter.html is None else unescaped(_words_of(letter.html))
    return letter.text or "", shown


def _words_of(html: str) -> str:
    return MARKUP.sub(" ", _STYLE.sub(" ", html))


def _said(letter: Letter) -> tuple[str, ...]:
    return (*_body(letter), *(part.filename for part in letter.parts))


def _day(value: str) -> datetime | None:
    try:
        return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


_FIELDS: Final[Mapping[str, "Callable[[Received], tuple[str, ...]]"]] = {
    "subject": lambda one: (one.letter.subject,),
    "from": _sender,
    "to": lambda one: (*one.recipients, *_named(one, "to")),
    "cc": lambda one: (*one.letter.cc, *_named(one, "cc")),
    "bcc": lambda one: one.letter.bcc,
    "body": lambda one: _body(one.letter),
    "file": lambda one: tuple(part.filename for part in one.letter.parts if part.filename),
}
_STATES: Final[Mapping[str, "Callable[[Received], bool]"]] = {
    "has:attachment": lambda one: bool(one.letter.files),
    "has:html": lambda one: one.letter.html is not None,
    "is:unread": lambda one: not one.seen,
    "is:read": lambda one: one.seen,
}

"""What the judgements ask the DNS, and what it answered.

A judgement that needs several answers is a generator: it yields questions and is sent answers, so
that nothing here waits or connects.
"""

import re
from collections.abc import Callable, Generator
from enum import StrEnum
from typing import Final, TypeVar

import attrs

_LONGEST_NAME: Final = 253  # RFC 1035, 2.3.4, as text without the dot at its end
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


class RecordKind(StrEnum):
    """The type of the records that are asked for."""

    TXT = "TXT"
    MX = "MX"
    ADDRESSES = "A and AAAA"
    PTR = "PTR"


@attrs.frozen
class Question:
    """The records of one kind at *name*; of PTR *name* is an address."""

    kind: RecordKind
    name: str


@attrs.frozen
class Answer:
    """The records as text: of MX the hosts, the preferred first, "" for a null MX.

    None at all: the name does not exist, or has no such record. Not *known*: no answer came.
    """

    records: tuple[str, ...] = ()
    known: bool = True


NO_ANSWER: Final = Answer(known=False)
Result = TypeVar("Result")
Lookups = Generator[Question, Answer, Result]


def ask(kind: RecordKind, name: str) -> Lookups[Answer]:
    """The answer for *name*. What cannot be a name in the DNS has no records: nothing is asked."""
    name = name.lower().rstrip(".")
    if kind is not RecordKind.PTR and not is_name(name):
        return Answer()
    return (yield Question(kind, name))


def is_name(name: str) -> bool:
    """Whether *name*, without a dot at its end, can be a name of a host or of its records."""
    return len(name) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, name.split(".")))


def answered(lookups: Lookups[Result], answer: Callable[[Question], Answer]) -> Result:
    """What *lookups* come to when *answer* answers its questions."""
    try:
        question = next(lookups)
        while True:
            question = lookups.send(answer(question))
    except StopIteration as end:
        result: Result = end.value
        return result

"""What a mail server will do, written down as a `Script`.

The same Script drives the sender in memory and the loopback server of the tests; the contract suite
compares the answers of the fake sender and of the real one.
"""

import threading
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import attrs

from domain.outcome.handoff import Problem, Stage

RSET: Final = "rset"
QUIT: Final = "quit"
UNASKED: Final = "250 2.0.0 nobody asked for this"


class Fault(StrEnum):
    """What a server may do instead of answering."""

    CLOSE = "close"
    RST = "rst"
    HANG = "hang"
    DRIP = "drip"  # a byte now and then, never a whole reply
    GARBAGE = "garbage"  # not SMTP
    MIXED = "mixed"  # 250- and then 550
    ENDLESS = "endless"  # lines without end
    HUGE = "huge"  # one line of 20 MB
    EXTRA = "extra"  # the right answer, and one more that nobody asked for
    ACCEPT_HANG = "accept_hang"  # at the dot: takes the message and never answers
    ACCEPT_CLOSE = "accept_close"  # at the dot: takes the message and drops the line


Answer = str | Fault | Problem


@attrs.frozen
class Rule:
    """At *stage* (or RSET, QUIT) the server answers this instead of the usual.

    *answer* is the text of a reply ("451 4.7.1 later"; lines are parted by a line feed), a fault,
    or, played by FakeSender only, a Problem. A rule with a *recipient* concerns that RCPT, or from
    DATA on the messages that name it; one with a *parameter* concerns a MAIL or RCPT that has it in
    it; *message* is the n-th MAIL heard, from 1; *times* is how
    often the rule is played before it is spent. The first rule that fits is played.
    """

    stage: str
    answer: Answer = attrs.field()
    recipient: str | None = attrs.field(default=None, kw_only=True)
    parameter: str | None = attrs.field(default=None, kw_only=True)
    message: int | None = attrs.field(default=None, kw_only=True)
    times: int | None = attrs.field(default=None, kw_only=True)

    @answer.validator
    def _playable(self, _: object, answer: Answer) -> None:
        if self.stage not in {*Stage, RSET, QUIT}:
            raise ValueError(f"there is no stage {self.stage!r}")
        if self.stage in (Stage.RESOLVE, Stage.CONNECT) and not isinstance(answer, Problem):
            raise ValueError("before the banner a server says nothing: the answer is a Problem")
        if answer in (Fault.ACCEPT_HANG, Fault.ACCEPT_CLOSE) and self.stage != Stage.DOT:
            raise ValueError(f"{answer} is something a server does at the dot")


def _rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(rules)


@attrs.frozen
class Script:
    """What a mail server offers, and the rules by which it departs from being a good one.

    ``password`` None takes any, and so does ``token`` None, with XOAUTH2 and OAUTHBEARER.
    ``starttls`` is offered if the one who plays can do TLS.
    """

    rules: tuple[Rule, ...] = attrs.field(default=(), converter=_rules)
    extensions: tuple[str, ...] = attrs.field(
        default=("PIPELINING", "SIZE 36700160", "8BITMIME", "SMTPUTF8"), kw_only=True
    )
    mechanisms: tuple[str, ...] = attrs.field(default=("PLAIN", "LOGIN"), kw_only=True)
    password: str | None = attrs.field(default=None, kw_only=True, repr=False)
    token: str | None = attrs.field(default=None, kw_only=True, repr=False)
    starttls: bool = attrs.field(default=True, kw_only=True)
    latency_s: float = attrs.field(default=0.0, kw_only=True)
    certificate_ends: datetime = attrs.field(default=datetime(2030, 1, 1, tzinfo=UTC), kw_only=True)

    def offers(self, keyword: str) -> bool:
        """Whether the EHLO keyword is among the extensions."""
        return any(extension.split()[0] == keyword for extension in self.extensions)

    @property
    def size(self) -> int:
        """The announced SIZE, 0 if there is none."""
        for extension in self.extensions:
            keyword, _, parameter = extension.partition(" ")
            if keyword == "SIZE":
                return int(parameter or 0)
        return 0


class Playback:
    """A Script being played: knows which rules are spent. Safe from many threads."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._lock = threading.Lock()
        self._played: dict[int, int] = {}

    def answer(
        self, stage: str, *, recipients: Collection[str] = (), message: int = 0, line: bytes = b""
    ) -> Answer | None:
        """What the first fitting rule says, None for the usual answer. *line* is the command."""
        for place, rule in enumerate(self.script.rules):
            if rule.stage != stage or rule.message not in (None, message):
                continue
            if rule.recipient is not None and rule.recipient not in recipients:
                continue
            if rule.parameter is not None and rule.parameter.encode() not in line:
                continue
            if self._plays(place, rule):
                return rule.answer
        return None

    def _plays(self, place: int, rule: Rule) -> bool:
        if rule.times is None:
            return True
        with self._lock:
            played = self._played.get(place, 0)
            self._played[place] = played + 1
        return played < rule.times

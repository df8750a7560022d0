"""Whether a reported address is dead, or only this message did not reach it.

What a server said is judged by the rules for replies (`domain.outcome.rules_file`): an address is
dead if the rule that decides has ``suppress``. Reports add what a reply does not have: an action,
a status of their own, and the words of the reporting server about hosts that it did not find.
"""

import re
from collections.abc import Sequence
from typing import Final

from domain.bounce.report import BounceKind, Told
from domain.bounce.vocabulary import (
    ABOUT_CONTENT,
    ABOUT_SENDER,
    ANOTHER_CAUSE,
    DNS_MAY_PASS,
    FOR_NOW,
    NAMED_UNKNOWN,
    PASSES,
    REJECTED,
    UNKNOWN_ELSEWHERE,
    UNKNOWN_HERE,
    UNKNOWN_HOST,
)
from domain.outcome.handoff import Reply, Stage
from domain.outcome.reply_text import blanked
from domain.outcome.rules_file import Rule, Rules
from domain.outcome.verdict import Result

_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_READ: Final = 500  # characters of what was said that are judged
MOST_JUDGED: Final = 100  # different texts of one report; further ones are not called dead
_ADDRESS_OR_NUMBER: Final = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,255}|\d{4,}")
_CODE: Final = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -])")
# a line of a reply that goes on: what stands behind the hyphen is a word of its own
_CONTINUED: Final = re.compile(r"(?<![\d.-])([245]\d\d)-(?=\D)")
_CODE_FIRST: Final = re.compile(r"^\W{0,3}([45]\d\d)(?=[ \-])")
# RFC 3463: unknown user, host, syntax, moved, refuses all mail (RFC 7505)
_DEAD: Final = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10"})
# says nothing by itself: what is said in words decides
_GENERIC: Final = re.compile(
    r"[245]\.(0\.\d{1,3}|[1-7]\.0|1\.[459]|1\.\d{3}|2\.4|5\.\d{1,3}|7\.1|7\.17|4\.[14]|4\.3\d\d|9\.\d{1,3})"
)
_NOT_ABOUT_THE_ADDRESS: Final = frozenset(
    {
        "auth_required",
        "client_refused",
        "helo",
        "mailbox_full",
        "message_too_big",
        "quota_exceeded",
        "recipient_throttled",
        "relay_denied",
        "reputation",
        "sender_blocked",
        "sender_refused",
        "sender_unauthenticated",
        "too_many_connections",
    }
)
_STAGES: Final = (
    (re.compile(r"\b(end of data|message body|after \.|\bdot\b)", re.IGNORECASE), Stage.DOT),
    (re.compile(r"in reply to DATA|response to DATA", re.IGNORECASE), Stage.DATA),
    (re.compile(r"(reply to|after|response to) (MAIL|EHLO|HELO)\b", re.IGNORECASE), Stage.MAIL),
)


class Judge:
    """Judges what one report says; the same words are judged once."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._known: dict[tuple[str, str], bool] = {}

    def kind(self, told: Told, *, said_delayed: bool = False) -> BounceKind:
        """*said_delayed*: the report is about a delay, where the recipient has no action."""
        action, status = told.action, told.status
        if action in ("delivered", "relayed", "expanded") or (not action and status[:1] == "2"):
            return BounceKind.OTHER
        if action == "delayed" or (action != "failed" and said_delayed):
            return BounceKind.DELAYED
        if action not in ("", "failed"):
            return BounceKind.OTHER
        question = (status, _ADDRESS_OR_NUMBER.sub("#", told.diagnostic))
        if question not in self._known:
            if len(self._known) >= MOST_JUDGED:
                return BounceKind.SOFT
            self._known[question] = self._is_dead(status, told.diagnostic[:_READ])
        return BounceKind.HARD if self._known[question] else BounceKind.SOFT

    def _is_dead(self, status: str, said: str) -> bool:
        text = _CONTINUED.sub(r"\1 ", said)
        if _stage(text) is Stage.MAIL:  # it was about who sends
            return False
        code = _code(text)
        telling = _telling(status, text, code)
        class_of = telling or status or next((one[0] for one in _STATUS.finditer(text)), "")
        passes = "4" in (class_of[:1], code[:1])
        plain = blanked(text)
        if passes and PASSES.search(plain):
            return False
        if telling:
            return self._is_dead_by_status(telling, text, plain, passes=passes)
        return self._is_dead_by_words(text, plain, passes=passes)

    def _is_dead_by_status(self, telling: str, text: str, plain: str, *, passes: bool) -> bool:
        if telling[2:] == "2.1":
            if passes or FOR_NOW.search(plain) or not self._rule(text, telling).suppress:
                return False
        elif telling[2:] not in _DEAD:
            return False
        return not self._is_another_cause(text, plain)

    def _is_another_cause(self, text: str, plain: str) -> bool:
        """Whether the words contradict a status of a dead address.

        Sendmail says 5.1.1 for each 550 without a status of its own.
        """
        rule = self._rule(REJECTED.sub("", _STATUS.sub("", text)), "")
        if rule.reason == "mailbox_full":
            return True
        if rule.suppress or _is_unknown(text, plain):
            return False
        return rule.reason in _NOT_ABOUT_THE_ADDRESS or ANOTHER_CAUSE.search(plain) is not None

    def _is_dead_by_words(self, text: str, plain: str, *, passes: bool) -> bool:
        if ABOUT_CONTENT.search(plain) or ABOUT_SENDER.search(plain) or FOR_NOW.search(plain):
            return False
        if UNKNOWN_HOST.search(plain):
            return not DNS_MAY_PASS.search(plain)
        rule = self._rule(text, "")
        if not passes and (rule.suppress or NAMED_UNKNOWN.search(text)):
            return True
        if rule.reason in _NOT_ABOUT_THE_ADDRESS or rule.result is not Result.FAILED:
            return False
        return _is_unknown(text, plain) and not PASSES.search(plain)

    def _rule(self, text: str, status: str) -> Rule:
        """The rule for what was said, as if it had been said for good."""
        code = int(_code(text) or "550")
        said = Reply(code if code >= 500 else 550, _without_code(text), status or None)
        return self._rules.find(_stage(text), reply=said)


def _is_unknown(text: str, plain: str) -> bool:
    return any(
        pattern.search(words)
        for pattern, words in (
            (UNKNOWN_HERE, plain),
            (UNKNOWN_ELSEWHERE, plain),
            (NAMED_UNKNOWN, text),
        )
    )


def _telling(status: str, text: str, code: str) -> str:
    """The status that decides: the report's own unless it says nothing, else one that was said."""
    if status and not _GENERIC.fullmatch(status):
        return status
    said = (found[0] for found in _STATUS.finditer(text) if found[1] == (code or found[1])[:1])
    return next((one for one in said if not _GENERIC.fullmatch(one)), "")


def status_of(status: str, text: str, *, kind: BounceKind) -> str:
    """The status that is told: the report's own, else what was said, else its class alone."""
    if status:
        return status
    if kind is BounceKind.OTHER:
        return "2.0.0"
    found = _STATUS.search(text[:_READ])
    if found is not None:
        return found[0]
    code = _code(text)
    usual = "4" if kind is BounceKind.DELAYED else "5"
    return f"{code[:1] or usual}.0.0"


def _code(text: str) -> str:
    """The code of the reply in *text*, "" if there is none."""
    found = _CODE_FIRST.search(text) or _CODE.search(text)
    return "" if found is None else found[1]


def _without_code(text: str) -> str:
    found = _CODE_FIRST.search(text) or _CODE.search(text)
    said = text if found is None else text[found.end() :].lstrip(" -")
    return " ".join(said.split())[:1024]


def _stage(text: str) -> Stage:
    stages: Sequence[tuple[re.Pattern[str], Stage]] = _STAGES
    return next((stage for pattern, stage in stages if pattern.search(text)), Stage.RCPT)

"""The table of reply rules: what a rule is, how it matches, how the file is read and checked.

The first rule that matches decides; ``smtp_rules.toml`` ends with one for every stage, so that
there always is one. Rules see a reply through `domain.outcome.reply_text`: names are blanked.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, Protocol, TypeAlias

import attrs

from domain.outcome.handoff import Problem, Reply, Stage
from domain.outcome.reply_text import Reading, read
from domain.outcome.verdict import AccountEffect, Evidence, Limit, Result, Subject

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_DURATION: Final = re.compile(r"(\d+)\s*([smh])")

# Named patterns, each one regular expression or the alternatives of one.
Words: TypeAlias = Mapping[str, str | Sequence[str]]


class Searchable(Protocol):
    """What a compiled pattern can do that rules need."""

    def search(self, text: str, /) -> re.Match[str] | None:
        """The first place that matches."""
        ...


class _PatternMaker(Protocol):
    def __call__(
        self, text: str | Sequence[str] | None, words: Words, *, linted: bool = True
    ) -> Searchable | None: ...


@attrs.frozen(kw_only=True)
class Sample:
    """A reply line, or the name of a problem, with the stage where it was read."""

    stage: Stage
    line: str


@attrs.frozen(kw_only=True)
class Rule:
    """One entry of the table. An empty condition matches everything.

    ``codes`` holds codes and classes ("550", "5xx"); ``enhanced`` holds enhanced statuses with
    ``x`` for any number ("x.4.5", "5.7.x"); ``text`` is searched in the blanked reply, case
    ignored. ``but_enhanced`` and ``but_text`` name replies that the rule leaves to others.
    """

    reason: str
    stages: frozenset[Stage] = frozenset()
    codes: frozenset[str] = frozenset()
    enhanced: tuple[str, ...] = ()
    but_enhanced: tuple[str, ...] = ()
    text: Searchable | None = None
    but_text: Searchable | None = None
    problems: frozenset[Problem] = frozenset()
    after_accepted: bool = False
    used_connection: bool = False
    by_token: bool = False
    subject: Subject
    evidence: Evidence = Evidence.CERTAIN
    limit: Limit | None = None
    suppress: bool = False
    cured_by_login: bool = False
    shown_without_admin: bool = True
    result: Result
    effect: AccountEffect = AccountEffect.NONE
    pause_for: timedelta | None = None
    after: int = 1
    retry_after: timedelta | None = None
    samples: tuple[Sample, ...] = ()
    near_misses: tuple[Sample, ...] = ()

    def matches(
        self,
        stage: Stage,
        *,
        reading: Reading | None,
        problem: Problem | None,
        accepted_before: bool = False,
        used_connection: bool = False,
        by_token: bool = False,
    ) -> bool:
        """Whether the rule speaks of this.

        *accepted_before*: a recipient was accepted already. *used_connection*: the connection has
        delivered an email before. *by_token*: the account logs in with an OAuth token.
        """
        if self.stages and stage not in self.stages:
            return False
        if self.after_accepted and not accepted_before:
            return False
        if self.used_connection and not used_connection:
            return False
        if self.by_token and not by_token:
            return False
        if reading is None:
            return problem in self.problems
        return not self.problems and self._matches_reply(reading)

    def _matches_reply(self, reading: Reading) -> bool:
        code = str(reading.code)
        if self.codes and not {code, f"{code[0]}xx"} & self.codes:
            return False
        if self.enhanced and not _any_like(reading.status, self.enhanced):
            return False
        if self.but_enhanced and _any_like(reading.status, self.but_enhanced):
            return False
        if self.text is not None and self.text.search(reading.text) is None:
            return False
        return self.but_text is None or self.but_text.search(reading.text) is None


@attrs.frozen
class Rules:
    """The table, in order."""

    rules: tuple[Rule, ...]

    @property
    def cured_by_login(self) -> frozenset[str]:
        """The reasons of pauses that a working login ends."""
        return frozenset(rule.reason for rule in self.rules if rule.cured_by_login)

    @property
    def hidden_reasons(self) -> frozenset[str]:
        """The reasons that only the scope `admin` may read: how the network around us looks."""
        return frozenset(rule.reason for rule in self.rules if not rule.shown_without_admin)

    def find(
        self,
        stage: Stage,
        *,
        reply: Reply | None = None,
        problem: Problem | None = None,
        accepted_before: bool = False,
        used_connection: bool = False,
        by_token: bool = False,
        echoes: Iterable[str] = (),
    ) -> Rule:
        """The first rule that matches, or one that lets the email wait and names the server.

        *echoes* are texts of the email (its subject, its addresses) that the reply may repeat.
        """
        reading = None if reply is None else read(reply, echoes=echoes)
        for rule in self.rules:
            if rule.matches(
                stage,
                reading=reading,
                problem=problem,
                accepted_before=accepted_before,
                used_connection=used_connection,
                by_token=by_token,
            ):
                return rule
        return _LAST_RESORT


_LAST_RESORT: Final = Rule(
    reason="not_understood",
    subject=Subject.SERVER,
    evidence=Evidence.CIRCUMSTANTIAL,
    result=Result.WAIT,
    effect=AccountEffect.UNREACHABLE,
)


def parse_rules(
    table: Mapping[str, Any], *, first: Mapping[str, Any] | None = None, trusted: bool = False
) -> Rules:
    """The rules of a parsed TOML file, those of *first* (an owner's own) in front.

    Both may have a table ``words`` of patterns that rules name as ``(?&name)``; the owner's file
    may use those of the shipped one. ValueError names the rule that cannot be understood. The
    patterns of a *trusted* table are neither checked nor compiled before they are needed, which is
    most of the time that a start would spend here.
    """
    words = dict(table.get("words", {}))
    own = [] if first is None else _parsed(first, {**words, **first.get("words", {})})
    return Rules((*own, *_parsed(table, words, trusted=trusted)))


def _parsed(table: Mapping[str, Any], words: Words, *, trusted: bool = False) -> list[Rule]:
    pattern = _lazy_pattern if trusted else _pattern
    return [_parse_rule(entry, words, pattern) for entry in table.get("rule", ())]


def _any_like(status: str | None, wanted: Iterable[str]) -> bool:
    return status is not None and any(_like(status, pattern) for pattern in wanted)


def _like(status: str, wanted: str) -> bool:
    return all(
        pattern in ("x", number)
        for number, pattern in zip(status.split("."), wanted.split("."), strict=True)
    )


_FIELDS: Final = frozenset(
    "reason stages codes enhanced but_enhanced text but_text problems after_accepted"
    " used_connection by_token subject blame evidence limit suppress cured_by_login"
    " shown_without_admin result effect pause_for after retry_after samples near_misses".split()
)


def _parse_rule(entry: Mapping[str, Any], words: Words, pattern: _PatternMaker) -> Rule:
    name = entry.get("reason", "without a reason")
    unknown = set(entry) - _FIELDS
    if unknown:
        raise ValueError(f"rule {name!r}: unknown field {sorted(unknown)[0]!r}")
    try:
        return Rule(
            reason=entry["reason"],
            stages=frozenset(Stage(stage) for stage in entry.get("stages", ())),
            codes=frozenset(str(code) for code in entry.get("codes", ())),
            enhanced=tuple(_checked_status(text) for text in entry.get("enhanced", ())),
            but_enhanced=tuple(_checked_status(text) for text in entry.get("but_enhanced", ())),
            text=pattern(entry.get("text"), words),
            but_text=pattern(entry.get("but_text"), words, linted=False),
            problems=frozenset(Problem(problem) for problem in entry.get("problems", ())),
            after_accepted=_flag(entry, "after_accepted"),
            used_connection=_flag(entry, "used_connection"),
            by_token=_flag(entry, "by_token"),
            # `blame` is what `subject` was called before
            subject=Subject(entry["blame"] if "blame" in entry else entry["subject"]),
            evidence=Evidence(entry.get("evidence", "certain")),
            limit=Limit(entry["limit"]) if "limit" in entry else None,
            suppress=_flag(entry, "suppress"),
            cured_by_login=_cured_by_login(entry),
            shown_without_admin=_flag(entry, "shown_without_admin", default=True),
            result=Result(entry["result"]),
            effect=_effect(entry),
            pause_for=_duration(entry.get("pause_for")),
            after=int(entry.get("after", 1)),
            retry_after=_duration(entry.get("retry_after")),
            samples=_samples(entry.get("samples", ())),
            near_misses=_samples(entry.get("near_misses", ())),
        )
    except (KeyError, ValueError, TypeError, re.error) as error:
        raise ValueError(f"rule {name!r}: {error}") from error


def _flag(entry: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    value = entry.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false, not {value!r}")
    return value


def _effect(entry: Mapping[str, Any]) -> AccountEffect:
    effect = AccountEffect(entry.get("effect", "none"))
    if effect is AccountEffect.REST:
        raise ValueError("effect rest belongs to an acceptance: no rule can have it")
    return effect


def _cured_by_login(entry: Mapping[str, Any]) -> bool:
    cured = _flag(entry, "cured_by_login")
    if cured and (entry.get("effect") not in ("pause", "streak") or "pause_for" in entry):
        raise ValueError("cured_by_login needs effect pause or streak without pause_for")
    return cured


def _samples(lines: Iterable[tuple[str, str]]) -> tuple[Sample, ...]:
    return tuple(Sample(stage=Stage(stage), line=line) for stage, line in lines)


def _checked_status(text: str) -> str:
    if not re.fullmatch(r"[245x]\.(\d{1,3}|x)\.(\d{1,3}|x)", text):
        raise ValueError(f"{text!r} is no enhanced status")
    return text


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration such as 30s, 5m or 1h")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


# -- patterns -------------------------------------------------------------------------------------

_NAMED: Final = re.compile(r"\(\?&(\w+)\)")
# A hostile server must not stop a thread: `(a+)+` and `.*x.*y` take for ever on some texts.
_NESTED: Final = re.compile(r"(?<!\\)[*+}]\??(?:\)[^()]{0,80}){0,3}\)(?:[*+]|\{\d*,)")
_UNBOUNDED: Final = re.compile(r"(?<!\\)(?:\\\\)*(?:[*+]|\{\d+,\})(?!\])")
MOST_UNBOUNDED: Final = 1
_SYNTAX: Final = re.compile(r"\\[A-Za-z]|\(\?(?:[:=!]|<[=!]|-?[a-z]{1,3}:)")
_LITERAL: Final = re.compile(r"[A-Za-z]{3,}")  # names are ASCII


def _pattern(
    text: str | Sequence[str] | None, words: Words, *, linted: bool = True
) -> Searchable | None:
    """One pattern of all alternatives. ValueError if one is too slow or can match in a name."""
    if text is None:
        return None
    alternatives = [text] if isinstance(text, str) else text
    whole = "|".join([_checked(one, words, linted=linted) for one in alternatives])
    return re.compile(whole, re.IGNORECASE)


def _lazy_pattern(
    text: str | Sequence[str] | None, words: Words, *, linted: bool = True
) -> Searchable | None:
    """The same pattern, unchecked, and compiled when it is first searched for."""
    if text is None:
        return None
    return _LazyPattern([text] if isinstance(text, str) else text, words)


class _LazyPattern:
    def __init__(self, alternatives: Sequence[str], words: Words) -> None:
        self._alternatives = alternatives
        self._words = words

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        whole = "|".join([_expanded(one, self._words) for one in self._alternatives])
        return re.compile(whole, re.IGNORECASE)

    def search(self, text: str, /) -> re.Match[str] | None:
        """As a compiled pattern does it."""
        return self._compiled.search(text)


def _checked(text: str, words: Words, *, linted: bool) -> str:
    whole = _expanded(text, words)
    compiled = re.compile(whole, re.IGNORECASE)
    if _NESTED.search(whole) or len(_UNBOUNDED.findall(whole)) > MOST_UNBOUNDED:
        raise ValueError(
            f"text {text!r} could take very long on some replies: "
            "bound what repeats, as in .{0,40}"
        )
    if linted:
        _lint(text, whole, compiled)
    return whole


def _expanded(text: str, words: Words) -> str:
    def named(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise ValueError(f"text names the words {match[1]!r}, which are not there")
        word = words[match[1]]
        return f"(?:{_expanded(word if isinstance(word, str) else '|'.join(word), words)})"

    return _NAMED.sub(named, text)


def _lint(text: str, whole: str, compiled: re.Pattern[str]) -> None:
    """Refuse a pattern that matches inside a bare address or host name made of its own words.

    Names are blanked before rules see a reply, but not every name can be recognised ("relay01 says
    no"): a word alone is too little to judge by.
    """
    literals = list(dict.fromkeys(_LITERAL.findall(_SYNTAX.sub(" ", whole))))
    joined = [
        f"{one}{joint}{two}"
        for one, two in itertools.pairwise(literals)
        for joint in ("", "-", ".")
    ]
    for word in ["", "mx1", *literals, *joined]:
        for name in (f"{word or 'ada'}@example.org", f"{word or 'mail'}.example.org"):
            if compiled.search(name):
                raise ValueError(
                    f"text {text!r} matches inside a name such as {name!r}: "
                    "write the words around it too, or a space"
                )

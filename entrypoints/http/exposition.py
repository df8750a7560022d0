"""The figures of the service in the text format of Prometheus.

Labels are ids and words of a fixed set; a name stands in one metric alone, by which a query joins
it. The accounts behind the first `MOST_ACCOUNTS` share the label ``other``, so that the number of
series has a bound. Those that are gone keep their places: else one that is among the others would
move, and a counter that falls is one that has begun anew.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

import attrs
from prometheus_client.utils import floatToGoString

from application.metrics import AccountFigures, Figures
from domain.account.account import AccountState
from domain.account.limits import Window
from domain.outcome.verdict import Result
from domain.throughput import BOUNDS, Totals

MOST_ACCOUNTS: Final = 200
OTHER: Final = "other"
_PREFIX: Final = "email_service_"


@attrs.frozen
class Family:
    """A metric. A sample is what follows the name, the values of the labels, and the number."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]
    samples: list[tuple[str, tuple[str, ...], float]] = attrs.field(factory=list)

    def add(self, *values: str, number: float, end: str = "") -> None:
        """Add a sample with these values of the labels, or without any."""
        self.samples.append((end, values, number))


def exposition(figures: Figures, *, version: str) -> bytes:
    """*figures* in the text format of Prometheus, version 0.0.4."""
    lines = [line for family in families(figures, version=version) for line in _lines(family)]
    return "".join(lines).encode()


def families(figures: Figures, *, version: str) -> Iterator[Family]:
    """What is told, those of the service first."""
    build = _gauge("build_info", "The version of the service.", "version")
    build.add(version, number=1)
    yield build
    emails = _gauge("emails", "Emails in each status.", "status")
    for status, number in figures.emails.items():
        emails.add(status.value, number=number)
    yield emails
    oldest = _gauge(
        "oldest_due_seconds",
        "For how long the oldest email has been due that an open SMTP configuration may send;"
        " 0 if none is due.",
    )
    oldest.add(number=figures.oldest_due.total_seconds())
    yield oldest
    yield from _of_totals(figures.totals)
    named = _named(figures)
    yield _attempts(figures.totals.attempts, named)
    yield from _of_accounts(
        [one for one in figures.accounts if one.id in named],
        [one for one in figures.accounts if one.id not in named],
    )


def _lines(family: Family) -> Iterator[str]:
    """As the library's `generate_latest` writes them, which a test compares. It makes an object of
    each sample and looks at each of its names anew: with 200 accounts it takes 12 ms, and this 2.
    """
    name, labels = family.name, family.labels
    yield f"# HELP {name} {family.meaning}\n# TYPE {name} {family.kind}\n"
    for end, values, number in family.samples:
        yield f"{_series(name + end, labels, values)} {_number(number)}\n"


# The series are those of the scrape before, and so are most numbers.
@lru_cache(maxsize=4096)
def _series(name: str, labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    # the count and the sum of a histogram have no label
    pairs = zip(labels, values, strict=True) if values else ()
    shown = [f'{key}="{_escaped(text)}"' for key, text in pairs]
    return f"{name}{{{','.join(shown)}}}" if shown else name


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


@lru_cache(maxsize=2048)
def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # it has no types


def _named(figures: Figures) -> Collection[int]:
    """The accounts that have a label of their own. Ids are not used twice, so nobody leaves."""
    ids = {one.id for one in figures.accounts}.union(of for of, _ in figures.totals.attempts)
    return frozenset(sorted(ids)[:MOST_ACCOUNTS])


def _of_totals(totals: Totals) -> Iterator[Family]:
    accepted = _counter("accepted", "Emails that were accepted, by the way they came in.", "via")
    for via, number in totals.accepted.items():
        accepted.add(via.value, number=number)
    yield accepted
    ended = _counter("ended", "Emails that have ended.", "status")
    for status, number in totals.ended.items():
        ended.add(status.value, number=number)
    yield ended
    yield _durations(totals)


def _durations(totals: Totals) -> Family:
    meaning = "How long the attempts to hand an email off took."
    family = Family(f"{_PREFIX}handoff_seconds", "histogram", meaning, ("le",))
    sums = list(accumulate(totals.durations))
    for bound, number in zip((*BOUNDS, None), sums, strict=True):
        le = "+Inf" if bound is None else str(bound.total_seconds())
        family.add(le, number=number, end="_bucket")
    family.add(number=sums[-1], end="_count")
    family.add(number=totals.handing_off.total_seconds(), end="_sum")
    return family


def _attempts(attempts: Mapping[tuple[int, Result], int], named: Collection[int]) -> Family:
    """A series for each result that an account has had: hardly any has had all."""
    family = _counter("attempts", "Attempts to hand an email off.", "account", "outcome")
    others = Counter[Result]()
    for (account_id, result), number in attempts.items():
        if account_id in named:
            family.add(str(account_id), result.value, number=number)
        else:
            others[result] += number
    for result, number in others.items():
        family.add(OTHER, result.value, number=number)
    return family


def _of_accounts(
    shown: Sequence[AccountFigures], others: Sequence[AccountFigures]
) -> Iterator[Family]:
    info = _gauge("account_info", "The name of each SMTP configuration.", "account", "name")
    for one in shown:
        info.add(str(one.id), one.name, number=1)
    yield info
    yield _states(shown, others)
    used = _gauge(
        "account_used",
        "What counts against the limits of each window, with what is being sent.",
        "account",
        "window",
    )
    limits = _gauge("account_limit", "The limits, where there are some.", "account", "window")
    for one in shown:
        account = str(one.id)
        for window, units in one.used.items():
            used.add(account, window.value, number=units)
        for window, limit in one.limits.items():
            limits.add(account, window.value, number=limit)
    for window in Window if others else ():
        used.add(OTHER, window.value, number=sum(one.used[window] for one in others))
    yield used
    yield limits


def _states(shown: Sequence[AccountFigures], others: Sequence[AccountFigures]) -> Family:
    """A series for the state that an account is in, and none for those that it is not in: with all
    four the answer would be half as long again. Of the others, how many are in each.
    """
    states = _gauge("account_state", "SMTP configurations by state.", "account", "state")
    for one in shown:
        states.add(str(one.id), one.state.value, number=1)
    number = Counter(one.state for one in others)
    for state in AccountState if others else ():
        states.add(OTHER, state.value, number=number[state])
    return states


def _counter(name: str, meaning: str, *labels: str) -> Family:
    return Family(f"{_PREFIX}{name}_total", "counter", meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> Family:
    return Family(_PREFIX + name, "gauge", meaning, labels)

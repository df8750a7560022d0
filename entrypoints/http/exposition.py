"""The figures of the service in the text format of Prometheus.

Labels are ids and words of a fixed set; a name stands in one metric alone, by which a query joins
it. The accounts behind the first `MOST_ACCOUNTS` share the label ``other``, so that the number of
series has a bound. Those that are gone keep their places: else one that is among the others would
move, and a counter that falls is one that has begun anew.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from application.metrics import AccountFigures, Figures
from domain.account.account import AccountState
from domain.account.limits import Window
from domain.outcome.verdict import Result
from domain.throughput import BOUNDS, Totals

MOST_ACCOUNTS: Final = 200
OTHER: Final = "other"
_PREFIX: Final = "email_service_"
# What the text format adds to a name, and what it calls a type of the library.
_KINDS: Final = {"counter": ("_total", "counter"), "info": ("_info", "gauge")}


def exposition(figures: Figures, *, version: str) -> bytes:
    """*figures* in the text format of Prometheus, version 0.0.4."""
    lines = [line for family in families(figures, version=version) for line in _lines(family)]
    return "".join(lines).encode()


def families(figures: Figures, *, version: str) -> Iterator[Metric]:
    """What is told, those of the service first."""
    yield InfoMetricFamily(
        f"{_PREFIX}build", "The version of the service.", value={"version": version}
    )
    emails = _gauge("emails", "Emails in each status.", "status")
    for status, number in figures.emails.items():
        emails.add_metric([status.value], number)
    yield emails
    oldest = _gauge(
        "oldest_due_seconds",
        "For how long the oldest email has been due that an open SMTP configuration may send;"
        " 0 if none is due.",
    )
    oldest.add_metric([], figures.oldest_due.total_seconds())
    yield oldest
    yield from _of_totals(figures.totals)
    named = _named(figures)
    yield _attempts(figures.totals.attempts, named)
    yield from _of_accounts(
        [one for one in figures.accounts if one.id in named],
        [one for one in figures.accounts if one.id not in named],
    )


def _lines(family: Metric) -> Iterator[str]:
    """As the library's `generate_latest` writes them, which a test compares. It looks at each name
    of each sample anew: with 200 accounts it takes 9 ms, three quarters of a scrape.
    """
    end, kind = _KINDS.get(family.type, ("", family.type))
    name = family.name + end
    yield f"# HELP {name} {family.documentation}\n# TYPE {name} {kind}\n"
    for sample in family.samples:
        labels = ",".join(f'{key}="{_escaped(text)}"' for key, text in sample.labels.items())
        shown = f"{{{labels}}}" if labels else ""
        value = floatToGoString(sample.value)  # type: ignore[no-untyped-call]  # it has no types
        yield f"{sample.name}{shown} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _named(figures: Figures) -> Collection[int]:
    """The accounts that have a label of their own. Ids are not used twice, so nobody leaves."""
    ids = {one.id for one in figures.accounts}.union(of for of, _ in figures.totals.attempts)
    return frozenset(sorted(ids)[:MOST_ACCOUNTS])


def _of_totals(totals: Totals) -> Iterator[Metric]:
    accepted = _counter("accepted", "Emails that were accepted, by the way they came in.", "via")
    for via, number in totals.accepted.items():
        accepted.add_metric([via.value], number)
    yield accepted
    ended = _counter("ended", "Emails that have ended.", "status")
    for status, number in totals.ended.items():
        ended.add_metric([status.value], number)
    yield ended
    bounds = (*(str(bound.total_seconds()) for bound in BOUNDS), "+Inf")
    durations = HistogramMetricFamily(
        f"{_PREFIX}handoff_seconds", "How long the attempts to hand an email off took."
    )
    durations.add_metric(
        [],
        buckets=list(zip(bounds, accumulate(totals.durations), strict=True)),
        sum_value=totals.handing_off.total_seconds(),
    )
    yield durations


def _attempts(attempts: Mapping[tuple[int, Result], int], named: Collection[int]) -> Metric:
    """A series for each result that an account has had: hardly any has had all."""
    family = _counter("attempts", "Attempts to hand an email off.", "account", "outcome")
    others = Counter[Result]()
    for (account_id, result), number in attempts.items():
        if account_id in named:
            family.add_metric([str(account_id), result.value], number)
        else:
            others[result] += number
    for result, number in others.items():
        family.add_metric([OTHER, result.value], number)
    return family


def _of_accounts(
    shown: Sequence[AccountFigures], others: Sequence[AccountFigures]
) -> Iterator[Metric]:
    info = _gauge("account_info", "The name of each SMTP configuration.", "account", "name")
    for one in shown:
        info.add_metric([str(one.id), one.name], 1)
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
        for window, units in one.used.items():
            used.add_metric([str(one.id), window.value], units)
        for window, limit in one.limits.items():
            limits.add_metric([str(one.id), window.value], limit)
    for window in Window if others else ():
        used.add_metric([OTHER, window.value], sum(one.used[window] for one in others))
    yield used
    yield limits


def _states(shown: Sequence[AccountFigures], others: Sequence[AccountFigures]) -> Metric:
    """A series for the state that an account is in, and none for those that it is not in: with all
    four the answer would be half as long again. Of the others, how many are in each.
    """
    states = _gauge("account_state", "SMTP configurations by state.", "account", "state")
    for one in shown:
        states.add_metric([str(one.id), one.state.value], 1)
    number = Counter(one.state for one in others)
    for state in AccountState if others else ():
        states.add_metric([OTHER, state.value], number[state])
    return states


def _counter(name: str, meaning: str, *labels: str) -> CounterMetricFamily:
    """Its name gets the end ``_total``."""
    return CounterMetricFamily(_PREFIX + name, meaning, labels=labels)


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, meaning, labels=labels)

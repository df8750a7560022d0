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
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from application.metrics import AccountFigures, Figures
from domain.account.account import AccountState
from domain.account.limits import Window
from domain.outcome.verdict import Result
from domain.throughput import BOUNDS, Totals

MOST_ACCOUNTS: Final = 200
OTHER: Final = "other"
_PREFIX: Final = "email_service_"


def exposition(figures: Figures, *, version: str) -> bytes:
    """*figures* in the text format of Prometheus, version 0.0.4."""
    # A registry for each answer: nothing is kept between them, and no other thread's is in it.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(figures, version))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, figures: Figures, version: str) -> None:
        self._figures = figures
        self._version = version

    def describe(self) -> Iterator[Metric]:
        """Nothing: there is no other collector whose names could clash."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The families, those of the service first."""
        yield InfoMetricFamily(
            f"{_PREFIX}build", "The version of the service.", value={"version": self._version}
        )
        emails = _gauge("emails", "Emails in each status.", "status")
        for status, number in self._figures.emails.items():
            emails.add_metric([status.value], number)
        yield emails
        oldest = _gauge(
            "oldest_due_seconds",
            "For how long the oldest email has been due that an open SMTP configuration may send;"
            " 0 if none is due.",
        )
        oldest.add_metric([], self._figures.oldest_due.total_seconds())
        yield oldest
        yield from _of_totals(self._figures.totals)
        named = _named(self._figures)
        yield _attempts(self._figures.totals.attempts, named)
        accounts = self._figures.accounts
        yield from _of_accounts(
            [one for one in accounts if one.id in named],
            [one for one in accounts if one.id not in named],
        )


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

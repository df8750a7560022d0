"""When emails will go, and what holds them up: of a batch, of one email, of all that wait.

An estimate from what is known now: the limits, what they already count, what waits, and how fast
the server was. It knows nothing of what is accepted later and of what a server will refuse. One
rule answers all three: `Drain`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import inf

import attrs

from domain.account.account import Account
from domain.account.limits import WindowLengths
from domain.email.backlog import Place, WaitingGroup, queue_of, with_place
from domain.email.claim_policy import ANY_ACCOUNT
from domain.email.drain import Drain, Drained
from domain.email.lane import Lane, Outlook
from domain.email.lifecycle import Email


@attrs.frozen(kw_only=True)
class Forecast:
    """``go_now`` emails fit the limits now. None where nothing limits them, or it is not known."""

    go_now: int | None = None
    last_due_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Expected:
    """When the last of some emails goes, None if only a person can change what holds them up.

    ``limited_by`` is what holds them up the longest, None if nothing does. ``in_time``: how many of
    them go by the time that was asked about.
    """

    at: datetime | None
    limited_by: str | None = None
    in_time: int = 0


@attrs.frozen(kw_only=True)
class Situation:
    """The accounts that may take the emails in question, and all that waits for those accounts."""

    outlooks: Sequence[Outlook]
    groups: Sequence[WaitingGroup]
    windows: WindowLengths
    fairness_every: int
    now: datetime


def of_batch(emails: Sequence[Email], situation: Situation) -> Forecast:
    """What becomes of *emails*, which are about to be stored behind what waits."""
    if not emails:
        return Forecast()
    groups = [*situation.groups, *_groups_of(emails)]
    lanes = _lanes(situation)
    if _any_is_free(lanes, {group.queue for group in groups if group.asked}):
        return Forecast()
    drained = _drain(situation, lanes, groups)
    return Forecast(go_now=drained.at_once, last_due_at=_moment(situation, drained.last))


def of_email(email: Email, places: Mapping[int, Place], situation: Situation) -> Expected:
    """When *email*, which waits at these *places*, goes."""
    return _expected(situation, with_place(situation.groups, email, places))


def of_queues(
    queues: Collection[int], situation: Situation, *, until: datetime | None = None
) -> Expected:
    """When nothing waits in these queues any more; with *until* also how many go by then."""
    groups = [attrs.evolve(group, asked=group.queue in queues) for group in situation.groups]
    if not any(group.asked for group in groups):
        return Expected(at=situation.now)
    return _expected(situation, groups, until=until)


def accounts_for(queues: Collection[int], accounts: Sequence[Account]) -> Sequence[Account]:
    """Those that decide when emails of these queues go: of mail for any, all that are active."""
    return [
        account
        for account in accounts
        if account.id in queues or (ANY_ACCOUNT in queues and account.active)
    ]


def _expected(
    situation: Situation, groups: Sequence[WaitingGroup], *, until: datetime | None = None
) -> Expected:
    drained = _drain(situation, _lanes(situation), groups, until=until)
    at = _moment(situation, drained.last)
    in_time = drained.in_time if until is not None else 0
    return Expected(at=at, limited_by=drained.limited_by, in_time=in_time)


def _drain(
    situation: Situation,
    lanes: Sequence[Lane],
    groups: Sequence[WaitingGroup],
    *,
    until: datetime | None = None,
) -> Drained:
    every, now = situation.fairness_every, situation.now
    seconds = inf if until is None else (until - now).total_seconds()
    return Drain(lanes, groups, now=now, fairness_every=every, until=seconds).run()


def _lanes(situation: Situation) -> list[Lane]:
    return [
        Lane(outlook, windows=situation.windows, now=situation.now)
        for outlook in situation.outlooks
    ]


def _any_is_free(lanes: Iterable[Lane], queues: Collection[int]) -> bool:
    """Whether nothing limits an account that takes some of these emails."""
    return any(lane.unlimited and (lane.id in queues or ANY_ACCOUNT in queues) for lane in lanes)


def _groups_of(emails: Sequence[Email]) -> Sequence[WaitingGroup]:
    """The emails in groups that are asked for; those of one group have as many recipients."""
    found: dict[tuple[int, int, datetime, int], int] = {}
    for email in emails:
        key = (queue_of(email), email.priority, email.eligible_at, len(email.open_recipients))
        found[key] = found.get(key, 0) + 1
    return [
        WaitingGroup(
            queue=queue, priority=priority, due_at=due_at, emails=number,
            recipients=number * recipients, asked=True,
        )
        for (queue, priority, due_at, recipients), number in found.items()
    ]  # fmt: skip


def _moment(situation: Situation, seconds: float | None) -> datetime | None:
    if seconds is None or seconds > timedelta(days=36_500).total_seconds():
        return None
    return situation.now + timedelta(seconds=seconds)

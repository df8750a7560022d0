"""What waits, in so few numbers that a forecast never looks at each email."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import floor
from typing import TypeAlias

import attrs

from domain.email.claim_policy import ANY_ACCOUNT
from domain.email.lifecycle import Email

LineKey: TypeAlias = tuple[int, int]  # queue (0 or an account's id), priority


@attrs.frozen(kw_only=True)
class WaitingGroup:
    """Emails of one queue and priority that are due at about the same time.

    ``due_at`` is when the first of them is due, ``recipients`` all of their open ones. *asked*: the
    forecast is for these.
    """

    queue: int
    priority: int
    due_at: datetime
    emails: int
    recipients: int
    asked: bool = False


@attrs.frozen(kw_only=True)
class CountedGroup:
    """A group as far as it was counted; *cut*: there may be more of it, or later in its line."""

    group: WaitingGroup
    cut: bool = False


@attrs.frozen(kw_only=True)
class Place:
    """Where one email stands in a line: so many before it, so many others behind it, None for too
    many to count; *fraction* of the line is before it then, as its id tells.
    """

    before: int | None
    behind: int | None
    fraction: float

    def of(self, number: int) -> int:
        """How many of the *number* in the line are before it."""
        if self.before is not None:
            return min(self.before, number)
        if self.behind is not None:
            return max(0, number - self.behind)
        return floor(self.fraction * number)


def completed(
    counted: Sequence[CountedGroup],
    depths: Mapping[int, int],
    weights: Mapping[LineKey, int] | None = None,
) -> Sequence[WaitingGroup]:
    """The groups with what was not counted of each queue added to those that were cut.

    *depths* says how many wait in each queue. What is missing goes to the cut groups of the queue
    by the *weights* of their lines: mostly all of it to the only line that was cut.
    """
    groups = [each.group for each in counted]
    for queue, depth in depths.items():
        cut = [n for n, each in enumerate(counted) if each.cut and each.group.queue == queue]
        missing = depth - sum(group.emails for group in groups if group.queue == queue)
        if missing > 0 and cut:
            for n, more in zip(cut, _shared(missing, groups, cut, weights or {}), strict=True):
                groups[n] = _grown(groups[n], more)
    return groups


def queue_of(email: Email) -> int:
    """The queue it waits in: that of the account it is pinned to, or the one of all."""
    return email.account_id if email.pinned and email.account_id else ANY_ACCOUNT


def with_place(
    groups: Sequence[WaitingGroup], email: Email, places: Mapping[int, Place]
) -> list[WaitingGroup]:
    """The groups with *email*, which is one of them, as the only one that is asked for.

    *places*: where it stands in its own line, and would stand in those of the same priority in
    other queues: an account takes them as one line.
    """
    first: list[WaitingGroup] = []
    after: list[WaitingGroup] = []
    for queue, place in places.items():
        line = [g for g in groups if (g.queue, g.priority) == (queue, email.priority)]
        _split(line, email, place, first, after)
    one = WaitingGroup(
        queue=queue_of(email),
        priority=email.priority,
        due_at=email.eligible_at,
        emails=1,
        recipients=len(email.open_recipients),
        asked=True,
    )
    others = [g for g in groups if g.priority != email.priority or g.queue not in places]
    return [*others, *first, one, *after]


def _split(
    line: Sequence[WaitingGroup],
    email: Email,
    place: Place,
    first: list[WaitingGroup],
    after: list[WaitingGroup],
) -> None:
    """The groups of a line by whether they are before *email*, without the email itself."""
    own = queue_of(email)
    number = sum(group.emails for group in line)
    before, itself = place.of(number), 1
    for group in sorted(line, key=lambda each: each.due_at):
        front = min(before, group.emails)
        behind = group.emails - front
        before -= front
        if behind and group.queue == own and itself:
            behind, itself = behind - 1, 0
        earlier = min(group.due_at, email.eligible_at)
        later = max(group.due_at, email.eligible_at)
        first.append(attrs.evolve(_part(group, front), due_at=earlier))
        after.append(attrs.evolve(_part(group, behind), due_at=later))


def _shared(
    missing: int,
    groups: Sequence[WaitingGroup],
    cut: Sequence[int],
    weights: Mapping[LineKey, int],
) -> list[int]:
    known = [weights.get((groups[n].queue, groups[n].priority), 0) + 1 for n in cut]
    shares = [missing * weight // sum(known) for weight in known]
    shares[-1] += missing - sum(shares)
    return shares


def _grown(group: WaitingGroup, more: int) -> WaitingGroup:
    number = group.emails + more
    recipients = round(group.recipients * number / max(1, group.emails))
    return attrs.evolve(group, emails=number, recipients=recipients)


def _part(group: WaitingGroup, number: int) -> WaitingGroup:
    recipients = round(group.recipients * number / max(1, group.emails))
    return attrs.evolve(group, emails=number, recipients=recipients)

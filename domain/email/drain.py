"""How a backlog leaves by its accounts: the order, the limits and the fairness of the claims.

It goes from one moment at which something can be handed off to the next one, with groups of emails
and not with each of them. After MOST_STEPS it goes on at the speed that the limits allow in the
long run, so that its cost has a bound whatever waits. Times are seconds from the beginning.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from heapq import heapify, heappop
from itertools import count
from math import inf
from typing import Final

import attrs

from domain.account.limits import is_urgent
from domain.email.backlog import WaitingGroup
from domain.email.claim_policy import ANY_ACCOUNT, fair_places
from domain.email.lane import Lane

MOST_STEPS: Final = 100
SHORTEST_STEP_S: Final = 0.001
SLOTS: Final = 8  # a server that is slow is looked at so often in the shortest window


@attrs.frozen(kw_only=True)
class Drained:
    """``at_once`` of the emails that were asked for go without waiting, ``in_time`` of them by the
    time that was asked about, the last one after ``last`` seconds: None if only a person can change
    that. ``limited_by`` held them up the longest.
    """

    at_once: int
    in_time: int
    last: float | None
    limited_by: str | None


@attrs.define(eq=False)
class _Group:
    of: WaitingGroup
    due: float
    left: int
    sizes: dict[int, float] = attrs.field(factory=dict)

    @property
    def urgent(self) -> bool:
        return is_urgent(self.of.priority)


class Drain:
    """One run, from what waits to when the emails that were asked for are gone."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        groups: Sequence[WaitingGroup],
        *,
        now: datetime,
        fairness_every: int,
        until: float = inf,
    ) -> None:
        """*until*: the time that is asked about, in seconds from *now*."""
        self._lanes = lanes
        self._until = until
        self._in_time = 0
        self._every = fairness_every
        self._due: list[_Group] = []
        places = count()
        self._later = [
            (due, next(places), _Group(group, due, group.emails))
            for group in groups
            if group.emails
            for due in [max(0.0, (group.due_at - now).total_seconds())]
        ]
        self._since = {id(g): (g.of.due_at, place) for _, place, g in self._later}
        heapify(self._later)
        self._asked = sum(group.emails for group in groups if group.asked)
        self._at_once = 0
        self._last = 0.0
        self._waited: dict[str, float] = defaultdict(float)

    def run(self) -> Drained:
        """Until all that was asked for is gone, or nothing moves any more."""
        at = 0.0
        for _ in range(MOST_STEPS):
            self._become_due(at)
            self._hand_off(at)
            if not self._asked:
                return self._drained(self._last)
            following, obstacle = self._next(at)
            if following == inf:
                return attrs.evolve(self._drained(None), limited_by=obstacle)
            self._waited[obstacle] += following - at
            at = following
        return self._drained(self._in_the_long_run(at))

    def _drained(self, last: float | None) -> Drained:
        worst = max(self._waited, key=lambda name: self._waited[name], default=None)
        return Drained(at_once=self._at_once, in_time=self._in_time, last=last, limited_by=worst)

    def _become_due(self, at: float) -> None:
        while self._later and self._later[0][0] <= at:
            self._due.append(heappop(self._later)[2])
        self._due = [group for group in self._due if group.left]
        self._due.sort(key=lambda group: (group.of.priority, self._since[id(group)]))

    def _hand_off(self, at: float) -> None:
        """All that may go now: by the freest account first, as the claims do."""
        rooms = {lane: lane.room(at)[0] for lane in self._lanes if lane.is_open(at)}
        while self._due:
            order = sorted(rooms, key=rooms.__getitem__, reverse=True)
            for place, lane in enumerate(order):
                others = order[1:2] if place == 0 else order[:1]
                freest = rooms[others[0]] if others else 0.0
                shared = self._evenly(lane, rooms, freest=freest)
                if self._give(lane, at, shared=shared):
                    break
            else:
                return
            self._due = [group for group in self._due if group.left]
            if lane.is_open(at):
                rooms[lane] = lane.room(at)[0]
            else:
                del rooms[lane]

    def _evenly(self, lane: Lane, rooms: Mapping[Lane, float], *, freest: float) -> int:
        """How much of the mail for any account one may take before it is another one's turn.

        *freest* is the largest room of the others. Where all will be full, or none ever is, it
        makes no difference who takes what.
        """
        waiting = sum(group.left for group in self._due if group.of.queue == ANY_ACCOUNT)
        room = rooms[lane]
        if len(rooms) == 1 or waiting >= sum(rooms.values()) or all(one.unlimited for one in rooms):
            return waiting
        part = min(room, waiting) // (2 * len(rooms))
        return int(max(1, min(room - freest, waiting), part))

    def _give(self, lane: Lane, at: float, *, shared: int) -> int:
        """How many emails this account takes."""
        due = [group for group in self._due if group.of.queue in (ANY_ACCOUNT, lane.id)]
        if not due:
            return 0
        places = self._places(lane, at)
        taking = _Taking(lane, at, shared=shared, places=places, until=self._until)
        number = taking.number(due)
        fair = fair_places(number, before=lane.claimed, every=self._every)
        before = {id(group): group.left for group in due if group.of.asked}
        taking.take(due, number - fair)
        if fair and taking.taken == number - fair:
            taking.take(sorted(due, key=lambda group: self._since[id(group)]), fair, skip=True)
        self._count(before, due, at, taking)
        lane.claimed += taking.taken
        return taking.taken

    def _count(
        self, before: dict[int, int], due: Sequence[_Group], at: float, taking: "_Taking"
    ) -> None:
        gone = sum(before[id(group)] - group.left for group in due if id(group) in before)
        if not gone:
            return
        self._asked -= gone
        self._at_once += gone if at <= 0 else 0
        self._in_time += taking.in_time
        self._last = max(self._last, taking.last_asked)

    def _places(self, lane: Lane, at: float) -> float:
        """How many emails its server takes until there is something new to see."""
        if lane.per_second == inf:
            return inf
        following = self._later[0][0] - at if self._later else inf
        slot = min(lane.shortest / SLOTS, following)
        return max(1, int(slot * lane.per_second)) if slot < inf else inf

    def _next(self, at: float) -> tuple[float, str]:
        """When something can be handed off next, and what holds up what was asked for."""
        found = self._later[0][0] if self._later else inf
        asked = {group.of.queue for group in self._due if group.of.asked}
        obstacle, first = "scheduled", inf
        for lane in self._lanes:
            head, returns = self._next_of(lane, at)
            found = min(found, returns)
            concerned = lane.id in asked or ANY_ACCOUNT in asked
            if head and concerned and (returns < first or obstacle == "scheduled"):
                obstacle, first = lane.obstacle(at, urgent=head.urgent), returns
        return found, obstacle

    def _next_of(self, lane: Lane, at: float) -> tuple[_Group | None, float]:
        """What stands first before this account, and when there is room for it."""
        head = None
        for group in self._due:
            if group.of.queue in (ANY_ACCOUNT, lane.id):
                head = head or group
                returns = lane.next_room(at, lane.size(group.of), urgent=group.urgent)
                if returns < inf:  # else it is larger than the limits, and passed over
                    return head, max(returns, at + SHORTEST_STEP_S)
        return head, inf

    def _in_the_long_run(self, at: float) -> float | None:
        """The rest at the speed that the limits allow in the long run."""
        rest = [*self._due, *(group for _, _, group in self._later)]
        rest.sort(key=lambda group: (group.of.priority, self._since[id(group)]))
        last = max(place for place, group in enumerate(rest) if group.of.asked)
        queues = {group.of.queue for group in rest if group.of.asked}
        lanes = [
            lane for lane in self._lanes if ANY_ACCOUNT in queues or lane.id in queues
        ]  # of mail for any account all take some
        speed = sum(lane.steady(urgent=rest[last].urgent) for lane in lanes)
        if not speed:
            return None
        self._in_time += _going(
            rest, lanes[0], units=max(0.0, self._until - at) * speed, until=self._until
        )
        units = sum(group.left * lanes[0].size(group.of) for group in rest[: last + 1])
        return max(at + units / speed, *(group.due for group in rest if group.of.asked))


def _going(rest: Sequence[_Group], lane: Lane, *, units: float, until: float) -> int:
    """How many of those that are asked for go with so many *units*, in this order."""
    going = 0
    for group in rest:
        if group.due > until:
            continue
        size = lane.size(group.of)
        number = int(min(group.left, units / size))
        units -= number * size
        going += number if group.of.asked else 0
    return going


class _Taking:
    """What one account takes at one time; *in_time*: of what is asked for, by *until*."""

    def __init__(
        self, lane: Lane, at: float, *, shared: int, places: float, until: float = inf
    ) -> None:
        self.taken = 0
        self.in_time = 0
        self._until = until
        self.last_asked = 0.0
        self._lane = lane
        self._at = at
        self._shared = shared
        self._places = places
        self._urgent, self._other = lane.room(at)

    def number(self, due: Sequence[_Group]) -> int:
        """How many emails there is room for, as a claim counts its places."""
        least = min(self._lane.size(group.of) for group in due)
        most = min(self._places, self._urgent // least)
        return int(min(most, sum(group.left for group in due)))

    def take(self, due: Sequence[_Group], number: int, *, skip: bool = False) -> None:
        """Up to *number* in this order, until one does not fit; with *skip* the next one may."""
        for group in due:
            if number <= 0:
                return
            wanted = min(number, group.left)
            taken = min(wanted, self._fitting(group))
            if taken > 0:
                number -= taken
                self._hand_off(group, taken)
            if taken < wanted and not skip:
                return

    def _fitting(self, group: _Group) -> int:
        room = self._urgent if group.urgent else min(self._urgent, self._other)
        fitting = int(room / self._lane.size(group.of) + 1e-9)
        return min(fitting, self._shared) if group.of.queue == ANY_ACCOUNT else fitting

    def _hand_off(self, group: _Group, number: int) -> None:
        units = number * self._lane.size(group.of)
        group.left -= number
        self.taken += number
        self._urgent -= units
        self._other -= units
        if group.of.queue == ANY_ACCOUNT:
            self._shared -= number
        done = self._at + self.taken / self._lane.per_second
        self._lane.busy_until = done
        self._lane.charge(done, units)
        if group.of.asked:
            self.last_asked = max(self.last_asked, done)
            self.in_time += self._by_then(number)

    def _by_then(self, number: int) -> int:
        """How many of the last *number* that were taken are handed off by the time asked about."""
        if self._at + self.taken / self._lane.per_second <= self._until:
            return number
        if self._at > self._until:
            return 0
        places = int((self._until - self._at) * self._lane.per_second)
        return min(number, max(0, places - (self.taken - number)))

"""Random accounts and backlogs, what the forecast says of them, and what then happens."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

import attrs

from application.forecasting import Forecasting, ForecastPolicy
from domain.account.account import Account
from domain.account.congestion import Pace
from domain.account.limits import Limits, LimitUnit, Window, WindowLengths
from domain.email.forecast import Expected
from domain.email.retry import RetryPolicy
from domain.errors import InvalidInput
from tests.world import World

WINDOWS = WindowLengths()
STEP_S = 20.0  # of a world that waits for room for an email to several recipients
LONGEST = timedelta(days=40)
LIMITED_BY = {f"{window.value}_limit": WINDOWS.of(window) for window in Window}


@attrs.frozen(kw_only=True)
class Compared:
    """What was forecast *now*, and when it happened."""

    what: str
    now: datetime
    expected: Expected
    happened: datetime

    @property
    def came_true(self) -> bool:
        """Whether it is near enough to what happened."""
        return self.expected.at is not None and self.off <= self.allowed

    @property
    def off(self) -> timedelta:
        """How far the forecast is off."""
        assert self.expected.at is not None, self
        return abs(self.expected.at - self.happened)

    @property
    def allowed(self) -> timedelta:
        """A tenth of the time, or the window that limits."""
        window = LIMITED_BY.get(self.expected.limited_by or "", WINDOWS.of(Window.MINUTE))
        return max((self.happened - self.now) / 10, window)


def compare(chance: Random, *, emails: int) -> Iterator[Compared]:
    """One random world, run to its end."""
    world = World(retry=RetryPolicy(max_age=LONGEST))
    accounts = [_account(world, chance, n) for n in range(chance.choice((1, 1, 1, 2, 3)))]
    _fill(world, chance, accounts, chance.randrange(1, emails // 2))
    for _ in range(chance.randrange(4)):
        world.run()
        world.clock.tick(chance.choice((5, 300, 1900)))
    _fill(world, chance, accounts, chance.randrange(1, emails))
    now = world.clock.now()
    queues = {a.id: _of_account(world, world.account_now(a)) for a in accounts}
    waiting = _waiting(world)
    asked = {n: _of_email(world, n) for n in chance.sample(waiting, min(3, len(waiting)))}
    _run_to_the_end(world)
    sent = {n: world.email(n).sent_at or now for n in waiting}
    for email_id, expected in asked.items():
        what = f"email {email_id}"
        yield Compared(what=what, now=now, expected=expected, happened=sent[email_id])
    for account in accounts:
        mine = [
            sent[n] for n in waiting if not world.email(n).pinned
            or world.email(n).account_id == account.id
        ]  # fmt: skip
        what = f"account {account.id}"
        happened = max(mine, default=now)
        yield Compared(what=what, now=now, expected=queues[account.id], happened=happened)


def _account(world: World, chance: Random, number: int) -> Account:
    limits = Limits(
        minute=chance.choice((None, None, 3, 10)),
        hourly=chance.choice((None, 5, 20, 50)),
        daily=chance.choice((None, 40, 100)),
        unit=chance.choice((LimitUnit.MESSAGES, LimitUnit.MESSAGES, LimitUnit.RECIPIENTS)),
        priority_reserve=chance.choice((0, 10, 40)),
        max_connections=chance.choice((1, 2, 5)),
    )
    account = world.account(f"account {number}", limits=limits)
    health = account.health
    now = world.clock.now()
    if chance.random() < 0.2:
        until = now + timedelta(seconds=chance.randrange(60, 20_000))
        health = health.halted("server_limit", now=now, until=until)
    if chance.random() < 0.2:
        health = attrs.evolve(health, pace=Pace(per_minute=2.0, since=now, before=20.0))
    changed = attrs.evolve(account, health=health)
    world.store.write(lambda tx: tx.accounts.save(changed))
    return changed


def _fill(world: World, chance: Random, accounts: list[Account], number: int) -> None:
    priorities = chance.choice(((3,), (1, 3, 5), (1, 2, 3, 4, 5)))
    share = chance.random()
    for _ in range(number):
        pinned = chance.random() < share
        later = timedelta(seconds=chance.randrange(1, 40_000))
        to = [f"{n}@example.org" for n in range(chance.choice((1, 1, 1, 3)))]
        try:
            world.submit(
                *to,
                priority=chance.choice(priorities),
                account_id=chance.choice(accounts).id if pinned else None,
                send_at=world.clock.now() + later if chance.random() < 0.2 else None,
            )
        except InvalidInput:  # more recipients than the limits ever allow
            continue


def _run_to_the_end(world: World) -> None:
    ends = world.clock.now() + LONGEST
    while _waiting(world) and world.clock.now() < ends:
        idle = not world.run()
        due = world.application.delivery.due(world.instance)
        wait = 1.0 if due is None else (due - world.clock.now()).total_seconds()
        world.clock.tick(max(STEP_S if idle else 1.0, wait))


def _waiting(world: World) -> list[int]:
    page = world.store.read(lambda tx: tx.emails.page(limit=10_000))
    return [row.id for row in page.emails if row.status.value in ("queued", "scheduled", "retry")]


def _of_account(world: World, account: Account) -> Expected:
    return world.store.read(lambda tx: _forecasting(world, tx).of_account(account))


def _of_email(world: World, email_id: int) -> Expected:
    return world.store.read(lambda tx: _forecasting(world, tx).of_email(tx.emails.get(email_id)))


def _forecasting(world: World, tx: object) -> Forecasting:
    policy = ForecastPolicy(windows=WINDOWS, fairness_every=10)
    return Forecasting(tx, policy, now=world.clock.now())  # type: ignore[arg-type] - the store's own

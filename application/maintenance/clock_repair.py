"""The queue after the clock was set back: what waits must not wait until it is there again."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import attrs

from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe
from application.telling import save_account_health, save_email
from domain.email.lifecycle import Email
from domain.errors import StaleAttempt
from domain.events import Event

CLOCK_TOLERANCE: Final = timedelta(seconds=1)  # clocks are corrected by less all the time
MENDED_TOGETHER: Final = 200


class ClockRepair:
    """Notices a clock that was set back, and repairs the times that lie in its future."""

    def __init__(self, *, store: Store, clock: Clock, observe: Observe) -> None:
        self._store = store
        self._clock = clock
        self._observe = observe
        self._wall: datetime | None = None  # what the wall showed when the monotonic clock began

    def run(self) -> int:
        """Give what waits its wait anew where the clock was set back meanwhile; how much that was.

        What was never scheduled must not wait until the clock is there again. Looked for once when
        it begins, and whenever the wall has lost time against the monotonic clock.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        wall = now - timedelta(seconds=monotonic)
        before, self._wall = self._wall, wall
        if before is not None and wall > before - CLOCK_TOLERANCE:
            self._wall = max(before, wall)
            return 0
        mended, place = 0, None
        while found := self._from_the_future(now, place):
            mended += self._store.write(partial(_set_back, emails=found, now=now))
            place = (found[-1].expires_at, found[-1].id)
        self._store.write(lambda tx: _set_accounts_back(tx, now=now))
        if mended:
            self._observe(Event(name="clock_set_back", fields={"emails": mended}))
        return mended

    def _from_the_future(
        self, now: datetime, after: tuple[datetime, int] | None
    ) -> Sequence[Email]:
        return self._store.read(
            lambda tx: tx.emails.from_the_future(
                now=now + CLOCK_TOLERANCE, after=after, limit=MENDED_TOGETHER
            )
        )


def _set_back(tx: Transaction, *, emails: Sequence[Email], now: datetime) -> int:
    mended = 0
    for email in emails:
        with suppress(StaleAttempt):
            save_email(tx, email.clock_set_back(now=now), was=email)
            mended += 1
    return mended


def _set_accounts_back(tx: Transaction, *, now: datetime) -> None:
    for account in tx.accounts.all():
        if account.health.clock_set_back(now) is not account.health:
            current = tx.accounts.lock(account.id)
            health = current.health.clock_set_back(now)
            changed = attrs.evolve(current, health=health)
            save_account_health(tx, changed, was=current, at=now)

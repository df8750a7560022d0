"""The end of emails whose lifetime is over."""

from collections.abc import Sequence

from application.delivery.reporting import email_event
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe
from domain.email.lifecycle import Email


class Expiry:
    """Expires emails that have waited for too long."""

    def __init__(self, *, store: Store, clock: Clock, observe: Observe) -> None:
        self._store = store
        self._clock = clock
        self._observe = observe

    def run(self, *, limit: int = 200) -> int:
        """End up to *limit* emails whose lifetime is over; how many there were.

        By the steady clock: a wall that jumps forward must not end what waits.
        """
        now, steady = self._clock.now(), self._clock.steady()

        def work(tx: Transaction) -> Sequence[Email]:
            ended = []
            for email in tx.emails.expired(now=steady, limit=limit):
                expired = email.expired(now=now)
                tx.emails.save(expired, was=email)
                ended.append(expired)
            return ended

        ended = self._store.write(work)
        for email in ended:
            self._observe(email_event("email_expired", email))
        return len(ended)

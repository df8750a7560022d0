"""The end of emails whose lifetime is over."""

from collections.abc import Sequence

from application.delivery.reporting import email_event
from application.delivery.withdrawn import report_suppressed
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe
from application.telling import save_email
from domain.email.lifecycle import Email
from domain.email.recipient import SUPPRESSED
from domain.email.withdrawal import is_withdrawn, suppress


class Expiry:
    """Ends emails that have waited for too long, or that were withdrawn while they were sent."""

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
                over = suppress(email, now=now) if is_withdrawn(email) else email.expired(now=now)
                save_email(tx, over, was=email)
                ended.append(over)
            return ended

        ended = self._store.write(work)
        for email in ended:
            if email.reason_code == SUPPRESSED:
                report_suppressed(self._observe, [email])
            else:
                self._observe(email_event("email_expired", email))
        return len(ended)

"""Recipients unsubscribe, and what that ends."""

from collections.abc import Sequence

from application.delivery.withdrawn import report_suppressed
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe
from application.telling import save_email, suppress
from application.unsubscribe_links import UnsubscribeLinks
from domain.email import withdrawal
from domain.email.lifecycle import Email
from domain.email.status import TERMINAL, Status
from domain.email.withdrawal import withdraw
from domain.event.telling import told_of_suppression
from domain.event.types import EventType
from domain.events import Event
from domain.suppression import Subscription, unsubscribed


class Unsubscribe:
    """The recipient's use cases: whoever has a link may do what it is for, and nothing else."""

    def __init__(
        self, *, store: Store, clock: Clock, links: UnsubscribeLinks, observe: Observe
    ) -> None:
        self._store = store
        self._clock = clock
        self._links = links
        self._observe = observe

    @property
    def can_be_offered(self) -> bool:
        """Whether mail of a topic can have a link: it is known where the link leads to."""
        return self._links.can_be_made

    def subscription(self, token: str) -> Subscription:
        """What the link with this *token* would end; nothing is changed. NotFound, Unavailable."""
        return self._links.subscription(token)

    def unsubscribe(self, token: str) -> Subscription:
        """End it, for good; once more changes nothing. NotFound, Unavailable.

        Mail that waits is ended in the same work, so that nothing of it is claimed afterwards. What
        is being sent goes on, but is not tried again. New mail asks when it is stored.
        """
        subscription = self._links.subscription(token)
        now = self._clock.now()

        def work(tx: Transaction) -> tuple[bool, Sequence[Email]]:
            # the list first: whoever accepts mail meanwhile waits for this work or comes before it
            ended_by = unsubscribed(subscription, now=now)
            fresh = suppress(tx, ended_by)
            if fresh:
                tx.events.tell(told_of_suppression(EventType.EMAIL_UNSUBSCRIBED, ended_by, at=now))
            found = [tx.emails.get(email_id) for email_id in tx.topics.lock_open(subscription)]
            ended = []
            for email in found:
                if email.status is Status.SENDING:
                    changed = withdraw(email)
                else:
                    changed = withdrawal.suppress(email, now=now)
                save_email(tx, changed, was=email)
                if changed.status in TERMINAL:
                    ended.append(changed)
            return fresh, ended

        fresh, ended = self._store.write(work)
        if fresh:
            self._observe(
                Event(
                    name="unsubscribed",
                    fields={"topic": subscription.topic, "emails_ended": len(ended)},
                )
            )
        report_suppressed(self._observe, ended)
        return subscription

"""A login in the place of an email, to a server that was away."""

import attrs

from application.delivery.account_health import AccountHealth
from application.delivery.policy import DeliveryPolicy
from application.delivery.scheduler import Scheduler
from application.ports.sender import Sender
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Observe
from application.telling import save_account_health
from domain.account.account import Account
from domain.account.weighing import unreachable
from domain.errors import NotFound, StoreUnavailable
from domain.events import Event
from domain.outcome.classify import classify
from domain.outcome.handoff import Handoff, Problem
from domain.outcome.verdict import Evidence


class LoginProbe:
    """Logs in to a server that was away; an email is tried only once that has worked."""

    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        clock: Clock,
        entropy: Entropy,
        observe: Observe,
        rules: DeliveryPolicy,
        scheduler: Scheduler,
        health: AccountHealth,
    ) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._entropy = entropy
        self._observe = observe
        self._rules = rules
        self._scheduler = scheduler
        self._health = health

    def run(self, account: Account) -> None:
        """Log in once, and write down what that says of the account."""
        try:
            handoff = self._sender.probe(account)
            if handoff.problem is not Problem.STOPPED:
                self._settle(account, handoff)
        except StoreUnavailable as error:
            self._observe(Event(name="store_unavailable", fields={"text": str(error)}))
        finally:
            self._scheduler.release(account.id, ())

    def _settle(self, account: Account, handoff: Handoff) -> None:
        now, jitter = self._clock.now(), self._entropy.jitter()
        well = handoff.logged_in
        verdict = classify(handoff, recipients=1, rules=self._rules.replies)

        def work(tx: Transaction) -> None:
            try:
                current = tx.accounts.lock(account.id)
            except NotFound:
                return
            if current.version != account.version or not current.health.breaker.needs_login(now):
                return
            health = current.health
            if well:
                health = attrs.evolve(health, breaker=health.breaker.proved())
            else:
                health = self._health.weighed(
                    current, verdict, None, Evidence.CERTAIN, now, jitter
                ).health
                if health.opens_at(now) == now:  # whatever it was: it is no time for mail yet
                    health = unreachable(
                        health,
                        now=now,
                        policy=self._rules.congestion,
                        jitter=jitter,
                        most=current.limits.max_connections,
                        reason=verdict.reason,
                    )
            changed = attrs.evolve(current, health=health)
            save_account_health(tx, changed, was=current, at=now)

        self._store.write(work)
        self._observe(
            Event(
                name="account_probed",
                account_id=account.id,
                fields={"ok": int(well), "text": handoff.text},
            )
        )

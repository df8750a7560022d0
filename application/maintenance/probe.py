"""Logins to accounts that only a person or a working login can resume."""

from collections.abc import Collection

import attrs

from application.ports.sender import Sender
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe
from application.telling import save_account_health
from domain.account.account import Account
from domain.account.congestion import CongestionPolicy
from domain.events import Event


class PausedAccounts:
    """Finds out whether accounts that were paused can send again."""

    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        clock: Clock,
        policy: CongestionPolicy,
        cured_by_login: Collection[str],
        observe: Observe,
    ) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._policy = policy
        self._cured_by_login = cured_by_login
        self._observe = observe

    def probe(self) -> None:
        """Log in, once an hour, to accounts that only a person or a working login can resume."""
        now = self._clock.now()
        interval = self._policy.probe_interval
        accounts = self._store.read(lambda tx: tx.accounts.all())
        for account in accounts:
            if account.active and account.health.wants_probe(
                now, interval, cured_by_login=self._cured_by_login
            ):
                self._probe(account)

    def _probe(self, account: Account) -> None:
        handoff = self._sender.probe(account)
        now = self._clock.now()
        well = handoff.logged_in

        def work(tx: Transaction) -> None:
            current = tx.accounts.lock(account.id)
            health = current.health.resumed() if well else current.health.probed(now=now)
            if current.version == account.version:
                changed = attrs.evolve(current, health=health)
                save_account_health(tx, changed, was=current, at=now)

        self._store.write(work)
        name = "account_resumed" if well else "account_probed"
        self._observe(Event(name=name, account_id=account.id, fields={"text": handoff.text}))

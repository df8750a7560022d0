"""What the owner of an account does with the keys that it signs with: make, use, remove them.

A private key leaves the vault only to sign. A pair signs only once its owner says so: a signature
whose key is not in the DNS is worse than none.
"""

from collections.abc import Sequence
from datetime import datetime

import attrs

from application.ports.message import DkimSigner
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe, Vault, Wake
from application.telling import save_account
from domain.access import LOCAL, Caller, Scope
from domain.account.dkim_key import (
    DKIM_KEY_UNREADABLE,
    MOST_PAIRS,
    DkimKey,
    DkimPair,
    check_names,
    dns_selector,
    first_selector,
    no_dkim_keys,
    pairs,
    sealed_for,
)
from domain.errors import Conflict
from domain.events import Event
from domain.message.dkim import Algorithm, SigningKey


class DkimKeys:
    """The owner's use cases."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        signer: DkimSigner,
        wake: Wake,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._signer = signer
        self._wake = wake
        self._observe = observe

    def create(
        self,
        account_id: int,
        *,
        selector: str | None = None,
        domain: str | None = None,
        caller: Caller = LOCAL,
    ) -> DkimPair:
        """A new pair, which does not sign yet. *domain* None is that of the account's address.

        Forbidden, NotFound, InvalidInput; Conflict if the selector is taken or there are too many.
        """
        _allow(caller, account_id)
        now = self._clock.now()
        account = self._store.read(lambda tx: tx.accounts.get(account_id))
        selector = first_selector(account_id, now) if selector is None else selector
        domain = account.address.domain if domain is None else domain.lower()
        check_names(account, selector=selector, domain=domain)
        # to make a key takes a while: not within the work
        pair = DkimPair(
            keys=tuple(
                self._new_key(account_id, selector, domain, algorithm, now=now)
                for algorithm in Algorithm
            )
        )

        def work(tx: Transaction) -> None:
            check_names(tx.accounts.lock(account_id), selector=selector, domain=domain)
            there = pairs(tx.dkim_keys.of(account_id))
            if any(other.selector == selector for other in there):
                raise Conflict(f"the selector {selector} is in use: name another one")
            if len(there) >= MOST_PAIRS:
                raise Conflict(f"there are {MOST_PAIRS} pairs of keys already: remove one first")
            tx.dkim_keys.add_all(pair.keys)
            _note(tx, caller, "dkim_created", pair, at=now)

        self._store.write(work)
        self._changed("dkim_created", pair)
        return pair

    def of(self, account_id: int, *, caller: Caller = LOCAL) -> Sequence[DkimPair]:
        """The pairs of one account, the oldest first. Forbidden, NotFound."""
        caller.require(Scope.READ)
        caller.check_account(account_id)

        def work(tx: Transaction) -> Sequence[DkimKey]:
            return tx.dkim_keys.of(tx.accounts.get(account_id).id)

        return pairs(self._store.read(work))

    def switch(
        self, account_id: int, selector: str, *, active: bool, caller: Caller = LOCAL
    ) -> DkimPair:
        """Sign with this pair from the next emails on, or no longer.

        One pair of a domain signs: another one that did so stops. A pause because of keys that
        cannot be opened ends. Forbidden, NotFound.
        """
        _allow(caller, account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> DkimPair:
            _resume(tx, account_id, now=now)
            there = pairs(tx.dkim_keys.of(account_id))
            wanted = _named(there, selector)
            for pair in there:
                if pair is wanted:
                    _save(tx, pair, active=active)
                elif active and pair.active and pair.domain == wanted.domain:
                    _save(tx, pair, active=False)
                    _note(tx, caller, "dkim_stopped", pair, at=now)
            _note(tx, caller, _switched(active), wanted, at=now)
            return _named(pairs(tx.dkim_keys.of(account_id)), selector)

        pair = self._store.write(work)
        self._changed(_switched(active), pair)
        return pair

    def delete(self, account_id: int, selector: str, *, caller: Caller = LOCAL) -> None:
        """Remove a pair; it does not sign any more. Forbidden, NotFound."""
        _allow(caller, account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> DkimPair:
            _resume(tx, account_id, now=now)
            pair = _named(pairs(tx.dkim_keys.of(account_id)), selector)
            tx.dkim_keys.remove(account_id, selector)
            _note(tx, caller, "dkim_deleted", pair, at=now)
            return pair

        self._changed("dkim_deleted", self._store.write(work))

    def _new_key(
        self, account_id: int, selector: str, domain: str, algorithm: Algorithm, *, now: datetime
    ) -> DkimKey:
        private_key = self._signer.new_private_key(algorithm)
        key = SigningKey(
            domain=domain,
            selector=dns_selector(selector, algorithm),
            algorithm=algorithm,
            private_key=private_key,
        )
        return DkimKey(
            account_id=account_id,
            selector=selector,
            domain=domain,
            algorithm=algorithm,
            record=self._signer.dns_record(key),
            sealed_key=self._vault.seal(
                private_key.decode("ascii"), context=sealed_for(account_id, selector, algorithm)
            ),
            created_at=now,
        )

    def _changed(self, name: str, pair: DkimPair) -> None:
        self._wake()
        fields = {"selector": pair.selector, "domain": pair.domain}
        self._observe(Event(name=name, account_id=pair.account_id, fields=fields))


def _allow(caller: Caller, account_id: int) -> None:
    caller.require(Scope.ADMIN)
    caller.check_account(account_id)


def _named(there: Sequence[DkimPair], selector: str) -> DkimPair:
    for pair in there:
        if pair.selector == selector:
            return pair
    raise no_dkim_keys(selector)


def _save(tx: Transaction, pair: DkimPair, *, active: bool) -> None:
    for key in pair.keys:
        tx.dkim_keys.save(attrs.evolve(key, active=active))


def _resume(tx: Transaction, account_id: int, *, now: datetime) -> None:
    """End the pause that unreadable keys caused: they are changed now. NotFound."""
    account = tx.accounts.lock(account_id)
    pause = account.health.pause
    if pause is not None and pause.reason == DKIM_KEY_UNREADABLE:
        resumed = attrs.evolve(account.resumed(), updated_at=now)
        save_account(tx, resumed, was=account, at=now)


def _switched(active: bool) -> str:
    return "dkim_started" if active else "dkim_stopped"


def _note(tx: Transaction, caller: Caller, action: str, pair: DkimPair, *, at: datetime) -> None:
    tx.audit.add(
        caller.did(
            action,
            f"account {pair.account_id}",
            at=at,
            selector=pair.selector,
            domain=pair.domain,
        )
    )

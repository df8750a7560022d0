"""What every store must do with the keys of accounts: a part of `StoreContract`."""

import attrs
import pytest

from application.ports.store import Store, Transaction
from domain.account.account import Account
from domain.account.dkim_key import DkimKey
from domain.errors import Conflict, NotFound
from domain.message.dkim import Algorithm
from tests.builders import a_dkim_key, an_account, at


class DkimKeyContract:
    """The suite of the DkimKeyRepository port."""

    def test_dkim_keys_come_back_as_they_were_stored(self, store: Store, account: Account) -> None:
        keys = [
            a_dkim_key(account, active=True, sealed_key=bytes(range(256))),
            a_dkim_key(account, algorithm=Algorithm.ED25519, record="Ünï", created_at=at(0)),
        ]

        _add(store, *keys)

        assert store.read(lambda tx: tx.dkim_keys.of(account.id)) == keys
        assert store.read(lambda tx: tx.dkim_keys.all()) == keys

    def test_dkim_keys_are_listed_by_account_and_age_with_rsa_first(self, store: Store) -> None:
        keys = [
            a_dkim_key(account, selector=selector, algorithm=algorithm, created_at=at(age))
            for account in (1, 2)
            for selector, age in (("b", 1), ("a", 2), ("a-b", 2), ("ab", 2))
            for algorithm in (Algorithm.RSA, Algorithm.ED25519)
        ]

        _add(store, *reversed(keys))

        assert store.read(lambda tx: tx.dkim_keys.all()) == keys
        assert store.read(lambda tx: tx.dkim_keys.of(2)) == keys[8:]
        assert store.read(lambda tx: tx.dkim_keys.of(3)) == []

    def test_a_selector_of_an_account_is_taken_once(self, store: Store, account: Account) -> None:
        _add(store, a_dkim_key(account))

        with pytest.raises(Conflict):
            _add(store, a_dkim_key(account, domain="example.org"))

        _add(store, a_dkim_key(account.id + 1), a_dkim_key(account, selector="other"))

    def test_of_a_dkim_key_only_its_use_and_its_seal_change(
        self, store: Store, account: Account
    ) -> None:
        key = a_dkim_key(account)
        _add(store, key)

        changed = attrs.evolve(key, active=True, sealed_key=b"anew")
        _save(store, attrs.evolve(changed, domain="example.org", record="other"))

        assert store.read(lambda tx: tx.dkim_keys.of(account.id)) == [changed]

    def test_a_dkim_key_that_is_not_there_is_not_saved(self, store: Store) -> None:
        with pytest.raises(NotFound):
            _save(store, a_dkim_key())

    def test_an_account_signs_while_a_key_of_it_is_active(
        self, store: Store, account: Account
    ) -> None:
        other = store.write(lambda tx: tx.accounts.add(an_account(name="other")))
        key = a_dkim_key(account)
        _add(store, key, a_dkim_key(account, selector="next"))
        assert not _signs(store, account)

        _save(store, attrs.evolve(key, active=True))
        assert _signs(store, account)
        assert not _signs(store, other)
        # whatever else is written of the account
        store.write(lambda tx: tx.accounts.save(attrs.evolve(account, display_name="Other")))
        assert _signs(store, account)

        _save(store, key)
        assert not _signs(store, account)

    def test_a_work_sees_that_an_account_signs_as_soon_as_it_wrote_it(
        self, store: Store, account: Account
    ) -> None:
        def work(tx: Transaction) -> list[bool]:
            seen = [tx.accounts.get(account.id).signs]
            tx.dkim_keys.add_all([a_dkim_key(account, active=True)])
            seen.append(tx.accounts.lock(account.id).signs)
            tx.dkim_keys.remove(account.id)
            return [*seen, tx.accounts.all()[0].signs]

        assert store.write(work) == [False, True, False]

    def test_dkim_keys_are_removed_by_selector_or_all(self, store: Store, account: Account) -> None:
        kept = a_dkim_key(account.id + 1, active=True)
        _add(
            store,
            *(a_dkim_key(account, selector=name, active=True) for name in ("a", "b", "c")),
            kept,
        )

        assert store.write(lambda tx: tx.dkim_keys.remove(account.id, "a")) == 1
        assert store.write(lambda tx: tx.dkim_keys.remove(account.id, "a")) == 0
        assert _signs(store, account)
        assert store.write(lambda tx: tx.dkim_keys.remove(account.id)) == 2
        assert not _signs(store, account)
        assert store.read(lambda tx: tx.dkim_keys.all()) == [kept]


def _add(store: Store, *keys: DkimKey) -> None:
    store.write(lambda tx: tx.dkim_keys.add_all(keys))


def _save(store: Store, key: DkimKey) -> None:
    store.write(lambda tx: tx.dkim_keys.save(key))


def _signs(store: Store, account: Account) -> bool:
    found = store.read(lambda tx: (tx.accounts.get(account.id), *tx.accounts.all()))
    assert found[0] in found[1:]
    return found[0].signs

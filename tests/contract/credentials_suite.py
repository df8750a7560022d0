"""What every store must do with what accounts log in by OAuth with: a part of `StoreContract`."""

import threading

import attrs
import pytest

from application.ports.store import Store, Transaction
from domain.account.account import Account
from domain.account.oauth_credentials import Credentials
from domain.capability import ALL, Capability
from domain.errors import Conflict
from tests.builders import an_account, an_authorization, an_oauth_client, at, credentials


class CredentialsContract:
    """The suite of the CredentialsRepository port."""

    def test_credentials_come_back_as_they_were_stored(
        self, store: Store, account: Account
    ) -> None:
        full = credentials(
            account,
            sealed_secret=bytes(range(256)),
            sealed_key=b"key",
            expires_at=at(3600.000001),
            generation=2**40,
            held_by="Ünï",
            failures=3,
            retry_at=at(5),
            last_error="token server: 503 – später",
        )
        bare = Credentials(account_id=account.id + 1)

        _save(store, bare)
        _save(store, full)

        assert _find(store, full.account_id) == full
        assert _find(store, bare.account_id) == bare
        assert _find(store, 99) is None
        assert store.read(lambda tx: tx.credentials.all()) == [full, bare]

    def test_credentials_are_saved_in_the_place_of_those_before(
        self, store: Store, account: Account
    ) -> None:
        _save(store, credentials(account))
        anew = attrs.evolve(credentials(account), sealed_refresh=None, generation=2)

        _save(store, anew)

        assert store.read(lambda tx: tx.credentials.all()) == [anew]

    def test_credentials_are_removed_if_there_are_any(self, store: Store, account: Account) -> None:
        other = credentials(account.id + 1)
        _save(store, credentials(account))
        _save(store, other)

        for _ in range(2):
            store.write(lambda tx: tx.credentials.remove(account.id))

        assert store.read(lambda tx: tx.credentials.all()) == [other]

    def test_a_work_that_fails_leaves_the_credentials_as_they_were(
        self, store: Store, account: Account
    ) -> None:
        _save(store, credentials(account))

        def work(tx: Transaction) -> None:
            tx.credentials.save(credentials(account, generation=7))
            tx.credentials.remove(account.id)
            raise RuntimeError("no")

        with pytest.raises(RuntimeError):
            store.write(work)

        assert _find(store, account.id) == credentials(account)

    def test_an_authorization_comes_back_as_it_was_begun(self, store: Store) -> None:
        begun = [
            an_authorization(sealed=bytes(range(256)), browser="b", expires_at=at(0.000001)),
            an_authorization(digest="d2", device=True, redirect_uri="", key="0000000a"),
        ]
        for one in begun:
            store.write(lambda tx, one=one: tx.authorizations.add(one))

        assert [
            store.read(lambda tx, n=n: tx.authorizations.find(n)) for n in ("d1", "d2")
        ] == begun
        assert store.read(lambda tx: tx.authorizations.find("d3")) is None
        assert store.read(lambda tx: tx.authorizations.devices()) == ["d2"]
        with pytest.raises(Conflict):
            store.write(lambda tx: tx.authorizations.add(begun[0]))

    def test_an_authorization_is_taken_once(self, store: Store) -> None:
        store.write(lambda tx: tx.authorizations.add(an_authorization()))
        taken: list[object] = []

        def take() -> None:
            taken.append(store.write(lambda tx: tx.authorizations.take("d1")))

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [one for one in taken if one is not None] == [an_authorization()]
        assert len(taken) == 8

    def test_authorizations_go_with_their_account_and_with_time(self, store: Store) -> None:
        for number, (account_id, end) in enumerate([(1, 5), (1, 9), (2, 5), (2, 6), (2, 9)]):
            begun = an_authorization(account_id, digest=f"d{number}", expires_at=at(end))
            store.write(lambda tx, begun=begun: tx.authorizations.add(begun))

        store.write(lambda tx: tx.authorizations.remove_of(1))
        pruned = [store.write(lambda tx: tx.authorizations.prune(at(6), limit=1)) for _ in range(3)]

        assert pruned == [1, 1, 0]
        left = [store.read(lambda tx, n=n: tx.authorizations.find(f"d{n}")) for n in range(5)]
        assert [one is not None for one in left] == [False, False, False, False, True]

    def test_no_older_process_joins_while_an_account_logs_in_by_oauth(self, store: Store) -> None:
        older = ALL & ~Capability.OAUTH
        _join(store, older)
        by_oauth = an_account(name="oauth", sealed_password=None, oauth=an_oauth_client())
        account = store.write(lambda tx: tx.accounts.add(by_oauth))

        for capabilities in (older, Capability(0)):
            with pytest.raises(Conflict):
                _join(store, capabilities)
        _join(store, ALL)

        store.write(lambda tx: tx.accounts.delete(account.id))
        _join(store, older)


def _join(store: Store, capabilities: Capability) -> None:
    store.write(lambda tx: tx.instances.join(host="h", pid=1, now=at(0), capabilities=capabilities))


def _save(store: Store, one: Credentials) -> None:
    store.write(lambda tx: tx.credentials.save(one))


def _find(store: Store, account_id: int) -> Credentials | None:
    return store.read(lambda tx: tx.credentials.find(account_id))

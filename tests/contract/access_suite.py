"""What every Store must do with API keys, their usage and the audit trail.

class TestMyStoresAccess(AccessContract):
    @pytest.fixture
    def store(self, clock): ...
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from application.ports.store import Store, Transaction
from domain.access import AuditEntry, Scope
from domain.dashboard_session import DashboardSession
from domain.email.status import Status
from domain.errors import Conflict, NotFound
from tests.builders import NOW, OCTETS, a_key_row, an_account, an_email, at
from tests.contract.store_suite import page_ids

HOUR_S = 3600


def a_login(digest: bytes, **fields: Any) -> DashboardSession:
    values = {"key_prefix": "0000000a", "created_at": NOW, "expires_at": at(60)}
    return DashboardSession(digest=digest, **{**values, **fields})


class AccessContract:
    """The contract of keys, key_usage and audit, and of the lists that a key may see."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def store(self, clock: FakeClock) -> Iterator[Store]:
        raise NotImplementedError

    # -- logins of the dashboard ----------------------------------------------------------------

    def test_a_login_is_found_by_its_digest_until_it_is_removed(self, store: Store) -> None:
        login = a_login(b"\x00\xff" * 16)
        store.write(lambda tx: tx.dashboard_sessions.add(login))

        assert store.read(lambda tx: tx.dashboard_sessions.find(login.digest)) == login
        assert store.read(lambda tx: tx.dashboard_sessions.find(b"\x00" * 32)) is None

        store.write(lambda tx: tx.dashboard_sessions.remove(login.digest))
        store.write(lambda tx: tx.dashboard_sessions.remove(login.digest))
        assert store.read(lambda tx: tx.dashboard_sessions.find(login.digest)) is None

    def test_a_login_cannot_take_the_place_of_another(self, store: Store) -> None:
        store.write(lambda tx: tx.dashboard_sessions.add(a_login(b"1" * 32)))

        with pytest.raises(Conflict):
            store.write(
                lambda tx: tx.dashboard_sessions.add(a_login(b"1" * 32, key_prefix="ffffffff"))
            )
        found = store.read(lambda tx: tx.dashboard_sessions.find(b"1" * 32))
        assert found is not None
        assert found.key_prefix == "0000000a"

    def test_logins_that_ended_are_pruned_and_no_others(self, store: Store) -> None:
        for number, end in enumerate((30, 10, 20, 40)):
            login = a_login(bytes([number]) * 32, expires_at=at(end))
            store.write(lambda tx, login=login: tx.dashboard_sessions.add(login))

        def prune() -> int:
            return store.write(lambda tx: tx.dashboard_sessions.prune(now=at(30), limit=2))

        assert [prune(), prune(), prune()] == [2, 1, 0]
        assert store.read(lambda tx: tx.dashboard_sessions.find(b"\x03" * 32)) is not None

    # -- keys -----------------------------------------------------------------------------------

    def test_a_key_is_found_by_its_prefix_as_it_was_stored(self, store: Store) -> None:
        key = a_key_row(
            scopes=frozenset({Scope.SEND, Scope.READ}),
            accounts=frozenset({3, 1}),
            daily_recipients=7,
            expires_at=at(60),
            revoked_at=at(5),
            rewrites_from=True,
        )
        stored = store.write(lambda tx: tx.keys.add(key))

        assert stored == attrs.evolve(key, id=1)
        assert store.read(lambda tx: tx.keys.find(key.prefix)) == stored

    def test_a_key_without_limits_is_found_without_them(self, store: Store) -> None:
        stored = store.write(lambda tx: tx.keys.add(a_key_row()))

        assert store.read(lambda tx: tx.keys.find(stored.prefix)) == stored
        assert (stored.accounts, stored.expires_at, stored.daily_recipients) == (None, None, None)

    @pytest.mark.parametrize("prefix", ["", "0000000b", "0000000A", "' OR 1=1 --"])
    def test_another_prefix_finds_nothing(self, store: Store, prefix: str) -> None:
        store.write(lambda tx: tx.keys.add(a_key_row(prefix="0000000a")))

        assert store.read(lambda tx: tx.keys.find(prefix)) is None

    def test_a_prefix_is_given_once(self, store: Store) -> None:
        store.write(lambda tx: tx.keys.add(a_key_row()))

        with pytest.raises(Conflict):
            store.write(lambda tx: tx.keys.add(a_key_row(name="another")))
        assert len(store.read(lambda tx: tx.keys.all())) == 1

    def test_keys_are_listed_by_id(self, store: Store) -> None:
        for prefix in ("ffffffff", "00000000"):
            store.write(lambda tx, prefix=prefix: tx.keys.add(a_key_row(prefix=prefix)))

        assert [key.id for key in store.read(lambda tx: tx.keys.all())] == [1, 2]

    def test_keys_that_are_locked_are_all_of_them_as_they_are_now(self, store: Store) -> None:
        assert store.write(lambda tx: tx.keys.lock()) == []

        def work(tx: Transaction) -> bool:
            added = tx.keys.add(a_key_row())
            tx.keys.add(a_key_row(prefix="0000000b"))
            tx.keys.save(attrs.evolve(added, revoked_at=at(9)))
            return tx.keys.lock() == tx.keys.all()

        assert store.write(work)
        locked = store.write(lambda tx: tx.keys.lock())
        assert [(key.id, key.revoked_at) for key in locked] == [(1, at(9)), (2, None)]

    def test_of_two_keys_that_revoke_each_other_at_once_one_stays(self, store: Store) -> None:
        for prefix in ("0000000a", "0000000b"):
            store.write(lambda tx, prefix=prefix: tx.keys.add(a_key_row(prefix=prefix)))
        barrier = threading.Barrier(2)

        def revoke_the_other(own: int) -> None:
            def work(tx: Transaction) -> None:
                keys = tx.keys.lock()
                if keys[own].revoked_at is None:
                    tx.keys.save(attrs.evolve(keys[1 - own], revoked_at=at(9)))

            barrier.wait(30)
            store.write(work)

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(revoke_the_other, (0, 1)))

        revoked = [key.revoked_at for key in store.read(lambda tx: tx.keys.all())]
        assert sorted(one is None for one in revoked) == [False, True]

    def test_only_the_digest_and_the_revocation_of_a_key_change(self, store: Store) -> None:
        key = store.write(lambda tx: tx.keys.add(a_key_row()))
        changed = attrs.evolve(key, name="other", digest=b"new", revoked_at=at(9))
        store.write(lambda tx: tx.keys.save(changed))

        expected = attrs.evolve(key, digest=b"new", revoked_at=at(9))
        assert store.read(lambda tx: tx.keys.all()) == [expected]

    def test_a_key_that_is_not_there_is_not_saved(self, store: Store) -> None:
        with pytest.raises(NotFound):
            store.write(lambda tx: tx.keys.save(a_key_row(id=7)))

    # -- usage ----------------------------------------------------------------------------------

    def test_recipients_of_an_hour_add_up(self, store: Store) -> None:
        for recipients in (2, 3):
            store.write(lambda tx, n=recipients: tx.key_usage.add(1, hour=NOW, recipients=n))

        assert store.read(lambda tx: tx.key_usage.hours(1, since=NOW)) == [(NOW, 5)]

    def test_hours_are_reported_from_the_first_one_requested(self, store: Store) -> None:
        def count(tx: Transaction) -> None:
            for hour in (2, 0, 1):
                tx.key_usage.add(1, hour=at(hour * HOUR_S), recipients=hour + 1)
            tx.key_usage.add(2, hour=at(HOUR_S), recipients=100)

        store.write(count)

        told = store.read(lambda tx: tx.key_usage.hours(1, since=at(HOUR_S)))
        assert told == [(at(HOUR_S), 2), (at(2 * HOUR_S), 3)]

    def test_old_hours_are_removed_a_few_at_a_time(self, store: Store) -> None:
        def count(tx: Transaction) -> None:
            for hour in range(4):
                tx.key_usage.add(1, hour=at(hour * HOUR_S), recipients=1)

        store.write(count)

        prune = {"before": at(3 * HOUR_S), "limit": 2}
        assert [store.write(lambda tx: tx.key_usage.prune(**prune)) for _ in range(3)] == [2, 1, 0]
        assert store.read(lambda tx: tx.key_usage.hours(1, since=NOW)) == [(at(3 * HOUR_S), 1)]

    # -- the trail ------------------------------------------------------------------------------

    def test_the_latest_entries_come_first_as_they_were_written(self, store: Store) -> None:
        entries = [
            AuditEntry(
                at=at(n),
                actor="local",
                action="account_updated",
                subject=f"account {n}",
                detail={"name": "é'\"", "count": n, "on": True, "none": None},
            )
            for n in range(3)
        ]
        for entry in entries:
            store.write(lambda tx, entry=entry: tx.audit.add(entry))

        latest = store.read(lambda tx: tx.audit.latest(limit=2))
        assert latest == [attrs.evolve(entries[2], id=3), attrs.evolve(entries[1], id=2)]
        older = store.read(lambda tx: tx.audit.latest(before=2, limit=2))
        assert older == [attrs.evolve(entries[0], id=1)]

    # -- what a key may see ---------------------------------------------------------------------

    def test_an_email_keeps_the_key_that_submitted_it(self, store: Store) -> None:
        account = store.write(lambda tx: tx.accounts.add(an_account()))
        store.write(lambda tx: tx.emails.add(an_email(key_id=7), OCTETS))
        [claimed] = store.write(
            lambda tx: tx.emails.claim(
                account, limit=1, units=9, urgent_units=9, now=NOW, instance=1
            )
        )
        queued = attrs.evolve(claimed, status=Status.QUEUED, phase=None, instance=None)
        store.write(lambda tx: tx.emails.save(queued, was=claimed))

        assert claimed.key_id == 7
        assert store.read(lambda tx: tx.emails.get(1)).key_id == 7

    def test_a_list_is_limited_to_one_key_or_to_some_accounts(self, store: Store) -> None:
        def add(tx: Transaction) -> None:
            for account_id, key_id in ((1, None), (1, 7), (2, 7), (None, 8), (3, None)):
                tx.emails.add(an_email(account_id=account_id, key_id=key_id), OCTETS)

        store.write(add)

        def listed(**limits: object) -> list[int]:
            return page_ids(store.read(lambda tx: tx.emails.page(limit=9, **limits)))

        assert listed(key_id=7) == [3, 2]
        assert listed(key_id=7, account_id=1, status=Status.QUEUED, before=9) == [2]
        assert listed(key_id=9) == []
        assert listed(among=frozenset({1, 2})) == [3, 2, 1]
        assert listed(among=frozenset({1, 2}), account_id=3) == []
        assert listed(among=frozenset({2}), status=Status.SENT) == []

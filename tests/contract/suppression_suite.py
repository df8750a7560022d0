"""What every store must do with suppressions, topics and secrets: a part of `StoreContract`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs
import pytest

from application.ports.store import Store, Transaction
from domain.errors import NotFound
from domain.suppression import (
    EVERYTHING,
    Additions,
    Subscription,
    Suppression,
    SuppressionReason,
    account_scope,
    unsubscribed,
)
from tests.builders import NOW, OCTETS, an_account, an_email, at

ADA_NEWS = Subscription("ada@example.org", "news")
FULL = Suppression(
    address="ünï@xn--bcher-kva.example",
    scope=account_scope(7),
    reason=SuppressionReason.HARD_BOUNCE,
    email_id=9,
    created_at=NOW,
    expires_at=at(60),
)


class SuppressionContract:
    """The suite of the SuppressionRepository, TopicRepository and SecretRepository ports."""

    # -- the list -----------------------------------------------------------------------------

    @pytest.mark.parametrize("suppression", [FULL, unsubscribed(ADA_NEWS, now=NOW)])
    def test_a_suppression_comes_back_as_it_was_stored(
        self, store: Store, suppression: Suppression
    ) -> None:
        store.write(lambda tx: tx.suppressions.put(suppression))

        assert listed(store, suppression.address) == [suppression]

    def test_nothing_is_suppressed_in_an_empty_list(self, store: Store) -> None:
        assert listed(store, "ada@example.org") == []
        assert store.write(lambda tx: tx.suppressions.of(())) == []

    def test_each_reason_and_each_scope_stands_by_itself(self, store: Store) -> None:
        manual = attrs.evolve(FULL, reason=SuppressionReason.MANUAL)
        everywhere = attrs.evolve(FULL, scope=EVERYTHING)
        stored = [put(store, one) for one in (FULL, manual, everywhere)]

        assert stored == [True, True, True]
        assert listed(store, FULL.address) == [everywhere, FULL, manual]

    @pytest.mark.parametrize("expires_at", [at(61), None])
    def test_a_suppression_takes_the_place_of_one_that_ends_before_it(
        self, store: Store, expires_at: datetime | None
    ) -> None:
        longer = attrs.evolve(FULL, email_id=None, created_at=at(1), expires_at=expires_at)
        put(store, FULL)

        assert put(store, longer)
        assert listed(store, FULL.address) == [longer]

    @pytest.mark.parametrize(("first", "second"), [(60, 60), (60, 59), (None, None), (None, 60)])
    def test_a_suppression_that_holds_as_long_stays(
        self, store: Store, first: float | None, second: float | None
    ) -> None:
        known, late = [
            attrs.evolve(FULL, created_at=at(place), expires_at=None if end is None else at(end))
            for place, end in enumerate((first, second))
        ]
        put(store, known)

        assert not put(store, late)
        assert listed(store, FULL.address) == [known]

    def test_the_suppressions_of_many_addresses_are_found_and_no_others(self, store: Store) -> None:
        everybody = [
            attrs.evolve(FULL, address=f"r{number:04}@example.org") for number in range(1100)
        ]

        def work(tx: Transaction) -> Sequence[Suppression]:
            for one in everybody:
                tx.suppressions.put(one)
            return tx.suppressions.of([one.address for one in everybody[1:]])

        assert store.write(work) == everybody[1:]

    def test_a_suppression_is_replaced_whatever_it_says_and_keeps_its_id(
        self, store: Store
    ) -> None:
        shorter = attrs.evolve(FULL, email_id=None, created_at=at(1), expires_at=at(2))
        first = store.write(lambda tx: tx.suppressions.replace(FULL))

        second = store.write(lambda tx: tx.suppressions.replace(shorter))

        assert (first, second, second.id) == (FULL, shorter, first.id)
        assert listed(store, FULL.address) == [shorter]

    def test_a_removed_suppression_is_gone_and_the_others_stay(self, store: Store) -> None:
        manual = attrs.evolve(FULL, reason=SuppressionReason.MANUAL)
        gone, _ = [
            store.write(lambda tx, one=one: tx.suppressions.replace(one)) for one in (FULL, manual)
        ]

        store.write(lambda tx: tx.suppressions.remove([gone]))
        store.write(lambda tx: tx.suppressions.remove([gone]))

        assert listed(store, FULL.address) == [manual]

    def test_who_does_not_wait_is_told_the_same(self, store: Store) -> None:
        assert store.write(lambda tx: tx.suppressions.put(FULL, wait=False))

        found = store.write(lambda tx: tx.suppressions.of([FULL.address], wait=False))

        assert found == [FULL]

    def test_pages_have_every_suppression_once_in_the_order_of_their_ids(
        self, store: Store
    ) -> None:
        reasons = (SuppressionReason.MANUAL, SuppressionReason.COMPLAINT)
        scopes = (EVERYTHING, account_scope(1), account_scope(2))
        everybody = [
            attrs.evolve(
                FULL,
                address=f"r{number}@example.org",
                scope=scopes[number % 3],
                reason=reasons[number % 2],
            )
            for number in range(12)
        ]
        for one in everybody:
            put(store, one)

        def paged(**wanted: Any) -> list[Suppression]:
            found: list[Suppression] = []
            while page := page_after(store, found[-1].id if found else 0, **wanted):
                assert len(page) <= 2
                found += page
            return found

        assert paged() == everybody
        assert paged(reason=reasons[1]) == everybody[1::2]
        assert paged(scopes=[scopes[0]]) == everybody[::3]
        assert paged(scopes=scopes[1:]) == [one for one in everybody if one.scope != EVERYTHING]
        assert paged(scopes=[scopes[1]], reason=reasons[1]) == everybody[1::6]
        assert paged(scopes=[]) == []

    def test_what_was_accepted_before_the_latest_entry_is_told_and_the_scopes_there_are(
        self, store: Store
    ) -> None:
        first, second = stored(store, None), stored(store, None)
        assert additions(store, FULL.scope) == Additions(0, of_scope=False)

        put(store, FULL)
        later = stored(store, None)

        assert additions(store, FULL.scope) == Additions(second, of_scope=True)
        assert additions(store, account_scope(8)) == Additions(second, of_scope=False)
        assert first < second < later

    def test_an_entry_that_is_added_again_is_the_latest_one(self, store: Store) -> None:
        put(store, FULL)
        email_id = stored(store, None)
        assert not put(store, FULL)
        unchanged = additions(store, FULL.scope).until

        put(store, attrs.evolve(FULL, expires_at=None))

        assert unchanged < email_id
        assert additions(store, FULL.scope).until == email_id

    def test_within_a_work_an_entry_counts_at_once(self, store: Store) -> None:
        email_id = stored(store, None)

        def work(tx: Transaction) -> list[Additions]:
            before = tx.suppressions.additions(FULL.scope)
            tx.suppressions.put(FULL)
            return [before, tx.suppressions.additions(FULL.scope)]

        assert store.write(work) == [
            Additions(0, of_scope=False),
            Additions(email_id, of_scope=True),
        ]

    def test_only_what_has_expired_is_pruned_and_no_more_than_asked(self, store: Store) -> None:
        ends = (at(1), at(2), at(3), at(60), None)
        everybody = [
            attrs.evolve(FULL, address=f"r{number}@example.org", expires_at=end)
            for number, end in enumerate(ends)
        ]
        for one in everybody:
            put(store, one)

        gone = [store.write(lambda tx: tx.suppressions.prune(now=at(3), limit=2)) for _ in range(3)]

        assert gone == [2, 1, 0]
        assert store.read(lambda tx: tx.suppressions.page(limit=9)) == everybody[3:]

    # -- topics -------------------------------------------------------------------------------

    def test_open_emails_of_a_subscription_are_found_and_no_others(self, store: Store) -> None:
        ids = [stored(store, ADA_NEWS) for _ in range(4)]
        stored(store, Subscription("ada@example.org", "offers"))
        stored(store, Subscription("grace@example.org", "news"))
        stored(store, None)

        def end_two(tx: Transaction) -> None:
            email = tx.emails.get(ids[1])
            tx.emails.save(email.cancelled(now=at(1)), was=email)
            account = tx.accounts.all()[0]
            tx.emails.claim(account, limit=1, units=9, urgent_units=9, now=at(1), instance=1)

        store.write(end_two)

        assert store.write(lambda tx: tx.topics.lock_open(ADA_NEWS)) == [ids[0], *ids[2:]]

    def test_an_email_has_the_topic_it_was_stored_with(self, store: Store) -> None:
        ids = [stored(store, ADA_NEWS), stored(store, None)]

        found = store.read(lambda tx: [tx.topics.of(email_id) for email_id in (*ids, 99)])

        assert found == [ADA_NEWS, None, None]

    def test_a_topic_of_a_work_that_fails_is_not_stored(self, store: Store) -> None:
        email_id = stored(store, None)

        def work(tx: Transaction) -> None:
            tx.topics.add_all({email_id: ADA_NEWS})
            raise LookupError

        with pytest.raises(LookupError):
            store.write(work)

        assert store.write(lambda tx: tx.topics.lock_open(ADA_NEWS)) == []

    # -- secrets ------------------------------------------------------------------------------

    def test_the_first_secret_of_a_name_stays(self, store: Store) -> None:
        assert store.read(lambda tx: tx.secrets.find("links")) is None

        first = store.write(lambda tx: tx.secrets.add("links", b"\0one"))
        second = store.write(lambda tx: tx.secrets.add("links", b"two"))

        assert (first, second) == (b"\0one", b"\0one")
        assert store.read(lambda tx: tx.secrets.find("links")) == b"\0one"

    def test_a_secret_can_be_sealed_anew(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.secrets.add("links", b"one")
            tx.secrets.add("a", b"other")
            tx.secrets.replace("links", b"two")

        store.write(work)

        found = store.read(lambda tx: tx.secrets.all())
        assert list(found) == [("a", b"other"), ("links", b"two")]

    def test_a_secret_that_is_not_there_cannot_be_sealed_anew(self, store: Store) -> None:
        with pytest.raises(NotFound):
            store.write(lambda tx: tx.secrets.replace("links", b"two"))


def put(store: Store, suppression: Suppression) -> bool:
    """Whether it was stored."""
    return store.write(lambda tx: tx.suppressions.put(suppression))


def page_after(store: Store, after: int, **wanted: Any) -> Sequence[Suppression]:
    """At most two of the list."""
    return store.read(lambda tx: tx.suppressions.page(after=after, limit=2, **wanted))


def additions(store: Store, scope: str) -> Additions:
    """What a claim is told."""
    return store.write(lambda tx: tx.suppressions.additions(scope))


def listed(store: Store, address: str) -> Sequence[Suppression]:
    """What the list has of this address."""
    return store.write(lambda tx: tx.suppressions.of([address]))


def stored(store: Store, subscription: Subscription | None) -> int:
    """The id of a new email of this topic."""

    def work(tx: Transaction) -> int:
        if not tx.accounts.all():
            tx.accounts.add(an_account())
        email_id = tx.emails.add(an_email(), OCTETS).id
        if subscription is not None:
            tx.topics.add_all({email_id: subscription})
        return email_id

    return store.write(work)

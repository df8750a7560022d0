"""What every store must do with suppressions, topics and secrets: a part of `StoreContract`."""

from collections.abc import Sequence
from datetime import datetime

import attrs
import pytest

from application.ports.store import Store, Transaction
from domain.errors import NotFound
from domain.suppression import (
    EVERYTHING,
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
            tx.emails.claim(account, limit=1, units=9, urgent_units=9, now=at(1), owner=1)

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

"""What every store must do with what is old: a part of `StoreContract`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from application.ports.store import Store, Transaction
from domain.access import LOCAL
from domain.account.account import Account
from domain.email.detail import NOTHING, Detail
from domain.email.labels import NO_LABELS, Labels, labels
from domain.email.lifecycle import Email
from domain.email.listing import EmailSummary, Search
from domain.email.recipient import RecipientStatus
from domain.email.status import TERMINAL, Status
from domain.errors import Conflict, NotFound
from domain.message.attachment import Blob
from domain.message.skeleton import PlacedBlob
from domain.suppression import Subscription
from tests.builders import (
    NOW,
    OCTETS,
    a_recipient,
    an_address,
    an_attempt,
    an_email,
    at,
)

BLOB = Blob(digest=bytes(32), size=0)
PLENTY = 1_000_000
LABELS = labels(["t"], {"k": "v"})
NEWS = Detail(topic="news")


class RetentionContract:
    """The suite of the RetentionRepository port."""

    @pytest.mark.parametrize("status", [Status.SENT, Status.CANCELLED, Status.FAILED])
    def test_the_message_of_an_email_that_ended_before_is_removed(
        self, store: Store, status: Status
    ) -> None:
        old = ended(store, status, ended_at=at(-10))
        young = ended(store, status, ended_at=at(0))

        assert purge(store, status, ended_before=at(0)) == 1
        assert purged_at(store, old) == at(5)
        assert purged_at(store, young) is None
        for read in (lambda tx: tx.emails.octets(old), lambda tx: tx.emails.messages([young, old])):
            with pytest.raises(NotFound):
                store.read(read)
        assert store.read(lambda tx: tx.emails.octets(young)) == OCTETS
        assert store.read(lambda tx: tx.emails.get(old)).status is status
        assert purge(store, status, ended_before=at(0)) == 0

    @pytest.mark.parametrize("status", [Status.SENT, Status.CANCELLED, Status.FAILED])
    def test_one_of_another_status_is_left(self, store: Store, status: Status) -> None:
        others = [ended(store, other, ended_at=at(-10)) for other in Status if other is not status]

        assert purge(store, status) == 0
        assert [store.read(lambda tx, n=n: tx.emails.octets(n)) for n in others] == [OCTETS] * 6

    def test_an_email_with_an_unknown_outcome_keeps_its_message(self, store: Store) -> None:
        recipients = (
            a_recipient("a@example.org", status=RecipientStatus.REJECTED),
            a_recipient("b@example.org", status=RecipientStatus.UNKNOWN),
        )
        failed = ended(store, Status.FAILED, ended_at=at(-9), recipients=recipients)
        sent = ended(store, Status.SENT, ended_at=at(-9), recipients=recipients)

        assert purge(store, Status.FAILED) == 0
        assert store.read(lambda tx: tx.emails.octets(failed)) == OCTETS
        assert purge(store, Status.SENT) == 1
        assert purged_at(store, sent) is not None

    def test_what_ended_first_goes_first_and_no_more_than_asked_for(self, store: Store) -> None:
        ids = [ended(store, Status.SENT, ended_at=at(-n)) for n in (1, 3, 2)]

        assert purge(store, Status.SENT, limit=2) == 2
        assert [purged_at(store, n) is not None for n in ids] == [False, True, True]

    def test_as_many_go_as_have_so_many_octets_and_at_least_one(self, store: Store) -> None:
        ids = [ended(store, Status.SENT, ended_at=at(-n), size=100) for n in (4, 3, 2, 1)]

        assert purge(store, Status.SENT, octets=200) == 2
        assert purge(store, Status.SENT, octets=10) == 1
        assert [purged_at(store, n) is not None for n in ids] == [True, True, True, False]

    def test_a_large_part_is_of_no_use_to_an_email_without_its_message(self, store: Store) -> None:
        email_id = ended(store, Status.SENT, ended_at=at(-10))

        def place(tx: Transaction) -> None:
            tx.blobs.begin(BLOB, now=NOW)
            tx.blobs.complete(BLOB)
            tx.blobs.place_all({email_id: [PlacedBlob(offset=0, blob=BLOB)]})

        store.write(place)
        assert store.read(lambda tx: tx.blobs.unused(before=at(1), limit=9)) == []
        assert purge(store, Status.SENT) == 1
        assert store.read(lambda tx: tx.blobs.of([email_id])) == {}
        assert store.read(lambda tx: tx.blobs.unused(before=at(1), limit=9)) == [BLOB.digest]

    def test_an_email_without_its_message_never_waits_again(self, store: Store) -> None:
        email_id = ended(store, Status.FAILED, ended_at=at(-10))
        email = store.read(lambda tx: tx.emails.get(email_id))
        assert purge(store, Status.FAILED) == 1

        with pytest.raises(Conflict):
            store.write(lambda tx: tx.emails.save(email.changed(status=Status.RETRY), was=email))
        assert store.read(lambda tx: tx.emails.get(email_id)).status is Status.FAILED

    def test_emails_that_failed_since_come_the_last_first(
        self, store: Store, account: Account
    ) -> None:
        of = {"account_id": account.id}
        ended(store, Status.FAILED, ended_at=at(-1), **of)
        first = ended(store, Status.FAILED, ended_at=at(0), reason_code="refused", **of)
        last = ended(store, Status.FAILED, ended_at=at(3))
        ended(store, Status.SENT, ended_at=at(2), **of)

        def found(limit: int) -> list[tuple[int, int | None, str | None, datetime]]:
            some = store.read(lambda tx: tx.emails.failed(since=NOW, limit=limit))
            return [(one.id, one.account_id, one.reason, one.at) for one in some]

        assert found(9) == [(last, None, None, at(3)), (first, account.id, "refused", at(0))]
        assert found(1) == found(9)[:1]
        assert purge(store, Status.FAILED, ended_before=at(9)) == 3
        assert found(9) == []

    def test_emails_that_have_ended_come_by_id_with_their_times(self, store: Store) -> None:
        ids = [
            ended(store, status, ended_at=at(n))
            for n, status in enumerate([Status.SENT, Status.FAILED, Status.SENT, Status.SENT])
        ]

        def found(after: int, limit: int) -> list[tuple[int, datetime, datetime]]:
            some = store.read(lambda tx: tx.retention.ended(Status.SENT, after=after, limit=limit))
            return [(one.id, one.created_at, one.ended_at) for one in some]

        assert found(0, 2) == [(ids[0], NOW, at(0)), (ids[2], NOW, at(2))]
        assert found(ids[2], 9) == [(ids[3], NOW, at(3))]

    def test_an_email_is_removed_with_all_that_belongs_to_it(
        self, store: Store, account: Account
    ) -> None:
        kept, gone = (full_email(store, account, address) for address in ("a@x.org", "b@x.org"))

        removed = store.write(lambda tx: tx.retention.remove([gone], ended_before=at(1)))

        assert removed == 1
        with pytest.raises(NotFound):
            store.read(lambda tx: tx.emails.get(gone))
        assert store.read(lambda tx: all_of(tx, kept)) == (LABELS, NEWS, 1, 1, OCTETS)
        assert store.read(lambda tx: tx.attempts.of(gone)) == []
        assert store.read(lambda tx: tx.labels.of(gone)) == NO_LABELS
        assert store.read(lambda tx: tx.details.of(gone)) == NOTHING
        assert store.read(lambda tx: tx.topics.of(gone)) is None
        assert store.read(lambda tx: tx.blobs.of([gone])) == {}
        for search in (Search(tag="t"), Search(subject="hello"), Search(metadata=(("k", "v"),))):
            assert [row.id for row in page(store, search)] == [kept]
        assert page(store, Search(recipient=an_address("b@x.org"))) == []
        assert store.read(lambda tx: tx.emails.counts())[Status.SENT] == 1
        assert store.write(lambda tx: tx.emails.add(an_email(), OCTETS)).id == gone + 1

    @pytest.mark.parametrize("status", list(Status))
    def test_only_what_ended_before_is_removed(self, store: Store, status: Status) -> None:
        old, young = (ended(store, status, ended_at=at(n)) for n in (-1, 0))

        removed = store.write(lambda tx: tx.retention.remove([old, young, 99], ended_before=NOW))

        assert removed == int(status in TERMINAL)
        assert store.read(lambda tx: tx.emails.counts())[status] == 2 - removed

    def test_the_audit_forgets_its_first_entries(self, store: Store) -> None:
        for n in range(4):
            store.write(lambda tx, n=n: tx.audit.add(LOCAL.did("a", str(n), at=at(n))))

        def prune(before: datetime, limit: int) -> int:
            return store.write(lambda tx: tx.audit.prune(before=before, limit=limit))

        assert [prune(at(3), 2), prune(at(3), 2), prune(at(3), 2)] == [2, 1, 0]
        assert [entry.subject for entry in store.read(lambda tx: tx.audit.latest(limit=9))] == ["3"]

    def test_an_email_that_is_not_there_was_not_purged(self, store: Store) -> None:
        assert purged_at(store, 99) is None

    def test_an_empty_store_always_removed_what_is_old(self, store: Store) -> None:
        assert store.read(lambda tx: tx.retention.counts_from()) is None
        assert store.write(lambda tx: tx.retention.tell()) is False


def full_email(store: Store, account: Account, address: str) -> int:
    """A sent email that has a row in every table that emails have."""

    def work(tx: Transaction) -> int:
        new = tx.emails.add(an_email(recipients=(a_recipient(address),)), OCTETS)
        tx.labels.add_all({new.id: LABELS})
        tx.details.add_all({new.id: NEWS})
        tx.topics.add_all({new.id: Subscription(address, "news")})
        tx.blobs.begin(BLOB, now=NOW)
        tx.blobs.complete(BLOB)
        tx.blobs.place_all({new.id: [PlacedBlob(offset=0, blob=BLOB)]})
        tx.attempts.open([an_attempt(email_id=new.id, account_id=account.id)])
        tx.emails.save(new.changed(status=Status.SENT, updated_at=at(0)), was=new)
        return new.id

    return store.write(work)


def all_of(tx: Transaction, email_id: int) -> tuple[Labels, Detail, int, int, bytes]:
    """What a full email has."""
    return (
        tx.labels.of(email_id),
        tx.details.of(email_id),
        len(tx.attempts.of(email_id)),
        len(tx.blobs.of([email_id])[email_id]),
        tx.emails.octets(email_id),
    )


def page(store: Store, search: Search) -> Sequence[EmailSummary]:
    """What a search finds."""
    return list(store.read(lambda tx: tx.emails.page(search, limit=9)).emails)


def ended(store: Store, status: Status, *, ended_at: datetime, **changes: Any) -> int:
    """A new email with this status that was changed last then."""

    def work(tx: Transaction) -> Email:
        new = tx.emails.add(an_email(**changes), OCTETS)
        tx.emails.save(new.changed(status=status, updated_at=ended_at), was=new)
        return new

    return store.write(work).id


def purge(
    store: Store,
    status: Status,
    *,
    ended_before: datetime = NOW,
    limit: int = 9,
    octets: int = PLENTY,
) -> int:
    """Purge at the second 5; how many there were."""
    return store.write(
        lambda tx: tx.retention.purge_content(
            status, ended_before=ended_before, limit=limit, octets=octets, now=at(5)
        )
    )


def purged_at(store: Store, email_id: int) -> datetime | None:
    """When the message was removed."""
    return store.read(lambda tx: tx.retention.content_purged_at(email_id))

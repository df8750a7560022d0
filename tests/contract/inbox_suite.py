"""What every store must do with the inboxes of accounts: a part of `StoreContract`."""

from datetime import timedelta

import attrs

from application.ports.store import Store
from domain.account.inbox import Inbox, InboxPlace
from tests.builders import at

INBOX = Inbox(account_id=3, host="imap.example.com", username="bounces@example.com")
READ = attrs.evolve(
    INBOX,
    account_id=2,
    version=7,
    port=143,
    sealed_password=b"\0sealed",
    folder="Reports",
    poll=timedelta(seconds=90),
    place=InboxPlace(2**32 - 1, 4_000_000_000),
    tried_at=at(5),
    read_at=at(4),
    failures=2,
    last_error="ünï",
)


class InboxContract:
    """The suite of the InboxRepository port."""

    def test_inboxes_come_back_as_they_were_saved_by_account(self, store: Store) -> None:
        save(store, INBOX, READ)

        assert store.read(lambda tx: tx.inboxes.all()) == [READ, INBOX]
        assert find(store, 3) == INBOX
        assert find(store, 4) is None

    def test_an_inbox_takes_the_place_of_the_accounts_other_one(self, store: Store) -> None:
        save(store, INBOX)
        save(store, attrs.evolve(READ, account_id=3))

        found = store.read(lambda tx: tx.inboxes.all())
        assert found == [attrs.evolve(READ, account_id=3)]

    def test_progress_is_saved_while_the_inbox_stands_as_it_was(self, store: Store) -> None:
        save(store, INBOX)
        first = INBOX.was_read(InboxPlace(1, 5), at(1))
        second = first.was_read(InboxPlace(1, 9), at(2))
        failed = second.failed("away", at(3))

        assert progress(store, first, was=INBOX)
        assert progress(store, second, was=first)
        assert progress(store, failed, was=second)

        assert find(store, 3) == failed

    def test_progress_is_not_saved_over_a_change_or_by_who_was_overtaken(
        self, store: Store
    ) -> None:
        save(store, INBOX)
        read = INBOX.was_read(InboxPlace(1, 5), at(1))
        progress(store, read, was=INBOX)

        assert not progress(store, INBOX.was_read(InboxPlace(1, 4), at(2)), was=INBOX)
        changed = attrs.evolve(read, version=2, place=None)
        save(store, changed)
        assert not progress(store, read, was=read)
        store.write(lambda tx: tx.inboxes.remove(3))
        assert not progress(store, changed, was=changed)

    def test_an_inbox_is_removed_and_one_that_is_not_there_too(self, store: Store) -> None:
        save(store, INBOX)

        for _ in range(2):
            store.write(lambda tx: tx.inboxes.remove(3))

        assert find(store, 3) is None


def save(store: Store, *inboxes: Inbox) -> None:
    for inbox in inboxes:
        store.write(lambda tx, inbox=inbox: tx.inboxes.save(inbox))  # type: ignore[misc]  # now


def progress(store: Store, inbox: Inbox, *, was: Inbox) -> bool:
    return store.write(lambda tx: tx.inboxes.save_progress(inbox, was=was))


def find(store: Store, account_id: int) -> Inbox | None:
    return store.read(lambda tx: tx.inboxes.find(account_id))

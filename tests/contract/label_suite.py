"""What every store must do with the labels of emails: a part of `StoreContract`."""

import pytest

from application.ports.store import Store, Transaction
from domain.email.labels import LONGEST_KEY, LONGEST_VALUE, NO_LABELS, Labels, labels
from domain.errors import Conflict
from tests.builders import OCTETS, an_email

LONGEST = "\N{GRINNING FACE}"  # of all characters those with the most octets


class LabelContract:
    """The suite of the LabelRepository port."""

    @pytest.mark.parametrize(
        "given",
        [
            labels(["welcome", "Zürich", "a b"], {"order": "1042", "Ünï": "", "a.b": "x=y&z"}),
            labels(["last", "first"], {}),
            labels([], {LONGEST * LONGEST_KEY: LONGEST * LONGEST_VALUE}),
            NO_LABELS,
        ],
    )
    def test_labels_come_back_as_they_were_stored(self, store: Store, given: Labels) -> None:
        email_id = labelled(store, given)

        assert store.read(lambda tx: tx.labels.of(email_id)) == given

    def test_an_email_without_labels_has_none(self, store: Store) -> None:
        store.write(lambda tx: tx.emails.add(an_email(), OCTETS))

        assert store.read(lambda tx: [tx.labels.of(1), tx.labels.of(9)]) == [NO_LABELS] * 2

    def test_tags_of_several_emails_are_in_the_order_of_the_client(self, store: Store) -> None:
        labelled(store, labels(["b", "a"], {}))
        labelled(store, labels([], {"a": "b"}))
        labelled(store, labels(["b", "c"], {}))

        assert store.read(lambda tx: tx.labels.tags_of([3, 2, 1, 9])) == {
            1: ["b", "a"],
            3: ["b", "c"],
        }
        assert store.read(lambda tx: tx.labels.tags_of([])) == {}

    def test_labels_are_given_once_and_to_an_email_that_is_there(self, store: Store) -> None:
        email_id = labelled(store, labels(["a"], {"k": "v"}))

        for other in (email_id, 9):
            with pytest.raises(Conflict):
                store.write(lambda tx, other=other: tx.labels.add_all({other: labels(["b"], {})}))
        assert store.read(lambda tx: tx.labels.of(email_id)) == labels(["a"], {"k": "v"})

    def test_labels_of_a_work_that_fails_are_not_stored(self, store: Store) -> None:
        email_id = store.write(lambda tx: tx.emails.add(an_email(), OCTETS)).id

        def work(tx: Transaction) -> None:
            tx.labels.add_all({email_id: labels(["a"], {"k": "v"})})
            raise LookupError

        with pytest.raises(LookupError):
            store.write(work)

        assert store.read(lambda tx: tx.labels.of(email_id)) == NO_LABELS


def labelled(store: Store, given: Labels) -> int:
    """The id of an email with these labels."""

    def work(tx: Transaction) -> int:
        email_id = tx.emails.add(an_email(), OCTETS).id
        tx.labels.add_all({email_id: given})
        return email_id

    return store.write(work)

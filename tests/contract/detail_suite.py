"""What every store must do with the details of emails: a part of `StoreContract`."""

from datetime import timedelta

import pytest

from application.ports.store import Store, Transaction
from domain.email.detail import NOTHING, AttachedFile, Detail, TemplateUsed
from domain.mailbox import Mailbox
from tests.builders import NOW, OCTETS, an_account, an_address, an_email

FULL = Detail(
    sender=Mailbox(an_address("billing@example.com"), 'Ünï "Quoted" <x>'),
    reply_to=(
        Mailbox(an_address("jürgen@example.org")),
        Mailbox(an_address("b@example.org"), "Büro"),
    ),
    names=((0, "Ada"), (2, "Grace")),
    in_reply_to="<1@example.org>",
    template=TemplateUsed("welcome", 3, "de-AT"),
    topic="news",
    attachments=(
        AttachedFile(filename="ü.png", content_type="image/png", size=0, content_id="logo"),
        AttachedFile(filename="b", content_type="application/pdf", size=9),
    ),
    expires_at=NOW + timedelta(microseconds=1),
)


class DetailContract:
    """The suite of the DetailRepository port."""

    @pytest.mark.parametrize(
        "detail", [FULL, Detail(topic="news"), Detail(names=((1, "x"),)), NOTHING]
    )
    def test_a_detail_comes_back_as_it_was_stored(self, store: Store, detail: Detail) -> None:
        email_id = _stored(store, detail)

        assert store.read(lambda tx: tx.details.of(email_id)) == detail

    def test_an_email_that_is_not_there_has_no_detail(self, store: Store) -> None:
        assert store.read(lambda tx: tx.details.of(9)) == NOTHING

    def test_each_email_has_the_detail_of_its_own(self, store: Store) -> None:
        ids = [_stored(store, Detail(topic=f"t{n}")) for n in range(3)]

        topics = store.read(lambda tx: [tx.details.of(email_id).topic for email_id in ids])

        assert topics == ["t0", "t1", "t2"]

    def test_a_detail_of_a_work_that_fails_is_not_stored(self, store: Store) -> None:
        email_id = _stored(store, NOTHING)

        def work(tx: Transaction) -> None:
            tx.details.add_all({email_id: FULL})
            raise LookupError

        with pytest.raises(LookupError):
            store.write(work)

        assert store.read(lambda tx: tx.details.of(email_id)) == NOTHING


def _stored(store: Store, detail: Detail) -> int:
    def work(tx: Transaction) -> int:
        if not tx.accounts.all():
            tx.accounts.add(an_account())
        email_id = tx.emails.add(an_email(), OCTETS).id
        tx.details.add_all({email_id: detail})
        return email_id

    return store.write(work)

"""What every store must do with what reports have told: a part of `StoreContract`."""

from collections.abc import Collection, Mapping, Sequence

import attrs
import pytest

from application.ports.store import Store, Transaction
from domain.bounce.bounce import Bounce, BounceType
from domain.bounce.report import BounceKind
from domain.email.lifecycle import Email
from domain.email.recipient import RecipientStatus
from domain.email.status import Status
from domain.event.event import BEGINNING, StoredEvent, reported_of
from domain.event.types import EventType
from domain.outcome.handoff import Reply
from tests.builders import NOW, a_recipient, an_email, at, recipients
from tests.running import wait_until

REF = "0123456789abcdef0123456789abcdef"
SES = "0100018f2b3c4d5e-9a483358-9170-4cb4-a269-f5dcdf415321-000000"


class BounceContract:
    """The suite of the BounceRepository port."""

    def test_bounces_come_back_by_recipient_and_type(self, store: Store) -> None:
        email = add(store, recipients=recipients(3))
        hard = a_bounce(email, position=2)
        delayed = a_bounce(email, position=2, kind=BounceKind.DELAYED, status="4.4.1")
        nobodys = a_bounce(email, position=None, kind=BounceKind.COMPLAINT, status=None)

        put(store, hard, nobodys, delayed)

        assert of(store, email) == [nobodys, hard, delayed]
        assert of(store, add(store)) == []

    def test_the_kinds_of_reports_of_several_emails_are_told(self, store: Store) -> None:
        first, second, third = add(store), add(store), add(store)
        put(
            store,
            a_bounce(first),
            a_bounce(first, position=None, kind=BounceKind.COMPLAINT),
            a_bounce(second, kind=BounceKind.DELAYED),
        )

        def types(*emails: Email) -> Mapping[int, Collection[BounceType]]:
            ids = [email.id for email in emails]
            return store.read(lambda tx: tx.bounces.types_of(ids))

        assert types(first, second, third) == {
            first.id: {BounceType.BOUNCED, BounceType.COMPLAINED},
            second.id: {BounceType.DELAYED},
        }
        assert types(third) == types() == {}

    def test_a_bounce_takes_the_place_of_one_of_its_recipient_and_type(self, store: Store) -> None:
        email = add(store)
        soft = a_bounce(email, kind=BounceKind.SOFT, status="5.2.2", text="full")
        hard = a_bounce(email, at=at(9), text="ü\\ \U0001f600")

        put(store, soft)
        put(store, hard)

        assert of(store, email) == [hard]

    def test_an_email_is_found_by_its_reference_newest_first(self, store: Store) -> None:
        first, second = add(store), add(store, message_id=f"<{REF}@other.example>")
        add(store, message_id=f"<{REF[1:]}@example.com>")

        assert by_reference(store, REF) == [second.id, first.id]
        assert by_reference(store, REF, limit=1) == [second.id]
        assert by_reference(store, f"{REF}@example.com") == []
        assert by_reference(store, REF.upper()) == []

    def test_among_addresses_it_is_found_by_any_of_its_recipients(self, store: Store) -> None:
        to = a_recipient("Ada@example.org"), a_recipient("Bob@example.org")
        email = add(store, recipients=to)
        add(store, recipients=(a_recipient("eve@example.org"),))

        assert by_reference(store, REF, among=["ada@example.org"]) == [email.id]
        assert by_reference(store, REF, among=["x@example.org", "bob@example.org"]) == [email.id]
        assert by_reference(store, REF, among=["x@example.org"]) == []
        assert by_reference(store, REF[:-1] + "0", among=["ada@example.org"]) == []

    def test_an_email_is_found_by_each_name_that_a_provider_gave_it(self, store: Store) -> None:
        first, second = add(store), add(store)
        name(store, first, SES)
        name(store, first, "another", attempt_no=2)
        name(store, second, SES)

        assert by_name(store, SES) == [second.id, first.id]
        assert by_name(store, SES, limit=1) == [second.id]
        assert by_name(store, "another") == [first.id]
        assert by_name(store, "no") == []

    def test_what_a_failed_work_wrote_of_bounces_is_not_there(self, store: Store) -> None:
        email = add(store)

        def work(tx: Transaction) -> None:
            tx.bounces.lock(email.id)
            tx.bounces.put(a_bounce(email))
            tx.bounces.name(email.id, attempt_no=1, name=SES)
            raise LookupError

        with pytest.raises(LookupError):
            store.write(work)

        assert of(store, email) == []
        assert by_name(store, SES) == []

    def test_bounces_and_names_fall_with_their_email(self, store: Store) -> None:
        email = add(store, updated_at=at(0))
        put(store, a_bounce(email))
        name(store, email, SES)

        removed = store.write(lambda tx: tx.retention.remove([email.id], ended_before=at(1)))

        assert removed == 1
        assert (of(store, email), by_name(store, SES)) == ([], [])

    def test_an_event_that_a_report_tells_comes_back_as_it_was_told(self, store: Store) -> None:
        reply = Reply(250, "ok")
        email = attrs.evolve(
            add(store, recipients=recipients(3, reply=reply)), account_id=4, key_id=7
        )
        told = [
            reported_of(email, [a_bounce(email, position=1)], at=at(7)),
            reported_of(
                email, [a_bounce(email, position=None, kind=BounceKind.COMPLAINT)], at=at(8)
            ),
        ]

        def work(tx: Transaction) -> None:
            for one in told:
                tx.events.tell_reported(one)

        store.write(work)
        wait_until(lambda: len(events(store)) == 2)

        for event, stored in zip(told, events(store), strict=True):
            assert (stored.type, stored.at, stored.facts) == (event.type, event.at, event.facts)
            assert (stored.email_id, stored.account_id, stored.key_id) == (email.id, 4, 7)
        assert [one.type for one in told] == [EventType.EMAIL_BOUNCED, EventType.EMAIL_COMPLAINED]


def add(store: Store, **changes: object) -> Email:
    values: dict[str, object] = {
        "message_id": f"<{REF}@example.com>",
        "status": Status.SENT,
        "recipients": recipients(1, status=RecipientStatus.ACCEPTED),
    }
    email = an_email(**values | changes)
    return store.write(lambda tx: tx.emails.add(email, b"x"))


def a_bounce(email: Email, **changes: object) -> Bounce:
    made = Bounce(
        email_id=email.id, position=0, kind=BounceKind.HARD, status="5.1.1", text="no", at=NOW
    )
    return attrs.evolve(made, **changes)  # type: ignore[arg-type]  # fields by name


def put(store: Store, *bounces: Bounce) -> None:
    def work(tx: Transaction) -> None:
        for bounce in bounces:
            tx.bounces.put(bounce)

    store.write(work)


def of(store: Store, email: Email) -> Sequence[Bounce]:
    return store.read(lambda tx: tx.bounces.of(email.id))


def name(store: Store, email: Email, text: str, *, attempt_no: int = 1) -> None:
    store.write(lambda tx: tx.bounces.name(email.id, attempt_no=attempt_no, name=text))


def by_reference(
    store: Store, reference: str, *, among: Collection[str] | None = None, limit: int = 10
) -> Sequence[int]:
    return store.read(lambda tx: tx.bounces.by_reference(reference, among=among, limit=limit))


def by_name(store: Store, text: str, *, limit: int = 10) -> Sequence[int]:
    return store.read(lambda tx: tx.bounces.by_name(text, limit=limit))


def events(store: Store) -> Sequence[StoredEvent]:
    return store.read(lambda tx: tx.events.page(BEGINNING, limit=10)).events

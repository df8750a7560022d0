"""What every store must do when a person is erased: a part of `StoreContract`."""

from functools import partial

import attrs
import pytest

from application.ports.store import Store, Transaction
from domain.access import LOCAL
from domain.account.account import Account
from domain.account.health import Health, Pause
from domain.account.inbox import Inbox
from domain.erasure import Erasure, Person, Step
from domain.errors import NotFound
from domain.event.event import BEGINNING, AccountFacts, OtherEvent, SuppressionFacts
from domain.event.types import EventType
from domain.suppression import SuppressionReason
from tests.builders import (
    NOW,
    OCTETS,
    a_recipient,
    a_record,
    an_account,
    an_email,
    at,
    credentials,
)

ADA = Person("ada@example.org", "erased-0@erased.invalid")
OTHERS = ("ada@example.org.uk", "x-ada@example.org", "bob@example.org")
SAID = "550 <Ada@Example.ORG> unknown, <bob@example.org> not"
LEFT = f"550 <{ADA.pseudonym}> unknown, <bob@example.org> not"
ERASURE = Erasure(address=ADA.key, pseudonym=ADA.pseudonym, until=9, requested_at=NOW)


class ErasureContract:
    """The suite of the ErasureRepository port, but for what `tests/integration/test_erasure.py`
    asks of the whole use case on every store.
    """

    def test_erasures_come_back_as_they_were_saved(self, store: Store) -> None:
        first, second = (store.write(lambda tx: tx.erasures.add(ERASURE)) for _ in range(2))
        moved = attrs.evolve(first.at(7), emails=3)
        done = attrs.evolve(second, step=Step.DONE, address="", done_at=at(5))
        for one in (moved, done):
            store.write(lambda tx, one=one: tx.erasures.save(one))  # type: ignore[misc]  # now

        assert 0 < first.id < second.id
        assert store.read(lambda tx: tx.erasures.get(first.id)) == moved
        assert store.read(lambda tx: tx.erasures.get(second.id)) == done
        assert [one.id for one in store.read(lambda tx: tx.erasures.unfinished())] == [first.id]
        with pytest.raises(NotFound):
            store.read(lambda tx: tx.erasures.get(99))

    def test_an_email_is_noted_once_and_for_one_erasure(self, store: Store) -> None:
        first, second = (store.write(lambda tx: tx.erasures.add(ERASURE)) for _ in range(2))
        for numbers in ((3, 1), (1, 2)):
            store.write(lambda tx, them=numbers: tx.erasures.note(first.id, them))  # type: ignore[misc]  # now

        assert list(noted(store, first.id, after=0, limit=2)) == [1, 2]
        assert list(noted(store, first.id, after=2, limit=2)) == [3]
        assert store.read(lambda tx: tx.erasures.waiting(first.id)) == 3
        assert store.read(lambda tx: tx.erasures.waiting(second.id)) == 0

    def test_the_emails_to_the_address_alone_are_found(self, store: Store) -> None:
        for address in ("Ada@Example.org", *OTHERS, "ada@example.org"):
            email = an_email(recipients=(a_recipient(address),))
            store.write(lambda tx, email=email: tx.emails.add(email, OCTETS))  # type: ignore[misc]  # now

        def found(after: int, until: int, limit: int = 9) -> list[int]:
            span = {"after": after, "until": until, "limit": limit}
            return list(store.read(lambda tx: tx.erasures.emails_to(ADA, **span)))

        assert found(0, 9) == [1, 5]
        assert found(0, 9, limit=1) == [1]
        assert found(1, 9) == [5]
        assert found(0, 4) == [1]

    def test_every_text_of_an_account_that_names_the_person_is_redacted(self, store: Store) -> None:
        ids = [store.write(lambda tx, n=n: add_account(tx, n)).id for n in range(3)]  # type: ignore[misc]  # now

        redact(store, Step.ACCOUNTS)

        for number in ids:
            account = store.read(lambda tx, number=number: tx.accounts.get(number))  # type: ignore[misc]  # now
            inbox = store.read(lambda tx, number=number: tx.inboxes.find(number))  # type: ignore[misc]  # now
            granted = store.read(lambda tx, number=number: tx.credentials.find(number))  # type: ignore[misc]  # now
            assert account.health == a_health(LEFT)
            assert inbox == an_inbox(number, LEFT)
            assert granted == credentials(number, last_error=LEFT)

    def test_every_text_of_the_audit_that_names_the_person_is_redacted(self, store: Store) -> None:
        entries = [LOCAL.did("done", f"email to {one}", at=NOW, said=one) for one in (SAID, LEFT)]
        for entry in entries:
            store.write(lambda tx, entry=entry: tx.audit.add(entry))  # type: ignore[misc]  # now

        redact(store, Step.AUDIT)

        found = store.read(lambda tx: tx.audit.latest(limit=9))
        assert {(one.subject, one.detail["said"]) for one in found} == {(f"email to {LEFT}", LEFT)}

    def test_every_event_that_names_the_person_is_redacted(self, store: Store) -> None:
        for address in (ADA.key, *OTHERS):
            listed = SuppressionFacts(address=address, scope="*", reason=SuppressionReason.MANUAL)
            tell(store, EventType.SUPPRESSION_CREATED, listed)
        tell(store, EventType.ACCOUNT_PAUSED, AccountFacts(name="a", reason="x", text=SAID))

        redact(store, Step.EVENTS)

        events = store.read(lambda tx: tx.events.page(BEGINNING, limit=9)).events
        facts = [event.facts for event in events]
        assert [one.address for one in facts if isinstance(one, SuppressionFacts)] == [
            ADA.pseudonym,
            *OTHERS,
        ]
        assert [one.text for one in facts if isinstance(one, AccountFacts)] == [LEFT]

    def test_what_is_remembered_by_a_key_with_the_address_in_it_is_forgotten(
        self, store: Store
    ) -> None:
        keys = [f"order-{one}" for one in (ADA.key, ADA.key.upper(), "bob@example.org")]
        for key in keys:
            store.write(lambda tx, key=key: tx.idempotency.add(a_record(key=key)))  # type: ignore[misc]  # now

        redact(store, Step.IDEMPOTENCY)

        scope = a_record().scope
        found = [
            store.read(lambda tx, key=key: tx.idempotency.find(key, scope=scope))  # type: ignore[misc]  # now
            for key in keys
        ]
        assert [one is None for one in found] == [True, True, False]


def add_account(tx: Transaction, number: int) -> Account:
    account = tx.accounts.add(an_account(name=f"account {number}"))
    tx.accounts.save(attrs.evolve(account, health=a_health(SAID)))
    tx.inboxes.save(an_inbox(account.id, SAID))
    tx.credentials.save(credentials(account.id, last_error=SAID))
    return account


def a_health(said: str) -> Health:
    return Health(pause=Pause(reason="auth", text=said, since=NOW), last_reply=said)


def an_inbox(account_id: int, said: str) -> Inbox:
    """Its owner's own words stay, whoever they name."""
    return Inbox(
        account_id=account_id,
        host="imap.example.org",
        username=ADA.key,
        tried_at=NOW,
        failures=1,
        last_error=said,
    )


def redact(store: Store, step: Step) -> None:
    """A row at a time, to the end."""
    after: int | None = 0
    while after is not None:
        work = partial(redact_one, step=step, after=after)
        after = store.write(work)


def redact_one(tx: Transaction, *, step: Step, after: int) -> int | None:
    return tx.erasures.redact_texts(step, ADA, after=after, limit=1)


def noted(store: Store, erasure_id: int, *, after: int, limit: int) -> list[int]:
    return list(store.read(lambda tx: tx.erasures.noted(erasure_id, after=after, limit=limit)))


def tell(store: Store, kind: EventType, facts: AccountFacts | SuppressionFacts) -> None:
    event = OtherEvent(type=kind, at=NOW, account_id=None, facts=facts)
    store.write(lambda tx: tx.events.tell(event))

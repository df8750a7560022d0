"""What every store must do to find emails: a part of `StoreContract`."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from application.ports.store import Store, Transaction
from domain.email.labels import NO_LABELS, Labels, labels
from domain.email.listing import Search
from domain.email.recipient import RecipientField
from domain.email.status import WAITING, Status
from tests.builders import NOW, OCTETS, a_recipient, an_address, an_email, at

PAIR = ("order", "1042")


class SearchContract:
    """The suite of `EmailRepository.page` with a search."""

    @pytest.mark.parametrize("field", list(RecipientField))
    @pytest.mark.parametrize("asked", ["ada@example.org", "ADA@EXAMPLE.ORG"])
    def test_a_recipient_is_found_in_every_field_and_case(
        self, store: Store, field: RecipientField, asked: str
    ) -> None:
        for address in ("Ada@example.org", "adam@example.org", "ada@example.or"):
            add(store, recipients=(a_recipient(), a_recipient(address, field=field))[1:])

        assert found(store, recipient=an_address(asked)) == [1]

    def test_letters_beyond_ascii_are_compared_as_they_are(self, store: Store) -> None:
        add(store, recipients=(a_recipient("Ünï@example.org"),), subject="Über uns")

        assert found(store, recipient=an_address("ÜNï@example.org")) == [1]
        assert found(store, recipient=an_address("ünï@example.org")) == []
        assert found(store, subject="ÜBER") == [1]
        assert found(store, subject="über") == []

    def test_an_email_that_names_an_address_twice_is_found_once(self, store: Store) -> None:
        twice = (a_recipient("ada@example.org"), a_recipient("ADA@example.org"))
        for _ in range(3):
            add(store, recipients=twice)

        assert found(store, recipient=an_address("ada@example.org")) == [3, 2, 1]
        page = store.read(
            lambda tx: tx.emails.page(Search(recipient=an_address("ada@example.org")), limit=1)
        )
        assert (len(page.emails), page.next_before) == (1, 3)

    def test_a_tag_is_found_as_a_whole_and_in_its_case(self, store: Store) -> None:
        for tag in ("welcome", "Welcome", "welcome2", "welc"):
            add(store, labels(["other", tag], {}))

        assert found(store, tag="welcome") == [1]
        assert found(store, tag="other") == [4, 3, 2, 1]
        assert found(store, tag="nobody") == []

    def test_metadata_are_found_by_key_and_value_and_all_pairs_must_be_there(
        self, store: Store
    ) -> None:
        add(store, labels([], dict([PAIR])))
        add(store, labels([], {"order": "1043"}))
        add(store, labels([], {"other": "1042", "order": ""}))
        add(store, labels([], {"order": "1042", "kind": "b"}))

        assert found(store, metadata=(PAIR,)) == [4, 1]
        assert found(store, metadata=(PAIR, ("kind", "b"))) == [4]
        assert found(store, metadata=(PAIR, ("kind", "c"))) == []
        assert found(store, metadata=(("order", ""),)) == [3]

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("invoice", [4, 2, 1]),
            ("INVOICE 1", [2, 1]),
            ("Invoice 10", [2]),
            ("Invoice 100", []),
            ("%", [5]),
            ("_nvoice", []),
            ("\N{GRINNING FACE}", [6]),
            ("\ud7ff", [7]),
            ("\U0010ffff", [8]),
            ("a" * 39, [10, 9]),
            ("A" * 40, [10, 9]),
            ("a" * 40 + "b", [10]),
            ("a" * 40 + "B" * 50, []),
        ],
    )
    def test_a_subject_is_found_by_its_beginning(
        self, store: Store, prefix: str, expected: list[int]
    ) -> None:
        subjects = ["Invoice 1", "invoice 10", "An invoice", "INVOICE 2", "%", "\N{GRINNING FACE}!"]
        subjects += ["\ud7ffx", "\U0010ffffx", "a" * 41, "a" * 40 + "B"]
        for subject in subjects:
            add(store, subject=subject)

        assert found(store, subject=prefix) == expected

    def test_since_is_inclusive_and_until_is_not(self, store: Store) -> None:
        for second in range(60):
            add(store, created_at=at(second))

        assert found(store, since=at(50)) == list(range(60, 50, -1))
        assert found(store, until=at(5)) == [5, 4, 3, 2, 1]
        assert found(store, since=at(30), until=at(32)) == [32, 31]
        assert found(store, since=at(60)) == found(store, until=NOW) == []
        assert found(store, since=at(5), until=at(4)) == []

    def test_emails_that_were_created_a_moment_out_of_order_are_found(self, store: Store) -> None:
        for second in (0, 30, 29, 31, 25, 40, 60):
            add(store, created_at=at(second))

        assert found(store, since=at(30)) == [7, 6, 4, 2]
        assert found(store, until=at(30)) == [5, 3, 1]

    def test_what_waits_in_a_queue_is_found_whatever_its_waiting_status(self, store: Store) -> None:
        for status in Status:
            phase = {"phase": None, "instance": 1} if status is Status.SENDING else {}
            add(store, status=status, account_id=1, pinned=True, **phase)
            add(store, status=status, account_id=1, **phase)
            add(store, status=status, account_id=2, pinned=True, **phase)
        wait = [place for place, one in enumerate(Status) if one in WAITING]

        assert found(store, queue=1) == sorted((3 * place + 1 for place in wait), reverse=True)
        assert found(store, queue=0) == sorted((3 * place + 2 for place in wait), reverse=True)
        assert found(store, queue=3) == []
        assert found(store, queue=1, subject="Hello") == found(store, queue=1)
        assert walked(store, Search(queue=1), status=Status.RETRY) == [
            3 * list(Status).index(Status.RETRY) + 1
        ]

    def test_what_is_searched_for_holds_beside_the_other_conditions(self, store: Store) -> None:
        tagged = labels(["a"], {})
        add(store, tagged, status=Status.SENT, account_id=1)
        add(store, tagged, status=Status.SENDING, account_id=1, phase=None, instance=1)
        add(store, tagged, status=Status.FAILED, account_id=2)
        add(store, tagged, status=Status.FAILED, account_id=None)
        add(store, status=Status.FAILED, account_id=2)

        def listed(**which: Any) -> list[int]:
            return walked(store, Search(tag="a"), **which)

        assert listed(status=Status.FAILED) == [4, 3]
        assert listed(status=Status.SENDING) == [2]
        assert listed(account_id=1) == [2, 1]
        assert listed(account_id=2, status=Status.SENT) == []
        assert listed(among=[2, 9]) == [3]
        assert listed(among=[]) == []
        assert listed(key_id=1) == []

    def test_a_row_shows_recipients_of_the_to_line_tags_and_reason(self, store: Store) -> None:
        everybody = [
            a_recipient("cc@example.org", field=RecipientField.CC),
            a_recipient("b@example.org"),
            a_recipient("a@example.org"),
        ]
        add(store, labels(["y", "x"], {}), recipients=tuple(everybody), reason_code="accepted")
        add(store)

        for search in (Search(), Search(since=NOW)):
            plain, shown = store.read(
                lambda tx, search=search: tx.emails.page(search, limit=9)
            ).emails
            assert [str(address) for address in shown.recipients] == [
                "b@example.org",
                "a@example.org",
            ]
            assert (shown.tags, shown.reason_code) == (("y", "x"), "accepted")
            assert (plain.tags, plain.reason_code) == ((), None)

    @pytest.mark.parametrize("seed", range(6))
    def test_any_search_finds_what_has_all_that_is_searched_for(
        self, store: Store, seed: int
    ) -> None:
        print(f"seed {seed}")
        chance = random.Random(seed)
        emails = [_any_email(chance) for _ in range(60)]
        store.write(lambda tx: [_add(tx, given, changes) for given, changes in emails])
        stored = store.read(
            lambda tx: [(tx.emails.get(n), tx.labels.of(n)) for n in range(1, len(emails) + 1)]
        )
        for _ in range(60):
            search, which = _any_search(chance)
            expected = [
                email.id
                for email, given in reversed(stored)
                if search.finds(email, given)
                and which.get("status") in (None, email.status)
                and which.get("account_id") in (None, email.account_id)
            ]
            assert walked(store, search, limit=chance.choice((1, 3, 100)), **which) == expected


def add(store: Store, given: Labels = NO_LABELS, **changes: Any) -> int:
    """The id of an email with these labels."""
    return store.write(lambda tx: _add(tx, given, changes))


def found(store: Store, **search: Any) -> Sequence[int]:
    """The ids of all that is found, page by page."""
    return walked(store, Search(**search))


def walked(store: Store, search: Search, *, limit: int = 3, **which: Any) -> Sequence[int]:
    """The ids on all pages."""
    ids: list[int] = []
    before = None
    while True:
        page = store.read(
            lambda tx, before=before: tx.emails.page(search, before=before, limit=limit, **which)
        )
        ids += [row.id for row in page.emails]
        before = page.next_before
        if before is None:
            return ids


def _add(tx: Transaction, given: Labels, changes: dict[str, Any]) -> int:
    email_id = tx.emails.add(an_email(**changes), OCTETS).id
    if given:
        tx.labels.add_all({email_id: given})
    return email_id


def _any_email(chance: random.Random) -> tuple[Labels, dict[str, Any]]:
    addresses = chance.sample(["a@x.org", "B@x.org", "c@x.org"], chance.randint(1, 3))
    given = labels(
        chance.sample(["t", "u", "v"], chance.randint(0, 3)),
        {key: chance.choice("12") for key in chance.sample("kl", chance.randint(0, 2))},
    )
    return given, {
        "recipients": tuple(map(a_recipient, addresses)),
        "subject": chance.choice(["Hello", "Help", "hell", "Other"]),
        "status": chance.choice([Status.QUEUED, Status.SENT, Status.FAILED]),
        "account_id": chance.choice([1, 2]),
        "created_at": at(chance.randint(0, 9)),
    }


def _any_search(chance: random.Random) -> tuple[Search, dict[str, Any]]:
    def perhaps(values: Sequence[Any]) -> Any:
        return chance.choice(values) if chance.random() < 0.4 else None

    pair = perhaps([("k", "1"), ("l", "2"), ("l", "3")])
    address = perhaps(["A@x.org", "b@x.org", "d@x.org"])
    search = Search(
        recipient=address and an_address(address),
        tag=perhaps("tuvw"),
        metadata=() if pair is None else (pair,),
        subject=perhaps(["hel", "HELL", "x"]),
        since=perhaps([at(2), at(5)]),
        until=perhaps([at(4), at(8)]),
    )
    which = {
        "status": perhaps([Status.SENT, Status.FAILED, Status.SENDING]),
        "account_id": perhaps([1, 2]),
    }
    return search, which

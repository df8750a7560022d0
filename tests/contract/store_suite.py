"""What every Store must do. Subclass `StoreContract`, give it a `store`, and it proves itself.

class TestMyStore(StoreContract):
    @pytest.fixture
    def store(self, clock): ...
"""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import attrs
import pytest

from adapters.fakes.clock import FakeClock
from application.ports.store import Store, Transaction
from domain.access import LOCAL
from domain.account.account import Account, AuthMechanism, OnUnknown, Security, Transport
from domain.account.congestion import Breaker, Concurrency, Pace
from domain.account.health import Health, LearnedLimit, Pause
from domain.account.limits import Limits, LimitUnit, Window, WindowLengths
from domain.account.suspicion import Suspicion, Witness
from domain.address import Address
from domain.email.lifecycle import Email
from domain.email.listing import Page, Waiting
from domain.email.recipient import RecipientField, RecipientStatus
from domain.email.status import TRANSITIONS, Phase, Status, Transition
from domain.errors import (
    Conflict,
    NameTaken,
    NotFound,
    StaleAttempt,
    StoreUnavailable,
)
from domain.outcome.handoff import Reply, Stage
from domain.outcome.verdict import Result
from tests.builders import (
    NOW,
    OCTETS,
    a_key_row,
    a_pinned_email,
    a_recipient,
    a_record,
    a_reply,
    a_template,
    an_account,
    an_address,
    an_attempt,
    an_email,
    an_oauth_client,
    at,
    no_limits,
    recipients,
    seconds,
)
from tests.contract.backlog_suite import BacklogContract
from tests.contract.blob_suite import BlobContract
from tests.contract.bounce_suite import BounceContract
from tests.contract.credentials_suite import CredentialsContract
from tests.contract.detail_suite import DetailContract
from tests.contract.dkim_key_suite import DkimKeyContract
from tests.contract.erasure_suite import ErasureContract
from tests.contract.event_suite import EventContract
from tests.contract.hook_suite import HookContract
from tests.contract.inbox_suite import InboxContract
from tests.contract.label_suite import LabelContract
from tests.contract.retention_suite import RetentionContract
from tests.contract.search_suite import SearchContract
from tests.contract.suppression_suite import SuppressionContract
from tests.contract.template_suite import TemplateContract
from tests.contract.throughput_suite import ThroughputContract
from tests.contract.watch_suite import WatchContract
from tests.contract.webhook_suite import WebhookContract

T = TypeVar("T")

OWNER = 7
PLENTY = 1_000_000
LENGTHS = WindowLengths()


class Boom(Exception):
    """What a failing work raises."""


class StoreContract(
    DetailContract,
    BacklogContract,
    BlobContract,
    BounceContract,
    CredentialsContract,
    DkimKeyContract,
    ErasureContract,
    EventContract,
    HookContract,
    InboxContract,
    SuppressionContract,
    LabelContract,
    SearchContract,
    TemplateContract,
    ThroughputContract,
    WatchContract,
    RetentionContract,
    WebhookContract,
):
    """The contract of `application.ports.store.Store` and of all its repositories."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def store(self, clock: FakeClock) -> Iterator[Store]:
        raise NotImplementedError

    @pytest.fixture
    def account(self, store: Store) -> Account:
        return store.write(lambda tx: tx.accounts.add(an_account(limits=no_limits())))

    # -- works ----------------------------------------------------------------------------------

    def test_a_write_returns_its_works_answer(self, store: Store) -> None:
        assert store.write(lambda tx: 42) == 42

    def test_a_works_error_reaches_its_caller(self, store: Store) -> None:
        with pytest.raises(Boom):
            store.write(_boom)
        with pytest.raises(Boom):
            store.read(_boom)

    def test_a_work_sees_what_it_wrote(self, store: Store) -> None:
        def work(tx: Transaction) -> Email:
            return tx.emails.get(tx.emails.add(an_email(), OCTETS).id)

        assert store.write(work).subject == "Hello"

    def test_a_read_may_not_write(self, store: Store) -> None:
        for look in (store.read, store.read_latest):
            with pytest.raises(RuntimeError):
                look(lambda tx: tx.emails.add(an_email(), OCTETS))
            with pytest.raises(RuntimeError):
                look(lambda tx: tx.accounts.add(an_account()))

        assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 0
        assert store.read(lambda tx: tx.accounts.all()) == []

    def test_read_latest_sees_what_is_durable_and_nothing_it_saw_before(self, store: Store) -> None:
        seen = []
        for name in ("first", "second"):
            store.write(lambda tx, name=name: tx.accounts.add(an_account(name=name)))
            seen.append([each.name for each in store.read_latest(lambda tx: tx.accounts.all())])

        assert seen == [["first"], ["first", "second"]]

    def test_a_work_may_not_wait_for_its_own_store(self, store: Store) -> None:
        for outer in (store.write, store.read, store.read_latest):
            for inner in (store.write, store.read, store.read_latest, store.post):
                with pytest.raises(RuntimeError):
                    outer(lambda tx, inner=inner: inner(lambda tx: None))

    def test_a_work_that_raises_leaves_no_trace(self, store: Store, account: Account) -> None:
        store.write(lambda tx: [tx.emails.add(an_email(), OCTETS) for _ in range(3)])
        store.write(lambda tx: _furnish(tx, account))
        before = store.read(_everything)

        for number, write in enumerate(WRITES):
            with pytest.raises(Boom):
                store.write(_then_fail(write, before))
            assert store.read(_everything) == before, f"write {number} left a trace"

    def test_a_failed_work_gives_its_id_back_or_loses_it_but_never_doubles_one(
        self, store: Store
    ) -> None:
        first = store.write(lambda tx: tx.emails.add(an_email(), OCTETS))

        def work(tx: Transaction) -> None:
            tx.emails.add(an_email(), OCTETS)
            raise Boom

        with pytest.raises(Boom):
            store.write(work)
        second = store.write(lambda tx: tx.emails.add(an_email(), OCTETS))

        assert second.id > first.id

    def test_posted_works_run_in_their_order(self, store: Store) -> None:
        seen: list[int] = []
        futures = [store.post(lambda tx, n=n: seen.append(n)) for n in range(300)]
        for future in futures:
            future.result()

        assert seen == list(range(300))

    def test_a_posted_work_sees_those_posted_before_it(self, store: Store) -> None:
        store.post(lambda tx: tx.emails.add(an_email(subject="first"), OCTETS))
        second = store.post(lambda tx: tx.emails.get(1).subject)

        assert second.result() == "first"

    def test_a_posted_works_error_stands_in_its_future(self, store: Store) -> None:
        assert isinstance(store.post(_boom).exception(), Boom)

    def test_a_failing_work_leaves_its_neighbours_alone(self, store: Store) -> None:
        def add_and_fail(tx: Transaction) -> None:
            tx.emails.add(an_email(subject="lost"), OCTETS)
            raise Boom

        futures = []
        for n in range(20):
            futures.append(store.post(lambda tx, n=n: _add(tx, subject=f"kept {n}")))
            futures.append(store.post(add_and_fail))
        for future in futures:
            with suppress(Boom):
                future.result()

        page = store.read(lambda tx: tx.emails.page(limit=100))
        assert [email.subject for email in page.emails] == [f"kept {n}" for n in range(19, -1, -1)]
        assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 20

    def test_a_stale_result_leaves_its_neighbours_alone(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(6)])
        held = store.write(lambda tx: _claim(tx, account, limit=6))
        store.write(lambda tx: _save(tx, held[2], status=Status.QUEUED, phase=None, instance=None))
        futures = [
            store.post(lambda tx, e=e: _save(tx, e, status=Status.SENT, phase=None, instance=None))
            for e in held
        ]

        assert [type(future.exception()) for future in futures] == [
            StaleAttempt if n == 2 else type(None) for n in range(6)
        ]
        assert store.read(lambda tx: tx.emails.counts())[Status.SENT] == 5

    def test_a_work_that_passes_over_a_stale_attempt_writes_the_others(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(4)])
        held = store.write(lambda tx: _claim(tx, account, limit=4))
        store.write(lambda tx: _save(tx, held[1], status=Status.QUEUED, phase=None, instance=None))

        def settle(tx: Transaction) -> list[int]:
            stale = []
            for email in held:
                try:
                    _save(tx, email, status=Status.SENT, phase=None, instance=None)
                except StaleAttempt:
                    stale.append(email.id)
            return stale

        assert store.write(settle) == [held[1].id]
        assert store.read(lambda tx: tx.emails.counts())[Status.SENT] == 3

    def test_changes_of_one_row_are_made_in_their_order(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(2)])
        first, second = store.write(lambda tx: _claim(tx, account, limit=2))

        def work(tx: Transaction) -> None:
            for email in (first, second):
                tx.attempts.open([an_attempt(email_id=email.id)])
                tx.ledger.reserve([email], units=lambda email: 1)
                for text in ("deferred", "sent"):
                    tx.attempts.close(an_attempt(email_id=email.id, ended_at=at(1), text=text))
                tx.ledger.charge(email.id, 1, units=5)
                tx.ledger.charge(email.id, 1, units=7)
                back = attrs.evolve(
                    email, status=Status.RETRY, phase=None, instance=None, priority=1
                )
                tx.emails.save(back, was=email)
                tx.emails.save(attrs.evolve(back, priority=4, status=Status.QUEUED), was=back)
                tx.emails.save(
                    attrs.evolve(back, priority=5, status=Status.CANCELLED),
                    was=attrs.evolve(back, priority=4, status=Status.QUEUED),
                )

        store.write(work)

        for email_id in (first.id, second.id):
            assert store.read(lambda tx, n=email_id: tx.attempts.of(n))[0].text == "sent"
            email = store.read(lambda tx, n=email_id: tx.emails.get(n))
            assert (email.status, email.priority) == (Status.CANCELLED, 5)
        used = store.read(lambda tx: tx.ledger.used(account.id, LENGTHS))
        assert used[Window.HOUR] == 14

    def test_a_closed_store_is_unavailable(self, store: Store) -> None:
        store.ping()
        store.close()
        for use in (store.read, store.write):
            with pytest.raises(StoreUnavailable):
                use(lambda tx: None)
        with pytest.raises(StoreUnavailable):
            store.ping()
        assert isinstance(store.post(lambda tx: None).exception(), StoreUnavailable)
        store.close()

    # -- emails ---------------------------------------------------------------------------------

    def test_ids_are_given_from_1_and_rise(self, store: Store) -> None:
        emails = store.write(lambda tx: [_add(tx) for _ in range(3)])

        assert [email.id for email in emails] == [1, 2, 3]

    def test_an_email_comes_back_as_it_went_in(self, store: Store) -> None:
        email = an_email(
            subject="Grüße an Ωmega \N{WAVING HAND SIGN} 'quoted' \"double\" %s ? \\",
            recipients=(
                a_recipient("ada@example.org"),
                a_recipient(
                    "bob@example.org",
                    field=RecipientField.CC,
                    status=RecipientStatus.SUPPRESSED,
                    reason="asked",
                ),
                a_recipient(
                    "jörg@example.org",
                    field=RecipientField.BCC,
                    status=RecipientStatus.ACCEPTED,
                    reply=a_reply(),
                ),
                a_recipient(
                    "o'hara@example.org", status=RecipientStatus.REJECTED, reply=Reply(550, "nein")
                ),
                a_recipient("unknown@example.org", status=RecipientStatus.UNKNOWN),
            ),
            priority=5,
            status=Status.RETRY,
            account_id=3,
            pinned=True,
            attempt_no=4,
            claim_count=2,
            retry_count=1,
            unknown_count=1,
            at_most_once=True,
            possibly_delivered=True,
            smtputf8=True,
            message_id="abc@example.com",
            size=1234,
            eligible_at=at(0.000001),
            expires_at=at(1e9),
            created_at=at(-1e9),
            updated_at=at(5.5),
            sent_at=at(6),
            reason_code="greylisted",
            error_message="451 \N{SNOWMAN} später",
            asides=2,
        )
        stored = store.write(lambda tx: tx.emails.add(email, OCTETS))

        assert stored == attrs.evolve(email, id=1)
        assert store.read(lambda tx: tx.emails.get(1)) == stored

    def test_several_emails_get_rising_ids_in_their_order(self, store: Store) -> None:
        emails = [
            (an_email(subject=f"number {n}", recipients=recipients(n)), b"message %d" % n)
            for n in (*range(1, 4), *[1] * 70)
        ]
        added = store.write(lambda tx: tx.emails.add_all(emails))

        assert [email.id for email in added] == sorted({email.id for email in added})
        assert [attrs.evolve(email, id=0) for email in added] == [email for email, _ in emails]
        for email, (_, octets) in zip(added, emails, strict=True):
            assert store.read(lambda tx, n=email.id: tx.emails.get(n)) == email
            assert store.read(lambda tx, n=email.id: tx.emails.octets(n)) == octets

    def test_counts_follow_what_the_same_work_writes(self, store: Store) -> None:
        def work(tx: Transaction) -> tuple[int, int]:
            before = tx.emails.counts()[Status.QUEUED]
            tx.emails.add(an_email(), OCTETS)
            return before, tx.emails.counts()[Status.QUEUED]

        assert store.write(work) == (0, 1)
        assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 1

    def test_a_work_does_not_count_what_another_one_took_back(self, store: Store) -> None:
        def add(tx: Transaction) -> int:
            tx.emails.add(an_email(), OCTETS)
            return tx.emails.counts()[Status.QUEUED]

        def fail(tx: Transaction) -> None:
            add(tx)
            raise Boom

        first, failing, second = store.post(add), store.post(fail), store.post(add)

        assert isinstance(failing.exception(), Boom)
        assert (first.result(), second.result()) == (1, 2)

    def test_a_held_email_comes_back_as_it_went_in(self, store: Store) -> None:
        email = an_email(
            status=Status.SENDING, phase=Phase.COMMITTING, instance=OWNER, account_id=1
        )
        stored = store.write(lambda tx: tx.emails.add(email, OCTETS))

        assert store.read(lambda tx: tx.emails.get(1)) == stored

    @pytest.mark.parametrize(
        "octets", [b"", bytes(range(256)) * 400, b"\r\n.\r\n\x00\xff", b"x" * 3_000_000]
    )
    def test_the_message_is_kept_to_the_octet(self, store: Store, octets: bytes) -> None:
        store.write(lambda tx: tx.emails.add(an_email(), octets))
        kept = store.read(lambda tx: tx.emails.octets(1))

        assert kept == octets
        assert type(kept) is bytes

    def test_an_email_that_is_not_there_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound):
            store.read(lambda tx: tx.emails.get(1))
        with pytest.raises(NotFound):
            store.read(lambda tx: tx.emails.octets(1))

    @pytest.mark.parametrize("priority", [0, 6, -1])
    def test_an_email_that_no_claim_would_find_is_refused(
        self, store: Store, priority: int
    ) -> None:
        with pytest.raises(Conflict):
            store.write(lambda tx: _add(tx, priority=priority))

    def test_an_email_cannot_be_pinned_to_nothing(self, store: Store) -> None:
        with pytest.raises(Conflict):
            store.write(lambda tx: _add(tx, pinned=True, account_id=None))

    # -- save -----------------------------------------------------------------------------------

    def test_save_writes_what_changed(self, store: Store) -> None:
        was = store.write(
            lambda tx: _add(tx, recipients=recipients(3), status=Status.SENDING, attempt_no=1)
        )
        accepted = attrs.evolve(
            was.recipients[1], status=RecipientStatus.ACCEPTED, reason="accepted", reply=a_reply()
        )
        now = attrs.evolve(
            was,
            recipients=(was.recipients[0], accepted, was.recipients[2]),
            status=Status.RETRY,
            retry_count=1,
            claim_count=0,
            unknown_count=1,
            possibly_delivered=True,
            account_id=2,
            eligible_at=at(60),
            expires_at=at(600),
            updated_at=at(1),
            sent_at=at(2),
            reason_code="greylisted",
            error_message="later",
        )
        store.write(lambda tx: tx.emails.save(now, was=was))

        assert store.read(lambda tx: tx.emails.get(was.id)) == now

    def test_save_can_take_back_what_was_there(self, store: Store) -> None:
        was = store.write(
            lambda tx: _add(
                tx,
                status=Status.SENDING,
                phase=Phase.COMMITTING,
                instance=OWNER,
                recipients=(
                    a_recipient(status=RecipientStatus.REJECTED, reason="x", reply=a_reply(550)),
                ),
                sent_at=at(1),
                reason_code="x",
                error_message="y",
            )
        )
        now = attrs.evolve(
            was,
            status=Status.QUEUED,
            phase=None,
            instance=None,
            recipients=(a_recipient(),),
            sent_at=None,
            reason_code=None,
            error_message=None,
        )
        store.write(lambda tx: tx.emails.save(now, was=was))

        assert store.read(lambda tx: tx.emails.get(was.id)) == now

    def test_save_never_rewrites_what_was_fixed_at_acceptance(self, store: Store) -> None:
        was = store.write(_add)
        store.write(lambda tx: _save(tx, was, subject="other", size=1, message_id="x@y.z"))

        assert store.read(lambda tx: tx.emails.get(was.id)) == was

    @pytest.mark.parametrize("stands", [{"status": Status.CANCELLED}, {"attempt_no": 2}])
    def test_save_refuses_an_email_that_stands_otherwise(
        self, store: Store, stands: dict[str, Any]
    ) -> None:
        was = store.write(lambda tx: _add(tx, attempt_no=1))
        store.write(lambda tx: _save(tx, was, **stands))
        changed = store.read(lambda tx: tx.emails.get(was.id))

        with pytest.raises(StaleAttempt):
            store.write(lambda tx: _save(tx, was, reason_code="late"))
        assert store.read(lambda tx: tx.emails.get(was.id)) == changed

    def test_save_refuses_an_email_that_is_not_there(self, store: Store) -> None:
        ghost = an_email(id=99)
        with pytest.raises(StaleAttempt):
            store.write(lambda tx: _save(tx, ghost, reason_code="ghost"))

    def test_save_guards_even_if_nothing_changed(self, store: Store) -> None:
        was = store.write(_add)
        store.write(lambda tx: tx.emails.save(was, was=was))
        store.write(lambda tx: _save(tx, was, status=Status.CANCELLED))

        with pytest.raises(StaleAttempt):
            store.write(lambda tx: tx.emails.save(was, was=was))

    def test_save_refuses_to_hide_an_email_from_every_claim(self, store: Store) -> None:
        was = store.write(_add)
        with pytest.raises(Conflict):
            store.write(lambda tx: _save(tx, was, priority=9))

    # -- claim ----------------------------------------------------------------------------------

    def test_a_claimed_email_is_sending(self, store: Store, account: Account) -> None:
        store.write(lambda tx: _add(tx, attempt_no=1, claim_count=2, recipients=recipients(2)))
        waiting = store.read(lambda tx: tx.emails.get(1))
        (claimed,) = store.write(lambda tx: _claim(tx, account, now=at(9)))

        assert claimed == waiting.claimed(account_id=account.id, instance=OWNER, now=at(9))
        assert store.read(lambda tx: tx.emails.get(1)) == claimed

    def test_nothing_is_claimed_twice(self, store: Store, account: Account) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(3)])
        first = store.write(lambda tx: _claim(tx, account, limit=2))
        second = store.write(lambda tx: _claim(tx, account))
        third = store.write(lambda tx: _claim(tx, account))

        assert [ids(first), ids(second), ids(third)] == [[1, 2], [3], []]

    @pytest.mark.parametrize("status", [Status.QUEUED, Status.SCHEDULED, Status.RETRY])
    def test_whatever_waits_can_be_claimed(
        self, store: Store, account: Account, status: Status
    ) -> None:
        store.write(lambda tx: _add(tx, status=status))

        assert ids(store.write(lambda tx: _claim(tx, account))) == [1]

    @pytest.mark.parametrize(
        "status", [Status.SENDING, Status.SENT, Status.FAILED, Status.CANCELLED]
    )
    def test_nothing_else_can_be_claimed(
        self, store: Store, account: Account, status: Status
    ) -> None:
        store.write(lambda tx: _add(tx, status=status))

        assert store.write(lambda tx: _claim(tx, account)) == []

    def test_what_is_not_due_is_not_claimed(self, store: Store, account: Account) -> None:
        store.write(lambda tx: [_add(tx, eligible_at=at(n)) for n in (1, 0, 0.000001)])

        assert ids(store.write(lambda tx: _claim(tx, account, now=NOW))) == [2]
        assert ids(store.write(lambda tx: _claim(tx, account, now=at(1)))) == [3, 1]

    def test_the_order_is_priority_then_due_time_then_id(
        self, store: Store, account: Account
    ) -> None:
        order = [(3, 0), (1, 0), (5, -9), (1, -1), (3, -1), (1, -1), (2, 0), (4, 0)]
        store.write(lambda tx: [_add(tx, priority=p, eligible_at=at(t)) for p, t in order])

        assert ids(store.write(lambda tx: _claim(tx, account))) == [4, 6, 2, 7, 5, 1, 8, 3]

    def test_pinned_and_free_emails_share_one_order(self, store: Store, account: Account) -> None:
        store.write(
            lambda tx: [
                tx.emails.add(
                    a_pinned_email(account, eligible_at=at(-n))
                    if n % 2
                    else an_email(eligible_at=at(-n)),
                    OCTETS,
                )
                for n in range(6)
            ]
        )
        assert ids(store.write(lambda tx: _claim(tx, account, limit=4))) == [6, 5, 4, 3]
        assert ids(store.write(lambda tx: _claim(tx, account, limit=4))) == [2, 1]

    # -- who is passed over, and who is claimed alone -------------------------------------------

    def test_of_mail_for_any_account_no_more_than_a_share_is_taken(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(4)])
        store.write(lambda tx: _add(tx, account_id=account.id, pinned=True, priority=1))

        assert ids(store.write(lambda tx: _claim(tx, account, shared=2))) == [5, 1, 2]
        assert ids(store.write(lambda tx: _claim(tx, account, shared=0))) == []
        assert ids(store.write(lambda tx: _claim(tx, account))) == [3, 4]

    def test_the_last_are_taken_only_if_nothing_else_can_be(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx, priority=p) for p in (1, 1, 5)])

        assert ids(store.write(lambda tx: _claim(tx, account, limit=1, last=[1, 2, 9]))) == [3]
        assert ids(store.write(lambda tx: _claim(tx, account, limit=1, last=[1, 2, 9]))) == [1]
        assert ids(store.write(lambda tx: _claim(tx, account, last=[1, 2, 9]))) == [2]

    @pytest.mark.parametrize("suspicion", [{"reason_code": "crashed"}, {"claim_count": 1}])
    def test_a_suspect_is_claimed_alone(
        self, store: Store, account: Account, suspicion: dict[str, Any]
    ) -> None:
        for n in range(5):
            store.write(lambda tx, n=n: _add(tx, **(suspicion if n in (1, 2) else {})))

        claimed = [ids(store.write(lambda tx: _claim(tx, account))) for _ in range(4)]

        assert claimed == [[1, 4, 5], [2], [3], []]

    def test_a_suspect_among_those_that_waited_for_long_is_claimed_alone(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: _add(tx, priority=5, eligible_at=at(-9), reason_code="crashed"))
        store.write(lambda tx: [_add(tx, priority=1) for _ in range(3)])

        claimed = [ids(store.write(lambda tx: _claim(tx, account, limit=2, fair=1)))
                   for _ in range(2)]  # fmt: skip

        assert claimed == [[1], [2, 3, 4]]

    def test_one_that_more_crashes_have_met_is_left(self, store: Store, account: Account) -> None:
        for crashes in (2, 2, 1, 0):
            store.write(lambda tx, n=crashes: _add(tx, claim_count=n))

        assert ids(store.write(lambda tx: _claim(tx, account, limit=1, crashes=-1))) == [4]
        assert ids(store.write(lambda tx: _claim(tx, account, limit=1, crashes=1))) == [3]
        assert ids(store.write(lambda tx: _claim(tx, account, limit=1, crashes=1))) == []
        assert ids(store.write(lambda tx: _claim(tx, account, limit=1))) == [1]

    def test_an_email_goes_on_to_a_second_account_when_that_has_sent_something(
        self, store: Store, account: Account
    ) -> None:
        other = store.write(lambda tx: tx.accounts.add(an_account(name="other")))
        aside = {"asides": 1, "reason_code": "server_busy", "updated_at": at(1)}
        store.write(lambda tx: _add(tx, account_id=account.id, **aside))
        store.write(_add)

        assert ids(store.write(lambda tx: _claim(tx, other, limit=1))) == [2]
        assert ids(store.write(lambda tx: _claim(tx, other, limit=1))) == []
        sent = attrs.evolve(other, last_sent_at=at(2))
        assert ids(store.write(lambda tx: _claim(tx, sent, limit=1))) == [1]

    def test_it_stays_no_longer_than_for_one_more_attempt(
        self, store: Store, account: Account
    ) -> None:
        other = store.write(lambda tx: tx.accounts.add(an_account(name="other")))
        store.write(lambda tx: _add(tx, account_id=account.id, asides=2, reason_code="server_busy"))

        assert ids(store.write(lambda tx: _claim(tx, other))) == [1]

    # -- a clock that was set back, and how much waits for one account ---------------------------

    def test_what_was_changed_in_the_future_is_found_unless_somebody_scheduled_it(
        self, store: Store
    ) -> None:
        for status in (Status.QUEUED, Status.RETRY, Status.SCHEDULED, Status.SENT, Status.SENDING):
            store.write(lambda tx, s=status: _add(tx, status=s, updated_at=at(9)))
        store.write(lambda tx: _add(tx, updated_at=at(5)))
        store.write(lambda tx: _add(tx, updated_at=at(9), expires_at=at(7)))

        def found(**options: Any) -> Sequence[Email]:
            return store.read(
                lambda tx: tx.emails.from_the_future(
                    **{"now": at(5), "after": None, "limit": 9, **options}
                )
            )

        assert ids(found()) == [7, 1, 2]
        assert ids(found(limit=1)) == [7]
        assert ids(found(after=(at(7), 7))) == [1, 2]
        assert ids(found(now=at(9))) == []

    def test_the_depth_of_an_account_is_what_waits_for_it_by_name(
        self, store: Store, account: Account
    ) -> None:
        def work(tx: Transaction) -> list[int]:
            depths = [tx.emails.depth(account.id)]
            for status in (Status.QUEUED, Status.RETRY, Status.SENT):
                _add(tx, account_id=account.id, pinned=True, status=status)
                depths.append(tx.emails.depth(account.id))
            _add(tx)
            return [*depths, tx.emails.depth(account.id), tx.emails.depth(99)]

        assert store.write(work) == [0, 1, 2, 2, 2, 0]
        assert store.read(lambda tx: tx.emails.depth(account.id)) == 2
        assert store.read(lambda tx: tx.emails.depth(None)) == 1

    def test_an_email_pinned_to_another_account_is_left_alone(
        self, store: Store, account: Account
    ) -> None:
        other = store.write(lambda tx: tx.accounts.add(an_account(name="other")))
        store.write(lambda tx: tx.emails.add(a_pinned_email(other), OCTETS))

        assert store.write(lambda tx: _claim(tx, account)) == []
        assert ids(store.write(lambda tx: _claim(tx, other))) == [1]

    def test_an_unpinned_email_that_waits_again_may_go_through_another_account(
        self, store: Store, account: Account
    ) -> None:
        other = store.write(lambda tx: tx.accounts.add(an_account(name="other")))
        store.write(_add)
        (held,) = store.write(lambda tx: _claim(tx, account))
        store.write(lambda tx: _save(tx, held, status=Status.QUEUED, phase=None, instance=None))

        assert store.read(lambda tx: tx.emails.get(1)).account_id == account.id
        (again,) = store.write(lambda tx: _claim(tx, other))
        assert (again.account_id, again.attempt_no) == (other.id, 2)

    def test_an_email_that_waits_again_keeps_its_place_by_its_new_time(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(3)])
        held = store.write(lambda tx: _claim(tx, account, limit=1))[0]
        store.write(
            lambda tx: _save(
                tx, held, status=Status.RETRY, phase=None, instance=None, eligible_at=at(60)
            )
        )
        assert ids(store.write(lambda tx: _claim(tx, account, now=at(59)))) == [2, 3]
        assert ids(store.write(lambda tx: _claim(tx, account, now=at(60)))) == [1]

    def test_fair_places_after_the_most_urgent_go_to_the_emails_due_longest(
        self, store: Store, account: Account
    ) -> None:
        order = [(1, -1), (1, -2), (5, -9), (4, -8), (5, -7), (1, -3)]
        store.write(lambda tx: [_add(tx, priority=p, eligible_at=at(t)) for p, t in order])

        def claimed(fair: int, limit: int = 3) -> list[int]:
            return ids(_undone(store, lambda tx: _claim(tx, account, fair=fair, limit=limit)))

        assert claimed(0) == [6, 2, 1]
        assert claimed(1) == [6, 2, 1, 3]
        assert claimed(2) == [6, 2, 1, 3, 4]
        assert claimed(9) == [6, 2, 1, 3, 4, 5]
        assert claimed(0, limit=0) == []
        assert claimed(1, limit=0) == [3]
        assert claimed(1, limit=1) == [6, 3]
        assert claimed(4, limit=1) == [6, 3, 4, 5, 2]
        assert claimed(1, limit=4) == [6, 2, 1, 4, 3]
        assert claimed(1, limit=9) == [6, 2, 1, 4, 3, 5]

    def test_of_equally_long_due_emails_the_oldest_gets_the_fair_place(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx, priority=p) for p in (4, 5, 1, 4)])

        assert ids(store.write(lambda tx: _claim(tx, account, limit=1, fair=1))) == [3, 1]

    def test_a_fair_place_takes_no_other_emails_place(self, store: Store, account: Account) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(5)])

        assert ids(store.write(lambda tx: _claim(tx, account, fair=2, limit=2))) == [1, 2, 3, 4]

    def test_units_bound_a_claim(self, store: Store, account: Account) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(9)])

        assert ids(store.write(lambda tx: _claim(tx, account, units=4))) == [1, 2, 3, 4]
        assert store.write(lambda tx: _claim(tx, account, units=0)) == []
        assert ids(store.write(lambda tx: _claim(tx, account, urgent_units=2))) == [5, 6]
        assert store.write(lambda tx: _claim(tx, account, units=-1, urgent_units=-1)) == []

    def test_the_reserve_is_for_priorities_1_and_2(self, store: Store, account: Account) -> None:
        store.write(lambda tx: [_add(tx, priority=p) for p in (5, 4, 3, 2, 1)])

        def claimed(units: int, urgent_units: int) -> list[int]:
            work = _claiming(account, units=units, urgent_units=urgent_units)
            return ids(_undone(store, work))

        assert claimed(units=0, urgent_units=9) == [5, 4]
        assert claimed(units=2, urgent_units=9) == [5, 4]
        assert claimed(units=3, urgent_units=9) == [5, 4, 3]
        assert claimed(units=4, urgent_units=3) == [5, 4, 3]
        assert claimed(units=9, urgent_units=1) == [5]

    def test_one_claim_leaves_as_much_of_the_reserve_as_two_claims(
        self, store: Store, account: Account
    ) -> None:
        limits = Limits(hourly=10, daily=None, priority_reserve=20)
        priorities = (*[1] * 4, *[3] * 10)
        store.write(lambda tx: [_add(tx, priority=p) for p in priorities])

        def take(tx: Transaction, used: int, limit: int) -> list[int]:
            hour = {Window.HOUR: used}
            units, urgent_units = limits.room(hour, urgent=False), limits.room(hour)
            return ids(_claim(tx, account, limit=limit, units=units, urgent_units=urgent_units))

        in_one = _undone(store, lambda tx: take(tx, 0, 100))
        in_two = _undone(store, lambda tx: [*take(tx, 0, 4), *take(tx, 4, 100)])

        assert in_one == in_two == [1, 2, 3, 4, 5, 6, 7, 8]

    def test_a_fair_place_does_not_break_into_the_reserve_nor_hold_up_the_urgent(
        self, store: Store, account: Account
    ) -> None:
        order = [(5, -9), (1, -1), (2, -2)]
        store.write(lambda tx: [_add(tx, priority=p, eligible_at=at(t)) for p, t in order])

        def claimed(limit: int) -> list[int]:
            return ids(
                _undone(
                    store,
                    lambda tx: _claim(tx, account, limit=limit, units=0, urgent_units=5, fair=1),
                )
            )

        assert claimed(0) == [3]
        assert claimed(1) == [2, 3]
        assert claimed(2) == [2, 3]

    def test_units_may_be_open_recipients(self, store: Store) -> None:
        account = _by_recipients(store)
        three = (*recipients(3), a_recipient("done@example.org", status=RecipientStatus.ACCEPTED))
        store.write(
            lambda tx: [
                _add(tx, recipients=three),
                _add(tx, recipients=recipients(2)),
                _add(tx, recipients=recipients(1)),
            ]
        )

        def claimed(units: int) -> list[int]:
            return ids(_undone(store, _claiming(account, units=units, urgent_units=units)))

        assert [claimed(n) for n in (2, 3, 4, 5, 6)] == [[], [1], [1], [1, 2], [1, 2, 3]]

    def test_units_follow_the_recipients_that_are_still_open(self, store: Store) -> None:
        account = _by_recipients(store)
        was = store.write(lambda tx: _add(tx, recipients=recipients(3)))
        accepted = attrs.evolve(was.recipients[0], status=RecipientStatus.ACCEPTED)
        store.write(lambda tx: _save(tx, was, recipients=(accepted, *was.recipients[1:])))

        assert ids(store.write(_claiming(account, units=2, urgent_units=2))) == [1]

    def test_an_email_that_can_never_fit_is_passed_over(self, store: Store) -> None:
        account = _by_recipients(store, hourly=4, daily=6, priority_reserve=50)
        sizes = [(1, 5), (1, 4), (3, 3), (3, 2)]
        store.write(lambda tx: [_add(tx, priority=p, recipients=recipients(n)) for p, n in sizes])

        assert ids(store.write(_claiming(account, units=9, urgent_units=9, fair=1))) == [2, 4]

    def test_an_account_that_may_send_nothing_claims_nothing(self, store: Store) -> None:
        nothing = an_account(limits=Limits(hourly=0))
        account = store.write(lambda tx: tx.accounts.add(nothing))
        store.write(_add)

        assert store.write(lambda tx: _claim(tx, account)) == []

    def test_eight_threads_claim_400_emails_and_none_twice(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx, priority=1 + n % 5) for n in range(400)])
        taken: list[int] = []

        def claim(instance: int) -> None:
            while batch := store.write(_claiming(account, limit=7, instance=instance)):
                taken.extend(email.id for email in batch)

        _in_threads(8, claim)
        assert sorted(taken) == list(range(1, 401))
        assert store.read(lambda tx: tx.emails.counts())[Status.SENDING] == 400

    # -- the fence ------------------------------------------------------------------------------

    def test_the_mark_is_the_last_permission(self, store: Store, account: Account) -> None:
        store.write(_add)
        (held,) = store.write(lambda tx: _claim(tx, account))
        marked = store.write(lambda tx: tx.emails.mark_committing([(1, 1)], instance=OWNER))

        assert list(marked) == [(1, 1)]
        assert store.read(lambda tx: tx.emails.get(1)) == held.committing()

    @pytest.mark.parametrize("status", Status)
    def test_a_claim_makes_the_transition_of_the_table_and_no_other(
        self, store: Store, account: Account, status: Status
    ) -> None:
        sending = {"phase": Phase.CLAIMED, "instance": OWNER, "attempt_no": 1}
        others = sending if status is Status.SENDING else {}
        before = store.write(lambda tx: _add(tx, status=status, **others))

        claimed = store.write(lambda tx: _claim(tx, account))

        expected = (
            [before.claimed(account_id=account.id, instance=OWNER, now=NOW)]
            if (status, Transition.CLAIMED) in TRANSITIONS
            else []
        )
        assert claimed == expected
        assert store.read(lambda tx: tx.emails.get(1)) == (expected or [before])[0]

    @pytest.mark.parametrize("status", Status)
    def test_a_mark_makes_the_transition_of_the_table_and_no_other(
        self, store: Store, status: Status
    ) -> None:
        before = store.write(lambda tx: _add(tx, status=status, attempt_no=1, instance=OWNER))

        marked = store.write(lambda tx: tx.emails.mark_committing([(1, 1)], instance=OWNER))

        may = (status, Transition.COMMITTING) in TRANSITIONS
        assert list(marked) == ([(1, 1)] if may else [])
        after = before.committing() if may else before
        assert store.read(lambda tx: tx.emails.get(1)) == after

    @pytest.mark.parametrize(
        "claimant",
        [
            (2, 1, OWNER),
            (1, 2, OWNER),
            (1, 0, OWNER),
            (1, 1, OWNER + 1),
        ],
    )
    def test_a_stale_holder_gets_no_mark(
        self, store: Store, account: Account, claimant: tuple[int, int, int]
    ) -> None:
        store.write(_add)
        (held,) = store.write(lambda tx: _claim(tx, account))
        email_id, attempt_no, instance = claimant
        claim = (email_id, attempt_no)

        assert not store.write(lambda tx: tx.emails.mark_committing([claim], instance=instance))
        assert store.read(lambda tx: tx.emails.get(1)) == held

    def test_an_email_that_was_taken_away_gets_no_mark(
        self, store: Store, account: Account
    ) -> None:
        store.write(_add)
        (held,) = store.write(lambda tx: _claim(tx, account))
        store.write(lambda tx: _save(tx, held, status=Status.QUEUED, phase=None, instance=None))

        assert not store.write(lambda tx: tx.emails.mark_committing([(1, 1)], instance=OWNER))

    def test_many_are_marked_at_once_but_for_those_whose_attempt_is_not_current(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(7)])
        store.write(lambda tx: _add(tx, attempt_no=4))
        held = store.write(lambda tx: _claim(tx, account, limit=5))
        (foreign,) = store.write(lambda tx: _claim(tx, account, instance=OWNER + 1, limit=1))
        (later,) = store.write(lambda tx: _claim(tx, account, limit=2))[1:]
        store.write(lambda tx: _save(tx, held[0], status=Status.SENT, phase=None, instance=None))
        claims = [(email.id, 1) for email in held] + [(foreign.id, 1), (later.id, 5), (99, 1)]
        claims[3] = (held[3].id, 2)
        marked = store.write(lambda tx: tx.emails.mark_committing(claims, instance=OWNER))

        ours = [held[1].id, held[2].id, held[4].id, later.id]
        assert sorted(marked) == [*[(email_id, 1) for email_id in ours[:3]], (later.id, 5)]
        phases = store.read(lambda tx: {n: tx.emails.get(n).phase for n in range(1, 9)})
        assert sorted(n for n in phases if phases[n] is Phase.COMMITTING) == ours

    def test_of_two_attempts_of_one_email_only_the_current_one_is_marked(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: _add(tx, attempt_no=1))
        store.write(lambda tx: _claim(tx, account))

        claims = [(1, 1), (1, 2), (1, 3)]
        marked = store.write(lambda tx: tx.emails.mark_committing(claims, instance=OWNER))
        assert list(marked) == [(1, 2)]

    def test_marks_and_claims_see_what_their_own_work_has_changed(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(2)])
        first, second = store.write(lambda tx: _claim(tx, account))

        def work(tx: Transaction) -> tuple[object, ...]:
            _save(tx, first, status=Status.QUEUED, phase=None, instance=None)
            marked = tx.emails.mark_committing([(first.id, 1), (second.id, 1)], instance=OWNER)
            return set(marked), [email.attempt_no for email in _claim(tx, account)]

        assert store.write(work) == ({(second.id, 1)}, [2])

    def test_nothing_to_mark_is_nothing_marked(self, store: Store) -> None:
        assert not store.write(lambda tx: tx.emails.mark_committing([], instance=OWNER))

    def test_a_stale_holder_cannot_save(self, store: Store, account: Account) -> None:
        store.write(_add)
        (held,) = store.write(lambda tx: _claim(tx, account))
        store.write(lambda tx: _save(tx, held, status=Status.QUEUED, phase=None, instance=None))
        (again,) = store.write(lambda tx: _claim(tx, account, instance=OWNER + 1))

        with pytest.raises(StaleAttempt):
            store.write(lambda tx: _save(tx, held, status=Status.SENT))
        assert store.read(lambda tx: tx.emails.get(1)) == again

    # -- sweeps ---------------------------------------------------------------------------------

    def test_held_by_lists_the_emails_an_owner_is_sending(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(5)])
        mine = store.write(lambda tx: _claim(tx, account, limit=3, instance=1))
        store.write(lambda tx: _claim(tx, account, instance=2))
        store.write(lambda tx: _save(tx, mine[1], status=Status.SENT, phase=None, instance=None))

        assert store.read(lambda tx: tx.emails.held_by(1, limit=9)) == [mine[0], mine[2]]
        assert store.read(lambda tx: tx.emails.held_by(1, limit=1)) == [mine[0]]
        assert store.read(lambda tx: tx.emails.held_by(3, limit=9)) == []

    def test_expired_are_waiting_emails_whose_time_is_up_the_earliest_first(
        self, store: Store
    ) -> None:
        standing = [
            (Status.QUEUED, 5),
            (Status.RETRY, 3),
            (Status.SCHEDULED, 5),
            (Status.QUEUED, 6),
            (Status.SENDING, 1),
            (Status.SENT, 1),
            (Status.CANCELLED, 1),
        ]
        store.write(
            lambda tx: [_add(tx, status=status, expires_at=at(t)) for status, t in standing]
        )
        assert ids(store.read(lambda tx: tx.emails.expired(now=at(5), limit=9))) == [2, 1, 3]
        assert ids(store.read(lambda tx: tx.emails.expired(now=at(5), limit=2))) == [2, 1]
        assert ids(store.read(lambda tx: tx.emails.expired(now=at(2), limit=9))) == []

    def test_an_email_that_is_retried_by_hand_can_expire_again(self, store: Store) -> None:
        was = store.write(lambda tx: _add(tx, status=Status.FAILED, expires_at=at(1)))
        store.write(lambda tx: _save(tx, was, status=Status.RETRY))

        assert ids(store.read(lambda tx: tx.emails.expired(now=at(1), limit=9))) == [1]

    def test_next_due_is_the_earliest_that_one_of_the_accounts_may_claim(
        self, store: Store
    ) -> None:
        store.write(
            lambda tx: [
                tx.emails.add(a_pinned_email(1, eligible_at=at(30), priority=1), OCTETS),
                tx.emails.add(a_pinned_email(2, eligible_at=at(20), priority=5), OCTETS),
                tx.emails.add(a_pinned_email(2, eligible_at=at(5), status=Status.SENT), OCTETS),
            ]
        )

        def next_due(*accounts: int) -> object:
            return store.read(lambda tx: tx.emails.next_due(accounts))

        assert [next_due(1), next_due(2), next_due(1, 2)] == [at(30), at(20), at(20)]
        assert [next_due(3), next_due()] == [None, None]
        store.write(lambda tx: _add(tx, eligible_at=at(25)))
        assert [next_due(1), next_due(2), next_due(3), next_due()] == [at(25), at(20), at(25), None]

    def test_next_due_of_what_may_use_the_reserve(self, store: Store) -> None:
        store.write(
            lambda tx: [
                tx.emails.add(a_pinned_email(1, eligible_at=at(10), priority=3), OCTETS),
                tx.emails.add(a_pinned_email(1, eligible_at=at(30), priority=2), OCTETS),
                tx.emails.add(a_pinned_email(2, eligible_at=at(20), priority=5), OCTETS),
            ]
        )

        def next_due(*accounts: int) -> object:
            return store.read(lambda tx: tx.emails.next_due(accounts, urgent_only=True))

        assert [next_due(1), next_due(2), next_due(1, 2)] == [at(30), None, at(30)]
        assert next_due() is None
        store.write(lambda tx: _add(tx, eligible_at=at(25), priority=1))
        assert [next_due(1), next_due(2)] == [at(25), at(25)]

    # -- overviews ------------------------------------------------------------------------------

    def test_pages_lead_from_the_newest_to_the_oldest(self, store: Store) -> None:
        store.write(lambda tx: [_add(tx, subject=f"s{n}") for n in range(1, 6)])

        first = store.read(lambda tx: tx.emails.page(limit=2))
        second = store.read(lambda tx: tx.emails.page(limit=2, before=first.next_before))
        third = store.read(lambda tx: tx.emails.page(limit=2, before=second.next_before))

        assert [page_ids(page) for page in (first, second, third)] == [[5, 4], [3, 2], [1]]
        assert [first.next_before, second.next_before, third.next_before] == [4, 2, None]
        assert first.emails[0].subject == "s5"

    def test_a_page_tells_how_many_recipients_of_sent_mail_were_not_reached(
        self, store: Store
    ) -> None:
        fates = [*RecipientStatus, RecipientStatus.ACCEPTED]
        recipients = tuple(
            a_recipient(f"r{n}@example.org", status=fate) for n, fate in enumerate(fates)
        )
        store.write(
            lambda tx: [
                _add(tx, status=status, recipients=recipients, pinned=True, account_id=1)
                for status in (Status.SENT, Status.FAILED)
            ]
        )
        store.write(lambda tx: _add(tx, status=Status.SENT))

        whole, failed, partial = store.read(lambda tx: tx.emails.page(limit=3)).emails

        assert (partial.recipient_count, partial.not_reached) == (len(fates), 3)
        assert (failed.recipient_count, failed.not_reached) == (0, 0)
        assert (whole.recipient_count, whole.not_reached) == (1, 0)
        assert (failed.pinned, whole.pinned, failed.open_count) == (True, False, 1)
        assert (failed.eligible_at, failed.attempt_no) == (NOW, 0)

    def test_a_full_last_page_has_no_next_one(self, store: Store) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(2)])
        page = store.read(lambda tx: tx.emails.page(limit=2))

        assert (page_ids(page), page.next_before) == ([2, 1], None)

    def test_an_empty_store_has_one_empty_page(self, store: Store) -> None:
        assert store.read(lambda tx: tx.emails.page(limit=5)) == Page(())

    def test_a_page_can_be_of_one_status_and_one_account(self, store: Store) -> None:
        store.write(
            lambda tx: [
                _add(tx, status=status, account_id=account_id)
                for account_id in (1, 2, None)
                for status in (Status.QUEUED, Status.SENT)
            ]
        )

        def listed(**which: Any) -> list[int]:
            return page_ids(store.read(lambda tx: tx.emails.page(limit=9, **which)))

        assert listed(status=Status.SENT) == [6, 4, 2]
        assert listed(account_id=1) == [2, 1]
        assert listed(status=Status.QUEUED, account_id=2) == [3]
        assert listed(status=Status.SENT, before=6) == [4, 2]
        assert listed(status=Status.FAILED) == []
        assert listed(account_id=9) == []

    def test_a_lists_row_shows_how_the_email_stands(self, store: Store) -> None:
        store.write(lambda tx: _add(tx, priority=2, retry_count=3, account_id=4))
        (row,) = store.read(lambda tx: tx.emails.page(limit=1)).emails

        assert attrs.asdict(row) == {
            "id": 1,
            "subject": "Hello",
            "status": Status.QUEUED,
            "priority": 2,
            "retry_count": 3,
            "account_id": 4,
            "created_at": NOW,
            "reason_code": None,
            "eligible_at": NOW,
            "attempt_no": 0,
            "pinned": False,
            "open_count": 1,
            "recipients": ({"local": "ada", "domain": "example.org"},),
            "tags": (),
            "recipient_count": 0,
            "not_reached": 0,
        }

    def test_counts_name_every_status(self, store: Store) -> None:
        assert store.read(lambda tx: tx.emails.counts()) == dict.fromkeys(Status, 0)

    def test_counts_follow_every_change(self, store: Store, account: Account) -> None:
        store.write(lambda tx: [_add(tx) for _ in range(5)])
        store.write(lambda tx: _add(tx, status=Status.SCHEDULED))
        held = store.write(lambda tx: _claim(tx, account, limit=3))
        store.write(lambda tx: _save(tx, held[0], status=Status.SENT))
        store.write(lambda tx: _save(tx, held[1], status=Status.RETRY))
        expected = {
            Status.QUEUED: 2,
            Status.SCHEDULED: 1,
            Status.SENDING: 1,
            Status.SENT: 1,
            Status.RETRY: 1,
            Status.FAILED: 0,
            Status.CANCELLED: 0,
        }
        assert store.read(lambda tx: tx.emails.counts()) == expected
        assert store.read(lambda tx: tx.emails.waiting()) == Waiting(waiting=4, sending=1)

    def test_counts_are_right_in_the_midst_of_a_work(self, store: Store) -> None:
        def work(tx: Transaction) -> Sequence[int]:
            seen = [tx.emails.counts()[Status.QUEUED]]
            _add(tx)
            seen.append(tx.emails.counts()[Status.QUEUED])
            was = _add(tx)
            _save(tx, was, status=Status.CANCELLED)
            return [*seen, tx.emails.counts()[Status.QUEUED]]

        assert store.write(work) == [0, 1, 1]
        assert store.read(lambda tx: tx.emails.counts())[Status.QUEUED] == 1

    def test_what_waits_for_an_account_by_name_and_what_it_sends(self, store: Store) -> None:
        store.write(
            lambda tx: [
                tx.emails.add(a_pinned_email(1), OCTETS),
                tx.emails.add(a_pinned_email(1, status=Status.RETRY), OCTETS),
                tx.emails.add(a_pinned_email(1, status=Status.SENT), OCTETS),
                tx.emails.add(a_pinned_email(2), OCTETS),
                tx.emails.add(an_email(account_id=1), OCTETS),
                tx.emails.add(an_email(account_id=1, status=Status.SENDING), OCTETS),
            ]
        )
        assert store.read(lambda tx: tx.emails.waiting(1)) == Waiting(waiting=2, sending=1)
        assert store.read(lambda tx: tx.emails.waiting(2)) == Waiting(waiting=1, sending=0)
        assert store.read(lambda tx: tx.emails.waiting(3)) == Waiting(waiting=0, sending=0)
        assert store.read(lambda tx: tx.emails.waiting()) == Waiting(waiting=4, sending=1)

    # -- accounts -------------------------------------------------------------------------------

    def test_an_account_comes_back_as_it_went_in(self, store: Store) -> None:
        account = an_account(
            version=3,
            name="Büro 'eins' \N{OFFICE BUILDING}",
            address=Address.parse("jörg@example.com"),
            display_name="Jörg",
            aliases=(Address.parse("*@example.org"), Address.parse("büro@example.com")),
            oauth=an_oauth_client(tenant="contoso.example"),
            transport=Transport.GRAPH,
            security=Security.TLS,
            sealed_password=b"\x00\xff sealed",
            auth_mechanism=AuthMechanism.CRAM_MD5,
            announce_next=True,
            ses_headers=True,
            allowed_octets=25_000_000,
            active=False,
            limits=Limits(
                daily=None,
                hourly=7,
                minute=2,
                unit=LimitUnit.RECIPIENTS,
                max_connections=9,
                priority_reserve=20,
            ),
            on_unknown=OnUnknown.HOLD,
            health=BROKEN,
            last_sent_at=at(9),
        )
        stored = store.write(lambda tx: tx.accounts.add(account))

        assert stored == attrs.evolve(account, id=1)
        assert store.read(lambda tx: tx.accounts.get(1)) == stored
        assert store.write(lambda tx: tx.accounts.lock(1)) == stored

    def test_an_account_without_login_comes_back_without(self, store: Store) -> None:
        relay = an_account(username="", sealed_password=None, on_unknown=None)
        store.write(lambda tx: tx.accounts.add(relay))

        assert store.read(lambda tx: tx.accounts.get(1)) == attrs.evolve(relay, id=1)

    def test_accounts_are_listed_by_id(self, store: Store) -> None:
        store.write(lambda tx: [tx.accounts.add(an_account(name=name)) for name in "cab"])

        listed = store.read(lambda tx: tx.accounts.all())
        assert [(account.id, account.name) for account in listed] == [(1, "c"), (2, "a"), (3, "b")]

    def test_a_name_belongs_to_one_account(self, store: Store, account: Account) -> None:
        other = store.write(lambda tx: tx.accounts.add(an_account(name="other")))

        with pytest.raises(NameTaken):
            store.write(lambda tx: tx.accounts.add(an_account(name="main")))
        with pytest.raises(NameTaken):
            store.write(lambda tx: tx.accounts.save(attrs.evolve(other, name="main")))
        store.write(lambda tx: tx.accounts.save(account))
        assert len(store.read(lambda tx: tx.accounts.all())) == 2

    def test_a_name_is_free_again_once_its_account_is_gone(
        self, store: Store, account: Account
    ) -> None:
        store.write(lambda tx: tx.accounts.delete(account.id))
        again = store.write(lambda tx: tx.accounts.add(an_account(name=account.name)))

        assert again.id > account.id

    def test_save_writes_all_of_an_account(self, store: Store, account: Account) -> None:
        changed = attrs.evolve(
            account,
            version=2,
            name="changed",
            address=an_address("other@example.com"),
            display_name="",
            aliases=(an_address("billing@example.com"),),
            host="mail.example.com",
            port=25,
            security=Security.PLAIN,
            username="",
            sealed_password=None,
            auth_mechanism=AuthMechanism.LOGIN,
            announce_next=True,
            ses_headers=True,
            allowed_octets=3_000_000_000,
            active=False,
            limits=Limits(minute=1),
            on_unknown=OnUnknown.RESEND_ONCE,
            health=BROKEN,
            created_at=at(1),
            updated_at=at(2),
            last_sent_at=at(3),
        )
        store.write(lambda tx: tx.accounts.save(changed))

        assert store.read(lambda tx: tx.accounts.get(account.id)) == changed

    def test_an_account_that_is_not_there_is_not_found(self, store: Store) -> None:
        for use in (
            lambda tx: tx.accounts.get(9),
            lambda tx: tx.accounts.lock(9),
            lambda tx: tx.accounts.delete(9),
            lambda tx: tx.accounts.save(an_account(id=9)),
        ):
            with pytest.raises(NotFound):
                store.write(use)

    def test_what_is_known_of_an_account_comes_back_as_it_was(
        self, store: Store, account: Account
    ) -> None:
        for health in (BROKEN, SUSPECTED, Health()):
            told = attrs.evolve(account, health=health)
            store.write(lambda tx, told=told: tx.accounts.save_health(told))

            assert store.read(lambda tx: tx.accounts.get(1)).health == health

    def test_health_is_written_alone(self, store: Store, account: Account) -> None:
        told = attrs.evolve(account, name="stale", health=BROKEN, last_sent_at=at(4))
        store.write(lambda tx: tx.accounts.save_health(told))

        expected = attrs.evolve(account, health=BROKEN, last_sent_at=at(4))
        assert store.read(lambda tx: tx.accounts.get(account.id)) == expected

    def test_health_of_an_older_configuration_is_not_written(
        self, store: Store, account: Account
    ) -> None:
        newer = attrs.evolve(account, version=2)
        store.write(lambda tx: tx.accounts.save(newer))
        store.write(lambda tx: tx.accounts.save_health(attrs.evolve(account, health=BROKEN)))
        store.write(lambda tx: tx.accounts.save_health(an_account(id=99)))

        assert store.read(lambda tx: tx.accounts.all()) == [newer]

    def test_health_is_read_as_it_was_written_last(self, store: Store, account: Account) -> None:
        def work(tx: Transaction) -> Sequence[Health]:
            before = tx.accounts.health(account.id)
            tx.accounts.save_health(attrs.evolve(account, health=BROKEN))
            tx.accounts.touch(account.id, sent_at=at(7))
            return before, tx.accounts.health(account.id), tx.accounts.health(99)

        assert store.write(work) == (Health(), BROKEN, Health())
        assert store.read(lambda tx: tx.accounts.health(account.id)) == BROKEN

    def test_touch_writes_when_it_last_sent(self, store: Store, account: Account) -> None:
        store.write(lambda tx: tx.accounts.touch(account.id, sent_at=at(7)))
        store.write(lambda tx: tx.accounts.touch(99, sent_at=at(7)))

        touched = attrs.evolve(account, last_sent_at=at(7))
        assert store.read(lambda tx: tx.accounts.all()) == [touched]

    # -- attempts -------------------------------------------------------------------------------

    def test_attempts_come_back_oldest_first(self, store: Store) -> None:
        store.write(_add)
        begun = [an_attempt(attempt_no=n, account_name="Büro", started_at=at(n)) for n in (2, 1)]
        store.write(lambda tx: tx.attempts.open(begun))

        assert store.read(lambda tx: tx.attempts.of(1)) == begun[::-1]
        assert store.read(lambda tx: tx.attempts.of(2)) == []

    def test_an_attempt_is_closed_with_its_result(self, store: Store) -> None:
        store.write(_add)
        store.write(lambda tx: tx.attempts.open([an_attempt(), an_attempt(attempt_no=2)]))
        closed = an_attempt(
            ended_at=at(2),
            duration=seconds(1.234567),
            stage=Stage.DOT,
            reply=a_reply(451, "4.7.1 Grüße"),
            result=Result.RETRY,
            reason="greylisted",
            text="451 später",
        )
        told = attrs.evolve(closed, account_name="not again", instance=99)
        store.write(lambda tx: tx.attempts.close(told))

        assert store.read(lambda tx: tx.attempts.of(1)) == [closed, an_attempt(attempt_no=2)]

    def test_an_attempt_that_was_not_made_can_be_withdrawn(self, store: Store) -> None:
        store.write(_add)
        ended = an_attempt(attempt_no=2, ended_at=at(1))

        def work(tx: Transaction) -> None:
            tx.attempts.open([an_attempt(), an_attempt(attempt_no=2), an_attempt(attempt_no=3)])
            tx.attempts.close(ended)
            for attempt_no in (1, 2, 9):
                tx.attempts.withdraw(1, attempt_no)

        store.write(work)
        store.write(lambda tx: tx.attempts.withdraw(1, 3))

        assert [a.attempt_no for a in store.read(lambda tx: tx.attempts.of(1))] == [2]

    def test_attempts_that_are_closed_together_keep_each_its_own_words(self, store: Store) -> None:
        texts = ['he said "no"', "a\\b", "NULL", "{1,2}", "", "gr\u00fc\u00df dich\n", "sent"]
        store.write(lambda tx: [_add(tx) for _ in texts])
        attempts = [
            an_attempt(email_id=n, attempt_no=n, ended_at=at(n), text=text, reason=text or None)
            for n, text in enumerate(texts, 1)
        ]

        def work(tx: Transaction) -> None:
            begun = [attrs.evolve(a, ended_at=None, text="", reason=None) for a in attempts]
            tx.attempts.open(begun)
            for attempt in attempts:
                tx.attempts.close(attempt)

        store.write(work)

        for attempt in attempts:
            assert store.read(lambda tx, n=attempt.email_id: tx.attempts.of(n)) == [attempt]

    def test_closing_what_was_never_opened_does_nothing(self, store: Store) -> None:
        store.write(lambda tx: tx.attempts.close(an_attempt(ended_at=at(1))))

        assert store.read(lambda tx: tx.attempts.of(1)) == []

    def test_an_attempt_begins_once_and_needs_its_email(self, store: Store) -> None:
        with pytest.raises(Conflict):
            store.write(lambda tx: tx.attempts.open([an_attempt()]))
        store.write(_add)
        store.write(lambda tx: tx.attempts.open([an_attempt()]))
        with pytest.raises(Conflict):
            store.write(lambda tx: tx.attempts.open([an_attempt()]))

    # -- the ledger -----------------------------------------------------------------------------

    def test_a_reservation_counts_in_every_window_until_it_is_settled(
        self, store: Store, clock: FakeClock
    ) -> None:
        _reserve(store, 1, units=2)
        clock.tick(10 * 86_400)

        assert _used(store) == [2, 2, 2]
        assert _sent(store) == [0, 0, 0]

    def test_what_is_freed_does_not_count(self, store: Store) -> None:
        _reserve(store, 1, units=2)
        store.write(lambda tx: tx.ledger.free(1, 1))

        assert _used(store) == [0, 0, 0]

    def test_what_is_charged_counts_from_now_until_its_windows_end(
        self, store: Store, clock: FakeClock
    ) -> None:
        _reserve(store, 1, units=2)
        clock.tick(500)
        store.write(lambda tx: tx.ledger.charge(1, 1, units=5))

        assert _used(store) == [5, 5, 5]
        assert _sent(store) == [1, 1, 1]
        clock.tick(60.999999)
        assert _used(store) == [5, 5, 5]
        clock.tick(0.000001)
        assert _used(store) == [0, 5, 5]
        clock.tick(3540)
        assert _used(store) == [0, 0, 5]
        assert _sent(store) == [0, 0, 1]
        clock.tick(86_400 - 3600)
        assert _used(store) == [0, 0, 0]

    def test_a_charged_row_cannot_be_freed(self, store: Store) -> None:
        _reserve(store, 1)
        store.write(lambda tx: tx.ledger.charge(1, 1, units=1))
        store.write(lambda tx: tx.ledger.free(1, 1))

        assert _used(store) == [1, 1, 1]

    def test_charging_or_freeing_what_is_not_reserved_does_nothing(self, store: Store) -> None:
        store.write(lambda tx: tx.ledger.charge(1, 1, units=1))
        store.write(lambda tx: tx.ledger.free(1, 1))

        assert _used(store) == [0, 0, 0]

    def test_an_attempt_is_reserved_once(self, store: Store) -> None:
        _reserve(store, 1)
        with pytest.raises(Conflict):
            _reserve(store, 1)
        with pytest.raises(Conflict):
            store.write(lambda tx: tx.ledger.reserve([an_email(id=2)], units=lambda email: 1))
        assert _used(store) == [1, 1, 1]

    def test_a_window_counts_exactly_what_was_charged_in_it_at_every_moment(
        self, store: Store, clock: FakeClock
    ) -> None:
        chance = random.Random(7)
        passed, charged = 0.0, []
        around_the_boundaries = [0.0, 0.000001, 9.999999, 10.0, 590.000001, 600.0, 3600.0, 50_000.0]
        for email_id in range(1, 81):
            _reserve(store, email_id)
            passed += chance.choice(around_the_boundaries[:5] * 3 + around_the_boundaries)
            clock.tick(passed - (charged[-1][0] if charged else 0.0))
            units = chance.randrange(1, 9)
            store.write(lambda tx, e=email_id, u=units: tx.ledger.charge(e, 1, units=u))
            charged.append((passed, units))
            if not email_id % 9:
                oldest = clock.steady() - LENGTHS.day - 2 * LENGTHS.margin
                store.write(lambda tx, o=oldest: tx.ledger.prune(before=o, limit=5))
            expected = {
                window: [u for then, u in charged if at(then) > clock.now() - LENGTHS.of(window)]
                for window in Window
            }
            assert _used(store) == [sum(expected[window]) for window in Window]
            assert _sent(store) == [len(expected[window]) for window in Window]

    def test_folding_changes_nothing_that_the_ledger_says(
        self, store: Store, clock: FakeClock
    ) -> None:
        """What is folded is charged again at another time too, and so leaves its hour."""
        store.write(lambda tx: tx.accounts.add(an_account()))
        chance = random.Random(11)
        charged: dict[int, tuple[Any, int]] = {}
        for email_id in range(1, 81):
            _reserve(store, email_id)
            clock.tick(chance.choice((9.999999, 590.000001, 600.0, 1799.5, 3600.0, 5000.0)))
            again = [one for one in charged if chance.random() < 0.03]
            for one in (email_id, *again):
                units = chance.randrange(1, 9)
                store.write(lambda tx, e=one, u=units: tx.ledger.charge(e, 1, units=u))
                charged[one] = (clock.steady(), units)
            limit = chance.choice((1, 3, 500))
            store.write(lambda tx, n=limit: tx.ledger.fold(LENGTHS, limit=n))
            if not email_id % 9:
                oldest = clock.steady() - LENGTHS.day - 2 * LENGTHS.margin
                store.write(lambda tx, o=oldest: tx.ledger.prune(before=o, limit=500))
                charged = {one: when for one, when in charged.items() if when[0] >= oldest}
            expected = {
                window: [u for then, u in charged.values() if then > clock.now() - length]
                for window in Window
                for length in [LENGTHS.of(window)]
            }
            assert _used(store) == [sum(expected[window]) for window in Window]
            assert _sent(store) == [len(expected[window]) for window in Window]

    def test_folding_comes_to_an_end(self, store: Store, clock: FakeClock) -> None:
        store.write(lambda tx: tx.accounts.add(an_account()))
        for email_id in range(1, 4):
            _reserve(store, email_id)
            store.write(lambda tx, e=email_id: tx.ledger.charge(e, 1, units=1))
            clock.tick(600)

        def fold() -> int:
            return store.write(lambda tx: tx.ledger.fold(LENGTHS, limit=2))

        assert fold() == 0  # the hour is not over
        clock.tick(3600)
        assert sum(fold() for _ in range(3)) in (0, 3)  # a store without sums has none
        assert fold() == 0

    def test_what_is_charged_again_counts_as_the_last_time(
        self, store: Store, clock: FakeClock
    ) -> None:
        _reserve(store, 1)
        store.write(lambda tx: tx.ledger.charge(1, 1, units=5))
        clock.tick(1000)
        store.write(lambda tx: tx.ledger.charge(1, 1, units=3))

        assert _used(store) == [3, 3, 3]
        assert _sent(store) == [1, 1, 1]

    def test_each_account_has_its_own_ledger(self, store: Store) -> None:
        _reserve(store, 1)
        _reserve(store, 2, account_id=2, units=4)

        assert _used(store) == [1, 1, 1]
        assert _used(store, account_id=2) == [4, 4, 4]

    def test_units_are_asked_for_each_email(self, store: Store) -> None:
        held = [
            attrs.evolve(HELD, id=1, recipients=recipients(2)),
            attrs.evolve(HELD, id=2, recipients=recipients(3)),
        ]
        store.write(
            lambda tx: tx.ledger.reserve(held, units=lambda email: len(email.open_recipients))
        )
        assert _used(store) == [5, 5, 5]

    def test_a_wall_that_jumps_forward_opens_no_window(
        self, store: Store, clock: FakeClock
    ) -> None:
        _reserve(store, 1)
        store.write(lambda tx: tx.ledger.charge(1, 1, units=1))
        clock.step(86_400)

        assert _used(store) == [1, 1, 1]

    def test_what_is_charged_after_a_jump_of_the_wall_leaves_its_window_in_time(
        self, store: Store, clock: FakeClock
    ) -> None:
        _reserve(store, 1)
        clock.step(3600)
        store.write(lambda tx: tx.ledger.charge(1, 1, units=1))
        clock.tick(61)

        assert _used(store) == [0, 1, 1]

    def test_room_returns_as_charged_units_leave_the_window(
        self, store: Store, clock: FakeClock
    ) -> None:
        for email_id, units in ((1, 1), (2, 2), (3, 1)):
            _reserve(store, email_id)
            store.write(lambda tx, e=email_id, u=units: tx.ledger.charge(e, 1, units=u))
            clock.tick(10)

        def returns(units: int, window: Window = Window.MINUTE) -> object:
            return store.read(lambda tx: tx.ledger.room_returns_at(1, window, LENGTHS, units=units))

        assert [returns(n) for n in (1, 2, 3, 4, 5)] == [at(61), at(71), at(71), at(81), None]
        assert returns(1, Window.HOUR) == at(3601)
        clock.tick(31)
        assert [returns(n) for n in (1, 2, 3, 4)] == [at(71), at(71), at(81), None]

    def test_there_is_room_at_the_time_that_was_reported(
        self, store: Store, clock: FakeClock
    ) -> None:
        _reserve(store, 1)
        store.write(lambda tx: tx.ledger.charge(1, 1, units=1))
        told = store.read(lambda tx: tx.ledger.room_returns_at(1, Window.HOUR, LENGTHS, units=1))
        assert told is not None
        clock.tick((told - clock.now()).total_seconds())

        assert _used(store) == [0, 0, 1]

    def test_no_time_is_reported_while_only_reservations_fill_the_limit(self, store: Store) -> None:
        _reserve(store, 1)

        assert (
            store.read(lambda tx: tx.ledger.room_returns_at(1, Window.DAY, LENGTHS, units=1))
            is None
        )

    def test_prune_removes_what_was_charged_long_ago(self, store: Store, clock: FakeClock) -> None:
        for email_id in range(1, 6):
            _reserve(store, email_id, account_id=1 + email_id % 2)
            store.write(lambda tx, e=email_id: tx.ledger.charge(e, 1, units=1))
        _reserve(store, 6)
        clock.tick(1)
        _reserve(store, 7)
        store.write(lambda tx: tx.ledger.charge(7, 1, units=1))

        def pruned(limit: int) -> int:
            return store.write(lambda tx: tx.ledger.prune(before=at(1), limit=limit))

        assert [pruned(2), pruned(9), pruned(9)] == [2, 3, 0]
        assert _used(store) == [2, 2, 2]

    # -- instances ------------------------------------------------------------------------------

    def test_an_owners_id_is_never_given_again(self, store: Store) -> None:
        first = store.write(lambda tx: tx.instances.join(host="a", pid=1, now=NOW))
        store.write(lambda tx: tx.instances.leave(first))
        second = store.write(lambda tx: tx.instances.join(host="a", pid=1, now=NOW))

        assert 0 < first < second

    def test_a_heartbeat_rises_until_the_instance_has_left(self, store: Store) -> None:
        first = store.write(lambda tx: tx.instances.join(host="a", pid=1, now=NOW))
        second = store.write(lambda tx: tx.instances.join(host="b", pid=1, now=NOW))
        before = store.read(lambda tx: tx.instances.beats())

        assert store.write(lambda tx: tx.instances.beat(first))
        after = store.read(lambda tx: tx.instances.beats())
        assert (after[first], after[second]) == (before[first] + 1, before[second])

        store.write(lambda tx: tx.instances.leave(first))
        store.write(lambda tx: tx.instances.leave(first))
        assert not store.write(lambda tx: tx.instances.beat(first))
        assert store.read(lambda tx: tx.instances.beats()) == {second: after[second]}

    def test_orphans_are_held_by_no_instance(self, store: Store, account: Account) -> None:
        alive = store.write(lambda tx: tx.instances.join(host="a", pid=1, now=NOW))
        store.write(lambda tx: [_add(tx) for _ in range(5)])
        for instance in (alive, 91, 90, 91):
            store.write(lambda tx, o=instance: _claim(tx, account, limit=1, instance=o))

        assert store.read(lambda tx: tx.instances.orphaned()) == [90, 91]
        store.write(lambda tx: tx.instances.leave(alive))
        assert store.read(lambda tx: tx.instances.orphaned()) == [alive, 90, 91]

    # -- remembered answers ---------------------------------------------------------------------

    def test_an_answer_is_remembered_for_its_caller(self, store: Store) -> None:
        record = a_record(key="ключ", email_ids=(3, 1, 2), created_at=at(0.5))
        store.write(lambda tx: tx.idempotency.add(record))

        def find(key: str, scope: str) -> object:
            return store.read(lambda tx: tx.idempotency.find(key, scope=scope))

        assert find("ключ", "caller-1") == record
        assert find("ключ", "caller-2") is None
        assert find("other", "caller-1") is None

    def test_a_key_is_taken_once_for_each_caller(self, store: Store) -> None:
        store.write(lambda tx: tx.idempotency.add(a_record()))
        store.write(lambda tx: tx.idempotency.add(a_record(scope="caller-2")))
        with pytest.raises(Conflict):
            store.write(lambda tx: tx.idempotency.add(a_record(digest="d2")))

        kept = store.read(lambda tx: tx.idempotency.find("key-1", scope="caller-1"))
        assert kept == a_record()

    def test_old_answers_are_forgotten_the_oldest_first(self, store: Store) -> None:
        for n in (3, 1, 2, 4):
            record = a_record(key=f"key-{n}", created_at=at(n))
            store.write(lambda tx, r=record: tx.idempotency.add(r))

        def pruned(limit: int) -> int:
            return store.write(lambda tx: tx.idempotency.prune(before=at(4), limit=limit))

        def kept() -> list[int]:
            find = (
                store.read(lambda tx, n=n: tx.idempotency.find(f"key-{n}", scope="caller-1"))
                for n in range(1, 5)
            )
            return [n for n, record in enumerate(find, 1) if record]

        assert (pruned(1), kept()) == (1, [2, 3, 4])
        assert (pruned(9), kept()) == (2, [4])


# -- helpers of the tests above -----------------------------------------------------------------

SUSPECTED = Health(
    breaker=Breaker(failures=2, until=at(9), opened_at=at(4), reason="server_busy", proven=True),
    suspicions=(
        Suspicion(
            kind="unreachable",
            independent=(Witness(email_id=1, recipients=("aa", "bb")), Witness(email_id=7)),
            known=(1, 3, 7),
        ),
        Suspicion(kind="protocol", anonymous=2),
        Suspicion(kind="outcome_unknown", independent=(Witness(email_id=9),), known=(9,), at=at(2)),
    ),
    concurrency=Concurrency(ceiling=4, narrowed_at=at(3)),
    pace=Pace(per_minute=12.5, since=at(3), before=25.0),
    learned=(LearnedLimit(window=Window.HOUR, least=98, most=101, times=3, at=at(1)),),
)
BROKEN = Health(
    pause=Pause(reason="auth", text="535 \N{KEY}", since=NOW, until=at(60)),
    breaker=Breaker(failures=2, until=at(5)),
    concurrency=Concurrency(limit=3, successes=1),
    streaks=(("auth", 2), ("spam", 1)),
    probed_at=at(1),
    last_reply="421 späte",
)
HELD = an_email(id=1, status=Status.SENDING, account_id=1, attempt_no=1, instance=OWNER)


def _boom(tx: Transaction) -> None:
    raise Boom


def _add(tx: Transaction, **changes: Any) -> Email:
    return tx.emails.add(an_email(**changes), OCTETS)


def _save(tx: Transaction, was: Email, **changes: Any) -> None:
    tx.emails.save(attrs.evolve(was, **changes), was=was)


def _claim(
    tx: Transaction,
    account: Account,
    *,
    limit: int = 100,
    units: int = PLENTY,
    urgent_units: int = PLENTY,
    instance: int = OWNER,
    **options: Any,
) -> list[Email]:
    options.setdefault("now", NOW)
    return list(
        tx.emails.claim(
            account,
            limit=limit,
            units=units,
            urgent_units=urgent_units,
            instance=instance,
            **options,
        )
    )


def _claiming(account: Account, **options: Any) -> Callable[[Transaction], list[Email]]:
    return lambda tx: _claim(tx, account, **options)


def _undone(store: Store, work: Callable[[Transaction], T]) -> T:
    """What *work* answers, without what it writes."""
    answers: list[T] = []

    def undo(tx: Transaction) -> None:
        answers.append(work(tx))
        raise Boom

    with suppress(Boom):
        store.write(undo)
    return answers[0]


def _by_recipients(store: Store, **limits: Any) -> Account:
    unit = LimitUnit.RECIPIENTS
    account = an_account(limits=no_limits(unit=unit, **limits))
    return store.write(lambda tx: tx.accounts.add(account))


def _reserve(store: Store, email_id: int, *, account_id: int = 1, units: int = 1) -> None:
    held = attrs.evolve(HELD, id=email_id, account_id=account_id)
    store.write(lambda tx: tx.ledger.reserve([held], units=lambda email: units))


def _used(store: Store, account_id: int = 1) -> list[int]:
    used = store.read(lambda tx: tx.ledger.used(account_id, LENGTHS))
    return [used[window] for window in Window]


def _sent(store: Store, account_id: int = 1) -> list[int]:
    """Emails; the units beside them are those that are used."""
    totals = store.read(lambda tx: tx.ledger.totals(account_id, LENGTHS))
    assert [totals[window][0] for window in Window] == _used(store, account_id)
    both = store.read(lambda tx: tx.ledger.totals_of([account_id, 99], LENGTHS))
    assert both == {account_id: totals, 99: dict.fromkeys(Window, (0, 0))}
    return [totals[window][1] for window in Window]


WRITES: Sequence[Callable[[Transaction], object]] = (  # each changes a store that is furnished
    lambda tx: tx.accounts.add(an_account(name="second")),
    lambda tx: tx.accounts.save(attrs.evolve(tx.accounts.get(1), name="renamed")),
    lambda tx: tx.accounts.save_health(attrs.evolve(tx.accounts.get(1), health=BROKEN)),
    lambda tx: tx.accounts.touch(1, sent_at=at(5)),
    lambda tx: tx.accounts.delete(1),
    lambda tx: tx.emails.add(an_email(), OCTETS),
    lambda tx: _claim(tx, tx.accounts.get(1)),
    lambda tx: tx.emails.mark_committing([(1, 1)], instance=OWNER),
    lambda tx: _save(tx, tx.emails.get(1), status=Status.SENT, phase=None, instance=None),
    lambda tx: tx.attempts.open([an_attempt(email_id=2)]),
    lambda tx: tx.attempts.close(an_attempt(email_id=1, ended_at=at(1), text="over")),
    lambda tx: tx.ledger.reserve([attrs.evolve(HELD, id=2)], units=lambda email: 1),
    lambda tx: tx.ledger.charge(1, 1, units=3),
    lambda tx: tx.ledger.free(1, 1),
    lambda tx: tx.instances.join(host="b", pid=2, now=NOW),
    lambda tx: tx.instances.beat(1),
    lambda tx: tx.instances.leave(1),
    lambda tx: tx.idempotency.add(a_record(key="key-2")),
    lambda tx: tx.idempotency.prune(before=at(1), limit=10),
    lambda tx: tx.keys.add(a_key_row(prefix="0000000b")),
    lambda tx: tx.keys.save(a_key_row(id=1, revoked_at=at(1))),
    lambda tx: tx.key_usage.add(1, hour=NOW, recipients=2),
    lambda tx: tx.key_usage.prune(before=at(1), limit=10),
    lambda tx: tx.audit.add(LOCAL.did("renamed", "account 1", at=NOW)),
)


def _furnish(tx: Transaction, account: Account) -> None:
    """A row in every repository; email 1 is held."""
    held = _claim(tx, account, limit=1)
    tx.attempts.open([an_attempt()])
    tx.ledger.reserve(held, units=lambda email: 1)
    tx.instances.join(host="a", pid=1, now=NOW)
    tx.idempotency.add(a_record())
    tx.keys.add(a_key_row())
    tx.key_usage.add(1, hour=NOW, recipients=1)
    tx.templates.add(a_template())


def _then_fail(
    write: Callable[[Transaction], object], before: object
) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        write(tx)
        assert _everything(tx) != before, "the work must change something"
        raise Boom

    return work


def _everything(tx: Transaction) -> object:
    """All that can be seen of a small store."""
    page = tx.emails.page(limit=100)
    return (
        tx.accounts.all(),
        [tx.emails.get(row.id) for row in page.emails],
        tx.emails.counts(),
        [tx.emails.waiting(account_id) for account_id in (None, 1, 2)],
        [tx.attempts.of(email_id) for email_id in range(1, 6)],
        [tx.ledger.used(account_id, LENGTHS) for account_id in (1, 2)],
        tx.ledger.totals_of([1, 2], LENGTHS),
        tx.instances.beats(),
        tx.instances.orphaned(),
        [tx.idempotency.find(key, scope="caller-1") for key in ("key-1", "key-2")],
        tx.keys.all(),
        tx.key_usage.hours(1, since=NOW),
        tx.audit.latest(limit=10),
        tx.templates.page(limit=10),
    )


def _in_threads(number: int, run: Callable[[int], None]) -> None:
    """Run it in *number* threads at once; what one of them raises is raised here."""
    errors: list[BaseException] = []

    def guarded(n: int) -> None:
        try:
            run(n)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(1, number + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def ids(emails: Sequence[Email]) -> list[int]:
    """Their ids."""
    return [email.id for email in emails]


def page_ids(page: Page) -> list[int]:
    """The ids of its rows."""
    return [row.id for row in page.emails]

"""Inboxes are read, and what the reports in them tell is recorded once."""

from datetime import date, timedelta

import attrs
import pytest

from adapters.fakes.mailbox import FakeMailbox
from application.inboxes import AT_ONCE, MOST_A_PASS
from application.ports.inbox import MailboxFailed
from domain.account.account import Account
from domain.account.inbox import LONGEST_PAUSE, Inbox, InboxPlace
from domain.email.lifecycle import Email
from domain.event.event import BEGINNING
from domain.event.types import EventType
from domain.message.client_headers import reference_of
from tests.builders import at
from tests.world import World

HOST = "imap.example.com"
TODAY = date(2026, 1, 1)


class Reading:
    """A world with an account, its inbox, and a mailbox."""

    def __init__(self) -> None:
        self.world = World()
        self.account: Account = self.world.account()
        self.mailbox: FakeMailbox = self.world.mailboxes.add(HOST)
        sealed = self.world.vault.seal(self.mailbox.password, context=f"inbox:{self.account.id}")
        self.save(
            Inbox(account_id=self.account.id, host=HOST, username="me", sealed_password=sealed)
        )

    def save(self, inbox: Inbox) -> None:
        self.world.store.write(lambda tx: tx.inboxes.save(inbox))

    @property
    def inbox(self) -> Inbox:
        found = self.world.store.read(lambda tx: tx.inboxes.find(self.account.id))
        assert found is not None
        return found

    @property
    def today(self) -> date:
        day: date = self.world.clock.now().date()
        return day

    def sent(self, *to: str) -> Email:
        email_id = self.world.submit(*to)
        self.world.run()
        return self.world.email(email_id)

    def arrive(self, email: Email | None = None, *, uid: int | None = None) -> int:
        octets = b"Subject: Hello\n\nIt is me.\n" if email is None else a_dsn(email)
        return self.mailbox.put(octets, day=self.today, uid=uid)

    def read(self) -> bool:
        return self.world.application.inboxes.read_next()

    def bounced(self) -> list[int | None]:
        events = self.world.store.read(lambda tx: tx.events.page(BEGINNING, limit=1000)).events
        return [one.email_id for one in events if one.type is EventType.EMAIL_BOUNCED]


def a_dsn(email: Email) -> bytes:
    (to,) = email.recipients
    return (
        "From: MAILER-DAEMON@mx.example.net\nSubject: Undelivered\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n"
        f"Final-Recipient: rfc822; {to.address}\nAction: failed\nStatus: 5.1.1\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nX-Email-Ref: {reference_of(email.message_id)}\n"
        "--b--\n"
    ).encode()


@pytest.fixture
def reading() -> Reading:
    return Reading()


def test_a_bounce_is_recorded_and_the_place_is_kept(reading: Reading) -> None:
    email = reading.sent()
    reading.arrive()
    last = reading.arrive(email)

    assert reading.read()

    assert reading.bounced() == [email.id]
    assert reading.inbox.place == InboxPlace(1, last)
    assert reading.inbox.read_at == reading.world.clock.now()
    assert [event.fields["report"] for event in reading.world.heard.named("email_bounced")] == [
        f"1/{last}"
    ]


def test_an_inbox_is_due_again_after_its_interval(reading: Reading) -> None:
    assert reading.read()
    assert not reading.read()
    reading.world.clock.tick(60)
    email = reading.sent()
    reading.arrive(email)

    assert reading.read()
    assert reading.bounced() == [email.id]


def test_only_messages_behind_the_place_are_fetched(reading: Reading) -> None:
    reading.arrive()
    reading.read()
    reading.world.clock.tick(60)
    reading.mailbox.asked.clear()

    reading.read()

    assert "fetch" not in reading.mailbox.asked


def test_the_first_reading_begins_with_the_mail_of_a_week(reading: Reading) -> None:
    old, email = reading.sent(), reading.sent()
    reading.mailbox.put(a_dsn(old), day=reading.today - timedelta(days=8))
    reading.mailbox.put(a_dsn(email), day=reading.today - timedelta(days=7))

    reading.read()

    assert reading.bounced() == [email.id]


def test_the_first_reading_of_a_mailbox_without_mail_of_a_week_begins_at_its_end(
    reading: Reading,
) -> None:
    reading.mailbox.put(a_dsn(reading.sent()), day=reading.today - timedelta(days=400))

    reading.read()

    assert reading.bounced() == []
    assert reading.inbox.place == InboxPlace(1, 1)


def test_another_uidvalidity_reads_again_and_tells_nothing_twice(reading: Reading) -> None:
    first, second = reading.sent(), reading.sent()
    reading.arrive(first, uid=70)
    reading.read()
    reading.world.clock.tick(60)
    reading.mailbox.uidvalidity = 2
    reading.mailbox.mail = {
        n: (reading.today, a_dsn(one)) for n, one in enumerate((first, second), 1)
    }
    reading.mailbox.last = 2

    reading.read()

    assert reading.bounced() == [first.id, second.id]
    assert reading.inbox.place == InboxPlace(2, 2)


def test_a_connection_that_is_lost_loses_and_doubles_nothing(reading: Reading) -> None:
    emails = [reading.sent() for _ in range(AT_ONCE + 5)]
    for email in emails:
        reading.arrive(email)
    steps = iter([None] * 4 + [MailboxFailed("connection lost")])

    def lose(step: str) -> None:
        error = next(steps, None)
        if error is not None:
            raise error

    reading.mailbox.before = lose
    reading.read()
    assert reading.bounced() == [email.id for email in emails[:AT_ONCE]]
    assert (reading.inbox.failures, reading.inbox.last_error) == (1, "connection lost")
    reading.world.clock.tick(60)
    reading.read()

    assert reading.bounced() == [email.id for email in emails]
    assert (reading.inbox.failures, reading.inbox.last_error) == (0, "")
    assert len(reading.world.heard.named("inbox_failed")) == 1
    assert len(reading.world.heard.named("inbox_works")) == 1


def test_an_inbox_in_trouble_is_asked_less_and_less_and_keeps_no_other_waiting(
    reading: Reading,
) -> None:
    other = reading.world.account("other")
    sealed = reading.world.vault.seal("inbox-secret", context=f"inbox:{other.id}")
    reading.world.mailboxes.add("other.example.com")
    reading.save(
        attrs.evolve(
            reading.inbox, account_id=other.id, host="other.example.com", sealed_password=sealed
        )
    )
    reading.save(attrs.evolve(reading.inbox, host="gone.example.com"))
    tried = 0
    for _ in range(120):
        while reading.read():
            pass
        tried = max(tried, reading.inbox.failures)
        reading.world.clock.tick(60)

    assert 8 <= tried <= 14
    assert not reading.inbox.is_due(reading.inbox.tried_at + LONGEST_PAUSE / 2)  # type: ignore[operator]  # tried
    found = reading.world.store.read(lambda tx: tx.inboxes.find(other.id))
    assert found is not None
    assert found.read_at is not None
    assert found.read_at > reading.world.clock.now() - timedelta(seconds=121)
    assert len(reading.world.heard.named("inbox_failed")) == 1


def test_a_large_mailbox_is_read_in_passes_of_a_bounded_size(reading: Reading) -> None:
    for _ in range(MOST_A_PASS + 1):
        reading.arrive()

    reading.read()
    assert reading.inbox.place == InboxPlace(1, MOST_A_PASS)
    assert reading.read(), "it is due at once"
    assert reading.inbox.place == InboxPlace(1, MOST_A_PASS + 1)
    assert not reading.read()


def test_a_gap_in_the_uids_costs_one_question(reading: Reading) -> None:
    reading.arrive(uid=1)
    reading.read()
    reading.world.clock.tick(60)
    email = reading.sent()
    reading.arrive(email, uid=100_000)
    reading.mailbox.asked.clear()

    reading.read()

    assert reading.bounced() == [email.id]
    assert reading.mailbox.asked.count("search") == 2


def test_what_an_owner_changes_meanwhile_is_not_overwritten(reading: Reading) -> None:
    reading.arrive(reading.sent())
    changed = attrs.evolve(reading.inbox, version=2, host="other.example.com")
    reading.mailbox.before = lambda step: reading.save(changed) if step == "fetch" else None

    reading.read()

    assert reading.inbox == changed
    assert reading.bounced() == []


def test_a_process_that_is_not_the_first_reads_nothing(reading: Reading) -> None:
    beside = World(beside=reading.world, pid=2)

    assert not beside.application.inboxes.read_next()
    assert reading.read()


# -- what an owner writes --------------------------------------------------------------------------


def test_another_server_or_username_forgets_the_password_and_the_place() -> None:
    inbox = Inbox(
        account_id=1,
        host=HOST,
        username="me",
        sealed_password=b"x",
        place=InboxPlace(1, 5),
        read_at=at(1),
    )
    for change in ({"host": "other.example.com"}, {"port": 143}, {"username": "you"}):
        new = attrs.evolve(inbox, sealed_password=None, place=None, **change)
        changed = inbox.changed(new, password_given=False)
        assert (changed.sealed_password, changed.place, changed.version) == (None, None, 2)
    folder = inbox.changed(attrs.evolve(inbox, folder="Reports"), password_given=False)
    assert (folder.sealed_password, folder.place) == (b"x", None)
    slower = inbox.changed(
        attrs.evolve(inbox, poll=timedelta(minutes=5), sealed_password=None), password_given=False
    )
    assert slower == attrs.evolve(inbox, poll=timedelta(minutes=5))
    again = inbox.changed(attrs.evolve(inbox, sealed_password=b"y"), password_given=True)
    assert (again.sealed_password, again.place, again.version) == (b"y", InboxPlace(1, 5), 2)

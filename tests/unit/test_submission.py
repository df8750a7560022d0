"""What a client may count on."""

from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import attrs
import pytest

from application.intake.draft import Draft
from application.intake.idempotency import IdempotencyKey
from domain.account.limits import Limits, LimitUnit
from domain.capability import Capability
from domain.email.lifecycle import Email
from domain.email.recipient import RecipientField
from domain.email.status import Status
from domain.errors import (
    Conflict,
    IdempotencyMismatch,
    IllegalTransition,
    InvalidInput,
    NotAccepting,
    NotFound,
)
from domain.mailbox import Mailbox
from domain.message.raw import read_raw
from tests.builders import an_address
from tests.world import World


def count(world: World) -> int:
    return sum(world.store.read(lambda tx: tx.emails.counts()).values())


def test_an_accepted_email_is_queued_and_the_dispatcher_is_woken():
    world = World()
    world.account()
    world.wakes.clear()

    email_id = world.submit()

    assert (email_id, world.email(email_id).status) == (1, Status.QUEUED)
    assert world.wakes


def test_a_recipient_named_twice_gets_one_copy():
    world = World()
    world.account()
    email_id = world.submit(
        "a@example.org", "A@EXAMPLE.org", "a@EXAMPLE.ORG", bcc=(an_address("a@example.org"),)
    )

    assert [(str(r.address), r.field) for r in world.email(email_id).recipients] == [
        ("a@example.org", RecipientField.TO),
        ("A@example.org", RecipientField.TO),
    ]


def test_bcc_is_in_the_envelope_and_nowhere_in_the_message():
    world = World()
    world.account()
    world.submit("a@example.org", bcc=(an_address("hidden@example.org"),))

    world.run()

    [taken] = world.sender.accepted
    assert "hidden@example.org" in world.sent_subjects()
    assert b"hidden" not in taken.octets
    assert b"bcc" not in taken.octets.lower()


def test_an_email_for_later_is_scheduled():
    world = World()
    world.account()
    later = world.clock.now() + timedelta(days=30)

    email = world.email(world.submit(send_at=later))

    assert (email.status, email.eligible_at) == (Status.SCHEDULED, later)
    assert email.expires_at == later + timedelta(hours=72)


def test_a_time_in_the_past_means_now():
    world = World()
    world.account()

    email = world.email(world.submit(send_at=world.clock.now() - timedelta(days=1)))

    assert email.status is Status.QUEUED


def test_more_than_thirty_days_ahead_is_refused():
    world = World()
    world.account()

    with pytest.raises(InvalidInput, match="send_at"):
        world.submit(send_at=world.clock.now() + timedelta(days=30, seconds=1))
    assert count(world) == 0


def test_without_any_account_nothing_is_accepted():
    with pytest.raises(Conflict, match="create one first"):
        World().submit()


def test_an_account_that_does_not_exist_is_not_found():
    world = World()
    world.account()

    with pytest.raises(NotFound):
        world.submit(account_id=7)
    assert count(world) == 0


def test_with_only_inactive_accounts_email_waits():
    world = World()
    world.account(active=False)

    assert world.email(world.submit()).status is Status.QUEUED


def test_an_email_that_could_never_fit_its_account_is_refused_at_once():
    world = World()
    account = world.account(limits=Limits(hourly=1, unit=LimitUnit.RECIPIENTS))

    with pytest.raises(InvalidInput, match="to: more recipients"):
        world.submit("a@example.org", "b@example.org", account_id=account.id)


def test_the_same_key_and_body_is_one_email():
    world = World()
    world.account()
    key = IdempotencyKey(key="k", scope="me", digest="d")
    draft_id = submit_with(world, key)

    assert submit_with(world, key) == draft_id
    assert count(world) == 1


def test_the_same_key_with_another_body_is_a_conflict():
    world = World()
    world.account()
    submit_with(world, IdempotencyKey(key="k", scope="me", digest="d"))

    with pytest.raises(IdempotencyMismatch):
        submit_with(world, IdempotencyKey(key="k", scope="me", digest="other"))
    assert count(world) == 1


def test_keys_of_different_callers_are_independent():
    world = World()
    world.account()
    first = submit_with(world, IdempotencyKey(key="k", scope="me", digest="d"))

    assert submit_with(world, IdempotencyKey(key="k", scope="you", digest="e")) != first


def test_a_key_is_forgotten_after_a_day():
    world = World()
    world.account()
    key = IdempotencyKey(key="k", scope="me", digest="d")
    first = submit_with(world, key)

    world.clock.tick(24 * 3600 + 1)
    world.application.maintenance.sweep()

    assert submit_with(world, key) != first


def test_a_key_is_not_forgotten_because_the_wall_jumps_forward():
    world = World()
    world.account()
    key = IdempotencyKey(key="k", scope="me", digest="d")
    first = submit_with(world, key)

    world.clock.step(24 * 3600 + 1)
    world.application.maintenance.sweep()

    assert submit_with(world, key) == first


def submit_with(world: World, key: IdempotencyKey) -> int:
    draft = Draft(subject="s", html="h", to=(an_address(),))
    return world.application.submission.submit((draft,), idempotency=key).ids[0]


def test_nothing_is_accepted_while_draining_or_while_the_disk_is_low():
    world = World()
    world.account()
    world.headroom.on = False
    with pytest.raises(NotAccepting, match="disk"):
        world.submit()

    world.headroom.on = True
    world.application.admission.drain()
    with pytest.raises(NotAccepting, match="stopping"):
        world.submit()
    assert count(world) == 0


def test_the_queue_takes_no_more_than_its_depth():
    world = World(max_queue_depth=2)
    world.account()
    world.submit()
    world.submit()

    with pytest.raises(NotAccepting):
        world.submit()
    world.run()

    assert world.submit()


def test_a_cancelled_email_is_never_handed_off():
    world = World()
    world.account()
    email_id = world.submit()

    world.application.email_changes.cancel(email_id)
    world.run()

    assert world.email(email_id).status is Status.CANCELLED
    assert not world.sender.accepted


def test_an_email_that_is_being_sent_cannot_be_cancelled():
    world = World()
    world.account()
    email_id = world.submit()
    world.claim()

    with pytest.raises(IllegalTransition):
        world.application.email_changes.cancel(email_id)


# -- what every way in may rely on -----------------------------------------------------------------


def submit(world: World, **fields: Any) -> Email:
    """The email of a draft with these fields."""
    draft = Draft(**{"subject": "Hello", "html": "<p>Hello</p>", "to": (an_address(),), **fields})
    [email_id] = world.application.submission.submit((draft,)).ids
    return world.email(email_id)


def refused_fields(world: World, **fields: Any) -> list[str]:
    with pytest.raises(InvalidInput) as refused:
        submit(world, **fields)
    return [error.field for error in refused.value.errors]


def sent_by(world: World) -> bytes:
    """The octets of the only email."""
    world.run()
    [sent] = world.sender.accepted
    return sent.octets


def test_a_message_id_begins_with_the_time_so_that_later_ones_stand_behind_it_in_the_index():
    world = World()
    world.account()
    reference = submit(world).message_id[1:].partition("@")[0]
    assert int(reference[:12], 16) == int(world.clock.now().timestamp() * 1000)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", 0),
        ("priority", 6),
        ("subject", "x" * 990),
        ("html", "x" * (10 * 1024 * 1024 + 1)),
        ("text", "ä" * (5 * 1024 * 1024 + 1)),
        ("to", ()),
        ("to", tuple(an_address(f"r{number}@example.org") for number in range(101))),
    ],
)
def test_no_way_in_goes_round_a_limit(field, value):
    world = World()
    world.account()
    assert refused_fields(world, **{field: value}) == [field]


def test_no_way_in_submits_more_emails_at_once_than_one_call_may_have():
    world = World()
    world.account()
    draft = Draft(subject="Hello", html="<p>Hello</p>", to=(an_address(),))
    with pytest.raises(InvalidInput, match="emails: must have at most 500 items"):
        world.application.submission.submit([draft] * 501)


def test_no_drafts_are_no_emails():
    assert World().application.submission.submit(()).ids == ()


def test_an_email_without_html_is_one_part_of_plain_text():
    world = World()
    world.account()
    submit(world, html=None, text="Hello\n.\nAda")
    message = message_from_bytes(sent_by(world), policy=policy.SMTP)
    assert message.get_content_type() == "text/plain"
    assert message.get_content() == "Hello\r\n.\r\nAda\r\n"


def test_an_email_with_neither_html_nor_text_is_refused():
    world = World()
    world.account()
    assert refused_fields(world, html=None) == ["html"]


def test_the_envelope_does_not_depend_on_the_headers():
    world = World()
    world.account()
    hidden, shown = an_address("hidden@example.org"), an_address("list@example.org")
    email = submit(world, to=(shown,), envelope=(hidden, hidden))
    assert [(r.address, r.field) for r in email.recipients] == [(hidden, RecipientField.BCC)]
    message = message_from_bytes(sent_by(world), policy=policy.SMTP)
    assert message["To"] == "list@example.org"
    assert b"hidden" not in message.as_bytes()


def test_replies_go_to_the_address_of_the_draft():
    world = World()
    world.account()
    submit(world, reply_to=(Mailbox(an_address("help@example.org")),))
    assert b"\r\nReply-To: help@example.org\r\n" in sent_by(world)


def test_an_email_with_a_sender_goes_by_the_account_with_that_address():
    world = World()
    world.account("first", address=an_address("first@example.com"))
    second = world.account("second", address=an_address("second@example.com"))
    email = submit(world, sender=Mailbox(second.address))
    assert (email.account_id, email.pinned) == (second.id, True)


def test_an_alias_stands_in_the_from_line_and_not_in_the_envelope():
    world = World()
    world.account("first", address=an_address("first@example.com"))
    second = world.account(
        "second",
        address=an_address("second@example.com"),
        aliases=(an_address("*@news.example.com"),),
    )
    alias = an_address("weekly@news.example.com")
    email = submit(world, sender=Mailbox(alias, "Weekly"))
    octets = sent_by(world)
    assert (email.account_id, email.pinned) == (second.id, True)
    assert email.message_id.endswith("@news.example.com>")
    assert world.sender.accepted[0].envelope.sender == second.address
    assert octets.startswith(b"From: Weekly <weekly@news.example.com>\r\n")
    assert message_from_bytes(octets).get_all("From") == ["Weekly <weekly@news.example.com>"]


@pytest.mark.parametrize(
    ("name", "line"),
    [("", b"From: Sender <sender@example.com>"), ("Me", b"From: Me <sender@example.com>")],
)
def test_a_name_alone_may_be_chosen_with_the_accounts_own_address(name, line):
    world = World()
    account = world.account()
    submit(world, sender=Mailbox(account.address, name))
    octets = sent_by(world)
    assert octets.startswith(line)
    assert len(message_from_bytes(octets).get_all("From")) == 1


def test_while_an_old_process_delivers_no_email_with_a_from_of_its_own_is_accepted():
    world = World()
    account = world.account()
    old = world.store.write(
        lambda tx: tx.instances.join(
            host="a", pid=1, now=world.clock.now(), capabilities=Capability.BLOBS
        )
    )
    with pytest.raises(NotAccepting, match="older version"):
        submit(world, sender=Mailbox(account.address, "Me"))
    assert submit(world).id == 1
    world.store.write(lambda tx: tx.instances.leave(old))
    assert submit(world, sender=Mailbox(account.address, "Me")).id == 2


def test_an_alias_without_a_name_has_that_of_its_account():
    world = World()
    world.account(aliases=(an_address("billing@example.com"),))
    submit(world, sender=Mailbox(an_address("billing@example.com")))
    assert sent_by(world).startswith(b"From: Sender <billing@example.com>\r\n")


def test_among_accounts_with_the_same_alias_the_one_with_room_is_chosen():
    world = World()
    aliases = (an_address("*@example.org"),)
    limits = Limits(hourly=1)
    world.account("first", aliases=aliases, limits=limits)
    roomier = world.account("second", aliases=aliases, limits=Limits(hourly=9))
    world.account("third", limits=Limits(hourly=99))
    email = submit(world, sender=Mailbox(an_address("a@example.org")))
    assert email.account_id == roomier.id


def test_an_international_alias_asks_for_smtputf8():
    world = World()
    alias = an_address("jürgen@example.com")
    world.account(aliases=(alias,))
    assert submit(world, sender=Mailbox(alias)).smtputf8


def test_an_alias_that_was_removed_stays_in_what_was_accepted():
    world = World()
    account = world.account(aliases=(an_address("billing@example.com"),))
    submit(world, sender=Mailbox(an_address("billing@example.com"), "Billing"))
    world.store.write(lambda tx: tx.accounts.save(attrs.evolve(account, aliases=())))
    assert sent_by(world).startswith(b"From: Billing <billing@example.com>\r\n")


def test_a_sender_that_no_account_has_is_refused():
    world = World()
    account = world.account(address=an_address("first@example.com"))
    stranger = Mailbox(an_address("stranger@example.com"))
    assert refused_fields(world, sender=stranger) == ["sender"]
    assert refused_fields(world, sender=stranger, account_id=account.id) == ["sender"]


RAW = b"From: sender@example.com\r\nSubject: Hi\r\n%s\r\nHello\r\n"


def submit_raw(world: World, header: bytes = b"") -> bytes:
    """The message that a client's own becomes, with a topic."""
    raw = read_raw(RAW % header)
    email_id = world.submit(html=None, subject="Hi", raw=raw, sender=raw.sender, topic="news")
    return b"".join(world.application.queries.message(email_id))


def test_a_message_that_the_client_made_may_have_a_topic():
    world = World(public_url="https://mail.example.com")
    world.account()

    message = submit_raw(world)
    assert b"\r\nList-Unsubscribe: <https://mail.example.com/u/" in message
    assert b"\r\nList-Id: <news.mail.example.com>\r\n" in message
    message = submit_raw(world, b"List-ID: <mine.example.com>\r\n")
    assert message.lower().count(b"list-id:") == 1


def test_a_link_of_its_own_and_a_topic_are_one_too_many():
    world = World(public_url="https://mail.example.com")
    world.account()
    for name in (b"List-Unsubscribe", b"list-unsubscribe-post"):
        with pytest.raises(InvalidInput, match="written by the service"):
            submit_raw(world, name + b": <https://x.example>\r\n")

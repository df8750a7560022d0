"""Whatever a client sends, the message holds exactly the headers that were set, or is refused."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.parser import BytesHeaderParser

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from application.delivery.whole_message import StoredMessage
from domain.address import Address
from domain.errors import InvalidInput
from domain.mailbox import Mailbox
from domain.message.compose import Content, compose, from_line, header_names
from entrypoints.addresses import email_address
from entrypoints.mailboxes import mailbox

quickly = settings(derandomize=True, deadline=None, max_examples=300)

ACCOUNT = Address.parse("news@example.com")
ALICE = Address.parse("alice@example.org")
STORE = MemoryStore(clock=FakeClock())
BOB = Address.parse("bob@example.net")
MESSAGE_ID = "<5f0c8b0e1d@mail.example.com>"
DATE = datetime(2026, 11, 2, 9, 5, 7, tzinfo=UTC)
BOUNDARY = "=_a1b2c3d4"

attacks = st.sampled_from(
    [
        *["\r\n", "\n", "\r", "\0", "\v", "\f", "\x1c", "\x85", "\u2028", "\ud800", "\u202e"],
        *["\r\nBcc: evil@example.net", "\r\n\r\n<script>", "\r\n.\r\nMAIL FROM:<e@e.example>"],
        *["=?utf-8?q?x=0D=0ABcc=3A_evil=40e.com?=", "=?utf-8?b?eA0KQmNjOiBldmlsQGUuY29t?="],
        *[f"\r\n--{BOUNDARY}", f"\r\n--{BOUNDARY}--\r\n", "a" * 1200, "ü" * 600, " " * 1100, "=?"],
        *["<", ">", '"', "\\", ",", ";", "@", "(", ")", "A <real@bank.example>", "%", "\t", " \t "],
    ]
)
texts = st.lists(st.text(st.characters(), max_size=12) | attacks, max_size=6).map("".join)
lines = st.lists(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12) | attacks, max_size=3
).map("".join)
header_names_of_clients = st.sampled_from(
    [
        "X-Shop",
        "List-Id",
        "List-Unsubscribe",
        "X-Email-Ref",
        "Feedback-ID",
        "Reply-To",
        "Bcc",
        "From",
        "Content-Type",
        "X-A\r\nBcc",
        "X A",
        "",
        "X-ü",
    ]
)
headers = st.just(()) | st.lists(st.tuples(header_names_of_clients, lines), max_size=3).map(tuple)


def composed(content: Content) -> bytes | None:
    """The octets, or None if the content is refused with its reasons."""
    try:
        return compose(content, message_id=MESSAGE_ID, date=DATE, boundary=BOUNDARY)
    except InvalidInput as error:
        refused = error
    assert refused.errors
    return None


def names(octets: bytes) -> list[str]:
    """The headers as the oldest parser there is reads them."""
    return [name.lower() for name in BytesHeaderParser(policy=policy.compat32).parsebytes(octets)]


@quickly
@given(subject=lines, html=texts, text=st.none() | texts, custom=headers)
def test_a_message_has_the_headers_that_were_set_and_no_other(subject, html, text, custom):
    content = Content(subject=subject, html=html, text=text, to=(ALICE,), headers=custom)
    octets = composed(content)
    if octets is None:
        return
    assert names(octets) == [name.lower() for name in header_names(content)]
    assert not {"bcc", "from", "sender"} & set(names(octets))


@quickly
@given(subject=lines, html=texts, text=st.none() | texts)
def test_every_line_of_a_message_is_one_that_smtp_carries(subject, html, text):
    octets = composed(Content(subject=subject, html=html, text=text, to=(ALICE,)))
    if octets is None:
        return
    assert b"\0" not in octets
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", octets)
    assert max(map(len, octets.split(b"\r\n"))) <= 998


@quickly
@given(html=texts, text=texts)
def test_a_body_never_ends_its_part(html, text):
    octets = composed(Content(subject="Hello", html=html, text=text, to=(ALICE,)))
    if octets is None:
        return
    kinds = [part.get_content_type() for part in message_from_bytes(octets).walk()]
    assert kinds == ["multipart/alternative", "text/plain", "text/html"]


@quickly
@given(texts)
def test_a_display_name_is_refused_or_names_the_account_alone(name):
    try:
        line = from_line(ACCOUNT, name)
    except InvalidInput:
        return
    message = message_from_bytes(line + b"\r\n", policy=policy.default)
    assert message.keys() == ["From"]
    assert [address.addr_spec for address in message["From"].addresses] == [str(ACCOUNT)]


@quickly
@given(name=texts, references=st.lists(lines, max_size=3), html=texts)
def test_a_from_and_a_thread_are_refused_or_stand_once_before_the_message(name, references, html):
    content = Content(
        subject="Hello",
        html=html,
        to=(ALICE,),
        sender=Mailbox(BOB, name),
        references=tuple(f"<a{text}@example.org>" for text in references),
    )
    octets = composed(content)
    if octets is None:
        return
    assert names(octets) == [name.lower() for name in header_names(content)]
    assert StoredMessage(octets).behind(from_line(ACCOUNT, "Account"), STORE) == (octets, None)
    message = message_from_bytes(octets, policy=policy.default)
    assert [one.addr_spec for one in message["From"].addresses] == [str(BOB)]


@quickly
@given(names=st.lists(texts, min_size=3, max_size=3), reply=st.lists(texts, max_size=3))
def test_names_are_refused_or_stand_before_the_addresses_that_were_set(names, reply):
    to = (ALICE, ACCOUNT, BOB)
    content = Content(
        subject="Hello",
        html="<p>Hi</p>",
        to=to[:2],
        cc=to[2:],
        names=dict(zip(to, names, strict=True)),
        reply_to=tuple(Mailbox(BOB, name) for name in reply),
    )
    octets = composed(content)
    if octets is None:
        return
    message = message_from_bytes(octets, policy=policy.default)
    assert [name.lower() for name in message] == list(map(str.lower, header_names(content)))
    read = [message[name].addresses for name in ("To", "Cc")]
    assert [[one.addr_spec for one in field] for field in read] == [
        [str(address) for address in field] for field in (to[:2], to[2:])
    ]
    replies = message["Reply-To"].addresses if reply else ()
    assert [one.addr_spec for one in replies] == [str(BOB)] * len(reply)


@quickly
@given(texts.map(lambda text: f"{text} <alice@example.org>") | texts)
def test_what_passes_for_an_address_with_a_name_is_one_in_the_message_too(text):
    try:
        found = mailbox(text)
    except ValueError:
        return
    given = found if isinstance(found, Mailbox) else Mailbox(found)
    octets = composed(Content(subject="Hello", text="Hi", to=(ALICE,), reply_to=(given,)))
    assert octets is not None
    [read] = message_from_bytes(octets, policy=policy.default)["Reply-To"].addresses
    assert read.domain == given.address.domain


@quickly
@given(st.lists(texts.map(lambda text: f"{text}@example.org") | st.emails() | texts, max_size=4))
def test_what_passes_for_an_address_is_one_in_the_message_too(candidates):
    addresses = []
    for candidate in candidates:
        try:
            addresses.append(email_address(candidate))
        except ValueError:
            continue
    octets = composed(Content(subject="Hello", html="<p>Hi</p>", to=tuple(addresses)))
    assert octets is not None
    found = message_from_bytes(octets, policy=policy.default)["To"]
    seen = [] if found is None else [address.addr_spec for address in found.addresses]
    assert len(seen) == len(addresses)
    assert [address.rpartition("@")[2] for address in seen] == [
        str(address).rpartition("@")[2] for address in addresses
    ]

"""What is taken of any text: one address, one From, and the headers that were expected."""

from email import message_from_bytes, message_from_string, policy
from email.headerregistry import Address as StandardAddress

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.mailbox import Mailbox
from domain.message.compose import verify_wire
from domain.message.headers import unsafe_character
from domain.message.raw import DROPPED
from entrypoints.mailboxes import mailbox
from tests.unit.test_mailboxes import ADA
from tests.unit.test_raw_message import SENDER, headers, sent

reproducible = settings(derandomize=True, deadline=None, max_examples=300)


names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30)
pieces = st.lists(
    st.sampled_from([*'"\\<>,;:@() .', "a", "ada@example.org", "<ada@example.org>", "\r\n", "=?"])
    | st.text(max_size=3),
    max_size=8,
).map("".join)


@reproducible
@given(names)
def test_what_the_standard_library_writes_is_read_as_it_was_meant(name):
    if unsafe_character(name) or name != name.strip():
        return
    written = str(StandardAddress(name, addr_spec="ada@example.org"))
    found = mailbox(written)
    assert found == (Mailbox(ADA, name) if name else ADA)


@reproducible
@given(pieces)
def test_whatever_is_taken_names_one_address_for_the_standard_library_too(text):
    try:
        found = mailbox(text)
    except ValueError:
        return
    address = found.address if isinstance(found, Mailbox) else found
    header = message_from_string(f"To: {text}\n\n", policy=policy.default)["To"]
    assert [one.addr_spec for one in header.addresses] == [str(address)]


FRAGMENTS = [
    *(b"Subject: x", b"Bcc: e@e.e", b" rest", b"\t", b" ", b":", b"From x", b"X", b"\x0b", b"\x85"),
    *(
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\x0c",
        b"\xe2\x80\xa8",
        b"y" * 999,
    ),
]


@reproducible
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12))
def test_what_passes_has_for_a_parser_the_headers_that_were_expected(parts: list[bytes]) -> None:
    octets = b"Subject: x" + b"".join(parts)
    try:
        verify_wire(octets, ("Subject",))
    except InvalidInput:
        return
    assert message_from_bytes(octets).keys() == ["Subject"]


PIECES = st.sampled_from(
    [
        *(
            b"From: ada@example.com",
            b"Bcc: eve@example.org",
            b"Subject: x",
            b"X",
            b":",
            b" ",
            b"\t",
        ),
        *(
            b"\r",
            b"\n",
            b"\r\n",
            b"\n\n",
            b"\0",
            b"\xff",
            b"=?utf-8?q?=0A?=",
            b".",
            b"From ",
            b"a@b",
        ),
        *(
            b"DKIM-Signature: d=example.com",
            b"Return-Path: <>",
            b"sender: eve@example.org",
            b"\x0b",
        ),
    ]
)


@reproducible
@given(st.lists(PIECES, max_size=12), st.booleans())
def test_whatever_is_sent_has_one_from_and_nothing_that_was_to_be_dropped(
    pieces: list[bytes], begins: bool
) -> None:
    octets = (SENDER if begins else b"") + b"".join(pieces) + b"\r\n\r\nBody"
    try:
        whole = sent(octets)
    except InvalidInput:
        return
    names = [name.lower() for name, _ in headers(whole)]
    assert names[0] == "from"
    assert names.count("from") == 1
    assert DROPPED.isdisjoint(names)
    assert "sender" not in names
    assert whole.replace(b"\r\n", b"").isascii()
    assert b"\r" not in whole.replace(b"\r\n", b"")
    assert b"\n" not in whole.replace(b"\r\n", b"")

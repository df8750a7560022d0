"""The address headers: who stands in them, behind which name, on lines of what length."""

import time
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest

from domain.address import Address
from domain.errors import InvalidInput
from domain.mailbox import Mailbox
from domain.message.compose import Content, header_names
from domain.message.headers import address_list
from tests.unit.test_message import ALICE, UNSAFE_IN_HEADERS, composed

BOB = Address.parse("bob@example.net")
NAMES = [
    *("Ada", "Lovelace, Ada", "A <real@bank.com>", '"x" <a@b.c>, evil', "Jürgen", "back\\slash"),
    *(
        "a  b",
        "(comment)",
        "Group: a@b.c;",
        "x@y.z",
        "山田太郎",
        "Dr. O'Neil",
        "x" * 200,
        "ü" * 200,
    ),
    *("=?utf-8?q?x=0D=0ABcc=3A_evil=40e.com?=", " Ada ", "a " * 60, "a" * 75 + " b"),
]


def content(**said):
    return Content(**{"subject": "Hello", "text": "Hello", "to": (ALICE,)} | said)


def addresses(octets: bytes, header: str) -> list[tuple[str, str]]:
    """The addresses, on which two readers must agree, with their names.

    The names are the older reader's: the new one puts a blank between two encoded words.
    """
    value = message_from_bytes(octets)[header].replace("\r\n", "")
    old = [(str(make_header(decode_header(name))), at) for name, at in getaddresses([value])]
    new = message_from_bytes(octets, policy=policy.default)[header].addresses
    assert [at for _, at in old] == [one.addr_spec for one in new]
    return old


def lines_of(header: str) -> list[str]:
    assert header.endswith("\r\n")
    return header.removesuffix("\r\n").split("\r\n")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_arrives_intact_before_its_address(name: str) -> None:
    said = content(
        to=(BOB, ALICE, BOB), cc=(ALICE,), names={ALICE: name}, reply_to=(Mailbox(BOB, name),)
    )
    octets = composed(said)

    assert addresses(octets, "To") == [("", str(BOB)), (name, str(ALICE)), ("", str(BOB))]
    assert addresses(octets, "Cc") == [(name, str(ALICE))]
    assert addresses(octets, "Reply-To") == [(name, str(BOB))]
    assert message_from_bytes(octets).keys() == list(header_names(said))


@pytest.mark.parametrize("unsafe", UNSAFE_IN_HEADERS, ids=ascii)
def test_a_name_with_an_unsafe_character_is_refused_by_its_field(unsafe: str) -> None:
    names = {ALICE: f"a{unsafe}b"}
    for said, field in [
        (content(names=names), "to"),
        (content(to=(), cc=(ALICE,), names=names), "cc"),
        (content(reply_to=(Mailbox(ALICE, f"a{unsafe}b"),)), "reply_to"),
    ]:
        with pytest.raises(InvalidInput) as refused:
            composed(said)
        assert [error.field for error in refused.value.errors] == [field]


@pytest.mark.parametrize("name", ["Ada Lovelace", "Lovelace, Ada", "Jürgen Müller", "ü" * 60])
def test_a_hundred_names_are_folded_within_76_columns(name: str) -> None:
    everybody = [Address(f"recipient{n}", "example.org") for n in range(100)]
    lines = lines_of(address_list("To", everybody, dict.fromkeys(everybody, name)))

    assert max(map(len, lines)) <= 76
    assert all(line.startswith(" ") and line.strip() for line in lines[1:])


def test_a_name_and_an_address_of_the_greatest_length_stand_on_lines_of_their_own() -> None:
    longest = Address("x" * 64, f"{'y' * 63}.{'y' * 63}.{'y' * 60}")
    lines = lines_of(address_list("Reply-To", [longest] * 2, {longest: "ü" * 200}))

    assert max(map(len, lines)) <= 1 + len(f"<{longest}>,")


def test_the_time_for_a_list_of_names_rises_with_its_length_only() -> None:
    def seconds_for(number: int) -> float:
        everybody = [Address(f"r{n}", "example.org") for n in range(number)]
        names = dict.fromkeys(everybody, "Ada, Countess")
        start = time.process_time()
        address_list("To", everybody, names)
        return time.process_time() - start

    few = min(seconds_for(1_000) for _ in range(3))
    assert min(seconds_for(10_000) for _ in range(3)) < 30 * few


def test_a_reply_address_in_utf_8_asks_for_smtputf8() -> None:
    international = Mailbox(Address("jürgen", "example.org"))

    assert content(reply_to=(international,)).needs_smtputf8
    assert not content(reply_to=(Mailbox(ALICE, "Jürgen"),)).needs_smtputf8

"""DKIM: the canonical forms, and what the header is made of."""

import re

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.message.dkim import Algorithm, BodyHash, DnsRecord, relaxed, signatures
from tests.dkim_messages import DATE, KEYS, SIGNER, signed


@pytest.mark.parametrize("algorithm", Algorithm)
def test_two_signatures_of_one_message_are_equal(algorithm: Algorithm) -> None:
    key = KEYS[algorithm]
    assert signed(b"Hello\r\n", key) == signed(b"Hello\r\n", key)


def test_no_line_of_the_header_is_longer_than_78_characters() -> None:
    message = signed(b"Hello\r\n", KEYS[Algorithm.RSA])
    header = message[: message.index(b"From:")]
    assert max(map(len, header.split(b"\r\n"))) <= 78


@given(st.lists(st.sampled_from([b"\r\n", b" ", b"\t", b"a", b"bc"]), max_size=40), st.data())
def test_the_body_hash_does_not_depend_on_how_the_body_is_cut(
    pieces: list[bytes], data: st.DataObject
) -> None:
    whole, cut = BodyHash(), BodyHash()
    body = b"".join(pieces)
    whole.add(body)
    at = data.draw(st.integers(0, len(body)))
    cut.add(body[:at])
    cut.add(body[at:])
    assert whole.digest() == cut.digest()


def test_a_header_is_unfolded_and_its_blanks_become_one() -> None:
    assert relaxed(b"SUBJECT : a \t b\r\n  c  ") == b"subject:a b c"


def test_the_record_of_a_key_names_its_kind() -> None:
    assert SIGNER.dns_record(KEYS[Algorithm.RSA]).startswith("v=DKIM1; k=rsa; p=MII")
    assert SIGNER.dns_record(KEYS[Algorithm.ED25519]).startswith("v=DKIM1; k=ed25519; p=")


def names_signed(head: bytes) -> list[str]:
    message = signed(b"Hello\r\n", KEYS[Algorithm.ED25519], head)
    header = message[: message.index(b"bh=")].replace(b"\r\n ", b"")
    return header.partition(b"h=")[2].strip().rstrip(b"; ").decode().split(":")


def test_what_a_reader_sees_is_signed_once_more_than_it_is_there() -> None:
    head = b"From: a@example.org\r\nSubject: Hello\r\nMessage-ID: <1@example.org>\r\n"

    names = names_signed(head)

    once_more = ["from", "from", "to", "cc", "subject", "subject", "date", "reply-to"]
    assert names == [*once_more, "message-id"]


def test_every_list_header_is_signed_and_what_relays_may_add_is_not() -> None:
    head = (
        b"From: a@example.org\r\nList-Unsubscribe: <https://example.org/u/1>\r\n"
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Archive: <https://e.org>\r\n"
        b"Received: by example.org\r\nReturn-Path: <a@example.org>\r\nX-Spam: no\r\n"
    )

    assert names_signed(head)[-3:] == ["list-unsubscribe", "list-unsubscribe-post", "list-archive"]


@pytest.mark.parametrize(
    ("author", "domains"),
    [
        ("ada@example.org", ["example.org"]),
        ("Ada <ada@Example.ORG>", ["example.org"]),
        ('"x@other.example" <ada@example.org>', ["example.org"]),
        ("ada@mail.example.org", ["mail.example.org"]),
        ("ada@a.mail.example.org", ["mail.example.org"]),
        ("ada@www.example.org", ["example.org"]),
        ("ada@badexample.org", []),
        ("ada@example.org.example.net", []),
        ("ada@org", []),
        ("nobody", []),
    ],
)
def test_the_nearest_domain_above_that_of_from_signs(author: str, domains: list[str]) -> None:
    keys = [
        attrs.evolve(KEYS[Algorithm.ED25519], domain=domain)
        for domain in ("example.org", "mail.example.org")
    ]
    message = f"From: {author}\r\nSubject: Hello\r\n\r\nHello\r\n".encode()

    made = signatures([message], keys=keys, undated=DATE, sign=SIGNER.sign)

    assert re.findall(r"d=([\w.]+);", made.decode()) == domains


def test_a_message_with_two_from_lines_is_not_signed() -> None:
    message = b"From: a@example.org\r\nFrom: b@example.org\r\n\r\nHello\r\n"

    assert signatures([message], keys=[*KEYS.values()], undated=DATE, sign=SIGNER.sign) == b""


def test_a_record_is_split_into_strings_of_at_most_255_octets() -> None:
    assert DnsRecord("a", "x" * 255).strings == ["x" * 255]
    assert DnsRecord("a", "x" * 511).strings == ["x" * 255, "x" * 255, "x"]

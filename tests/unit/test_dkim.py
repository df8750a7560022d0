"""DKIM: the canonical forms, and what the header is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.message.dkim import Algorithm, BodyHash, relaxed
from tests.dkim_messages import KEYS, SIGNER, signed


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

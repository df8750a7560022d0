"""DKIM: the canonical forms, the header, and what dkimpy says of the signatures."""

import hashlib
from datetime import UTC, datetime
from itertools import product

import dkim
import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from adapters.dkim_signer import CryptographySigner
from domain.message.dkim import Algorithm, BodyHash, SigningKey, dkim_header, relaxed, split_headers

DATE = datetime(2026, 11, 2, 12, tzinfo=UTC)
SIGNER = CryptographySigner()
KEYS = {
    algorithm: SigningKey(
        domain="example.org",
        selector="mail",
        algorithm=algorithm,
        private_key=SIGNER.new_private_key(algorithm),
    )
    for algorithm in Algorithm
}
HEAD = (
    b"From: Ada <ada@example.org>\r\nTo: bob@example.org,\r\n cy@example.org\r\n"
    b"Subject:  two \t blanks \r\nDate: Mon, 2 Nov 2026 12:00:00 +0000\r\n"
    b"Message-ID: <1@example.org>\r\n"
    b"List-Unsubscribe: <https://example.org/u/1>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
)


def signed(body: bytes, key: SigningKey, head: bytes = HEAD) -> bytes:
    body_hash = BodyHash()
    body_hash.add(body)
    header = dkim_header(
        split_headers(head), body_hash=body_hash.digest(), key=key, date=DATE, sign=SIGNER.sign
    )
    return header + head + b"\r\n" + body


def verifies(message: bytes, key: SigningKey) -> bool:
    record = SIGNER.dns_record(key).encode()
    return bool(dkim.verify(message, dnsfunc=lambda name, timeout=5: record))


@pytest.mark.parametrize("algorithm", Algorithm)
def test_dkimpy_verifies_the_signature(algorithm: Algorithm) -> None:
    message = signed(b"Hello  \r\n\r\nthere\r\n\r\n\r\n", KEYS[algorithm])
    assert verifies(message, KEYS[algorithm])


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message.replace(b"Hello", b"Hallo"),
        lambda message: message.replace(b"ada@", b"eve@"),
        lambda message: message.replace(b"One-Click", b"Two-Click"),
    ],
)
def test_a_changed_message_does_not_verify(change) -> None:  # type: ignore[no-untyped-def]
    key = KEYS[Algorithm.ED25519]
    assert not verifies(change(signed(b"Hello\r\n", key)), key)


@pytest.mark.parametrize("name", [b"From", b"To", b"Cc", b"Subject", b"Date", b"Reply-To"])
def test_a_second_header_that_readers_show_breaks_the_signature(name: bytes) -> None:
    key = KEYS[Algorithm.ED25519]
    message = signed(b"Hello\r\n", key)
    added = message.replace(b"MIME-Version", name + b": eve@example.org\r\nMIME-Version")
    assert not verifies(added, key)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_two_signatures_of_one_message_are_equal(algorithm: Algorithm) -> None:
    key = KEYS[algorithm]
    assert signed(b"Hello\r\n", key) == signed(b"Hello\r\n", key)


def test_no_line_of_the_header_is_longer_than_78_characters() -> None:
    message = signed(b"Hello\r\n", KEYS[Algorithm.RSA])
    header = message[: message.index(b"From:")]
    assert max(map(len, header.split(b"\r\n"))) <= 78


def test_the_body_hash_is_that_of_dkimpy_for_every_short_body() -> None:
    for length in range(6):
        for pieces in product([b"\r\n", b" ", b"a"], repeat=length):
            body = b"".join(pieces) + (b"\r\n" if length else b"")
            ours = BodyHash()
            ours.add(body)
            assert ours.digest() == hashlib.sha256(Relaxed.canonicalize_body(body)).digest(), body


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


def test_lines_of_base64_are_hashed_as_they_are() -> None:
    plain, canonical = BodyHash(), BodyHash()
    for body_hash in (plain, canonical):
        body_hash.add(b"--b\r\n\r\n")
    plain.add(b"QUJD\r\nREVG\r\n")
    canonical.add_canonical(b"QUJD\r\nREVG\r\n")
    for body_hash in (plain, canonical):
        body_hash.add(b"--b--\r\n")
    assert plain.digest() == canonical.digest()


def test_a_header_is_unfolded_and_its_blanks_become_one() -> None:
    assert relaxed(b"SUBJECT : a \t b\r\n  c  ") == b"subject:a b c"


def test_the_record_of_a_key_names_its_kind() -> None:
    assert SIGNER.dns_record(KEYS[Algorithm.RSA]).startswith("v=DKIM1; k=rsa; p=MII")
    assert SIGNER.dns_record(KEYS[Algorithm.ED25519]).startswith("v=DKIM1; k=ed25519; p=")

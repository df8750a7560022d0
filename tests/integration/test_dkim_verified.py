"""dkimpy verifies our signatures, and nothing that was changed since."""

import hashlib
from collections.abc import Callable
from itertools import product

import pytest

from domain.message.dkim import Algorithm, BodyHash
from tests.dkim_messages import KEYS, SIGNER, signed
from tests.dkim_oracle import relaxed_bodies, verified

CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "body": lambda message: message.replace(b"Hello", b"Hallo"),
    "sender": lambda message: message.replace(b"ada@", b"eve@"),
    "unsubscribing": lambda message: message.replace(b"One-Click", b"Two-Click"),
    **{
        f"second {name}": lambda message, name=name: message.replace(  # type: ignore[misc]
            b"MIME-Version", f"{name}: eve@example.org\r\nMIME-Version".encode()
        )
        for name in ("From", "To", "Cc", "Subject", "Date", "Reply-To")
    },
}


@pytest.mark.parametrize("algorithm", Algorithm)
def test_dkimpy_verifies_the_signature(algorithm: Algorithm) -> None:
    key = KEYS[algorithm]
    message = signed(b"Hello  \r\n\r\nthere\r\n\r\n\r\n", key)
    assert verified((message, SIGNER.dns_record(key))) == [True]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_message_does_not_verify(change: str) -> None:
    key = KEYS[Algorithm.ED25519]
    message = signed(b"Hello\r\n", key)
    changed = CHANGES[change](message)
    assert changed != message
    assert verified((changed, SIGNER.dns_record(key))) == [False]


def test_the_body_hash_is_that_of_dkimpy_for_every_short_body() -> None:
    bodies = [
        b"".join(pieces) + (b"\r\n" if length else b"")
        for length in range(6)
        for pieces in product([b"\r\n", b" ", b"a"], repeat=length)
    ]
    for body, relaxed in zip(bodies, relaxed_bodies(bodies), strict=True):
        ours = BodyHash()
        ours.add(body)
        assert ours.digest() == hashlib.sha256(relaxed).digest(), body

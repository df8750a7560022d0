"""A key that a person made up is refused, and never one that a generator made."""

import base64
import os
import secrets
import uuid
from collections.abc import Callable

import pytest

from entrypoints.settings.guessable import is_guessable

MADE_UP = [
    *("abc" * 14, "abcd1234" * 5, "0123456789abcdef" * 4, "fedcba9876543210" * 2, "0" * 64),
    *("abcdefghijklmnopqrstuvwxyz0123456789", "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210"),
    *("0246813579" * 4, "acegikmoqsuwybdfhjlnprtvxz0123456"),
    *("qwertyuiopasdfghjklzxcvbnm1234567890", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p"),
    *("1q2w3e4r5t6y7u8i9o0p1q2w3e4r5t6y7u8i", "qwertzuiopasdfghjklyxcvbnm123456789"),
    *("poiuytrewqlkjhgfdsamnbvcxz0987654321", "azertyuiopqsdfghjklmwxcvbn1234567890"),
    *("a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6", "0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d"),
    *("aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsS", "00112233445566778899aabbccddeeff"),
    *("112233445566778899101112131415161718", "aabbccddeeffgghhiijjkkllmmnnoopp"),
    *("abcdefghijklmnoponmlkjihgfedcba0", "deadbeefdeadbeefcafebabecafebabe0123"),
    *("2024-01-012024-01-022024-01-032024-01-04", "20240101202401022024010320240104"),
    *("01011990020219910303199204041993", "19871988198919901991199219931994"),
    *("31.12.1999-31.12.1999-31.12.1999-x", "31415926535897932384626433832795"),
    *("correct-horse-battery-staple-correct", "P@ssw0rdP@ssw0rd1234567890Passw0rd"),
    *("thisisaverysecretkeythatnobodyknows", "ThisIsTheSecretKeyForOurEmailService2024!"),
    *("my-company-email-service-production-key-1", "the quick brown fox jumps over the lazy dog"),
    *("CorrectHorseBatteryStapleUmbrellaTruck", "supercalifragilisticexpialidocious1"),
    *("letmein123456letmein123456letmein123", "email-service-email-service-secret-01"),
    base64.b64encode(b"my-company-mail-key-2024-my-company").decode(),
    base64.urlsafe_b64encode(b"password1234567890password!?").decode().rstrip("="),
    base64.b64encode(bytes(range(65, 97))).decode(),
    b"supersecretpassword1234567890abc".hex(),
    bytes(range(32)).hex(),
    (b"\x01\x23\x45\x67" * 8).hex(),
]

GENERATORS: dict[str, Callable[[], str]] = {
    "secrets.token_hex(32)": lambda: secrets.token_hex(32),
    "secrets.token_hex(16)": lambda: secrets.token_hex(16),
    "secrets.token_urlsafe(32)": lambda: secrets.token_urlsafe(32),
    "openssl rand -base64 32": lambda: base64.b64encode(os.urandom(32)).decode(),
    "openssl rand -hex 32, large": lambda: os.urandom(32).hex().upper(),
    "two of uuid4": lambda: f"{uuid.uuid4()}{uuid.uuid4()}",
    "two of uuid4, hex": lambda: uuid.uuid4().hex + uuid.uuid4().hex,
}


@pytest.mark.parametrize("key", MADE_UP)
def test_a_key_that_a_person_made_up_is_guessable(key):
    assert is_guessable(key)


@pytest.mark.parametrize("make", GENERATORS.values(), ids=GENERATORS)
def test_no_key_of_a_generator_is_guessable(make):
    refused = [key for key in (make() for _ in range(100)) if is_guessable(key)]

    assert refused == []


@pytest.mark.parametrize(
    "key", ["", "a", "=", "====", "A===", "0x00", "é" * 40, "\0" * 40, "zz" * 20]
)
def test_every_text_gets_an_answer(key):
    assert is_guessable(key)

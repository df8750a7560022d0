"""Chance: unlike itself in production, the same every time in tests."""

import re

import pytest

from adapters.entropy import SystemEntropy
from adapters.fakes.entropy import FakeEntropy


@pytest.mark.parametrize("entropy", [SystemEntropy(), FakeEntropy()])
def test_tokens_are_32_hexadecimal_digits_and_differ(entropy):
    tokens = {entropy.token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", token) for token in tokens)


@pytest.mark.parametrize("entropy", [SystemEntropy(), FakeEntropy()])
def test_jitter_stays_between_minus_one_and_one(entropy):
    assert all(-1 <= entropy.jitter() <= 1 for _ in range(100))


def test_the_fake_answers_the_same_to_everybody():
    first, second = FakeEntropy(), FakeEntropy()
    assert [first.token() for _ in range(3)] == [second.token() for _ in range(3)]

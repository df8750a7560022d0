"""What every Entropy must do. Subclass `EntropyContract` and give it an `entropy`.

class TestMyEntropy(EntropyContract):
    @pytest.fixture
    def entropy(self): ...
"""

import re

import pytest

from application.ports.system import Entropy


class EntropyContract:
    """The contract of `application.ports.system.Entropy`."""

    @pytest.fixture
    def entropy(self) -> Entropy:
        raise NotImplementedError

    def test_tokens_are_32_hexadecimal_digits_and_differ(self, entropy: Entropy) -> None:
        tokens = {entropy.token() for _ in range(100)}

        assert len(tokens) == 100
        assert all(re.fullmatch("[0-9a-f]{32}", token) for token in tokens)

    def test_jitter_stays_between_minus_one_and_one(self, entropy: Entropy) -> None:
        assert all(-1 <= entropy.jitter() <= 1 for _ in range(100))

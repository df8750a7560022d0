"""Every source of chance keeps the contract of the Entropy port."""

import pytest

from adapters.entropy import SystemEntropy
from adapters.fakes.entropy import FakeEntropy
from application.ports.system import Entropy
from tests.contract.entropy_suite import EntropyContract


class TestSystemEntropy(EntropyContract):
    @pytest.fixture
    def entropy(self) -> Entropy:
        return SystemEntropy()

    def test_jitter_goes_both_ways(self, entropy: Entropy) -> None:
        jitter = [entropy.jitter() for _ in range(200)]

        assert min(jitter) < 0 < max(jitter)


class TestFakeEntropy(EntropyContract):
    @pytest.fixture
    def entropy(self) -> Entropy:
        return FakeEntropy()

    def test_it_answers_the_same_to_everybody(self) -> None:
        first, second = FakeEntropy(), FakeEntropy()

        assert [first.token() for _ in range(3)] == [second.token() for _ in range(3)]

"""Keys of DKIM for tests: real ones, made once."""

from collections import Counter
from typing import Final

from adapters.dkim_signer import CryptographySigner
from domain.message.dkim import Algorithm

_MADE: Final[dict[Algorithm, list[bytes]]] = {algorithm: [] for algorithm in Algorithm}


class StockedSigner(CryptographySigner):
    """Signs as in production. Its n-th new key is the n-th of every other StockedSigner too.

    To make an RSA key, and to check it when it is loaded, takes more time than most tests.
    """

    def __init__(self) -> None:
        self._taken: Counter[Algorithm] = Counter()

    def new_private_key(self, algorithm: Algorithm) -> bytes:
        """A real key, which no other key of this signer equals."""
        made, number = _MADE[algorithm], self._taken[algorithm]
        self._taken[algorithm] += 1
        if number == len(made):
            made.append(super().new_private_key(algorithm))
        return made[number]

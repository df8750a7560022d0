"""Chance that is the same every time."""

import itertools


class FakeEntropy:
    """Tokens that count from 1, and no jitter."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def token(self) -> str:
        """The next number as 32 hexadecimal digits."""
        return f"{next(self._numbers):032x}"

    def jitter(self) -> float:
        """Always 0."""
        return 0.0

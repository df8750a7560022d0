"""Chance from the operating system."""

import random
import secrets


class SystemEntropy:
    """The Entropy of production. Safe from many threads."""

    def token(self) -> str:
        """128 random bits as 32 lower-case hexadecimal digits."""
        return secrets.token_hex(16)

    def jitter(self) -> float:
        """Uniform in [-1, 1]."""
        return 2 * random.random() - 1  # noqa: S311 - it spreads retries, it guards nothing

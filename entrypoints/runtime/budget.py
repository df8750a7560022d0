"""Memory that many connections share."""


class Budget:
    """A budget of octets shared by all connections. For one event loop."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, number: int) -> bool:
        """Take so many octets; whether they were left."""
        if number > self._left:
            return False
        self._left -= number
        return True

    def give_back(self, number: int) -> None:
        """Give octets back."""
        self._left += number

    @property
    def left(self) -> int:
        """How many octets are left."""
        return self._left

"""A disk that is full when a test wants it."""


class FakeHeadroom:
    """The Headroom port: whether there is room is an attribute."""

    def __init__(self, *, on: bool = True) -> None:
        self.on = on

    def __call__(self) -> bool:
        return self.on

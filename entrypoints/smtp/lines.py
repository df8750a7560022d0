"""What came from a client, and the lines in it."""

from typing import Final

CRLF: Final = b"\r\n"


class LongLine(Exception):
    """A line was longer than it may be. It is read and forgotten."""


class Incoming:
    """Octets that were received and not looked at yet."""

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0  # those before were taken: to copy the rest for each line is quadratic
        self._skipping = False  # the rest of a line that is too long

    def __len__(self) -> int:
        """How many there are."""
        return len(self._octets) - self._at

    def add(self, octets: bytes) -> None:
        """Add what was read."""
        self._octets = self.all() + octets if len(self) else octets
        self._at = 0

    def all(self) -> bytes:
        """All of them; none are left."""
        octets = self._octets[self._at :]
        self._octets, self._at = b"", 0
        return octets

    def begins_with(self, word: bytes) -> bool:
        """Whether they do, in capitals or small letters."""
        return self._octets[self._at : self._at + len(word)].upper() == word

    def line(self, *, most: int) -> bytes | None:
        """The next whole line without its CRLF, None if more octets are needed. LongLine."""
        end = self._octets.find(CRLF, self._at)
        length = (len(self._octets) if end < 0 else end) - self._at
        too_long = self._skipping or length > most
        if end < 0:
            self._octets = self.all()
            if too_long:  # but for a CR that may begin the end
                self._octets, self._skipping = self._octets[-1:], True
            return None
        line = b"" if too_long else self._octets[self._at : end]
        self._at, self._skipping = end + len(CRLF), False
        if not len(self):
            self._octets, self._at = b"", 0
        if too_long:
            raise LongLine
        return line

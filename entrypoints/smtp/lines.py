"""What came from a client, and the lines in it."""

from typing import Final

CRLF: Final = b"\r\n"


class LongLine(Exception):
    """A line was longer than it may be. It is read and forgotten."""


class Incoming:
    """Octets that were received and not looked at yet."""

    def __init__(self) -> None:
        self._octets = b""
        self._skipping = False  # the rest of a line that is too long

    def __len__(self) -> int:
        """How many there are."""
        return len(self._octets)

    def add(self, octets: bytes) -> None:
        """Add what was read."""
        self._octets = self._octets + octets if self._octets else octets

    def all(self) -> bytes:
        """All of them; none are left."""
        octets, self._octets = self._octets, b""
        return octets

    def begins_with(self, word: bytes) -> bool:
        """Whether they do, in capitals or small letters."""
        return self._octets[: len(word)].upper() == word

    def line(self, *, most: int) -> bytes | None:
        """The next whole line without its CRLF, None if more octets are needed. LongLine."""
        line, end, rest = self._octets.partition(CRLF)
        too_long = self._skipping or len(line) > most
        if not end:
            if too_long:  # but for a CR that may begin the end
                self._octets, self._skipping = line[-1:], True
            return None
        self._octets, self._skipping = rest, False
        if too_long:
            raise LongLine
        return line

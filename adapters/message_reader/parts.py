"""The parts of a message: the tree that it is, and the octets of each.

A large file in base64 is taken out before the standard library's parser sees the message, so that
it is read whole and quickly, however large its files are, and memory holds them once.
"""

import contextlib
import re
import secrets
from binascii import a2b_base64
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Final

import attrs

MOST_PARTS: Final = 200
MOST_FILENAME: Final = 255  # characters
_LEAST_LINES: Final = 400  # of base64: some 30 kB
_BASE64_LINES: Final = re.compile(
    rb"(?:[A-Za-z0-9+/]{60,76}\r?\n){%d,}[A-Za-z0-9+/]{0,76}={0,2}(?=\r?\n|\Z)" % _LEAST_LINES
)
# what a browser shows as an image without running anything
IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@attrs.frozen
class Compact:
    """A message whose large runs of base64 are replaced by a line each."""

    octets: bytes = attrs.field(repr=False)
    _token: str
    _runs: Mapping[bytes, bytes] = attrs.field(repr=False)

    def decoded(self, part: Message) -> bytes:
        """The octets of a part that holds no others. Never raises."""
        payload = part.get_payload()
        with contextlib.suppress(Exception):  # a transfer encoding that its decoder stumbles upon
            if isinstance(payload, str) and self._token in payload:
                octets = self._whole(payload.encode("utf-8", "surrogateescape"))
                return a2b_base64(octets) if _is_base64(part) else octets
            decoded = part.get_payload(decode=True)
            if isinstance(decoded, bytes):
                return decoded
        return self._whole(str(payload).encode("utf-8", "surrogateescape"))

    def _whole(self, octets: bytes) -> bytes:
        for line, run in self._runs.items():
            octets = octets.replace(line, run)
        return octets


def compact(octets: bytes) -> Compact:
    """The message without what is large and says nothing of its structure."""
    token = secrets.token_hex(8)
    runs: dict[bytes, bytes] = {}

    def taken(found: re.Match[bytes]) -> bytes:
        line = b"base64-%s-%d-" % (token.encode(), len(runs))
        runs[line] = found.group()
        return line

    return Compact(_BASE64_LINES.sub(taken, octets), token, runs)


def _is_base64(part: Message) -> bool:
    return str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64"


def walk(message: Message) -> Iterator[tuple[int, Message]]:
    """Every part with its depth, in order; those of an attached message too."""
    waiting = [(0, message)]
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        depth, part = waiting.pop()
        yield depth, part
        inner = part.get_payload()
        if isinstance(inner, list):
            waiting.extend((depth + 1, one) for one in reversed(inner) if isinstance(one, Message))


def is_container(part: Message) -> bool:
    """Whether it holds parts and nothing else."""
    return isinstance(part.get_payload(), list)

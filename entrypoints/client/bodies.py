"""Bodies of calls: each has its length and is read in pieces, as often as the call is repeated.

A file is never in memory as a whole: it is read anew for each call.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final, NamedTuple, Protocol

PIECE: Final = 192 * 1024  # octets; a multiple of three, so that base64 pieces join


class Body(Protocol):
    """What is sent, and as what."""

    @property
    def content_type(self) -> str: ...

    @property
    def length(self) -> int:
        """In octets."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """All of it, from the beginning. OSError if a file cannot be read any more."""
        ...


class JsonBody:
    """An object as JSON."""

    content_type: Final = "application/json"

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._octets = json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")
        self.length: Final = len(self._octets)

    def pieces(self) -> Iterator[bytes]:
        """One piece."""
        yield self._octets


class EncodedBody:
    """An object that is JSON already."""

    content_type: Final = "application/json"

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.length: Final = len(octets)

    def pieces(self) -> Iterator[bytes]:
        """One piece."""
        yield self._octets


class RawBody:
    """A message in base64 within an object, made piece by piece."""

    content_type: Final = "application/json"

    def __init__(self, message: Sequence[bytes | memoryview], recipients: Sequence[str]) -> None:
        self._message = message
        self._head = json.dumps({"recipients": recipients})[:-1].encode() + b', "raw": "'
        size = sum(map(len, message))
        self.length: Final = len(self._head) + (size + 2) // 3 * 4 + len(b'"}')

    def pieces(self) -> Iterator[bytes]:
        """The object; base64 in pieces of 256 KiB."""
        from binascii import b2a_base64

        yield self._head
        left = b""
        for octets in self._message:
            for at in range(0, len(octets), PIECE):
                piece = left + octets[at : at + PIECE]
                whole = len(piece) // 3 * 3
                yield b2a_base64(memoryview(piece)[:whole], newline=False)
                left = piece[whole:]
        yield b2a_base64(left, newline=False) + b'"}'


class File(NamedTuple):
    """A file to attach; with a *content_id* it is an image within the HTML."""

    path: str
    content_id: str = ""


class FormBody:
    """An email and its files as a form (RFC 7578). OSError if a file cannot be read."""

    def __init__(self, fields: Mapping[str, Any], files: Sequence[File]) -> None:
        boundary = os.urandom(16).hex()
        self.content_type: Final = f"multipart/form-data; boundary={boundary}"
        email = json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")
        mark = f"--{boundary}\r\n".encode()
        self._email = mark + b'Content-Disposition: form-data; name="email"\r\n\r\n' + email
        self._files = [(mark + _headers(one), one.path, _size(one.path)) for one in files]
        self._end = f"\r\n--{boundary}--\r\n".encode()
        heads = sum(len(head) + size + 2 for head, _, size in self._files)
        self.length: Final = len(self._email) + heads + len(self._end)

    def pieces(self) -> Iterator[bytes]:
        """The parts; a file in pieces of 192 KiB."""
        yield self._email
        for head, path, size in self._files:
            yield b"\r\n" + head
            with open(path, "rb") as file:
                yield from _read(file, path, size)
        yield self._end


def _headers(file: File) -> bytes:
    # as browsers write it: the name in UTF-8, quotes and line ends as in a URL
    name = os.path.basename(file.path)
    for character in '"\r\n':
        name = name.replace(character, f"%{ord(character):02X}")
    lines = [f'Content-Disposition: form-data; name="file"; filename="{name}"']
    if file.content_id:
        lines.append(f"Content-ID: <{file.content_id}>")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _size(path: str) -> int:
    with open(path, "rb") as file:  # also says that it may be read
        return os.fstat(file.fileno()).st_size


def _read(file: BinaryIO, path: str, size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = file.read(min(PIECE, left))
        if not piece:
            raise OSError(f"{path} became shorter while it was sent")
        left -= len(piece)
        yield piece

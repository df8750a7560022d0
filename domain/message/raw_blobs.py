"""The large files in a message that a client made: stored apart, as those of our own messages are.

Nothing is parsed for it. Whatever lines we would write for some octets in base64 can be written
again at hand-off, wherever they stand; other encodings of files stay in the message.
"""

import re
from binascii import Error, a2b_base64
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from domain.errors import FieldError, MessageTooLarge
from domain.message.attachment import INLINE_LIMIT, LINE, Blob, blob_of
from domain.message.mime_tree import CRLF, Piece, base64_lines
from domain.message.skeleton import Skeleton, skeleton_of

# A row of ten megabytes would keep all other writes waiting for a third of a second.
LARGEST_TOGETHER: Final = 2 * 1024 * 1024  # octets of a message without its large files

# Whole lines, and the last one, which is shorter or has padding. One search holds the interpreter
# until it has found something, so it finds a few thousand lines at most.
_RUN: Final = re.compile(
    rb"^((?:[A-Za-z0-9+/]{%d}\r\n){1,5000})([A-Za-z0-9+/]{1,%d}={0,2}(?=\r\n))?" % (LINE, LINE - 1),
    re.MULTILINE,
)


@attrs.frozen
class Apart:
    """A message, and the octets of its blobs."""

    skeleton: Skeleton
    large: Mapping[Blob, bytes] = attrs.field(repr=False)


def apart(head: bytes, octets: bytes, body: int) -> Apart:
    """The message of *head* and of *octets* from the place *body* on. MessageTooLarge."""
    pieces: list[Piece] = [head]
    large: dict[Blob, bytes] = {}
    at = body
    for start, end in _runs(octets, body):
        if end - start >= INLINE_LIMIT:
            file = a2b_base64(memoryview(octets)[start:end])
            blob = blob_of(file)
            large[blob] = file
            pieces += [octets[at:start], blob]
            at = end
    pieces.append(octets[at:])
    skeleton = skeleton_of(pieces)
    if len(skeleton.octets) > LARGEST_TOGETHER:
        message = (
            f"the message has {len(skeleton.octets)} octets beside large files in base64 with lines"
            f" of {LINE} characters, and may have {LARGEST_TOGETHER}"
        )
        raise MessageTooLarge(FieldError("raw", message))
    return Apart(skeleton, large)


def _runs(octets: bytes, body: int) -> Iterator[tuple[int, int]]:
    """Where lines of base64 begin and end, without the last CRLF: those that we would write so.

    None is looked for where none can be long enough: 0.2 ms for a message of 10 KB, which is half
    of what it costs to prepare it.
    """
    if len(octets) - body < INLINE_LIMIT:
        return
    begun = ended = body
    for run in _RUN.finditer(octets, body):
        if run.start() != ended:
            yield begun, ended - len(CRLF)
            begun = run.start()
        ended = run.end(1)
        if run[2] is not None and _is_exact(run[2]):
            yield begun, run.end()
            begun = ended = run.end() + len(CRLF)
    yield begun, ended - len(CRLF)


def _is_exact(line: bytes) -> bool:
    try:
        return base64_lines(a2b_base64(line, strict_mode=True)) == line
    except Error:
        return False

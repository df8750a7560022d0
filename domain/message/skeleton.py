"""A message whose large parts stand outside of it, as blobs, until it is handed off."""

from collections.abc import Callable, Iterable, Iterator

import attrs

from domain.message.attachment import Blob, chunks_of, encoded_size
from domain.message.mime_tree import CRLF, Piece, base64_lines, joined


@attrs.frozen(kw_only=True)
class PlacedBlob:
    """Where a blob stands: its lines of base64 come before the octet number *offset*."""

    offset: int
    blob: Blob


@attrs.frozen
class Skeleton:
    """The octets of a message without those of its blobs, which stand in order of their place."""

    octets: bytes = attrs.field(repr=False)
    blobs: tuple[PlacedBlob, ...] = ()

    @property
    def size(self) -> int:
        """How many octets the whole message has."""
        if not self.blobs:
            return len(self.octets)
        return len(self.octets) + sum(encoded_size(placed.blob.size) for placed in self.blobs)


def skeleton_of(pieces: Iterable[Piece]) -> Skeleton:
    """The octets of *pieces* as one, and the blobs with their places."""
    octets: list[bytes] = []
    blobs: list[PlacedBlob] = []
    length = 0
    for piece in joined(pieces):
        if isinstance(piece, bytes):
            octets.append(piece)
            length += len(piece)
        else:
            blobs.append(PlacedBlob(offset=length, blob=piece))
    return Skeleton(b"".join(octets), tuple(blobs))


def pieces_of(skeleton: Skeleton, read: Callable[[bytes, int], bytes]) -> Iterator[bytes]:
    """The whole message; *read* gives a chunk of a blob by its digest and number.

    A chunk makes whole lines of base64, so each piece is encoded by itself and begins a line.
    """
    at = 0
    for placed in skeleton.blobs:
        yield skeleton.octets[at : placed.offset]
        at = placed.offset
        yield from _encoded(placed.blob, read)
    yield skeleton.octets[at:]


def _encoded(blob: Blob, read: Callable[[bytes, int], bytes]) -> Iterator[bytes]:
    last = chunks_of(blob.size) - 1
    for n in range(last + 1):
        lines = base64_lines(read(blob.digest, n))
        yield lines if n == last else lines + CRLF

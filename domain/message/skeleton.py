"""A message whose large parts stand outside of it, as blobs, until it is handed off."""

from collections.abc import Callable, Generator, Iterable, Iterator

import attrs

from domain.message.attachment import AsItIs, Blob, chunks_of, encoded_size
from domain.message.mime_tree import CRLF, Piece, base64_lines, joined


@attrs.frozen(kw_only=True)
class PlacedBlob:
    """Where a blob stands: its lines of base64 come before the octet number *offset*.

    Or its own lines, if it stands *as_it_is*.
    """

    offset: int
    blob: Blob
    as_it_is: bool = False

    @property
    def size(self) -> int:
        """How many octets it takes in the message."""
        return self.blob.size if self.as_it_is else encoded_size(self.blob.size)


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
        return len(self.octets) + sum(placed.size for placed in self.blobs)


def skeleton_of(pieces: Iterable[Piece]) -> Skeleton:
    """The octets of *pieces* as one, and the blobs with their places."""
    octets: list[bytes] = []
    blobs: list[PlacedBlob] = []
    length = 0
    for piece in joined(pieces):
        if isinstance(piece, bytes):
            octets.append(piece)
            length += len(piece)
        elif isinstance(piece, AsItIs):
            blobs.append(PlacedBlob(offset=length, blob=piece.blob, as_it_is=True))
        else:
            blobs.append(PlacedBlob(offset=length, blob=piece))
    return Skeleton(b"".join(octets), tuple(blobs))


def pieces_of(skeleton: Skeleton, read: Callable[[bytes, int], bytes]) -> Iterator[bytes]:
    """The whole message; *read* gives a chunk of a blob by its digest and number.

    A chunk makes whole lines of base64, so each piece is encoded by itself and begins a line. Of a
    blob that stands as it is, a line that goes on in the next chunk waits for that.
    """
    at, begun = 0, b""
    for placed in skeleton.blobs:
        yield begun + skeleton.octets[at : placed.offset]
        at, begun = placed.offset, b""
        if placed.as_it_is:
            begun = yield from _whole_lines(placed.blob, read)
        else:
            yield from _encoded(placed.blob, read)
    yield begun + skeleton.octets[at:]


def _whole_lines(blob: Blob, read: Callable[[bytes, int], bytes]) -> Generator[bytes, None, bytes]:
    """Its lines, and what is left of the last one: that has no line end."""
    rest = b""
    for n in range(chunks_of(blob.size)):
        lines, end, rest = (rest + read(blob.digest, n)).rpartition(CRLF)
        if end:
            yield lines + end
    return rest


def _encoded(blob: Blob, read: Callable[[bytes, int], bytes]) -> Iterator[bytes]:
    last = chunks_of(blob.size) - 1
    for n in range(last + 1):
        lines = base64_lines(read(blob.digest, n))
        yield lines if n == last else lines + CRLF

"""The repositories of what is stored apart from emails: large parts, and files that were uploaded.

A blob is stored in chunks of `domain.message.attachment.CHUNK` octets, each in a work of its own,
so that no commit takes long. It is the same for all emails that carry it. One that nothing refers
to is removed some time after it was last begun.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.message.attachment import Blob
from domain.message.skeleton import PlacedBlob
from domain.message.upload import Upload


class BlobRepository(Protocol):
    """Octets by their SHA-256, and which emails carry them."""

    def begin(self, blob: Blob, *, now: datetime) -> bool:
        """Whether it is whole already; if not, its chunks may be put. Its age counts from *now*."""
        ...

    def put(self, digest: bytes, n: int, octets: bytes) -> None:
        """The chunk number *n*, from 0, of a blob that was begun. Nothing if it is there."""
        ...

    def complete(self, blob: Blob) -> None:
        """From now on it is whole. Conflict unless all its chunks are there."""
        ...

    def is_fresh(self, blob: Blob, *, since: datetime) -> bool:
        """Whether it is whole, and was begun after *since*."""
        ...

    def whole(self, digests: Collection[bytes]) -> Collection[bytes]:
        """Those of them that are whole. They stay so until the end of this work."""
        ...

    def place_all(self, placed: Mapping[int, Sequence[PlacedBlob]]) -> None:
        """Which blobs emails carry, by their ids, once for each; in the order of their places."""
        ...

    def of(self, email_ids: Sequence[int]) -> Mapping[int, Sequence[PlacedBlob]]:
        """What these emails carry; one that carries none is left out."""
        ...

    def chunk(self, digest: bytes, n: int) -> bytes:
        """One chunk. NotFound."""
        ...

    def unused(self, *, before: datetime, limit: int) -> Sequence[bytes]:
        """Up to *limit* blobs that nothing refers to and that were begun before then."""
        ...

    def discard(self, digest: bytes, *, before: datetime, chunks: int) -> bool:
        """Remove up to so many *chunks* of a blob that is `unused`; whether some of it is left.

        The blob itself goes with its last chunk. Nothing happens to one that is in use, or was
        begun again.
        """
        ...


class UploadRepository(Protocol):
    """Files that were uploaded."""

    def add(self, upload: Upload) -> None:
        """Store it; its blob is whole."""
        ...

    def find(self, upload_id: str, *, key_id: int | None) -> Upload | None:
        """The upload of this very key; None if there is none."""
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Forget up to *limit* uploads from before then whose blobs no email carries; how many."""
        ...

"""Blobs and uploads, in memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import attrs

from adapters.fakes.memory_tables import Journal, StoredBlob, Tables
from domain.errors import Conflict, NotFound
from domain.message.attachment import Blob, chunks_of
from domain.message.skeleton import PlacedBlob
from domain.message.upload import Upload


class MemoryBlobs:
    """The BlobRepository port on dictionaries."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def begin(self, blob: Blob, *, now: datetime) -> bool:
        """Put it in, or note that it was begun again."""
        known = self._tables.blobs.get(blob.digest)
        row = StoredBlob(size=blob.size, created_at=now, complete=bool(known and known.complete))
        self._journal.put(self._tables.blobs, blob.digest, row)
        return row.complete

    def put(self, digest: bytes, n: int, octets: bytes) -> None:
        """Put it in, once."""
        if digest not in self._tables.blobs:
            raise KeyError("the blob was not begun")
        if (digest, n) not in self._tables.chunks:
            self._journal.put(self._tables.chunks, (digest, n), octets)

    def complete(self, blob: Blob) -> None:
        """Once all are there."""
        known = self._tables.blobs.get(blob.digest)
        if known is None or len(self._numbers(blob.digest)) != chunks_of(blob.size):
            raise Conflict(f"not all chunks of the blob {blob.digest.hex()} are there")
        self._journal.put(self._tables.blobs, blob.digest, attrs.evolve(known, complete=True))

    def is_fresh(self, blob: Blob, *, since: datetime) -> bool:
        """Look."""
        known = self._tables.blobs.get(blob.digest)
        return known is not None and known.complete and known.created_at > since

    def whole(self, digests: Collection[bytes]) -> Collection[bytes]:
        """No other work runs meanwhile."""
        blobs = self._tables.blobs
        return {digest for digest in digests if digest in blobs and blobs[digest].complete}

    def place_all(self, placed: Mapping[int, Sequence[PlacedBlob]]) -> None:
        """Put them in, once for each email."""
        tables = self._tables
        for email_id, blobs in placed.items():
            known = all(one.blob.digest in tables.blobs for one in blobs)
            if email_id not in tables.emails or email_id in tables.placed or not known:
                raise KeyError(f"email {email_id} or a blob is not there, or it carries some")
            if blobs:
                self._journal.put(tables.placed, email_id, tuple(blobs))

    def of(self, email_ids: Sequence[int]) -> Mapping[int, Sequence[PlacedBlob]]:
        """Those that were put in."""
        placed = self._tables.placed
        return {email_id: placed[email_id] for email_id in email_ids if email_id in placed}

    def chunk(self, digest: bytes, n: int) -> bytes:
        """One of them."""
        try:
            return self._tables.chunks[digest, n]
        except KeyError:
            raise NotFound(f"there is no chunk {n} of the blob {digest.hex()}") from None

    def unused(self, *, before: datetime, limit: int) -> Sequence[bytes]:
        """The oldest first."""
        found = sorted(
            (row.created_at, digest)
            for digest, row in self._tables.blobs.items()
            if row.created_at < before and not self._is_used(digest)
        )
        return [digest for _, digest in found[:limit]]

    def discard(self, digest: bytes, *, before: datetime, chunks: int) -> bool:
        """From its end."""
        row = self._tables.blobs.get(digest)
        if row is None or row.created_at >= before or self._is_used(digest):
            return False
        self._journal.put(self._tables.blobs, digest, attrs.evolve(row, complete=False))
        gone = self._numbers(digest)[::-1][:chunks]
        for n in gone:
            self._journal.remove(self._tables.chunks, (digest, n))
        if len(gone) == chunks:
            return True
        self._journal.remove(self._tables.blobs, digest)
        return False

    def _numbers(self, digest: bytes) -> list[int]:
        return sorted(n for known, n in self._tables.chunks if known == digest)

    def _is_used(self, digest: bytes) -> bool:
        carried = any(
            placed.blob.digest == digest for all_ in self._tables.placed.values() for placed in all_
        )
        return carried or any(u.blob.digest == digest for u in self._tables.uploads.values())


class MemoryUploads:
    """The UploadRepository port on a dictionary."""

    def __init__(self, tables: Tables, journal: Journal) -> None:
        self._tables = tables
        self._journal = journal

    def add(self, upload: Upload) -> None:
        """Put it in, once."""
        known = self._tables.blobs.get(upload.blob.digest)
        if upload.id in self._tables.uploads or known is None:
            raise KeyError(f"the upload {upload.id} is there, or its blob is not")
        self._journal.put(self._tables.uploads, upload.id, upload)

    def find(self, upload_id: str, *, key_id: int | None) -> Upload | None:
        """By its id."""
        found = self._tables.uploads.get(upload_id)
        return found if found is not None and found.key_id == key_id else None

    def prune(self, *, before: datetime, limit: int) -> int:
        """The oldest first."""
        carried = {p.blob.digest for placed in self._tables.placed.values() for p in placed}
        old = sorted(
            (upload.created_at, upload.id)
            for upload in self._tables.uploads.values()
            if upload.created_at < before and upload.blob.digest not in carried
        )[:limit]
        for _, upload_id in old:
            self._journal.remove(self._tables.uploads, upload_id)
        return len(old)

"""The repositories of blobs and of uploads.

On PostgreSQL, where works run at once, whoever refers to a blob and whoever removes one lock its
row first, and look afterwards: each statement sees what was committed by then.
"""

# ruff: noqa: S608 - the texts are made of constants; every value is a parameter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from adapters.peewee_store.queries import Prepared, all_given, given
from adapters.peewee_store.rows import micros, moment
from adapters.peewee_store.session import Session, marks
from adapters.peewee_store.tables import BlobChunkRow, BlobRow, UploadRow
from domain.errors import Conflict, NotFound
from domain.message.attachment import Blob, chunks_of
from domain.message.skeleton import PlacedBlob
from domain.message.upload import Upload

_MOST_PARAMETERS: Final = 400
_BEGIN: Final = (
    "INSERT INTO blob (digest, size, complete, created_at) VALUES (?, ?, 0, ?)"
    " ON CONFLICT (digest) DO UPDATE SET created_at = excluded.created_at RETURNING complete"
)
_PUT: Final = (
    "INSERT INTO blob_chunk (digest, n, octets) VALUES (?, ?, ?) ON CONFLICT (digest, n) DO NOTHING"
)
_COMPLETE: Final = (
    "UPDATE blob SET complete = 1 WHERE digest = ?"
    " AND (SELECT COUNT(*) FROM blob_chunk WHERE digest = ?) = ?"
)
_IS_FRESH: Final = Prepared(
    BlobRow.select(BlobRow.digest).where(
        BlobRow.digest == given("digest"), BlobRow.complete == 1, BlobRow.created_at > given("at")
    )
)
_WHOLE: Final = "SELECT digest FROM blob WHERE complete = 1 AND digest IN"
_INTO_EMAIL_BLOB: Final = "INSERT INTO email_blob (email_id, position, place, digest, as_it_is)"
_OF: Final = (
    "SELECT e.email_id, e.place, e.digest, b.size, e.as_it_is"
    " FROM email_blob e JOIN blob b ON b.digest = e.digest WHERE e.email_id"
)
_CHUNK: Final = Prepared(
    BlobChunkRow.select(BlobChunkRow.octets).where(
        BlobChunkRow.digest == given("digest"), BlobChunkRow.n == given("n")
    )
)
_IS_USED: Final = (
    "(EXISTS (SELECT 1 FROM email_blob e WHERE e.digest = blob.digest)"
    " OR EXISTS (SELECT 1 FROM upload u WHERE u.digest = blob.digest))"
)
_UNUSED: Final = (
    f"SELECT digest FROM blob WHERE created_at < ? AND NOT {_IS_USED} ORDER BY created_at LIMIT ?"
)
_LOCK: Final = "SELECT digest FROM blob WHERE digest = ?"
_BREAK: Final = (
    f"UPDATE blob SET complete = 0 WHERE digest = ? AND created_at < ? AND NOT {_IS_USED}"
)
_REMOVE_CHUNKS: Final = (
    "DELETE FROM blob_chunk WHERE digest = ?"
    " AND n > (SELECT MAX(n) FROM blob_chunk WHERE digest = ?) - ?"
)
_REMOVE: Final = "DELETE FROM blob WHERE digest = ?"

_UPLOAD_COLUMNS: Final = ("id", "key_id", "digest", "content_type", "created_at")
_ADD_UPLOAD: Final = Prepared(UploadRow.insert(all_given(UploadRow, _UPLOAD_COLUMNS)))
_FIND_UPLOAD: Final = Prepared(
    UploadRow.select(
        UploadRow.key_id,
        UploadRow.digest,
        BlobRow.size,
        UploadRow.content_type,
        UploadRow.created_at,
    )
    .join(BlobRow, on=(BlobRow.digest == UploadRow.digest))
    .where(UploadRow.id == given("id"))
)
_PRUNE_UPLOADS: Final = (
    "DELETE FROM upload WHERE id IN (SELECT u.id FROM upload u WHERE u.created_at < ?"
    " AND NOT EXISTS (SELECT 1 FROM email_blob e WHERE e.digest = u.digest)"
    " ORDER BY u.created_at LIMIT ?)"
)


class SqlBlobs:
    """The BlobRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._share = " FOR SHARE" if session.shared else ""
        self._update = " FOR UPDATE" if session.shared else ""

    def begin(self, blob: Blob, *, now: datetime) -> bool:
        """One statement, which locks the row until the commit."""
        values = (blob.digest.hex(), blob.size, micros(now))
        return bool(self._session.execute(_BEGIN, values).fetchone()[0])

    def put(self, digest: bytes, n: int, octets: bytes) -> None:
        """Insert it."""
        self._session.execute(_PUT, (digest.hex(), n, octets))

    def complete(self, blob: Blob) -> None:
        """One guarded update."""
        digest = blob.digest.hex()
        self._session.change(
            _COMPLETE,
            (digest, digest, chunks_of(blob.size)),
            1,
            lambda _: Conflict(f"not all chunks of the blob {digest} are there"),
        )

    def is_fresh(self, blob: Blob, *, since: datetime) -> bool:
        """One query."""
        found = _IS_FRESH(self._session.execute, digest=blob.digest.hex(), at=micros(since))
        return found.fetchone() is not None

    def whole(self, digests: Collection[bytes]) -> Collection[bytes]:
        """By the primary key; the rows are locked where others may write meanwhile."""
        held: set[bytes] = set()
        # in one order, whoever asks
        for some in _slices(sorted(digest.hex() for digest in digests)):
            query = f"{_WHOLE} ({marks(len(some))}) ORDER BY digest{self._share}"
            rows = self._session.execute(query, some).fetchall()
            held.update(bytes.fromhex(digest) for (digest,) in rows)
        return held

    def place_all(self, placed: Mapping[int, Sequence[PlacedBlob]]) -> None:
        """Insert their places together."""
        rows = [
            (email_id, position, one.offset, one.blob.digest.hex(), int(one.as_it_is))
            for email_id, blobs in placed.items()
            for position, one in enumerate(blobs)
        ]
        if rows:
            self._session.insert(_INTO_EMAIL_BLOB, rows)

    def of(self, email_ids: Sequence[int]) -> Mapping[int, Sequence[PlacedBlob]]:
        """One query."""
        among, listed = self._session.among(email_ids)
        query = f"{_OF} {among} ORDER BY e.email_id, e.position"
        found: dict[int, list[PlacedBlob]] = {}
        rows = self._session.execute(query, listed).fetchall()
        for email_id, place, digest, size, as_it_is in rows:
            blob = Blob(digest=bytes.fromhex(digest), size=size)
            placed = PlacedBlob(offset=place, blob=blob, as_it_is=bool(as_it_is))
            found.setdefault(email_id, []).append(placed)
        return found

    def chunk(self, digest: bytes, n: int) -> bytes:
        """By the primary key."""
        row = _CHUNK(self._session.execute, digest=digest.hex(), n=n).fetchone()
        if row is None:
            raise NotFound(f"there is no chunk {n} of the blob {digest.hex()}")
        return bytes(row[0])

    def unused(self, *, before: datetime, limit: int) -> Sequence[bytes]:
        """Along the index of their age."""
        rows = self._session.execute(_UNUSED, (micros(before), limit)).fetchall()
        return [bytes.fromhex(digest) for (digest,) in rows]

    def discard(self, digest: bytes, *, before: datetime, chunks: int) -> bool:
        """Lock it, look again, and remove from its end."""
        name = digest.hex()
        execute = self._session.execute
        execute(_LOCK + self._update, (name,)).fetchall()
        if execute(_BREAK, (name, micros(before))).rowcount != 1:
            return False
        if execute(_REMOVE_CHUNKS, (name, name, chunks)).rowcount == chunks:
            return True
        execute(_REMOVE, (name,))
        return False


class SqlUploads:
    """The UploadRepository port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, upload: Upload) -> None:
        """Insert it."""
        _ADD_UPLOAD(
            self._session.execute,
            id=upload.id,
            key_id=upload.key_id,
            digest=upload.blob.digest.hex(),
            content_type=upload.content_type,
            created_at=micros(upload.created_at),
        )

    def find(self, upload_id: str, *, key_id: int | None) -> Upload | None:
        """By its id; whose it is is compared here."""
        row = _FIND_UPLOAD(self._session.execute, id=upload_id).fetchone()
        if row is None or row[0] != key_id:
            return None
        _, digest, size, content_type, created_at = row
        return Upload(
            id=upload_id,
            key_id=key_id,
            blob=Blob(digest=bytes.fromhex(digest), size=size),
            content_type=content_type,
            created_at=moment(created_at),
        )

    def prune(self, *, before: datetime, limit: int) -> int:
        """The oldest first."""
        return self._session.execute(_PRUNE_UPLOADS, (micros(before), limit)).rowcount


def _slices(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(digests), _MOST_PARAMETERS):
        yield digests[at : at + _MOST_PARAMETERS]

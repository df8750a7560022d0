"""Files that are too large for the row of a message: stored once, in chunks, before the emails.

What is stored here and then not used, because the email was refused or the process died, is removed
by the sweep.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

import attrs

from application.intake.admission import Admission
from application.intake.draft import UploadedFile
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy
from domain.access import Caller, Scope
from domain.errors import FieldError, InvalidInput, NotFound
from domain.message.attachment import (
    CHUNK,
    INLINE_LIMIT,
    OCTET_STREAM,
    Attachment,
    Blob,
    blob_of,
    check_type,
    chunks_of,
    type_of,
)
from domain.message.plain_lines import are_plain
from domain.message.upload import KEPT, Upload

# A blob that was begun so lately is there for an hour at least: nobody stores it again.
_FRESH: Final = KEPT - timedelta(hours=1)


class Files:
    """The client's files. Safe from many threads."""

    def __init__(
        self, *, store: Store, clock: Clock, entropy: Entropy, admission: Admission
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._admission = admission

    def upload(self, octets: bytes, *, content_type: str | None, caller: Caller) -> Upload:
        """Store a file for the emails of this caller. Without a type it says nothing about it.

        Durable when this returns. Forbidden, InvalidInput, Unavailable.
        """
        caller.require(Scope.SEND)
        self._admission.check()
        kind = content_type or OCTET_STREAM
        check_type(kind, field="content_type")
        blob = blob_of(octets)
        self.store({blob: octets})
        upload = Upload(
            id=self._entropy.token(),
            key_id=caller.key_id,
            blob=blob,
            content_type=kind,
            created_at=self._clock.now(),
        )
        self._store.write(lambda tx: tx.uploads.add(upload))
        return upload

    def store(self, blobs: Mapping[Blob, bytes]) -> None:
        """Store what is not there yet, each chunk in a commit of its own. StoreUnavailable."""
        for blob, octets in blobs.items():
            self._store_blob(blob, octets)

    def of_call(self, caller: Caller) -> "FilesOfCall":
        """What the drafts of one call attach."""
        return FilesOfCall(self._store, caller)

    def _store_blob(self, blob: Blob, octets: bytes) -> None:
        now = self._clock.now()
        since = now - _FRESH
        if self._store.read_latest(lambda tx: tx.blobs.is_fresh(blob, since=since)):
            return
        if self._store.write(lambda tx: tx.blobs.begin(blob, now=now)):
            return
        for n, at in enumerate(range(0, len(octets), CHUNK)):
            chunk = octets[at : at + CHUNK]
            self._store.write(partial(_put, blob=blob, n=n, octets=chunk))
        self._store.write(lambda tx: tx.blobs.complete(blob))


def _put(tx: Transaction, *, blob: Blob, n: int, octets: bytes) -> None:
    tx.blobs.put(blob.digest, n, octets)


def _chunk(tx: Transaction, *, digest: bytes, n: int) -> bytes:
    return tx.blobs.chunk(digest, n)


@attrs.frozen
class Attached:
    """The files of a draft, and the octets of those that are to be stored apart."""

    attachments: tuple[Attachment, ...] = ()
    large: Mapping[Blob, bytes] = attrs.field(factory=dict, repr=False)


class FilesOfCall:
    """Finds the uploads that the drafts of one call name, each once."""

    def __init__(self, store: Store, caller: Caller) -> None:
        self._store = store
        self._caller = caller
        self._found: dict[str, Upload | None] = {}
        self._plain: dict[Blob, bool] = {}

    def attached(self, files: tuple[Attachment | UploadedFile, ...]) -> Attached:
        """*files* as they stand in the message. InvalidInput ``attachment_unknown``."""
        large: dict[Blob, bytes] = {}
        attachments = []
        for place, file in enumerate(files):
            if isinstance(file, UploadedFile):
                attachments.append(self._uploaded(file, field=f"attachments/{place}"))
            elif isinstance(file.octets, bytes) and len(file.octets) >= INLINE_LIMIT:
                blob = blob_of(file.octets)
                large[blob] = file.octets
                plain = file.is_message and are_plain((file.octets,))
                attachments.append(attrs.evolve(file, octets=blob, plain=plain))
            else:
                attachments.append(file)
        return Attached(tuple(attachments), large)

    def _uploaded(self, file: UploadedFile, *, field: str) -> Attachment:
        upload = self._find(file.attachment_id)
        if upload is None:
            message = f"there is no attachment {file.attachment_id}: upload it again"
            error = FieldError(f"{field}/attachment_id", message)
            raise InvalidInput(error, code="attachment_unknown")
        known = None if upload.content_type == OCTET_STREAM else upload.content_type
        attachment = Attachment(
            filename=file.filename,
            content_type=file.content_type or known or type_of(file.filename),
            octets=upload.blob,
            content_id=file.content_id,
        )
        if not attachment.is_message:
            return attachment
        return attrs.evolve(attachment, plain=self._is_plain(upload.blob))

    def _is_plain(self, blob: Blob) -> bool:
        """Whether its lines are, which are read once for the call; not if some are gone."""
        if blob not in self._plain:
            try:
                self._plain[blob] = are_plain(self._chunks(blob))
            except NotFound:
                return False
        return self._plain[blob]

    def _chunks(self, blob: Blob) -> Iterator[bytes]:
        for n in range(chunks_of(blob.size)):
            yield self._store.read_latest(partial(_chunk, digest=blob.digest, n=n))

    def _find(self, upload_id: str) -> Upload | None:
        if upload_id not in self._found:
            self._found[upload_id] = self._store.read_latest(
                lambda tx: tx.uploads.find(upload_id, key_id=self._caller.key_id)
            )
        return self._found[upload_id]

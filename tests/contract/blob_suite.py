"""What every store must do with blobs and uploads: a part of `StoreContract`."""

from collections.abc import Sequence
from hashlib import sha256

import attrs
import pytest

from application.ports.store import Store, Transaction
from domain.address import Address
from domain.capability import ALL, Capability
from domain.email.detail import Detail
from domain.email.status import Status
from domain.errors import Conflict, NotFound
from domain.mailbox import Mailbox
from domain.message.attachment import CHUNK, Blob
from domain.message.skeleton import PlacedBlob
from domain.message.upload import Upload
from tests.builders import OCTETS, an_account, an_email, at

LARGE = bytes(range(256)) * (CHUNK // 256) + b"the rest of the first chunk, and a second one" * 9
HOUR = 3600.0
DAY = 24 * HOUR


def a_blob(octets: bytes = LARGE) -> Blob:
    return Blob(digest=sha256(octets).digest(), size=len(octets))


def an_upload(upload_id: str = "u1", blob: Blob | None = None, **changes: object) -> Upload:
    upload = Upload(
        id=upload_id,
        key_id=7,
        blob=blob or a_blob(),
        content_type="application/pdf",
        created_at=at(0),
    )
    return attrs.evolve(upload, **changes)  # type: ignore[arg-type]


def stored(store: Store, octets: bytes = LARGE, *, began: float = 0, whole: bool = True) -> Blob:
    blob = a_blob(octets)
    store.write(lambda tx: tx.blobs.begin(blob, now=at(began)))
    for n in range(0, len(octets), CHUNK):
        chunk = octets[n : n + CHUNK]
        store.write(lambda tx, n=n, chunk=chunk: tx.blobs.put(blob.digest, n // CHUNK, chunk))
    if whole:
        store.write(lambda tx: tx.blobs.complete(blob))
    return blob


def carried(store: Store, *blobs: Blob, as_it_is: bool = False) -> tuple[int, Sequence[PlacedBlob]]:
    """An email that carries *blobs*, and their places."""
    placed = [
        PlacedBlob(offset=10 * n, blob=blob, as_it_is=as_it_is) for n, blob in enumerate(blobs)
    ]

    def work(tx: Transaction) -> int:
        if not tx.accounts.all():
            tx.accounts.add(an_account())
        email_id = tx.emails.add(an_email(), OCTETS).id
        tx.blobs.place_all({email_id: placed})
        return email_id

    return store.write(work), placed


def unused(store: Store, *, before: float = DAY) -> list[bytes]:
    return list(store.read(lambda tx: tx.blobs.unused(before=at(before), limit=10)))


def discarded(store: Store, blob: Blob, *, before: float = DAY, chunks: int = 10) -> bool:
    return store.write(lambda tx: tx.blobs.discard(blob.digest, before=at(before), chunks=chunks))


def is_whole(store: Store, blob: Blob) -> bool:
    return blob.digest in store.write(lambda tx: tx.blobs.whole([blob.digest]))


# the others are of accounts
OF_MAIL = (Capability.BLOBS, Capability.OWN_FROM, Capability.PLAIN_BLOBS)


class BlobContract:
    """The suite of the ports BlobRepository and UploadRepository."""

    def test_how_a_blob_stands_in_its_email_comes_back(self, store: Store) -> None:
        blob = stored(store)
        email_id, _ = carried(store)
        placed = [PlacedBlob(offset=n, blob=blob, as_it_is=n == 1) for n in range(3)]

        store.write(lambda tx: tx.blobs.place_all({email_id: placed}))

        assert list(store.read(lambda tx: tx.blobs.of([email_id]))[email_id]) == placed

    def test_the_chunks_of_a_blob_come_back_as_they_were_stored(self, store: Store) -> None:
        blob = stored(store)

        assert [store.read(lambda tx, n=n: tx.blobs.chunk(blob.digest, n)) for n in (0, 1)] == [
            LARGE[:CHUNK],
            LARGE[CHUNK:],
        ]
        with pytest.raises(NotFound):
            store.read(lambda tx: tx.blobs.chunk(blob.digest, 2))

    def test_a_blob_is_whole_once_it_was_completed(self, store: Store) -> None:
        blob = stored(store, whole=False)
        assert not is_whole(store, blob)

        store.write(lambda tx: tx.blobs.complete(blob))

        assert is_whole(store, blob)

    def test_a_blob_is_not_completed_without_all_its_chunks(self, store: Store) -> None:
        blob = a_blob()
        store.write(lambda tx: tx.blobs.begin(blob, now=at(0)))
        store.write(lambda tx: tx.blobs.put(blob.digest, 1, LARGE[CHUNK:]))

        with pytest.raises(Conflict):
            store.write(lambda tx: tx.blobs.complete(blob))

        assert not is_whole(store, blob)

    def test_an_empty_blob_has_no_chunks(self, store: Store) -> None:
        assert is_whole(store, stored(store, b""))

    def test_who_begins_a_blob_learns_whether_it_is_whole(self, store: Store) -> None:
        blob = a_blob()

        def begun() -> bool:
            return store.write(lambda tx: tx.blobs.begin(blob, now=at(1)))

        assert begun() is False
        assert begun() is False
        stored(store)
        assert begun() is True

    def test_a_chunk_that_is_there_is_not_stored_again(self, store: Store) -> None:
        blob = stored(store)

        store.write(lambda tx: tx.blobs.put(blob.digest, 0, b"x"))

        assert store.read(lambda tx: tx.blobs.chunk(blob.digest, 0)) == LARGE[:CHUNK]

    def test_a_blob_is_fresh_for_a_time(self, store: Store) -> None:
        blob = stored(store, began=10)

        def fresh(since: float) -> bool:
            return store.read(lambda tx: tx.blobs.is_fresh(blob, since=at(since)))

        assert fresh(9)
        assert not fresh(10)

    def test_a_blob_in_parts_is_not_fresh(self, store: Store) -> None:
        blob = stored(store, whole=False)

        assert not store.read(lambda tx: tx.blobs.is_fresh(blob, since=at(-1)))

    def test_an_email_carries_its_blobs_at_their_places(self, store: Store) -> None:
        first, second = stored(store), stored(store, b"2")
        plain, _ = carried(store)
        email_id, placed = carried(store, second, first, second)

        found = store.read(lambda tx: tx.blobs.of([plain, email_id]))

        assert {key: list(value) for key, value in found.items()} == {email_id: placed}

    def test_many_blobs_are_looked_up_at_once(self, store: Store) -> None:
        blobs = [stored(store, b"%d" % n) for n in range(3)]
        others = [sha256(b"-%d" % n).digest() for n in range(900)]

        found = store.write(lambda tx: tx.blobs.whole([*others, *(b.digest for b in blobs)]))

        assert set(found) == {blob.digest for blob in blobs}

    # -- what is left over ----------------------------------------------------------------------

    def test_what_nothing_refers_to_is_unused(self, store: Store) -> None:
        lonely, attached, uploaded = (stored(store, name) for name in (b"a", b"b", b"c"))
        begun = stored(store, b"d", began=1, whole=False)
        stored(store, b"e", began=DAY)
        carried(store, attached)
        store.write(lambda tx: tx.uploads.add(an_upload(blob=uploaded)))

        assert unused(store) == [lonely.digest, begun.digest]

    def test_what_is_unused_is_removed_in_steps(self, store: Store) -> None:
        blob = stored(store)

        assert discarded(store, blob, chunks=1)
        assert not is_whole(store, blob)
        assert unused(store) == [blob.digest]
        assert discarded(store, blob, chunks=1)
        assert not discarded(store, blob, chunks=1)
        assert unused(store) == []
        with pytest.raises(NotFound):
            store.read(lambda tx: tx.blobs.chunk(blob.digest, 0))

    def test_what_is_in_use_is_not_removed(self, store: Store) -> None:
        attached, uploaded, young = (stored(store, name) for name in (b"a", b"b", b"c"))
        carried(store, attached)
        store.write(lambda tx: tx.uploads.add(an_upload(blob=uploaded)))
        store.write(lambda tx: tx.blobs.begin(young, now=at(DAY)))

        for blob in (attached, uploaded, young):
            assert not discarded(store, blob)
            assert is_whole(store, blob)

    def test_a_blob_that_is_begun_again_while_it_is_removed_becomes_whole(
        self, store: Store
    ) -> None:
        blob = stored(store)
        assert discarded(store, blob, chunks=1)

        stored(store, began=DAY)

        assert not discarded(store, blob, chunks=1)
        assert is_whole(store, blob)
        assert store.read(lambda tx: tx.blobs.chunk(blob.digest, 1)) == LARGE[CHUNK:]

    def test_what_is_not_there_is_not_removed(self, store: Store) -> None:
        assert not discarded(store, a_blob())

    # -- uploads --------------------------------------------------------------------------------

    @pytest.mark.parametrize("changes", [{}, {"key_id": None}, {"content_type": "text/plain"}])
    def test_an_upload_is_found_by_its_own_key(
        self, store: Store, changes: dict[str, object]
    ) -> None:
        upload = an_upload(blob=stored(store), **changes)
        store.write(lambda tx: tx.uploads.add(upload))

        assert store.read(lambda tx: tx.uploads.find("u1", key_id=upload.key_id)) == upload
        assert store.read(lambda tx: tx.uploads.find("u1", key_id=8)) is None
        assert store.read(lambda tx: tx.uploads.find("u2", key_id=upload.key_id)) is None

    def test_old_uploads_are_forgotten_unless_an_email_carries_them(self, store: Store) -> None:
        lonely, attached, young = (stored(store, name) for name in (b"a", b"b", b"c"))
        carried(store, attached)

        def work(tx: Transaction) -> None:
            tx.uploads.add(an_upload("lonely", lonely))
            tx.uploads.add(an_upload("attached", attached))
            tx.uploads.add(an_upload("young", young, created_at=at(DAY)))

        store.write(work)

        assert store.write(lambda tx: tx.uploads.prune(before=at(DAY), limit=10)) == 1
        assert store.write(lambda tx: tx.uploads.prune(before=at(DAY), limit=10)) == 0
        left = [
            store.read(lambda tx, name=name: tx.uploads.find(name, key_id=7)) is not None
            for name in ("lonely", "attached", "young")
        ]
        assert left == [False, True, True]
        assert unused(store) == [lonely.digest]

    def test_uploads_are_forgotten_a_limited_number_at_a_time(self, store: Store) -> None:
        blob = stored(store)
        for n in range(3):
            store.write(lambda tx, n=n: tx.uploads.add(an_upload(f"u{n}", blob)))

        assert store.write(lambda tx: tx.uploads.prune(before=at(1), limit=2)) == 2

    # -- capabilities ---------------------------------------------------------------------------

    def test_an_instance_that_lacks_a_capability_is_noticed_until_it_leaves(
        self, store: Store
    ) -> None:
        def lacks(capability: Capability) -> bool:
            return store.read(lambda tx: tx.instances.lacks(capability))

        assert not lacks(Capability.BLOBS)
        joined(store, ALL)
        assert not lacks(Capability.BLOBS)
        old = joined(store, Capability.OWN_FROM)
        assert lacks(Capability.BLOBS)
        assert not lacks(Capability.OWN_FROM)
        store.write(lambda tx: tx.instances.leave(old))
        assert not lacks(Capability.BLOBS)

    @pytest.mark.parametrize("capability", OF_MAIL)
    def test_an_instance_cannot_join_while_mail_waits_that_it_would_send_wrong(
        self, store: Store, capability: Capability
    ) -> None:
        email_id = mail_that_needs(store, capability)

        with pytest.raises(Conflict, match="older version"):
            joined(store, ALL & ~capability)
        joined(store, ALL)
        assert not store.read(lambda tx: tx.instances.lacks(capability))

        finished(store, email_id)
        joined(store, ALL & ~capability)
        assert store.read(lambda tx: tx.instances.lacks(capability))

    def test_an_instance_without_capabilities_joins_while_any_other_mail_waits(
        self, store: Store
    ) -> None:
        store.write(lambda tx: tx.emails.add(an_email(), OCTETS))
        other = Detail(in_reply_to='"sender": {"address": "a@example.org"}')
        store.write(lambda tx: tx.details.add_all({1: other}))

        assert joined(store, Capability(0)) > 0

    @pytest.mark.parametrize("capability", OF_MAIL)
    def test_mail_that_ended_stays_ended_while_an_instance_would_send_it_wrong(
        self, store: Store, capability: Capability
    ) -> None:
        email_id = mail_that_needs(store, capability)
        finished(store, email_id)
        old = joined(store, ALL & ~capability)

        with pytest.raises(Conflict, match="older version"):
            revived(store, email_id)
        store.write(lambda tx: tx.instances.leave(old))
        joined(store, ALL)
        revived(store, email_id)
        assert store.read(lambda tx: tx.emails.get(email_id).status) is Status.RETRY


def mail_that_needs(store: Store, capability: Capability) -> int:
    """A waiting email that only instances with *capability* send as it was accepted."""
    if capability is Capability.BLOBS:
        return carried(store, stored(store))[0]
    if capability is Capability.PLAIN_BLOBS:
        return carried(store, stored(store), as_it_is=True)[0]
    assert capability is Capability.OWN_FROM
    email_id = store.write(lambda tx: tx.emails.add(an_email(), OCTETS)).id
    sender = Detail(sender=Mailbox(Address.parse("me@example.org")), in_reply_to="<a@b>")
    store.write(lambda tx: tx.details.add_all({email_id: sender}))
    return email_id


def joined(store: Store, capabilities: Capability) -> int:
    return store.write(
        lambda tx: tx.instances.join(host="a", pid=1, now=at(0), capabilities=capabilities)
    )


def finished(store: Store, email_id: int) -> None:
    _moved(store, email_id, Status.FAILED)


def revived(store: Store, email_id: int) -> None:
    _moved(store, email_id, Status.RETRY)


def _moved(store: Store, email_id: int, status: Status) -> None:
    def work(tx: Transaction) -> None:
        email = tx.emails.get(email_id)
        tx.emails.save(attrs.evolve(email, status=status), was=email)

    store.write(work)

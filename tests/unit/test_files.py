"""Large parts are stored once, before the emails that carry them, and leave nothing behind."""

import tracemalloc
from base64 import b64encode
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from typing import Any, cast

import attrs
import pytest

from adapters.fakes.memory_tables import Tables
from adapters.fakes.sender import Rule
from adapters.fakes.vault import FakeVault
from application.delivery.message_cache import MessageCache
from application.delivery.signing import Signing
from application.intake.draft import Draft, UploadedFile
from domain.access import LOCAL, Caller, Scope
from domain.capability import Capability
from domain.dialogue.extensions import body_of
from domain.email.status import Status
from domain.errors import Forbidden, InvalidInput, NotAccepting, StoreUnavailable
from domain.message.attachment import CHUNK, INLINE_LIMIT, Attachment, blob_of
from domain.message.upload import Upload
from domain.outcome.handoff import Stage
from tests.builders import an_address
from tests.dkim_messages import SIGNER
from tests.world import World

LARGE = bytes(range(251)) * (CHUNK // 251 + 100)
KEY = Caller(key_id=7, scopes=frozenset({Scope.SEND, Scope.READ}))
DAY = 24 * 3600.0


def a_world(**rules: Any) -> World:
    world = World(**rules)
    world.account()
    return world


def a_file(octets: bytes = LARGE, **changes: Any) -> Attachment:
    file = Attachment(filename="a.bin", content_type="application/octet-stream", octets=octets)
    return attrs.evolve(file, **changes)


def tables(world: World) -> Tables:
    found: Tables = world.store._tables
    return found


def an_upload(world: World, octets: bytes = LARGE, caller: Caller = LOCAL, **type_: str) -> Upload:
    kind = type_.get("content_type")
    return world.application.files.upload(octets, content_type=kind, caller=caller)


def uploaded(upload: Upload, **changes: Any) -> UploadedFile:
    return UploadedFile(attachment_id=upload.id, **{"filename": "a.bin", **changes})


def delivered(world: World) -> list[EmailMessage]:
    world.run()
    found = [message_from_bytes(one.octets, policy=default) for one in world.sender.accepted]
    assert not any(part.defects for message in found for part in message.walk())
    return found


def files_of(message: EmailMessage) -> list[bytes]:
    return [cast(EmailMessage, part).get_content() for part in message.iter_attachments()]


# -- large parts of an email -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [INLINE_LIMIT, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 57]
)
def test_a_large_file_arrives_byte_for_byte(size: int) -> None:
    world = a_world()
    octets = (LARGE * 2)[:size]
    small = a_file(b"small")
    email_id = world.submit(attachments=(a_file(octets), small, a_file(octets[::-1])))

    [message] = delivered(world)

    assert files_of(message) == [octets, b"small", octets[::-1]]
    whole = len(world.sender.accepted[0].octets)
    from_line = world.sender.accepted[0].octets.index(b"\r\n") + 2
    assert world.email(email_id).size == whole - from_line


def test_a_large_file_stands_outside_of_the_stored_message() -> None:
    world = a_world()
    email_id = world.submit(attachments=(a_file(),))

    assert len(tables(world).octets[email_id]) < 2000
    assert len(tables(world).chunks) == 2


def test_files_below_the_limit_stand_in_the_message() -> None:
    world = a_world()
    world.submit(attachments=(a_file(LARGE[: INLINE_LIMIT - 1]),))

    assert tables(world).blobs == {}
    assert files_of(delivered(world)[0]) == [LARGE[: INLINE_LIMIT - 1]]


def test_the_same_file_is_stored_once() -> None:
    world = a_world()
    for _ in range(3):
        world.submit(attachments=(a_file(), a_file()))

    assert len(tables(world).blobs) == 1
    assert len(tables(world).chunks) == 2
    assert [files_of(message) for message in delivered(world)] == [[LARGE, LARGE]] * 3


def test_a_large_image_that_the_html_carries_is_stored_apart() -> None:
    world = a_world()
    world.submit(html=f'<img src="data:image/png;base64,{b64encode(LARGE).decode()}">')

    [message] = delivered(world)

    [image] = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert image.get_content() == LARGE
    assert len(tables(world).blobs) == 1


def test_nothing_is_stored_for_an_email_that_is_refused() -> None:
    world = a_world()
    with pytest.raises(InvalidInput):
        world.submit(attachments=(a_file(), a_file(b"", filename="a.exe")))

    assert tables(world).blobs == {}


# -- uploads ---------------------------------------------------------------------------------------


def test_an_upload_is_attached_to_any_number_of_emails() -> None:
    world = a_world()
    upload = an_upload(world, content_type="application/pdf")
    for name in ("a.bin", "b.bin"):
        world.submit(attachments=(uploaded(upload, filename=name),))

    first, second = delivered(world)

    assert files_of(first) == files_of(second) == [LARGE]
    [part] = second.iter_attachments()
    assert (part.get_filename(), part.get_content_type()) == ("b.bin", "application/pdf")
    assert len(tables(world).chunks) == 2


@pytest.mark.parametrize(
    ("of_upload", "given", "expected"),
    [
        ("image/png", None, "image/png"),
        (None, None, "application/pdf"),
        ("image/png", "text/csv", "text/csv"),
    ],
)
def test_the_type_of_an_upload_counts_unless_one_is_given(
    of_upload: str | None, given: str | None, expected: str
) -> None:
    world = a_world()
    upload = world.application.files.upload(b"x", content_type=of_upload, caller=LOCAL)
    world.submit(attachments=(uploaded(upload, filename="a.pdf", content_type=given),))

    [part] = delivered(world)[0].iter_attachments()

    assert part.get_content_type() == expected


def test_an_upload_is_its_keys_alone() -> None:
    world = a_world()
    upload = an_upload(world, caller=KEY)

    with pytest.raises(InvalidInput) as error:
        world.submit(attachments=(a_file(b"x"), uploaded(upload)))

    assert error.value.code == "attachment_unknown"
    assert [one.field for one in error.value.errors] == ["attachments/1/attachment_id"]


def test_who_may_not_send_uploads_nothing() -> None:
    world = a_world()
    with pytest.raises(Forbidden):
        an_upload(world, caller=attrs.evolve(KEY, scopes=frozenset({Scope.READ})))
    assert tables(world).blobs == {}


@pytest.mark.parametrize("kind", ["pdf", "a/b\r\nBcc: c@d.e", "multipart/mixed"])
def test_an_upload_has_the_type_of_one_part(kind: str) -> None:
    with pytest.raises(InvalidInput):
        an_upload(a_world(), content_type=kind)


def test_500_emails_with_one_upload_look_for_it_once() -> None:
    world = a_world()
    upload = an_upload(world)
    reads: list[None] = []
    find = world.store.read_latest

    def counted(work: Any) -> Any:
        reads.append(None)
        return find(work)

    world.store.read_latest = counted
    drafts = [a_draft(uploaded(upload)) for _ in range(500)]
    world.application.submission.submit(drafts)

    assert len(reads) < 5
    assert len(tables(world).chunks) == 2


def a_draft(*files: Any) -> Draft:
    return Draft(subject="a", text="b", to=(an_address(),), attachments=files)


# -- messages as files -----------------------------------------------------------------------------

LETTER = b"Subject: Inner\r\n\r\n" + b".a line of text that begins with a dot\r\n" * 9000


def a_letter(octets: bytes = LETTER) -> Attachment:
    return a_file(octets, filename="a.eml", content_type="message/rfc822")


def inner_of(message: EmailMessage) -> tuple[str, str, bytes]:
    """Type, encoding and octets of its one file."""
    [part] = message.iter_attachments()
    found = cast(EmailMessage, part)
    content = found.get_content()
    octets = content.as_bytes(policy=SMTP) if isinstance(content, EmailMessage) else content
    return found.get_content_type(), found["Content-Transfer-Encoding"], octets


def test_a_large_message_is_attached_without_an_encoding() -> None:
    world = a_world()
    world.submit(attachments=(a_letter(),))

    assert len(LETTER) > CHUNK
    assert len(tables(world).chunks) == 2
    [message] = delivered(world)
    assert inner_of(message) == ("message/rfc822", "7bit", LETTER)


def test_a_message_that_was_uploaded_is_attached_without_an_encoding() -> None:
    world = a_world()
    upload = an_upload(world, LETTER)
    email_id = world.submit(attachments=(uploaded(upload, filename="a.eml"),) * 2)

    [taken] = delivered(world)
    first, second = taken.iter_attachments()
    assert first.get_content_type() == second.get_content_type() == "message/rfc822"
    [accepted] = world.sender.accepted
    assert accepted.octets.count(LETTER) == 2
    assert world.email(email_id).size == len(accepted.octets) - accepted.octets.index(b"\r\n") - 2


@pytest.mark.parametrize(
    "octets",
    [
        LETTER.replace(b"\r\n", b"\n"),
        LETTER + b"\xff\r\n",
        LETTER + b"x" * 999 + b"\r\n",
        LETTER + b"\0",
    ],
    ids=["LF", "8bit", "long", "NUL"],
)
@pytest.mark.parametrize("apart", [False, True])
def test_a_message_that_needs_an_encoding_is_a_file_like_others(octets: bytes, apart: bool) -> None:
    world = a_world()
    file = uploaded(an_upload(world, octets), filename="a.eml") if apart else a_letter(octets)
    world.submit(attachments=(file,))

    [message] = delivered(world)
    assert inner_of(message) == ("application/octet-stream", "base64", octets)


def test_a_message_that_was_uploaded_is_read_once_for_a_batch() -> None:
    world = a_world()
    upload = an_upload(world, LETTER)
    read_latest, reads = world.store.read_latest, []

    def counted(work: Any) -> Any:
        reads.append(work)
        return read_latest(work)

    world.store.read_latest = counted
    drafts = [a_draft(uploaded(upload, filename="a.eml")) for _ in range(50)]
    world.application.submission.submit(drafts)
    assert len(reads) < 8


def test_no_such_message_is_taken_while_a_process_delivers_that_would_encode_it() -> None:
    world = a_world()
    older = Capability.BLOBS | Capability.OWN_FROM
    old = world.store.write(
        lambda tx: tx.instances.join(host="a", pid=1, now=world.clock.now(), capabilities=older)
    )

    with pytest.raises(NotAccepting):
        world.submit(attachments=(a_letter(),))
    world.submit(attachments=(a_file(),))
    world.store.write(lambda tx: tx.instances.leave(old))
    world.submit(attachments=(a_letter(),))


# -- older processes -------------------------------------------------------------------------------


def test_no_email_with_a_large_file_is_taken_while_an_older_process_delivers() -> None:
    world = a_world()
    old = world.store.write(
        lambda tx: tx.instances.join(
            host="a", pid=1, now=world.clock.now(), capabilities=Capability.OWN_FROM
        )
    )

    with pytest.raises(NotAccepting):
        world.submit(attachments=(a_file(),))
    world.submit(attachments=(a_file(b"small"),))
    world.store.write(lambda tx: tx.instances.leave(old))
    world.submit(attachments=(a_file(),))

    assert len(tables(world).emails) == 2


def test_an_email_with_a_large_file_is_not_retried_while_an_older_process_delivers() -> None:
    world = a_world()
    email_id = world.submit(attachments=(a_file(),))
    world.play(Rule(Stage.RCPT, "550 5.1.1 no such user"))
    world.run()
    assert world.email(email_id).status is Status.FAILED
    old = world.store.write(
        lambda tx: tx.instances.join(
            host="a", pid=1, now=world.clock.now(), capabilities=Capability.OWN_FROM
        )
    )

    with pytest.raises(NotAccepting):
        world.application.email_changes.retry(email_id)
    world.store.write(lambda tx: tx.instances.leave(old))

    assert world.application.email_changes.retry(email_id).status is Status.RETRY


# -- what is left over -----------------------------------------------------------------------------


@pytest.mark.parametrize("works", range(5))
def test_a_process_that_dies_while_it_stores_leaves_what_the_sweep_removes(works: int) -> None:
    """The works of one email: begin, two chunks, complete, the email."""
    world = a_world()
    write, left = world.store.write, [works]

    def dying(work: Any) -> Any:
        if not left[0]:
            raise StoreUnavailable("killed")
        left[0] -= 1
        return write(work)

    world.store.write = dying
    with pytest.raises(StoreUnavailable):
        world.submit(attachments=(a_file(),))
    world.store.write = write

    assert tables(world).emails == {}
    world.clock.tick(DAY + 1)
    world.application.maintenance.sweep()
    assert tables(world).blobs == tables(world).chunks == {}


def test_what_a_process_left_in_parts_is_completed_by_the_next_one() -> None:
    world = a_world()
    blob = blob_of(LARGE)
    world.store.write(lambda tx: tx.blobs.begin(blob, now=world.clock.now()))
    world.store.write(lambda tx: tx.blobs.put(blob.digest, 0, LARGE[:CHUNK]))

    world.submit(attachments=(a_file(),))

    assert files_of(delivered(world)[0]) == [LARGE]


def test_an_upload_that_nobody_used_goes_after_a_day() -> None:
    world = a_world()
    used, unused = an_upload(world), an_upload(world, b"other")
    world.submit(attachments=(uploaded(used),))
    world.clock.tick(DAY + 1)
    world.application.maintenance.sweep()

    world.submit(attachments=(uploaded(used),))
    with pytest.raises(InvalidInput):
        world.submit(attachments=(uploaded(unused),))
    assert len(tables(world).blobs) == 1
    assert [files_of(message) for message in delivered(world)] == [[LARGE]] * 2


def test_a_file_that_is_submitted_again_shortly_before_its_end_stays() -> None:
    world = a_world()
    an_upload(world)
    world.clock.tick(DAY - 1800)
    an_upload(world)
    world.clock.tick(3600)
    world.application.maintenance.sweep()

    assert len(tables(world).blobs) == 1


def test_a_wall_that_jumps_forward_removes_nothing() -> None:
    world = a_world()
    an_upload(world)
    world.clock.step(2 * DAY)
    world.application.maintenance.sweep()

    assert len(tables(world).blobs) == 1


# -- the hand-off ----------------------------------------------------------------------------------


def test_a_store_that_fails_in_the_middle_of_a_message_loses_nothing() -> None:
    world = a_world()
    email_id = world.submit(attachments=(a_file(),))
    chunk = tables(world).chunks.pop((blob_of(LARGE).digest, 1))

    def missing(work: Any) -> Any:
        try:
            return read(work)
        except Exception as error:
            raise StoreUnavailable("gone") from error

    read = world.store.read_latest
    world.store.read_latest = missing
    world.deliver(*world.claim())
    world.store.read_latest = read
    tables(world).chunks[blob_of(LARGE).digest, 1] = chunk

    assert world.email(email_id).status is Status.QUEUED
    assert files_of(delivered(world)[0]) == [LARGE]


def test_a_large_message_is_never_in_memory_as_a_whole() -> None:
    world = a_world()
    octets = LARGE * 36
    world.submit(attachments=(a_file(octets),))
    batch = world.claim()[0]
    signing = Signing(vault=FakeVault(), signer=SIGNER)
    parcel = MessageCache(world.store, batch.account, signing).of(batch.emails[0])
    tracemalloc.start()
    length = sum(map(len, body_of(parcel)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert length == parcel.size > 13_000_000
    assert peak < 3_000_000

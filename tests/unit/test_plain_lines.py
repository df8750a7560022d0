"""Large parts that stand in a message as they are: which may, and how they are put there."""

import pytest

from domain.dialogue.extensions import body_of
from domain.message.attachment import CHUNK, Blob
from domain.message.plain_lines import are_plain
from domain.message.skeleton import PlacedBlob, Skeleton, pieces_of
from domain.outcome.handoff import LargeParts, Parcel
from tests.builders import an_envelope

HEAD, TAIL = b"Subject: a\r\n\r\n--b\r\n\r\n", b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"a",
        b"\r\n",
        b"Subject: a\r\n\r\nb\r\n",
        b"x" * 998 + b"\r\n" + b"y" * 998,
        b".\r\n..\r\n",
    ],
)
def test_lines_of_ascii_are_plain(octets: bytes) -> None:
    assert are_plain([octets])
    assert are_plain(octets[at : at + 1] for at in range(len(octets)))


@pytest.mark.parametrize(
    "octets",
    [
        b"\xff",
        b"a\0b",
        b"a\nb",
        b"a\rb",
        b"a\r",
        b"\n",
        b"a\r\r\n",
        b"x" * 999,
        b"x" * 999 + b"\r\n",
        b"a\r\n" + b"x" * 999 + b"\r\nb",
    ],
)
def test_other_octets_need_an_encoding(octets: bytes) -> None:
    assert not are_plain([octets])
    assert not are_plain(octets[at : at + 1] for at in range(len(octets)))


def a_parcel(octets: bytes) -> Parcel:
    def chunk(digest: bytes, n: int) -> bytes:
        return octets[n * CHUNK : (n + 1) * CHUNK]

    blob = Blob(digest=b"d" * 32, size=len(octets))
    placed = PlacedBlob(offset=len(HEAD), blob=blob, as_it_is=True)
    return Parcel(an_envelope(), HEAD + TAIL, LargeParts((placed,), chunk))


def lines(size: int, line: bytes = b".a line that begins with a dot\r\n") -> bytes:
    return (line * (size // len(line) + 1))[:size]


@pytest.mark.parametrize(
    "octets",
    [
        lines(10),
        lines(CHUNK - 1),
        lines(CHUNK),
        lines(CHUNK + 1),
        lines(2 * CHUNK + 500),
        lines(CHUNK - 1, b"x\r\n") + b"\r\n.",
        b"x" * (CHUNK - 1) + b"\r\n" + b"." * 10,
        b"\r\n" * CHUNK,
        b"ends in a line\r\n",
        b".",
    ],
    ids=len,
)
def test_a_part_stands_as_it_is_and_no_piece_ends_within_a_line(octets: bytes) -> None:
    parcel = a_parcel(octets)
    pieces = list(parcel.pieces())
    assert b"".join(pieces) == HEAD + octets + TAIL
    assert all(piece.endswith(b"\r\n") for piece in pieces if piece)
    assert parcel.size == len(HEAD + octets + TAIL)


@pytest.mark.parametrize("octets", [lines(CHUNK + 7), lines(CHUNK) + b"\r\n.", b"."], ids=len)
def test_dots_at_the_beginning_of_its_lines_are_doubled_on_the_wire(octets: bytes) -> None:
    whole = HEAD + octets + TAIL
    assert b"".join(body_of(a_parcel(octets))) == whole.replace(b"\r\n.", b"\r\n..")


def test_parts_of_both_kinds_follow_one_another() -> None:
    blobs = {b"a" * 32: b"abc", b"b" * 32: b"no line end", b"c" * 32: b"xyz"}
    skeleton = Skeleton(
        b"one\r\n\r\ntwo\r\n\r\nthree\r\n",
        tuple(
            PlacedBlob(offset=at, blob=Blob(digest=digest, size=len(octets)), as_it_is=plain)
            for at, plain, (digest, octets) in zip(
                (5, 12, 21), (False, True, False), blobs.items(), strict=True
            )
        ),
    )
    whole = b"".join(pieces_of(skeleton, lambda digest, n: blobs[digest]))
    assert whole == b"one\r\nYWJj\r\ntwo\r\nno line end\r\nthree\r\neHl6"
    assert skeleton.size == len(whole)

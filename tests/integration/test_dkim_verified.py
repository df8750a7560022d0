"""dkimpy verifies our signatures, and nothing that was changed since."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product

import attrs
import pytest

from domain.address import Address
from domain.mailbox import Mailbox
from domain.message.attachment import Attachment
from domain.message.compose import Content, compose, from_line
from domain.message.dkim import Algorithm, BodyHash, DnsRecord, signatures
from domain.message.mime_tree import tree
from tests.dkim_messages import DATE, KEYS, SIGNER, signed
from tests.dkim_oracle import relaxed_bodies, verified, verified_signatures

BOTH = tuple(attrs.evolve(key, selector=key.algorithm.name.lower()) for key in KEYS.values())
RECORDS = {
    record.name: record.value
    for record in (
        DnsRecord(f"{key.selector}._domainkey.{key.domain}", SIGNER.dns_record(key)) for key in BOTH
    )
}

CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "body": lambda message: message.replace(b"Hello", b"Hallo"),
    "sender": lambda message: message.replace(b"ada@", b"eve@"),
    "unsubscribing": lambda message: message.replace(b"One-Click", b"Two-Click"),
    **{
        f"second {name}": lambda message, name=name: message.replace(  # type: ignore[misc]
            b"MIME-Version", f"{name}: eve@example.org\r\nMIME-Version".encode()
        )
        for name in ("From", "To", "Cc", "Subject", "Date", "Reply-To")
    },
}


@pytest.mark.parametrize("algorithm", Algorithm)
def test_dkimpy_verifies_the_signature(algorithm: Algorithm) -> None:
    key = KEYS[algorithm]
    message = signed(b"Hello  \r\n\r\nthere\r\n\r\n\r\n", key)
    assert verified((message, SIGNER.dns_record(key))) == [True]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_message_does_not_verify(change: str) -> None:
    key = KEYS[Algorithm.ED25519]
    message = signed(b"Hello\r\n", key)
    changed = CHANGES[change](message)
    assert changed != message
    assert verified((changed, SIGNER.dns_record(key))) == [False]


def test_the_body_hash_is_that_of_dkimpy_for_every_short_body() -> None:
    bodies = [
        b"".join(pieces) + (b"\r\n" if length else b"")
        for length in range(6)
        for pieces in product([b"\r\n", b" ", b"a"], repeat=length)
    ]
    for body, relaxed in zip(bodies, relaxed_bodies(bodies), strict=True):
        ours = BodyHash()
        ours.add(body)
        assert ours.digest() == hashlib.sha256(relaxed).digest(), body


# -- whole messages --------------------------------------------------------------------------------

ADA = Address.parse("ada@example.org")
MANY = tuple(Address.parse(f"a.rather.long.name.{n}@example.net") for n in range(30))
WORDS = (
    "Grüße",
    "привет",
    "你好",
    "🎉",
    "plain",
    "=?utf-8?q?x?=",
    "a  b",
    "\t",
    "-- ",
    ".",
    "..",
    "=",
)
FEW = (
    Content(subject="Hello", html="<p>Hello</p>"),
    Content(subject="Hello", text="Hello"),
    Content(subject="Hello", html="<p>Hello</p>", text="Hello"),
    Content(subject="", text=""),
    Content(subject="Grüße, привет, 你好 🎉 " * 8, text="Grüße  \n\n \t\n привет\t \n\n\n"),
    Content(subject="long " * 60, html="<p>" + "long " * 20_000 + "</p>", text="x" * 5_000),
    Content(subject="dots", text="\n.\n..\n.a\n.\n"),
    Content(subject="blanks", text="   \n\t\n a  b \t c \n\n"),
    Content(
        subject="everybody",
        text="Hello",
        to=MANY,
        cc=MANY[:9],
        reply_to=(Mailbox(ADA),),
        headers=(
            ("List-Unsubscribe", "<https://example.org/u/" + "t" * 200 + ">"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("List-Id", "News <news.example.org>"),
            ("X-Shop", "Grüße  aus  der Küche"),
            ("Auto-Submitted", "auto-generated"),
        ),
    ),
)


def any_text(chance: random.Random) -> str:
    pieces = [chance.choice((*WORDS, " ", "\n", "\r\n", "x" * 90)) for _ in range(20)]
    return "".join(pieces)


def contents() -> Iterator[Content]:
    """A few that are meant, and a hundred of chance."""
    yield from FEW
    chance = random.Random(18)
    for _ in range(100):
        html, text = any_text(chance), any_text(chance)
        shape = chance.choice(({"html": html}, {"text": text}, {"html": html, "text": text}))
        yield Content(
            subject=" ".join(chance.choice(WORDS) for _ in range(9)).replace("\t", " "),
            to=chance.choice(((), (ADA,), MANY[:3])),
            reply_to=chance.choice(((), (Mailbox(ADA),))),
            **shape,
        )


def message_of(content: Content, *, name: str = "") -> bytes:
    """As it is handed over, without its signatures."""
    composed = compose(content, message_id="<1@example.org>", date=DATE, boundary="=_b")
    return from_line(ADA, name) + composed


def with_signatures(pieces: Sequence[bytes]) -> bytes:
    made = signatures(pieces, keys=BOTH, undated=DATE, sign=SIGNER.sign)
    return made + b"".join(pieces)


def test_dkimpy_verifies_both_signatures_of_whatever_is_composed() -> None:
    names = ("", "Ada Lovelace", "Grüße, Äda <x@example.com>")
    messages = [
        message_of(content, name=names[number % 3]) for number, content in enumerate(contents())
    ]
    found = verified_signatures([with_signatures([each]) for each in messages], RECORDS)

    failed = [message for message, good in zip(messages, found, strict=True) if good != [True] * 2]
    assert failed == []


def test_a_message_in_pieces_has_the_signatures_of_the_whole() -> None:
    chance = random.Random(18)
    files = [
        Attachment(filename="a.bin", content_type="application/pdf", octets=bytes(range(256)) * 900)
    ]
    entity = tree(text="Hello  \n\n", html="<p>Hello</p>", attachments=files, boundary="=_b")
    head = message_of(Content(subject="Files", text="")).partition(b"MIME-Version")[0]
    parts = [piece for piece in entity.body if isinstance(piece, bytes)]
    body = b"".join(parts) + b"\r\n"
    whole = head + b"MIME-Version: 1.0\r\n" + entity.headers.encode() + b"\r\n" + body

    signed_whole = with_signatures([whole])
    first = whole.index(b"\r\n\r\n") + 4
    for _ in range(20):
        cuts = sorted(chance.sample(range(first, len(whole)), 9))
        cut = [whole[start:end] for start, end in pairwise([0, *cuts, len(whole)])]
        assert with_signatures(cut) == signed_whole
    assert verified_signatures([signed_whole], RECORDS) == [[True, True]]


def test_a_large_message_in_pieces_is_not_held_as_a_whole() -> None:
    head = message_of(Content(subject="Large", text="")) + b"\r\n"
    line = b"QUJD" * 19 + b"\r\n"

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(20):
            yield line * 4598

    made = signatures(pieces(), keys=BOTH, undated=DATE, sign=SIGNER.sign)

    assert verified_signatures([made + b"".join(pieces())], RECORDS) == [[True, True]]


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Mon, 2 Nov 2026 13:00:00 +0100", 1793620800),
        ("Mon, 2 Nov 2026 12:00:00 -0000", 1793620800),
        ("never", int(DATE.timestamp())),
    ],
)
def test_the_time_of_the_signature_is_the_date_of_the_message(date: str, seconds: int) -> None:
    message = f"From: ada@example.org\r\nDate: {date}\r\n\r\nHello\r\n".encode()

    assert f"t={seconds};".encode() in with_signatures([message])

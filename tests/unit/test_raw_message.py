"""A message that a client made is sent as it is, or refused with the reason."""

import os
import re
import time
from base64 import encodebytes
from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from domain.errors import InvalidInput, MessageTooLarge
from domain.mailbox import Mailbox
from domain.message.attachment import INLINE_LIMIT
from domain.message.raw import (
    DROPPED,
    LARGEST_HEAD,
    MOST_FIELDS,
    SINGLE,
    compose_raw,
    read_raw,
    verify_raw,
)
from domain.message.raw_blobs import LARGEST_TOGETHER, Apart
from domain.message.skeleton import pieces_of
from tests.builders import an_address
from tests.machine import is_within

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ID = "<1a2b@example.com>"
SENDER = b"From: Ada Lovelace <ada@example.com>\r\n"


def made(octets: bytes, **changes: object) -> Apart:
    raw = read_raw(octets)
    given = {"sender": raw.sender, "message_id": raw.message_id or ID, "date": NOW} | changes
    return compose_raw(raw, **given)  # type: ignore[arg-type]


def sent(octets: bytes) -> bytes:
    """The whole message, with its large files."""
    message = made(octets)
    files = {blob.digest: file for blob, file in message.large.items()}
    size = 262_086
    whole = b"".join(
        pieces_of(message.skeleton, lambda digest, n: files[digest][n * size : (n + 1) * size])
    )
    assert len(whole) == message.skeleton.size
    return whole


def headers(octets: bytes) -> list[tuple[str, str]]:
    return list(message_from_bytes(octets, policy=policy.compat32).items())


def refused(octets: bytes) -> str:
    with pytest.raises(InvalidInput) as error:
        read_raw(octets)
    assert error.value.code == "invalid_message"
    [only] = error.value.errors
    assert only.field == "raw"
    return only.message


def test_the_body_and_the_other_headers_are_sent_as_they_are() -> None:
    body = b"--x\r\nContent-Type: text/plain\r\n\r\n.\r\n  Hi \t\r\n--x--\r\n"
    kept = (
        b"Received: from a by b\r\n\twith c\r\nTo: a@b.c,\r\n d@e.f\r\nX-Tag: 1\r\nX-Tag: 2\r\n"
        b"Content-Type: multipart/mixed; boundary=x\r\n"
    )
    octets = sent(SENDER + kept + b"\r\n" + body)

    assert octets.endswith(kept + b"\r\n" + body)


def test_a_message_without_date_message_id_and_to_gets_them() -> None:
    assert headers(sent(SENDER + b"Subject: Hi\n\n")) == [
        ("From", "Ada Lovelace <ada@example.com>"),
        ("Date", "Mon, 02 Nov 2026 09:30:00 +0000"),
        ("Message-ID", ID),
        ("X-Email-Ref", "1a2b"),
        ("To", "undisclosed-recipients:;"),
        ("Subject", "Hi"),
    ]


def test_its_own_date_and_message_id_are_kept() -> None:
    own = b"Date: Fri, 31 Oct 2025 23:59:60 -0800 (PST)\r\nMessage-ID:\r\n <a.b@c.example>\r\n"
    octets = sent(SENDER + own + b"\r\n")

    assert b"Date: Fri, 31 Oct 2025 23:59:60 -0800 (PST)\r\n" in octets
    assert b"Message-ID: \r\n <a.b@c.example>\r\n" in octets
    assert (octets.count(b"Date:"), octets.count(b"Message-ID:")) == (1, 1)
    assert b"X-Email-Ref: a.b\r\n" in octets


@pytest.mark.parametrize(
    "line",
    [
        b"Date: yesterday",
        b"Date: Fri, 31 Oct 2025 25:00:00 +0000",
        b"Message-ID: 1",
        b"Message-ID: <a@b> <c@d>",
        b"Message-ID: <=?x@b>",
    ],
)
def test_a_date_or_message_id_that_is_none_is_replaced(line: bytes) -> None:
    octets = sent(SENDER + line + b"\n\n")

    assert line not in octets
    assert (octets.count(b"\nDate: "), octets.count(b"\nMessage-ID: ")) == (1, 1)


@pytest.mark.parametrize(
    "line",
    [
        b"Bcc: eve@example.org",
        b"bcc:eve@example.org,\r\n mallory@example.org",
        b"Resent-Bcc: eve@example.org",
        b"Return-Path: <eve@example.org>",
        b"Sender: ada@EXAMPLE.com",
        b"X-Email-Ref: ours",
        b"X-SES-Source-Arn: arn",
        b"X-SES-Configuration-Set: news",
        b"X-Google-Original-From: eve@example.org",
        b"DKIM-Signature: v=1; a=rsa-sha256;\r\n\td=Example.COM; s=x; b=abc",
        b"DKIM-Signature: v=1; b=abc",
    ],
)
def test_what_is_not_the_clients_to_say_is_dropped(line: bytes) -> None:
    octets = sent(SENDER + b"X-Before: 1\r\n" + line + b"\r\nX-After: 2\r\n\r\n")

    value = line.partition(b":")[2].strip()
    assert value not in octets
    assert b"X-Before: 1\r\nX-After: 2\r\n" in octets


def test_a_signature_of_another_domain_is_kept() -> None:
    line = b"DKIM-Signature: v=1; d=lists.example.org; s=x; b=abc\r\n"
    assert line in sent(SENDER + line + b"\r\n")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (b"ada@example.com", ""),
        (b"<ada@example.com>", ""),
        (b"Ada <ada@EXAMPLE.com>", "Ada"),
        (b'"Lovelace, \\"Ada\\"" <ada@example.com>', 'Lovelace, "Ada"'),
        (b"=?utf-8?q?Ad=C3=A4?= =?utf-8?b?wq0=?= <ada@example.com>", "Adä\u00ad"),
        (b'"=?utf-8?q?Ad=C3=A4?=" <ada@example.com>', "=?utf-8?q?Ad=C3=A4?="),
        (b"A. B.\r\n Lovelace\r\n <ada@example.com>", "A. B. Lovelace"),
        (b"=?iso-2022-jp?b?GyRCJDMbKEI=?= <ada@example.com>", "こ"),
        (b"=?unknown?q?Ada?= <ada@example.com>", "=?unknown?q?Ada?="),
    ],
)
def test_from_is_read_as_one_address_with_its_name(written: bytes, name: str) -> None:
    raw = read_raw(b"From: " + written + b"\r\n\r\n")
    assert raw.sender == Mailbox(an_address("ada@example.com"), name)


@pytest.mark.parametrize(
    "line",
    [
        b"To: ada@example.com",
        b"From: ",
        b"From: ada@example.com, eve@example.org",
        b"From: Ada <ada@example.com>, Eve <eve@example.org>",
        b"From: Ada <ada@example.com> (eve@example.org)",
        b"From: eve@example.org <ada@example.com>",
        b"From: Friends: ada@example.com;",
        b"From: <eve@example.org> <ada@example.com>",
        b"From: Ada <ada@example.com",
        b"From: Ada ada@example.com",
        b"From: Ada <@example.org:ada@example.com>",
        b'From: "Ada <ada@example.com>',
        b"From: =?utf-8?q?a=0D=0ABcc:_x?= <ada@example.com>",
        b"From: =?utf-8?b?4oCu?= <ada@example.com>",
        b"From: " + b"a" * 201 + b" <ada@example.com>",
        b"From: ada@example.com\nfrom: ada@example.com",
        b"From: ada@example.com\nSender: eve@example.org",
        b"From: ada@example.com\nSender: ",
    ],
)
def test_anything_but_one_from_with_one_address_is_refused(line: bytes) -> None:
    assert re.search("from|sender", refused(line + b"\nSubject: Hi\n\n"), re.IGNORECASE)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "no empty line"),
        (b"\n", "no empty line"),
        (b"\n\nHi", "no header"),
        (b"Hi\n\n", "no header"),
        (SENDER, "no empty line"),
        (SENDER + b"Hi", "no empty line"),
        (SENDER + b"Hi\n\n", "line 2 of its headers is no header"),
        (SENDER + b"Subject : x\n\n", "line 2 of its headers"),
        (SENDER + b"S\xc3\xbc: x\n\n", "8-bit"),
        (SENDER + b"Subject: \xfc\n\n", "encode"),
        (SENDER + b"\n\xc3\xbc\n", "quoted-printable or base64"),
        (SENDER + b"Subject: \0\n\n", "NUL"),
        (SENDER + b"\n\0", "NUL"),
        (SENDER + b"Subject: a\rBcc: b\n\n", "CR without"),
        (SENDER + b"\na\r\n.\rb\r\n", "CR without"),
        (SENDER + b"\na\r", "CR without"),
        (SENDER + b"\n\n\r\r\n", "CR without"),
        (SENDER + b"Subject: a\x07b\n\n", "control"),
        (SENDER + b"Subject: a\x7fb\n\n", "control"),
        (b" folded\n" + SENDER + b"\n", "first line begins with a blank"),
        (SENDER + b"Subject: a\n \n b\n\n", "line of blanks"),
        (SENDER + b"\t\n\n", "line of blanks"),
        (b"From ada@example.com Mon Jan  5 09:00:00 2026\n" + SENDER + b"\n", "mailbox"),
        (SENDER + b"X: " + b"a" * 996 + b"\n\n", "998"),
        (SENDER + b"\n" + b"a" * 999, "998"),
        (SENDER + b"Subject: a\nSUBJECT: b\n\n", "more than once"),
        (SENDER + b"Subject: =?utf-8?q?a=0D=0ABcc:_b?=\n\n", "encoded word"),
        (SENDER + b"X-Tag: =?utf-8?b?AAo=?=\n\n", "encoded word"),
        (SENDER + b"X: 1\n" * MOST_FIELDS + b"\n", "1000 headers"),
        (SENDER + b"X: 1\n" * 10_000 + b"\n", "1000 headers"),
        (SENDER + b"X: 1\n" * 100_000 + b"\n", "no empty line"),
        (SENDER + b"X: " + b"a\n b" * LARGEST_HEAD + b"\n\n", "octets"),
    ],
)
def test_what_programs_read_differently_is_refused(octets: bytes, reason: str) -> None:
    assert reason in refused(octets)


@pytest.mark.parametrize("name", sorted(SINGLE - {"from", "sender"}))
def test_a_header_that_may_stand_once_stands_once(name: str) -> None:
    line = name.title().encode() + b": <a@b.c>\n"
    assert "more than once" in refused(SENDER + line + line.lower() + b"\n")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_become_crlf(end: str) -> None:
    octets = sent(f"From: ada@example.com{end}{end}One{end}{end}.{end}Two".encode())
    assert octets.endswith(b"\r\n\r\nOne\r\n\r\n.\r\nTwo\r\n")


def test_mixed_line_ends_become_crlf() -> None:
    assert sent(b"From: ada@example.com\r\n\nOne\nTwo\r\n").endswith(b"\r\n\r\nOne\r\nTwo\r\n")


def test_the_subject_for_lists_is_decoded_and_has_nothing_that_moves_text() -> None:
    line = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9F?=\r\n =?utf-8?q?e_=E2=80=AE!?=\r\n"
    raw = read_raw(SENDER + line + b"\r\n")
    assert raw.subject == "Grüße \ufffd!"


HOSTILE = (
    b"X: " + b"=?" * 490 + b"\n",
    b"X: " + b"=?a?q?" * 160 + b"\n",
    b"X: " + b"?= " * 300 + b"\n",
    b"X:" + b" " * 900 + b"x\n",
    b"X:" + b" y\n" * 80_000,
    b'Sender: "' + b'\\"' * 400 + b"\n",
    b"Sender: " + b"<" * 900 + b"\n",
    b"Date: " + b" " * 900 + b"1\n",
    b"DKIM-Signature: " + b" ;" * 400 + b"\n",
    b"Message-ID: <" + b"a" * 490 + b"\n",
)


@pytest.mark.parametrize("line", HOSTILE)
def test_no_header_takes_more_than_linear_time(line: bytes) -> None:
    head = (line * (200_000 // len(line) + 1))[:250_000].rpartition(b"\n")[0]
    began = time.thread_time()
    with suppress(InvalidInput):
        sent(SENDER + head + b"\n\n")
    assert is_within(time.thread_time() - began, 0.5)


def test_lines_of_base64_of_any_number_take_linear_time() -> None:
    line = b"A" * 76 + b"\r\n"
    octets = SENDER + b"\r\n" + (line * 800 + b"!\r\n") * 300
    began = time.thread_time()
    with pytest.raises(MessageTooLarge):
        made(octets)
    assert is_within(time.thread_time() - began, 3)


@pytest.mark.parametrize("size", [80_000, 285_000, 262_086, 524_172, 300_001])
def test_a_large_file_in_base64_is_stored_apart_and_sent_as_it_stood(size: int) -> None:
    file = os.urandom(size)
    part = b"--x\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n"
    octets = SENDER + b"\n" + part + encodebytes(file) + b"--x\n\nSmall\n\n" + part
    message = made(octets)

    assert list(message.large.values()) == [file]
    assert len(message.skeleton.octets) < 1000
    assert sent(octets).endswith(
        (part + encodebytes(file) + b"--x\n\nSmall\n\n" + part).replace(b"\n", b"\r\n")
    )


@pytest.mark.parametrize(
    "last", [b"AB==\r\n", b"A\r\n", b"hello\r\n", b"AAAA====\r\n", b"--x\r\n", b"\r\n", b""]
)
def test_lines_that_only_look_like_base64_are_sent_as_they_are(last: bytes) -> None:
    body = b"\r\n" + (b"Ab+/" * 19 + b"\r\n") * 2000 + last
    octets = SENDER + b"\r\n" + body
    message = made(octets)

    assert len(message.large) == 1
    assert sent(octets).endswith(b"\r\n" + body)


@pytest.mark.parametrize(("size", "apart"), [(47_892, 1), (47_889, 0)])
def test_a_body_that_is_a_file_is_stored_apart_from_the_limit_on(size: int, apart: int) -> None:
    lines = encodebytes(os.urandom(size)).rstrip().replace(b"\n", b"\r\n")
    message = made(SENDER + b"\r\n" + lines + b"\r\n")

    assert (len(lines) >= INLINE_LIMIT, len(message.large)) == (bool(apart), apart)


def test_one_file_twice_is_stored_once() -> None:
    file = encodebytes(os.urandom(100_000))
    octets = SENDER + b"\n" + file + b"\n" + file
    message = made(octets)

    assert (len(message.large), len(message.skeleton.blobs)) == (1, 2)
    assert sent(octets).endswith((file + b"\n" + file).replace(b"\n", b"\r\n"))


def test_too_much_beside_large_files_is_refused() -> None:
    octets = SENDER + b"\n" + b"Hello\n" * (LARGEST_TOGETHER // 7 + 1)
    with pytest.raises(MessageTooLarge) as error:
        made(octets)
    assert error.value.errors[0].field == "raw"


@pytest.mark.parametrize("name", sorted({*DROPPED, "X-Email-Ref", "Subject"}))
def test_the_rule_refuses_headers_that_reading_should_have_dropped(name: str) -> None:
    names = ["From", name, name] if name not in DROPPED else ["From", name]
    octets = b"".join(f"{one}: x\r\n".encode() for one in names) + b"\r\n"
    with pytest.raises(InvalidInput) as error:
        verify_raw(octets, names)
    assert error.value.code == "unsafe_message"

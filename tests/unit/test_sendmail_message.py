"""What sendmail is given becomes a message that every mail server takes, and changes no more."""

import random
from base64 import b64encode
from contextlib import suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from domain.errors import InvalidInput
from domain.message.raw import read_raw
from entrypoints.client.failures import Failure, WrongConfiguration, WrongMessage, WrongUsage
from entrypoints.client.message import (
    Message,
    named_recipients,
    read_message,
    with_sender,
)
from entrypoints.client.sendmail_options import Options, read_options
from entrypoints.client.seven_bit import in_seven_bits, is_plain

FROM = b"From: me@example.com\n"


def whole(message: Message) -> bytes:
    return b"".join(message.pieces)


def sent(octets: bytes) -> EmailMessage:
    """What a reader finds; the service takes it."""
    made = whole(in_seven_bits(read_message(octets)))
    read_raw(made)
    message = message_from_bytes(made, policy=default)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk() if part.defects] == []
    return message


# -- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "names", "body"),
    [
        (b"To: a\nSubject: b\n c\n\nHello\n", ["To", "Subject"], b"Hello\n"),
        (b"To: a\r\nSubject: b\r\n\r\nHello\r\n", ["To", "Subject"], b"Hello\n"),
        (b"From root Mon Nov 30\nTo: a\n\nHello\n", ["To"], b"Hello\n"),
        (b"To: a\nHello\nyou: there\n", ["To"], b"Hello\nyou: there\n"),
        (b"Hello\n\nyou: there\n", [], b"Hello\n\nyou: there\n"),
        (b"\nTo: a\n", [], b"To: a\n"),
        (b"To: a", ["To"], b""),
        (b"", [], b""),
    ],
)
def test_what_is_no_header_begins_the_body(octets: bytes, names: list[str], body: bytes) -> None:
    message = read_message(octets)
    assert ([field.name for field in message.fields], bytes(message.body)) == (names, body)


@pytest.mark.parametrize(
    ("octets", "read"),
    [
        (b"To: a\n\nx\n.\ny\n", b"x\n"),
        (b"To: a\r\n\r\nx\r\n.\r\ny\r\n", b"x\n"),
        (b"To: a\n\nx\n.", b"x\n"),
        (b"To: a\n\n..\n.x\n", b"..\n.x\n"),
        (b"\n.\nTo: a\n", b""),
    ],
)
def test_a_dot_alone_ends_a_message_where_it_is_asked_for(octets: bytes, read: bytes) -> None:
    assert bytes(read_message(octets, ends_at_dot=True).body) == read
    assert bytes(read_message(octets).body).count(b".") == octets.count(b".")


def test_a_message_that_all_servers_take_stays_octet_for_octet() -> None:
    octets = FROM + b"To:a@example.org\nX-Odd:  two  blanks \n\tfolded\n\nBody\n\n\n--\n"
    message = with_sender(read_message(octets), sender="x@example.com", name="X", usual="")
    assert whole(in_seven_bits(message)) == octets


# -- recipients ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "recipients"),
    [
        ("To: a@x.org, B <b@x.org>\nCc: c@x.org\nBcc: d@x.org", ["a", "b", "c", "d"]),
        ("To: undisclosed-recipients:;\nBcc: d@x.org", ["d"]),
        ("To: team: a@x.org, b@x.org;, c@x.org", ["a", "b", "c"]),
        ('To: "Last, First" <a@x.org>,\n b@x.org (B, the second)', ["a", "b"]),
        ("To: =?utf-8?q?Gr=C3=BC=C3=9Fe=2C?= <a@x.org>", ["a"]),
        ("To: Grüße <a@x.org>", ["a"]),
        ("To: old@x.org\nResent-To: a@x.org\nResent-Bcc: b@x.org", ["a", "b"]),
        ("To:\nCc: a@x.org", ["a"]),
        ("X-To: a@x.org", []),
    ],
)
def test_the_headers_name_the_recipients(headers: str, recipients: list[str]) -> None:
    found = named_recipients(read_message(f"{headers}\n\nHi\n".encode()))
    assert list(found) == [f"{name}@x.org" for name in recipients]


# -- From ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("Ada <ada@x.org>", "Ada <ada@x.org>"),
        ("ada@x.org", "ada@x.org"),
        ("=?utf-8?q?=C3=9C?= <ada@x.org>", "=?utf-8?q?=C3=9C?= <ada@x.org>"),
        ("ada@x.org (Ada Lovelace)", "Ada Lovelace <ada@x.org>"),
        ('"Lovelace, Ada" <ada@x.org>', '"Lovelace, Ada" <ada@x.org>'),
        ("root (Cron Daemon)", "Cron Daemon <me@example.com>"),
        ('"(Cron Daemon)" <root>', '"(Cron Daemon)" <me@example.com>'),
        ("root", "Name <me@example.com>"),
        (None, "Name <me@example.com>"),
    ],
)
def test_a_from_without_a_domain_gets_the_address_that_is_configured(
    given: str | None, written: str
) -> None:
    octets = b"Subject: x\n\n" if given is None else f"From: {given}\n\n".encode()
    usual = "Me <me@example.com>"
    made = with_sender(read_message(octets), sender="root", name="Name", usual=usual)

    field = made.first("from")
    assert field is not None
    assert field.text == written
    read_raw(whole(made))


def test_the_address_of_the_caller_stands_before_the_configured_one() -> None:
    message = read_message(b"\nHi\n")
    made = with_sender(message, sender="shop@example.com", name="", usual="Me <me@example.com>")
    assert whole(made) == b"From: shop@example.com\n\nHi\n"


def test_without_an_address_nothing_can_be_sent() -> None:
    with pytest.raises(WrongConfiguration, match="EMAIL_SERVICE_FROM"):
        with_sender(read_message(b"\nHi\n"), sender="root", name="", usual="")


# -- seven bits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "octets", "text"),
    [
        ("", "Grüße\n".encode(), "Grüße\n"),
        ("", "Grüße\n".encode("latin-1"), "Grüße\n"),
        ("Content-Type: text/plain\n", "Grüße\n".encode(), "Grüße\n"),
        ("Content-Type: text/plain; charset=us-ascii\n", "Grüße\n".encode(), "Grüße\n"),
        ("Content-Type: text/html; charset=iso-8859-15\nContent-Transfer-Encoding: 8bit\n",
         "10 €\n".encode("iso-8859-15"), "10 €\n"),
        ("MIME-Version: 1.0\n", b"x" * 5_000 + b"\n", "x" * 5_000 + "\n"),
        ("", b"50 %\rdone\n", "50 %\rdone\n"),
        ("", b"nul \0 here\n", "nul \0 here\n"),
    ],
)  # fmt: skip
def test_text_is_encoded_and_reads_the_same(declared: str, octets: bytes, text: str) -> None:
    message = sent(FROM + declared.encode() + b"\n" + octets)
    assert message.get_content() == text
    encoding = "base64" if "\r" in text else "quoted-printable"
    assert message["Content-Transfer-Encoding"] == encoding
    assert message["MIME-Version"] == "1.0"


def test_parts_are_encoded_where_they_need_it() -> None:
    png = bytes(range(256)) * 8
    octets = (
        FROM + b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"
        b"Content-Transfer-Encoding: 8bit\n\nF\xfcr alte Leser\n"
        + b"--b\n\nplain\n--b\nContent-Type: text/html; charset=utf-8\n\n"
        + "<p>Grüße</p>".encode() + b"\n--b\nContent-Type: image/png; name=a.png\n"
        b"Content-Transfer-Encoding: binary\n\n" + png + b"\n--b--\n"
    )  # fmt: skip
    first, html, image = sent(octets).iter_parts()
    assert isinstance(first, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert isinstance(image, EmailMessage)
    assert ("Content-Transfer-Encoding" in first, first.get_content()) == (False, "plain")
    assert html.get_content() == "<p>Grüße</p>"
    assert image["Content-Transfer-Encoding"] == "base64"
    assert image.get_content().replace(b"\r\n", b"\n") == png.replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Subject: Grüße " + "ä" * 100, "Grüße " + "ä" * 100),
        ("From: Ada Löwe <me@example.com>", "Ada Löwe <me@example.com>"),
        ('To: "Löwe, Ada" <ada@x.org>, Zoë <z@x.org>', '"Löwe, Ada" <ada@x.org>, Zoë <z@x.org>'),
        ("X-Note: 10 €", "10 €"),
    ],
)
def test_headers_get_encoded_words(header: str, value: str) -> None:
    name = header.partition(":")[0]
    octets = header.encode() + b"\n" + (b"" if name == "From" else FROM) + b"\nHi\n"
    message = sent(octets)
    assert message[name] == value
    assert is_plain(bytes(message_from_bytes(octets).get_payload(decode=True)))


@pytest.mark.parametrize(
    ("encoding", "octets", "text"),
    [
        ("base64", b64encode(("Grüße\n" * 500).encode()), "Grüße\n" * 500),
        ("quoted-printable", "Gr=C3=BCße\n".encode(), "Grüße\n"),
        ("quoted-printable", b"x" * 3_000, "x" * 3_000),
        ("7bit", "Grüße\n".encode(), "Grüße\n"),
    ],
)
def test_an_encoding_that_says_what_is_not_so_is_mended(
    encoding: str, octets: bytes, text: str
) -> None:
    declared = f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n"
    assert sent(FROM + declared.encode() + b"\n" + octets).get_content() == text


def test_parts_that_cannot_be_found_cannot_be_encoded() -> None:
    message = read_message(FROM + "Content-Type: multipart/mixed\n\nGrüße\n".encode())
    with pytest.raises(WrongMessage, match="no parts"):
        in_seven_bits(message)


def test_long_headers_are_folded() -> None:
    people = ", ".join(f"person{number}@example.org" for number in range(100))
    message = sent(FROM + f"To: {people}\nX-Words: {'word ' * 400}\n\nHi\n".encode())

    assert len(message["To"].addresses) == 100
    assert message["X-Words"].split() == ["word"] * 400


@pytest.mark.parametrize(
    ("sender", "name"),
    [("a@x.org\nBcc: b@x.org", ""), ("a@x.org", "A\r\nBcc: b@x.org"), ("ä@x.org", "")],
)
def test_no_header_is_smuggled_in_by_an_option(sender: str, name: str) -> None:
    with pytest.raises(WrongMessage):
        with_sender(read_message(b"\nHi\n"), sender=sender, name=name, usual="")


PIECES = [
    *(b"From: ", b"To: ", b"Cc: ", b"Subject: ", b"Content-Type: ", b"MIME-Version: 1.0\n"),
    *(b"Content-Transfer-Encoding: ", b"Content-Disposition: attachment; filename="),
    *(b"multipart/mixed; boundary=b", b"text/plain; charset=", b"message/rfc822", b"utf-8"),
    *(b"8bit", b"base64", b"quoted-printable", b"--b", b"--b--", b"=?utf-8?q?", b"?=", b"=0D"),
    *(b"\n", b"\n", b"\n\n", b"\r\n", b"\r", b"\0", b"\xff", "ü".encode(), b"a@x.org", b"x" * 1200),
    *(b"<", b">", b'"', b"(", b")", b",", b";", b":", b" ", b"\t", b"=", b"name*=utf-8''%C3"),
]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_given_is_sent_or_refused_with_a_reason(seed: int) -> None:
    chosen = random.Random(seed)
    taken = 0
    for _ in range(100):
        octets = b"".join(chosen.choices(PIECES, k=chosen.randrange(1, 40)))
        with suppress(Failure, InvalidInput):
            message = read_message(octets)
            list(named_recipients(message))
            message = with_sender(message, sender="", name="", usual="me@example.com")
            read_raw(whole(in_seven_bits(message)))
            taken += 1
    assert taken > 40


def test_the_same_message_is_always_encoded_the_same() -> None:
    message = read_message(FROM + "Subject: ü\n\nGrüße\n".encode())
    assert whole(in_seven_bits(message)) == whole(in_seven_bits(message))


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("-t -i", Options(from_headers=True, ends_at_dot=False)),
        ("-ti", Options(from_headers=True, ends_at_dot=False)),
        ("-oi -oem -odb -t", Options(from_headers=True, ends_at_dot=False)),
        ("-bm -fme@x.org a@x.org b@x.org",
         Options(sender="me@x.org", recipients=("a@x.org", "b@x.org"))),
        ("-f me@x.org -F Ada -- -a@x.org",
         Options(sender="me@x.org", name="Ada", recipients=("-a@x.org",))),
        ("-r me@x.org -N failure,delay -R hdrs -V id a@x.org",
         Options(sender="me@x.org", recipients=("a@x.org",))),
        ("-f <> -i a@x.org", Options(ends_at_dot=False, recipients=("a@x.org",))),
        ("-i -FCronDaemon -B8BITMIME -oem root",
         Options(ends_at_dot=False, name="CronDaemon", recipients=("root",))),
        ("-G -n -U -v -m -h 3 -L tag -O DeliveryMode=b a",
         Options(verbose=True, recipients=("a",))),
        ("-oeq -em a", Options(recipients=("a",))),
    ],
)  # fmt: skip
def test_the_options_of_sendmail_are_taken(arguments: str, options: Options) -> None:
    assert read_options(arguments.split()) == options


@pytest.mark.parametrize(
    "arguments", ["-bs", "-bd", "-bp", "-bi", "-q", "-qf", "-C x", "-X y", "-Z", "-f"]
)
def test_what_it_cannot_do_is_refused(arguments: str) -> None:
    with pytest.raises(WrongUsage):
        read_options(arguments.split())

"""8-bit text, headers in UTF-8 and long lines become what any server takes; the rest stays."""

import random
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

import pytest

from domain.errors import InvalidInput
from domain.message.raw import read_raw
from domain.message.seven_bit import DEEPEST, seven_bit

HEAD = b"From: a@b.example\r\nSubject: Hi\r\n"


def parsed(octets):
    return message_from_bytes(octets, policy=SMTP)


def made(octets):
    """The message as a server without extensions takes it, which `read_raw` proves."""
    octets = seven_bit(octets)
    read_raw(octets)
    return octets


@pytest.mark.parametrize(
    "octets",
    [
        HEAD + b"\r\nHello\r\n",
        HEAD + b"Content-Transfer-Encoding: 8bit\r\n\r\nHello\r\n",
        HEAD + b"\r\n" + b"x" * 998 + b"\r\n",
        HEAD + b"\r\nNUL \0 and \xff\r\n",
        b"",
    ],
)
def test_what_need_not_be_encoded_stays_as_it_is(octets):
    assert seven_bit(octets) is octets


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Grüße aus Bath.\r\n.\r\nFrom here\r\ntrailing \r\n", "quoted-printable"),
        ("x" * 5000 + "\r\n", "quoted-printable"),
        ("Привет, мир.\r\n" * 9, "base64"),
    ],
)
def test_text_is_encoded_and_reads_the_same(text, encoding):
    head = HEAD + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    for declared in (b"", b"Content-Transfer-Encoding: 8bit\r\n"):
        message = parsed(made(head + declared + b"\r\n" + text.encode()))

        assert message.get_all("Content-Transfer-Encoding") == [encoding]
        assert message.get_payload(decode=True).decode().rstrip() == text.rstrip()
        assert message["Content-Type"].params["charset"] == "utf-8"


@pytest.mark.parametrize(
    ("body", "charset"), [("Grüße".encode(), "utf-8"), ("Grüße".encode("latin-1"), "unknown-8bit")]
)
def test_a_message_that_says_nothing_of_itself_becomes_text(body, charset):
    message = parsed(made(HEAD + b"\r\n" + body + b"\r\n"))

    assert (message["MIME-Version"], message.get_content_type()) == ("1.0", "text/plain")
    assert message["Content-Type"].params["charset"] == charset
    assert message.get_payload(decode=True).strip() == body


def test_the_parts_that_need_it_are_encoded_and_the_others_stay():
    plain = b"Content-Type: text/plain\r\n\r\nonly ASCII"
    html = "Content-Type: text/html; charset=utf-8\r\n\r\n<p>Grüße</p>".encode()
    file = b'Content-Type: image/png; name="a.png"\r\n\r\n\x89PNG\xff' + b"\xfe" * 2000
    body = b"".join(b"--B\r\n" + part + b"\r\n" for part in (plain, html, file)) + b"--B--\r\n"
    octets = (
        HEAD + b"Content-Type: multipart/mixed;\r\n boundary=B\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n" + "für niemand\r\n".encode() + body
        + "für niemand\r\n".encode()
    )  # fmt: skip
    made_of_it = made(octets)
    message = parsed(made_of_it)
    first, second, third = message.iter_parts()

    assert b"--B\r\n" + plain + b"\r\n--B\r\n" in made_of_it
    assert message["Content-Transfer-Encoding"] == "7bit"
    assert second.get_content().strip() == "<p>Grüße</p>"
    assert third["Content-Transfer-Encoding"] == "base64"
    assert third.get_payload(decode=True) == b"\x89PNG\xff" + b"\xfe" * 2000
    assert first.get_content() == "only ASCII"


def test_a_message_in_a_message_is_encoded_inside():
    inner = HEAD + "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".encode()
    octets = HEAD + b"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + inner
    [message] = parsed(made(octets)).get_payload()

    assert message.get_content().strip() == "Grüße"


def test_no_encoded_line_becomes_the_end_of_a_part():
    trap = "ü" + "x" * 72 + "--B--\r\nrest"
    octets = (
        HEAD + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + trap.encode() + b"\r\n--B--\r\n"
    )  # fmt: skip
    [part] = parsed(made(octets)).iter_parts()

    assert part.get_content().strip() == trap


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ("Subject: Grüße an alle, die es angeht", "Subject", "Grüße an alle, die es angeht"),
        ("Subject: Grüße\r\n an alle", "Subject", "Grüße an alle"),
        ("X-Thing: ü" + "x" * 900, "X-Thing", "ü" + "x" * 900),
        ("To: Jürgen Müller <j@b.example>", "To", "Jürgen Müller <j@b.example>"),
        ('To: "Müller, Jürgen" <j@b.example>', "To", '"Müller, Jürgen" <j@b.example>'),
        ("Cc: A <a@b.example>, Ü Ö <c@d.example>", "Cc", "A <a@b.example>, Ü Ö <c@d.example>"),
    ],
)
def test_headers_in_utf_8_are_encoded_and_read_the_same(field, name, value):
    octets = b"From: a@b.example\r\n" + field.encode() + b"\r\n\r\nHi\r\n"
    message = parsed(made(octets))

    assert str(message[name]) == value


def test_the_name_in_from_is_read_by_us():
    octets = seven_bit("From: Jürgen Müller <a@b.example>\r\n\r\nHi\r\n".encode())

    assert read_raw(octets).sender.name == "Jürgen Müller"


def test_the_name_of_a_file_is_encoded():
    octets = (
        HEAD + 'Content-Disposition: attachment; filename="Grüße & co.txt"; size=3\r\n\r\nHi\r\n'
        .encode()
    )  # fmt: skip
    message = parsed(made(octets))

    assert message.get_filename() == "Grüße & co.txt"
    assert message["Content-Disposition"].params["size"] == "3"


@pytest.mark.parametrize(
    "octets",
    [
        b"To: \xc3\xbc@b.example\r\n" + HEAD + b"\r\nHi\r\n",
        "To: a@bücher.example\r\n".encode() + HEAD + b"\r\nHi\r\n",
        HEAD + b"X-Y: \xff\r\n\r\nHi\r\n",
        HEAD + b"\xc3\xbc: x\r\n\r\nHi\r\n",
        HEAD + b"no header \xc3\xbc\r\n\r\nHi\r\n",
        HEAD + "X-Y: \u202eü\r\n\r\nHi\r\n".encode(),
        HEAD
        + b"Content-Type: multipart/signed; boundary=B\r\n\r\n--B\r\n\r\n\xc3\xbc\r\n--B--\r\n",
        HEAD + b"Content-Type: multipart/mixed\r\n\r\n--B\r\n\r\n\xc3\xbc\r\n--B--\r\n",
        HEAD + b"Content-Type: multipart/mixed; boundary=C\r\n\r\n--B\r\n\r\n\xc3\xbc\r\n--B--\r\n",
        HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n\xc3\xbc\r\n",
        HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n\xc3\xbc\r\n",
        HEAD + b"X: \xc3\xbc\r\n",
    ],
    ids=range(12),
)
def test_what_cannot_be_encoded_is_refused(octets):
    with pytest.raises(InvalidInput) as refused:
        made(octets)
    assert refused.value.code == "invalid_message"


def test_parts_may_be_nested_so_deep_and_no_deeper():
    for depth, ends in ((DEEPEST, True), (DEEPEST + 1, False)):
        octets = "Content-Type: text/plain; charset=utf-8\r\n\r\nü".encode()
        for level in range(depth):
            b = b"b%d" % level
            octets = (
                b"Content-Type: multipart/mixed; boundary=" + b
                + b"\r\n\r\n--" + b + b"\r\n" + octets + b"\r\n--" + b + b"--"
            )  # fmt: skip
        if ends:
            assert made(HEAD + octets + b"\r\n").isascii()
        else:
            with pytest.raises(InvalidInput, match="levels of parts"):
                seven_bit(HEAD + octets + b"\r\n")


def test_what_pythons_library_writes_in_8_bit_reads_the_same():
    message = EmailMessage(policy=SMTPUTF8.clone(cte_type="8bit"))
    message["From"], message["To"] = "Jürgen <a@b.example>", "Ünal Öz <c@d.example>"
    message["Subject"] = "Grüße"
    message.set_content("Grüße, Text\n", cte="8bit")
    message.add_alternative("<p>Grüße, HTML</p>\n", subtype="html", cte="8bit")
    message.add_attachment("Datei ü\n", filename="Grüße.txt", cte="8bit")
    read = parsed(made(message.as_bytes()))

    assert [str(read[name]) for name in ("From", "To", "Subject")] == [
        "Jürgen <a@b.example>", "Ünal Öz <c@d.example>", "Grüße",
    ]  # fmt: skip
    assert read.get_body(("plain",)).get_content() == "Grüße, Text\r\n"
    assert read.get_body(("html",)).get_content() == "<p>Grüße, HTML</p>\r\n"
    [file] = read.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("Grüße.txt", "Datei ü\r\n")


def test_whatever_comes_becomes_plain_or_is_refused():
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    pieces = [
        b"\r\n", b"--B", b"--B--", b"--", b"Content-Type: multipart/mixed; boundary=B\r\n",
        b"Content-Type: text/plain\r\n", b"Content-Type: message/rfc822\r\n", b"\xc3\xbc", b"\xff",
        b"x" * 1200, b"Subject: \xc3\xbc\r\n", b"=", b".", b" ", b"\t", b": ", b'"', b"<", b"a@b",
    ]  # fmt: skip
    for _ in range(3000):
        octets = HEAD + b"".join(chance.choices(pieces, k=chance.randrange(1, 25)))
        try:
            result = seven_bit(octets)
        except InvalidInput:
            continue
        head, _, body = result.partition(b"\r\n\r\n")
        assert body.isascii(), f"seed {seed}"
        assert head.isascii(), f"seed {seed}"

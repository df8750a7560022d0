"""What compose makes, read back by the standard library's parsers, is what went in."""

import re
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, message_from_string, policy
from email.header import decode_header, make_header
from email.message import EmailMessage

import attrs
import pytest

from domain.address import Address
from domain.errors import InvalidInput
from domain.message.compose import Content, compose, from_line, header_names, verify_wire

MESSAGE_ID = "<5f0c8b0e1d@mail.example.com>"
DATE = datetime(2026, 11, 2, 9, 5, 7, tzinfo=UTC)
BOUNDARY = "=_a1b2c3d4"
ACCOUNT = Address.parse("news@example.com")
ALICE = Address.parse("alice@example.org")

LINE_ENDS = ["\r\n", "\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
UNSAFE_IN_HEADERS = [*LINE_ENDS, "\0", "\t", "\x1b", "\x7f", "\x9b", "\ud800", "\u202e", "\u2066"]
ENCODED_WORDS = [
    "=?utf-8?q?x=0D=0ABcc=3A_evil=40e.com?=",
    "=?utf-8?b?eA0KQmNjOiBldmlsQGUuY29t?=",
    "a =?utf-8?q?x=0D=0ABcc=3A_evil=40e.com?= b",
    "a =?utf-8?q?not closed",
]


def content(**said: object) -> Content:
    plain = Content(subject="Hello", html="<p>Hello</p>", text="Hello", to=(ALICE,))
    return attrs.evolve(plain, **said)  # type: ignore[arg-type]


def composed(said: Content, *, boundary: str = BOUNDARY) -> bytes:
    return compose(said, message_id=MESSAGE_ID, date=DATE, boundary=boundary)


def read(octets: bytes) -> EmailMessage:
    parsed = message_from_bytes(octets, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def body(octets: bytes, subtype: str) -> str:
    part = read(octets).get_body((subtype,))
    assert part is not None
    text = part.get_content()
    assert isinstance(text, str)
    return text


def subjects(octets: bytes) -> set[str]:
    """The subject as the old parser and the new one read it."""
    old = str(message_from_bytes(octets)["Subject"]).replace("\r\n", "")
    return {str(read(octets)["Subject"]), str(make_header(decode_header(old)))}


def crlf(text: str) -> str:
    return re.sub("\r\n|\r|\n", "\r\n", text)


def headers_of(octets: bytes) -> list[str]:
    return octets.partition(b"\r\n\r\n")[0].decode().split("\r\n")


def encoding_of(octets: bytes, subtype: str) -> str:
    part = read(octets).get_body((subtype,))
    assert part is not None
    return str(part["Content-Transfer-Encoding"])


def pointers(said: Content) -> list[str]:
    with pytest.raises(InvalidInput) as refused:
        composed(said)
    return [error.field for error in refused.value.errors]


def test_the_headers_are_the_ones_that_were_handed_in() -> None:
    bob = Address.parse("bob@example.net")
    message = read(composed(content(to=(ALICE, bob), cc=(ACCOUNT,))))
    assert message["Date"].datetime == DATE
    assert message["Message-ID"] == MESSAGE_ID
    assert [address.addr_spec for address in message["To"].addresses] == [str(ALICE), str(bob)]
    assert [address.addr_spec for address in message["Cc"].addresses] == [str(ACCOUNT)]
    assert message["MIME-Version"] == "1.0"


def test_the_date_is_written_in_utc() -> None:
    date = DATE.astimezone(timezone(timedelta(hours=-5)))
    octets = compose(content(), message_id=MESSAGE_ID, date=date, boundary=BOUNDARY)
    assert b"Date: Mon, 02 Nov 2026 09:05:07 +0000\r\n" in octets


def test_neither_from_nor_bcc_is_in_the_message() -> None:
    assert not {"From", "Bcc"} & set(read(composed(content())).keys())


def test_a_message_to_hidden_recipients_only_is_to_an_empty_group_and_has_no_cc() -> None:
    message = read(composed(content(to=())))
    assert message["To"] == "undisclosed-recipients:;"
    assert message["To"].addresses == ()
    assert message["Cc"] is None


def test_the_same_arguments_give_the_same_octets() -> None:
    said = content(subject="Grüße", html="<p>ü</p>", text=None)
    assert composed(said) == composed(said)


def test_text_that_was_not_given_is_made_from_the_html() -> None:
    octets = composed(content(html="<p>Hello</p><p>you</p>", text=None))
    assert body(octets, "plain") == "Hello\r\n\r\nyou"


def test_text_that_was_given_empty_stays_empty() -> None:
    assert body(composed(content(text="")), "plain") == ""


@pytest.mark.parametrize("unsafe", UNSAFE_IN_HEADERS, ids=ascii)
def test_a_subject_with_an_unsafe_character_is_refused_by_name(unsafe: str) -> None:
    assert pointers(content(subject=f"a{unsafe}b")) == ["subject"]


@pytest.mark.parametrize("unsafe", UNSAFE_IN_HEADERS, ids=ascii)
def test_a_display_name_with_an_unsafe_character_is_refused_by_name(unsafe: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_line(ACCOUNT, f"a{unsafe}b")
    assert [error.field for error in refused.value.errors] == ["display_name"]


@pytest.mark.parametrize("unsafe", UNSAFE_IN_HEADERS, ids=ascii)
def test_t_hdr_1_a_custom_header_with_an_unsafe_character_is_refused_by_name(unsafe: str) -> None:
    assert pointers(content(headers=(("X-Tag", f"a{unsafe}b"),))) == ["headers/X-Tag"]


@pytest.mark.parametrize("unsafe", ["\0", "\ud800"], ids=ascii)
def test_nul_and_half_characters_are_refused_in_every_field_at_once(unsafe: str) -> None:
    said = content(subject=unsafe, html=f"a{unsafe}", text=f"{unsafe}b")
    assert pointers(said) == ["subject", "html", "text"]


@pytest.mark.parametrize("literal", ENCODED_WORDS)
def test_an_encoded_word_in_a_subject_arrives_as_literal_text(literal: str) -> None:
    octets = composed(content(subject=literal))
    assert subjects(octets) == {literal}
    assert read(octets).get_all("Bcc") is None


@pytest.mark.parametrize("literal", ENCODED_WORDS)
def test_t_hdr_2_an_encoded_word_in_a_custom_header_arrives_as_literal_text(literal: str) -> None:
    octets = composed(content(headers=(("X-Tag", literal),)))
    assert read(octets).get_all("X-Tag") == [literal]
    assert read(octets).get_all("Bcc") is None


@pytest.mark.parametrize(
    "name",
    [
        *("News", "Doe, John", "A <real@bank.com>", '"x" <a@b.c>, evil', "Jürgen", "back\\slash"),
        *(
            "a  b",
            "(comment)",
            "Group: a@b.c;",
            "x@y.z",
            "山田太郎",
            "Dr. O'Neil",
            ENCODED_WORDS[0],
        ),
    ],
)
def test_a_display_name_arrives_intact_in_front_of_one_address(name: str) -> None:
    message = read(from_line(ACCOUNT, name) + composed(content()))
    assert [(a.display_name, a.addr_spec) for a in message["From"].addresses] == [
        (name, str(ACCOUNT))
    ]
    assert message.keys() == ["From", *header_names(content())]


def test_without_a_display_name_the_from_line_is_the_bare_address() -> None:
    assert from_line(ACCOUNT, "") == b"From: news@example.com\r\n"


def test_a_from_line_in_front_leaves_the_message_safe() -> None:
    said = content()
    verify_wire(from_line(ACCOUNT, "Jürgen") + composed(said), ("From", *header_names(said)))


@pytest.mark.parametrize("name", ["Bcc", "bcc", "From", "Sender", "Subject", "Content-Type"])
def test_a_custom_header_cannot_take_the_place_of_ours(name: str) -> None:
    assert pointers(content(headers=((name, "x"),))) == [f"headers/{name}"]


@pytest.mark.parametrize("name", ["X-A\r\nBcc", "X A", "X-A:", "", "Ü"])
def test_a_custom_name_that_is_no_header_name_never_gets_out(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        composed(content(headers=((name, "x"),)))
    assert refused.value.code == "unsafe_message"


def test_a_long_unsubscribe_address_stays_in_one_piece() -> None:
    link = "<https://example.com/unsubscribe?" + "token" * 60 + ">"
    octets = composed(content(headers=(("List-Unsubscribe", link),)))
    assert f"List-Unsubscribe: {link}" in headers_of(octets)


def test_an_international_address_is_written_in_utf8_and_asks_for_smtputf8() -> None:
    said = content(to=(Address.parse("jürgen@example.com"),))
    message = message_from_string(composed(said).decode(), policy=policy.default)
    assert message["To"] == "jürgen@example.com"
    assert said.needs_smtputf8
    assert not content(subject="ü", html="ü").needs_smtputf8


def test_a_hundred_recipients_are_folded_within_78_columns() -> None:
    people = tuple(Address.parse(f"person{number}@example.com") for number in range(100))
    octets = composed(content(to=people))
    assert [address.addr_spec for address in read(octets)["To"].addresses] == [*map(str, people)]
    assert max(map(len, headers_of(octets))) <= 78


def test_a_long_ascii_subject_is_folded_at_spaces_and_stays_readable() -> None:
    octets = composed(content(subject="eight or " * 30 + "nine"))
    assert max(map(len, headers_of(octets))) <= 78
    assert b"=?" not in octets


def test_a_word_that_no_line_can_hold_is_encoded() -> None:
    octets = composed(content(subject="x" * 1200))
    assert subjects(octets) == {"x" * 1200}
    assert max(map(len, headers_of(octets))) <= 76


def test_encoded_words_hold_whole_characters_in_at_most_75_columns() -> None:
    octets = composed(content(subject="aé山😀" * 60))
    words = re.findall(r"=\?utf-8\?b\?[^?]*\?=", "\n".join(headers_of(octets)))
    decoded = [str(make_header(decode_header(word))) for word in words]
    assert "".join(decoded) == "aé山😀" * 60
    assert max(map(len, words)) <= 75
    assert max(map(len, headers_of(octets))) <= 76


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("", "7bit"),
        ("plain\n" * 500, "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 998 + "\n" + "y" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("x\n" + "y" * 5000, "quoted-printable"),
        ("Grüße aus Köln, es ist sehr schön", "quoted-printable"),
        ("Привет, как дела?", "base64"),
        ("山田太郎", "base64"),
        ("a\n--" + BOUNDARY + "--\nb", "quoted-printable"),
    ],
)
def test_a_part_is_carried_in_the_simplest_encoding(text: str, encoding: str) -> None:
    octets = composed(content(text=text, html=text))
    assert encoding_of(octets, "plain") == encoding_of(octets, "html") == encoding
    assert body(octets, "plain") == crlf(text)


@pytest.mark.parametrize("boundary", ["b", "=_b", "0" * 70, "a-b"])
def test_a_body_that_holds_the_boundary_is_read_back_all_the_same(boundary: str) -> None:
    text = f"ü\n--{boundary}\n--{boundary}--\n" + "plain " * 40
    octets = composed(content(text=text, html=f"--{boundary}"), boundary=boundary)
    assert body(octets, "plain") == crlf(text)
    assert body(octets, "html") == f"--{boundary}"


@pytest.mark.parametrize(
    "text",
    [
        *("\n.\r\n", "\r.\r", "\r\n.\r\nMAIL FROM:<e@e>\r\n", "a\rb", "x" * 5000, ".\n..\n.a"),
        *(
            " trailing \t\nspaces ",
            "ends\n\n\n",
            "\n\n\nbegins",
            "\v\f\x1c\x1b[2J\x7f",
            "\x85\u2028",
        ),
    ],
    ids=ascii,
)
def test_a_body_that_breaks_naive_senders_is_read_back_whole(text: str) -> None:
    octets = composed(content(text=text, html=text))
    assert body(octets, "plain") == body(octets, "html") == crlf(text)


@pytest.mark.parametrize(
    "message_id", ["", "a@b", "<a>", "<a@b>\r\nBcc: <c@d>", "<a b@c>", "<ü@b>", "<a@b@c>"]
)
def test_a_message_id_that_is_none_is_our_own_mistake(message_id: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        compose(content(), message_id=message_id, date=DATE, boundary=BOUNDARY)


@pytest.mark.parametrize("boundary", ["", 'a"b', "a\r\nb", "x" * 71, "ü", "ends "])
def test_a_boundary_that_is_none_is_our_own_mistake(boundary: str) -> None:
    with pytest.raises(ValueError, match="boundary"):
        composed(content(), boundary=boundary)


def test_a_date_without_a_zone_is_our_own_mistake() -> None:
    naive = DATE.replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        compose(content(), message_id=MESSAGE_ID, date=naive, boundary=BOUNDARY)


def test_a_body_never_enters_a_repr() -> None:
    assert "secret" not in repr(content(html="secret", text="secret"))

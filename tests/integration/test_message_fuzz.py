"""What compose makes of any text, read back by the standard library's parsers, is what went in."""

from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import getaddresses

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.address import Address
from domain.message.compose import from_line, header_names
from tests.unit.test_message import (
    ACCOUNT,
    BOUNDARY,
    ENCODED_WORDS,
    body,
    composed,
    content,
    crlf,
    read,
    subjects,
)
from tests.unit.test_message_addresses import addresses

reproducible = settings(derandomize=True, deadline=None, max_examples=50)


def pieces(characters: st.SearchStrategy[str], *special: str) -> st.SearchStrategy[str]:
    """Text in which what is known to go wrong is as likely as anything else."""
    return st.lists(st.one_of(st.text(characters, max_size=20), st.sampled_from(special))).map(
        "".join
    )


header_characters = st.characters(
    exclude_categories=["Cs", "Cc", "Zl", "Zp"],
    exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
)
header_texts = pieces(
    header_characters,
    *ENCODED_WORDS,
    "=?",
    "?=",
    " ",
    "  ",
    ",",
    '"',
    "\\",
    "<",
    "@",
    "x" * 997,
    "ü",
)
body_texts = pieces(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    *("\r", "\n", "\r\n", ".", "\n.\r\n", "\r.\r", " \n", "\t\n", "=", "=\n", "=?utf-8?q?=00?="),
    *("x" * 76, "y" * 998, "z" * 5000, "ü" * 300, "Привет", "\n--" + BOUNDARY + "\n", "From "),
)


@reproducible
@given(header_texts)
def test_every_subject_is_read_back_as_it_was_written(subject: str) -> None:
    assert subjects(composed(content(subject=subject))) == {subject}


@reproducible
@given(header_texts)
def test_a_subject_never_makes_or_loses_a_header(subject: str) -> None:
    said = content(subject=subject)
    assert read(composed(said)).keys() == list(header_names(said))


@reproducible
@given(body_texts, body_texts)
def test_every_body_is_read_back_with_crlf_line_ends(text: str, html: str) -> None:
    octets = composed(content(text=text, html=html))
    assert body(octets, "plain") == crlf(text)
    assert body(octets, "html") == crlf(html)


@reproducible
@given(body_texts)
def test_a_message_has_exactly_two_parts_and_no_defect(text: str) -> None:
    message = read(composed(content(text=text, html=text)))
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert not any(part.defects for part in message.walk())


@reproducible
@given(header_texts)
def test_whatever_a_display_name_holds_the_one_address_is_the_accounts(name: str) -> None:
    message = read(from_line(ACCOUNT, name) + composed(content()))
    assert message.get_all("From") is not None
    assert [address.addr_spec for address in message["From"].addresses] == [str(ACCOUNT)]
    assert getaddresses([str(message_from_bytes(from_line(ACCOUNT, name))["From"])])[0][1] == str(
        ACCOUNT
    )


@reproducible
@given(header_texts.filter(lambda name: name == name.strip()))
def test_every_display_name_is_read_back_as_it_was_written(name: str) -> None:
    value = message_from_bytes(from_line(ACCOUNT, name))["From"].replace("\r\n", "")
    [(found, _)] = getaddresses([value])
    assert str(make_header(decode_header(found))) == name


@settings(reproducible, max_examples=100)
@given(st.lists(header_texts, min_size=1, max_size=4))
def test_a_list_of_names_is_read_back_as_it_was_written(names: list[str]) -> None:
    everybody = tuple(Address(f"r{n}", "example.org") for n in range(len(names)))
    octets = composed(content(to=everybody, names=dict(zip(everybody, names, strict=True))))

    assert addresses(octets, "To") == [(n, str(to)) for n, to in zip(names, everybody, strict=True)]

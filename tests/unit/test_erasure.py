"""What names a person, and what a text becomes that does."""

import base64
import quopri

import pytest

from domain.address import Address
from domain.erasure import Erasure, Person, Step, pseudonym
from tests.builders import NOW

SECRET = b"secret"
ADA = Person.of(Address("Ada", "xn--bcher-kva.example"), secret=SECRET)


def test_one_address_has_one_pseudonym_with_one_secret() -> None:
    again = Person.of(Address("ADA", "xn--BCHER-kva.example"), secret=SECRET)

    assert again.pseudonym == ADA.pseudonym
    assert pseudonym(ADA.key, secret=b"another") != ADA.pseudonym
    assert str(Address.parse(ADA.pseudonym)) == ADA.pseudonym


@pytest.mark.parametrize(
    "text",
    [
        "ada@xn--bcher-kva.example",
        "<ADA@BÜCHER.example>",
        "mailto:ada@bücher.example?subject=x",
        "Ask ada@bücher.example.",
        r"{\"to\": \"ada@b\u00fccher.example\"}",
    ],
)
def test_a_text_names_the_person(text: str) -> None:
    assert ADA.is_named_in(text)
    assert not ADA.is_named_in(ADA.redacted(text))
    assert ADA.pseudonym in ADA.redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "bada@bücher.example",
        "not.ada@bücher.example",
        "x+ada@bücher.example",
        "ada@bücher.example.org",
        "ada@bücher.examples",
        "ada",
        "",
    ],
)
def test_a_text_about_somebody_else_stays(text: str) -> None:
    assert not ADA.is_named_in(text)
    assert ADA.redacted(text) == text


def message(body: bytes, *, encoding: str, kind: str = "text/plain; charset=utf-8") -> bytes:
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body


TEXT = "Write to Ada@Bücher.example"


@pytest.mark.parametrize(
    "octets",
    [
        b"Reply-To: ada@xn--bcher-kva.example\r\n\r\n",
        b"Subject: =?utf-8?b?" + base64.b64encode(TEXT.encode()) + b"?=\r\n\r\n",
        b"Subject: =?utf-8?q?Ada=40B=C3=BCcher=2Eexample?=\r\n\r\n",
        message(base64.b64encode(TEXT.encode()), encoding="base64"),
        message(quopri.encodestring(TEXT.encode()), encoding="quoted-printable"),
        message(b"Write to Ada=40B=C3=BC=\r\ncher.example", encoding="quoted-printable"),
        message(TEXT.encode("latin-1"), encoding="8bit", kind="text/plain; charset=iso-8859-1"),
        message(TEXT.encode("utf-7"), encoding="7bit", kind="text/plain; charset=utf-7"),
    ],
)
def test_a_message_names_the_person_however_it_is_encoded(octets: bytes) -> None:
    assert ADA.is_named_in_message(octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        message(b"Write to Bob", encoding="base64"),
        b"Content-Type: text/plain; charset=unheard-of\r\n\r\n\xff",
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n' * 50,
        b"Subject: =?utf-8?b?%%%?=\r\n\r\n",
    ],
)
def test_a_message_about_somebody_else_does_not(octets: bytes) -> None:
    assert not ADA.is_named_in_message(octets)


def test_an_erasure_forgets_the_address_before_the_disk_is_overwritten() -> None:
    erasure = Erasure(address=ADA.key, pseudonym=ADA.pseudonym, until=9, requested_at=NOW)
    seen = [erasure]
    while not seen[-1].is_done:
        seen.append(seen[-1].advanced(now=NOW))

    assert [one.step for one in seen] == list(Step)
    assert {one.step for one in seen if not one.address} == {Step.SCRUB, Step.DONE}
    assert seen[-1].done_at == NOW

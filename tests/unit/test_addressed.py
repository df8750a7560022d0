"""A message whose headers name exactly those who are to get it."""

from email import message_from_bytes, policy

import pytest

from domain.address import Address
from domain.message.addressed import addressed

ADA, BOB, EVE = (Address.parse(f"{name}@example.org") for name in ("ada", "bob", "eve"))
BODY = b"To: nobody@example.net\r\n\r\nBcc: not a header\r\n"


def a_message(*fields: str, body: bytes = BODY) -> bytes:
    return "".join(f"{field}\r\n" for field in fields).encode() + b"\r\n" + body


def named(octets: bytes) -> dict[str, list[str]]:
    """Everybody that a library finds in To, Cc and Bcc."""
    message = message_from_bytes(octets, policy=policy.default)
    return {
        name: [one.addr_spec for header in message.get_all(name, []) for one in header.addresses]
        for name in ("to", "cc", "bcc")
    }


def everybody(octets: bytes) -> set[str]:
    return {one.lower() for found in named(octets).values() for one in found}


def test_a_message_that_names_everybody_stays_as_it_is():
    octets = a_message(
        "From: s@example.com", 'To: "Lovelace, Ada" <ada@example.org>,\r\n bob@example.org'
    )

    assert addressed(octets, [ADA, BOB]) == octets


def test_upper_and_lower_case_are_the_same():
    octets = a_message("To: ADA@Example.ORG")

    assert addressed(octets, [ADA]) == octets


def test_hidden_recipients_stand_in_a_bcc():
    octets = addressed(a_message("To: ada@example.org", "Subject: Hello"), [ADA, BOB, EVE])

    assert octets == a_message(
        "To: ada@example.org", "Subject: Hello", "Bcc: bob@example.org,\r\n eve@example.org"
    )


def test_without_a_visible_recipient_to_names_nobody():
    octets = addressed(a_message("To: undisclosed-recipients:;"), [BOB])

    assert octets == a_message("To: undisclosed-recipients:;", "Bcc: bob@example.org")


def test_who_is_not_named_by_the_attempt_is_taken_out():
    octets = addressed(
        a_message("To: Ada <ada@example.org>, Bob <bob@example.org>", "Cc: eve@example.org"), [BOB]
    )

    assert octets == a_message("To: Bob <bob@example.org>")


def test_where_nobody_is_left_to_names_nobody():
    octets = addressed(a_message("To: list@example.net", "Cc: other@example.net"), [ADA])

    assert octets == a_message("To: undisclosed-recipients:;", "Bcc: ada@example.org")


@pytest.mark.parametrize(
    "value",
    [
        "list (a comment) <ada@example.org>",
        "<@example.net:ada@example.org>",
        '"a\\" <eve@example.org>" <ada@example.org>',
        "friends: ada@example.org, eve@example.org;",
        "ada@example.org eve@example.org",
        "ada@example.org;eve@example.org",
        "=?utf-8?q?x?= <ada@example.org>, =?utf-8?q?eve=40example.org?=",
        '"eve@example.org" ada@example.org',
        "ada@[192.0.2.1]",
        '"quoted local"@example.org',
        "ada@example.org,,eve@example.org",
        "<ada@example.org",
        "",
        "\udcff <ada@example.org>",
    ],
)
@pytest.mark.parametrize("header", ["To", "Cc", "to", "CC"])
def test_nobody_but_the_recipients_gets_it_however_a_header_is_written(header, value):
    octets = f"{header}: {value}\r\n".encode("utf-8", "surrogateescape") + b"\r\n" + BODY

    assert everybody(addressed(octets, [ADA, BOB])) == {str(ADA), str(BOB)}


@pytest.mark.parametrize("header", ["Bcc", "Resent-To", "Resent-Cc", "resent-bcc", "BCC"])
def test_headers_that_would_name_others_are_left_out(header):
    octets = addressed(a_message("To: ada@example.org", f"{header}: eve@example.org"), [ADA])

    assert octets == a_message("To: ada@example.org")


def test_a_name_with_letters_beyond_ascii_is_kept():
    octets = addressed(a_message("To: Ünal <ada@example.org>, eve@example.org"), [ADA])

    assert octets == a_message("To: Ünal <ada@example.org>")


def test_a_recipient_beyond_ascii_is_hidden_in_utf_8():
    octets = addressed(a_message("To: ada@example.org"), [ADA, Address.parse("jörg@example.org")])

    assert octets == a_message("To: ada@example.org", "Bcc: jörg@example.org")


def test_the_body_is_never_touched():
    octets = addressed(a_message("To: eve@example.org"), [ADA])

    assert octets.endswith(b"\r\n\r\n" + BODY)


def test_a_long_header_takes_linear_time():
    long = ", ".join(f'"Name {n}" <user{n}@example.org>' for n in range(4000))
    quotes = '"' * 100_000

    assert len(addressed(a_message(f"To: {long}"), [ADA])) < 1000
    assert str(ADA).encode() in addressed(a_message(f"To: {quotes}"), [ADA])

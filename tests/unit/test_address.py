"""An address has exactly one reading on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.address import Address, address_literal


@pytest.mark.parametrize(
    "text",
    [
        "a@b.com\n", "a@b.com,c@d.com", "a@b.com> NOTIFY=NEVER", "alice@x.org)bob@evil.com",
        "<a@b.c>", "a b@c.de", "@a:b@c.d", "foo@bar@baz.com", ".a@b.c", "a..b@c.d", "a.@b.c",
        "a@-b.com", "a@", "@b.c", "a", "", "a@b_c.de", "a@bücher.de", "a\u202e@b.c",
        "a" * 65 + "@b.c", "a@" + "b" * 64 + ".c", "a@[169.254.169.254]", 'a"b@c.de', "a@b..c",
        "a\x00@b.c", "=?utf-8?q?x?=@b.c", "a\ud800@b.c", "a" * 60 + "@" + "b." * 100 + "c",
    ],
)  # fmt: skip
def test_an_ambiguous_address_is_refused(text):
    with pytest.raises(ValueError, match=r"\S"):
        Address.parse(text)


@pytest.mark.parametrize("text", ["o'brien@x.com", "a+b@c.co", "ü@x.de", "a@xn--bcher-kva.de"])
def test_unusual_valid_addresses_are_accepted(text):
    assert str(Address.parse(text)) == text


def test_the_domain_is_case_insensitive_and_the_local_part_is_not():
    assert Address.parse("Bob@Example.COM") == Address.parse("Bob@example.com")
    assert Address.parse("Bob@example.com") != Address.parse("bob@example.com")


def test_only_a_local_part_beyond_ascii_needs_smtputf8():
    assert Address.parse("ü@x.de").needs_smtputf8
    assert not Address.parse("u@xn--bcher-kva.de").needs_smtputf8


@given(st.text(max_size=80))
def test_no_address_contains_a_delimiter_of_the_envelope(text):
    try:
        address = str(Address.parse(text))
    except ValueError:
        return
    assert not set(address) & set('<>\r\n\0 ,;:()[]\\"\t')


@pytest.mark.parametrize(
    ("host", "literal"),
    [
        ("127.0.0.1", "[127.0.0.1]"),
        ("192.0.2.7", "[192.0.2.7]"),
        ("::1", "[IPv6:::1]"),
        ("2001:db8::1", "[IPv6:2001:db8::1]"),
        ("fe80::1%eth0", "[IPv6:fe80::1]"),
        ("::ffff:192.0.2.7", "[192.0.2.7]"),
    ],
)
def test_an_address_literal_has_the_form_of_rfc_5321(host, literal):
    assert address_literal(host) == literal

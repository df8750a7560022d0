"""Each fault of an address or a time has an error text of its own."""

import re
from datetime import UTC, datetime

import pytest

from entrypoints.addresses import email_address
from entrypoints.http.times import moment

ADDRESSES = {
    "a list": (["ada@example.org"], "must be one address in a string, not a list"),
    "a number": (7, "must be a string"),
    "nothing": ("", "must not be empty"),
    "a name": ("Ada <ada@example.org>", "must be the address alone, without a name and"),
    "brackets": ("<ada@example.org>", "must be the address alone, without a name and"),
    "mailto": ("mailto:ada@example.org", "must be the address alone, without mailto:"),
    "two": ("ada@example.org, bob@example.org", "must be one address: write each as an item"),
    "two by semicolon": ("ada@example.org;bob@example.org", "must be one address: write each"),
    "a comma behind it": ("ada@example.org,", "must be one address: write each"),
    "a blank before it": (" ada@example.org", "must not have blanks before or after it"),
    "a blank after it": ("ada@example.org ", "must not have blanks before or after it"),
    "a blank within": ("ada lovelace@example.org", "must not contain a blank"),
    "a blank in the domain": ("ada@exam ple.org", "must not contain a blank"),
    "a line end": ("ada@example.org\n", "must not contain a line end"),
    "no @": ("ada.example.org", "must have an @"),
    "two @": ("ada@home@example.org", "must have no more than one @"),
    "nothing before the @": ("@example.org", "must have a name before the @"),
    "nothing after the @": ("ada@", "must have a domain after the @"),
    "quotes": ('"ada l"@example.org', "must not contain a blank"),
    "quotes without a blank": ('"ada"@example.org', "must not have quotes before the @"),
    "a dot first": (".ada@example.org", "must not have a dot first, last or twice in a row before"),
    "two dots": ("a..da@example.org", "must not have a dot first, last or twice in a row before"),
    "a long local part": ("a" * 65 + "@example.org", "must have at most 64 octets before the @"),
    "octets, not characters": ("ü" * 33 + "@example.org", "must have at most 64 octets before"),
    "no dot in the domain": ("ada@example", "must have a domain with a dot after the @"),
    "localhost": ("ada@localhost", "must have a domain with a dot after the @"),
    "two dots in the domain": ("ada@example..org", "must not have a dot first, last or twice in"),
    "a dot at the end": (
        "ada@example.org.",
        "must not have a dot first, last or twice in a row aft",
    ),
    "an IP address": ("ada@192.0.2.1", "must have a domain name after the @, not an IP address"),
    "a literal": ("ada@[192.0.2.1]", "must have a domain name after the @, not an IP address"),
    "a long label": (f"ada@{'b' * 64}.org", "must have at most 63 characters between the dots"),
    "a long address": (f"ada@{'b.' * 150}org", "must have at most 254 characters"),
    "a bad domain": ("ada@-example.org", "must have a domain that can exist after the @"),
    "an underscore": ("ada@exam_ple.org", "must have a domain that can exist after the @"),
    "a bad character": ("a(d)a@example.org", "must have only letters, digits and"),
}
TIMES = {
    "a number": (1769850000, "must be a string with a time"),
    "a list": (["2026-01-31T09:30:00Z"], "must be a string with a time"),
    "nothing": ("", "must not be empty"),
    "a word": ("tomorrow", "must be a time as in RFC 3339"),
    "seconds since 1970": ("1769850000", "must be a time as in RFC 3339"),
    "another order": ("31.01.2026 09:30", "must be a time as in RFC 3339"),
    "a date": ("2026-01-31", "must have a time of day after the date"),
    "no offset": ("2026-01-31T09:30:00", "must have an offset"),
    "no offset, no seconds": ("2026-01-31T09:30", "must have an offset"),
    "no offset, a blank": ("2026-01-31 09:30:00", "must have an offset"),
    "three decimals": ("2026-01-31T09:30:00.000", "must have an offset"),
    "seven decimals": ("2026-01-31T09:30:00.0000000", "must have an offset"),
    "six decimals and a blank": ("2026-01-31 09:30:00.000000", "must have an offset"),
    "a small t": ("2026-01-31t09:30:00.000000", "must have an offset"),
    "a blank for the T": ("2026-01-31 09:30:00+01:00", "must have a T between"),
    "no such day": ("2026-02-30T09:30:00Z", "must be on a day that exists"),
    "no such month": ("2026-13-01T09:30:00.000000", "must be on a day that exists"),
    "no such hour": ("2026-01-31T25:30:00Z", "must have a time of day that exists"),
    "a leap second": ("2026-06-30T23:59:60Z", "must have a time of day that exists"),
    "no such offset": ("2026-01-31T09:30:00+25:00", "must have an offset that exists"),
    "before the first year": ("0001-01-01T00:00:00+01:00", "must have an offset that exists"),
    "digits of another script": ("２０26-01-31T09:30:00Z", "must be a time as in RFC 3339"),
}


@pytest.mark.parametrize("fault", ADDRESSES)
def test_an_address_with_a_fault_gets_an_error_that_names_it(fault: str) -> None:
    text, told = ADDRESSES[fault]
    with pytest.raises(ValueError, match=re.escape(told)) as caught:
        email_address(text)
    assert "ada" not in str(caught.value).replace("ada@example.com", "")


@pytest.mark.parametrize("fault", TIMES)
def test_a_time_with_a_fault_gets_an_error_that_names_it(fault: str) -> None:
    text, told = TIMES[fault]
    with pytest.raises(ValueError, match=re.escape(told)):
        moment(text)


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-01-31T09:30:00.000000", 9),
        ("2026-01-31T09:30:00Z", 9),
        ("2026-01-31t09:30:00z", 9),
        ("2026-01-31T09:30:00.123456789Z", 9),
        ("2026-01-31T09:30:00+01:00", 8),
        ("2026-01-31T09:30:00.000000-05:00", 14),
    ],
)
def test_a_time_with_an_offset_or_in_the_published_form_is_read_in_utc(
    text: str, hour: int
) -> None:
    assert moment(text).replace(microsecond=0) == datetime(2026, 1, 31, hour, 30, tzinfo=UTC)

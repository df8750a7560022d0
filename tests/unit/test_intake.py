"""How large an email and a call may be, and what makes two calls one."""

import pytest

from domain.intake import LARGEST_BODY, MOST_EMAILS, IntakeLimits, digest, is_too_large

LIMITS = IntakeLimits(max_recipients=3, max_call_recipients=5)


def test_an_email_may_have_as_many_recipients_as_the_owner_allows():
    assert LIMITS.errors_of_email(3) == ()
    [error] = LIMITS.errors_of_email(4)
    assert (error.field, "not 4" in error.message) == ("to", True)


def test_the_emails_of_a_call_may_have_as_many_recipients_together():
    assert LIMITS.errors_of_call([3, 2]) == ()
    assert [error.field for error in LIMITS.errors_of_call([3, 3])] == ["emails"]
    assert [error.field for error in LIMITS.errors_of_call([0] * (MOST_EMAILS + 1))] == ["emails"]


@pytest.mark.parametrize("character", ["a", "ä", "€", "😀", "\ud800"])
def test_a_body_is_measured_in_octets(character):
    octets = len(character.encode("utf-8", "surrogatepass"))
    most = LARGEST_BODY // octets
    assert not is_too_large(character * most)
    assert is_too_large(character * (most + 1))


def test_the_order_of_fields_does_not_make_another_call():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})

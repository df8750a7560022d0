"""Credentials are taken out of replies in every form in which they were sent."""

import base64

import pytest

from domain.redaction import MASK, Secrets

USER = "ada@example.org"
PASSWORD = "pl4nted p4ssword"
PLAIN = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
LOGIN = base64.b64encode(PASSWORD.encode()).decode()
RESPONSE = base64.b64encode(f"{USER} 0123456789abcdef0123456789abcdef".encode())
SECRETS = Secrets.of(USER, PASSWORD).with_response(RESPONSE)
FORMS = {
    "password": PASSWORD,
    "plain": PLAIN,
    "login": LOGIN,
    "response": RESPONSE.decode(),
    "digest": "0123456789abcdef0123456789abcdef",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_masked(form: str) -> None:
    assert SECRETS.clean((f"5.7.8 no: {form}, sorry",)) == (f"5.7.8 no: {MASK}, sorry",)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_letters_of_another_case_hide_nothing(form: str) -> None:
    assert SECRETS.clean((form.upper(),)) == (MASK,)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("at", [1, 5, 9])
def test_a_line_end_hides_nothing(form: str, at: int) -> None:
    assert SECRETS.clean((f"no {form[:at]}", f"{form[at:]} either")) == (f"no {MASK} either",)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_secret_over_many_lines_is_found(form: str) -> None:
    cleaned = SECRETS.clean(tuple(form))
    assert cleaned == (MASK,)


def test_a_reply_without_secrets_is_left_alone() -> None:
    lines = ("2.1.0 ok", "and  more")
    assert SECRETS.clean(lines) is lines


def test_without_a_password_nothing_is_masked() -> None:
    assert Secrets().clean((PASSWORD,)) == (PASSWORD,)
    assert Secrets.of(USER, "").clean(("",)) == ("",)


def test_a_password_that_is_a_short_word_is_masked_only_during_login() -> None:
    secrets = Secrets.of("me", "ok")
    assert secrets.clean(("2.1.0 ok",)) == ("2.1.0 ok",)
    assert secrets.clean(("ok is wrong",), logging_in=True) == (f"{MASK} is wrong",)


def test_a_repr_shows_no_secret() -> None:
    assert PASSWORD not in repr(SECRETS)

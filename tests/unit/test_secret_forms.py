"""What of a server's reply is kept when it may repeat a login's secret."""

import base64
import html
import quopri
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.outcome.handoff import Reply
from domain.outcome.secret_forms import MASK, SecretForms
from tests.machine import is_within

USER = "user@example.com"
PASSWORD = "pl4nted-s3cr3t.w0rd/0123 + ü?=~"
ANSWER = base64.b64encode(b"user@example.com 0fa31f21d4bd7bc2c2fd1cbbcb9adbd8").decode()


def secret(password: str = PASSWORD, *said: str) -> SecretForms:
    return SecretForms(username=USER, password=password, said=said)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def every_octet(pattern: str, text: str = PASSWORD) -> str:
    return "".join(pattern.format(octet) for octet in text.encode())


FORMS = {
    "plain": PASSWORD,
    "upper case": PASSWORD.upper(),
    "swapped case": PASSWORD.swapcase(),
    "base64": b64(PASSWORD),
    "base64 of AUTH PLAIN": b64(f"\0{USER}\0{PASSWORD}"),
    "base64 of AUTH PLAIN with another identity": b64(f"{USER}\0{USER}\0{PASSWORD}"),
    "base64 inside of a text": b64(f"your password is {PASSWORD} and wrong"),
    "base64 one octet on": b64(f"1{PASSWORD}"),
    "base64 two octets on": b64(f"12{PASSWORD}!"),
    "base64 for URLs": base64.urlsafe_b64encode(f"??>{PASSWORD}".encode()).decode(),
    "base64 in lines": "\n".join(base64.encodebytes(PASSWORD.encode() * 5).decode().split()),
    "percent": quote(PASSWORD, safe=""),
    "percent, every octet": every_octet("%{:02X}"),
    "percent, small letters": every_octet("%{:02x}"),
    "form": quote(PASSWORD).replace("%20", "+"),
    "quoted-printable": quopri.encodestring(PASSWORD.encode(), quotetabs=True).decode(),
    "quoted-printable, every octet": every_octet("={:02X}"),
    "quoted-printable, soft line break": "pl4n=\nted-s3=\ncr3t.w",
    "hex": PASSWORD.encode().hex(),
    "hex, large letters": PASSWORD.encode().hex().upper(),
    "hex with blanks": PASSWORD.encode().hex(" "),
    "entities": "".join(f"&#{ord(c)};" for c in PASSWORD),
    "named entities": html.escape(PASSWORD),
    "backslash x": every_octet("\\x{:02x}"),
    "backslash u": "".join(f"\\u{ord(c):04x}" for c in PASSWORD),
    "blanks between": " ".join(PASSWORD),
    "control characters between": "\x00".join(PASSWORD),
    "six from the middle": "xx" + PASSWORD[7:13] + "yy",
    "six at the end": PASSWORD[-6:],
    "two lines": f"wrong: {PASSWORD[:3]}\n{PASSWORD[3:9]}",
    "three lines with a status each": f"5.7.8 no {PASSWORD[:2]}\n5.7.8 {PASSWORD[2:4]}\n5.7.8 "
    + PASSWORD[4:8],
    "base64 over two lines": "\n".join((b64(PASSWORD)[:4], b64(PASSWORD)[4:])),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_reply_with_the_secret_is_cut_to_its_code_and_status(form):
    lines = f"5.7.8 rejected: {form}".split("\n")

    assert secret().kept_at_login(535, lines) == Reply(535, "5.7.8", "5.7.8")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_without_a_status_the_code_alone_is_kept(form):
    assert secret().kept_at_login(535, f"rejected {form}".split("\n")) == Reply(535, "", None)


@pytest.mark.parametrize("at", range(len(PASSWORD) - 5))
def test_any_six_characters_in_a_row_are_recognised(at):
    piece = PASSWORD[at : at + 6]

    assert secret().in_lines([f"no <{piece}>"])
    assert secret().in_lines([f"no <{quote(piece, safe='')}>"])


@pytest.mark.parametrize("at", range(len(b64(PASSWORD)) - 6))
def test_any_six_characters_of_its_base64_are_recognised(at):
    assert secret().in_lines([f"no <{b64(PASSWORD)[at : at + 6]}>"])


@pytest.mark.parametrize(
    "text",
    [
        *("5.7.8 Error: authentication failed", f"5.7.8 unknown user {USER}", "pl4nt", "w0rd/"),
        *(b64(USER), b64(USER)[:8], "5.7.14 <https://example.com/signin?p=1&q=%20>", ""),
        *("Incorrect authentication data \\x", "4.7.0 Try again later, closing connection. (EHLO)"),
    ],
)
def test_a_reply_without_it_is_kept_as_it_is(text):
    assert secret().kept_at_login(535, [text]) == Reply.of(535, text)


def test_lines_are_joined_as_usual():
    kept = secret().kept_at_login(535, ["5.7.8 Username and Password", "5.7.8 not accepted"])

    assert kept == Reply.of(535, "5.7.8 Username and Password 5.7.8 not accepted")


@pytest.mark.parametrize("password", ["a", "ab", "abc", "hunter", "12345"])
def test_a_short_secret_is_recognised_only_as_a_whole(password):
    short = secret(password)

    assert short.in_lines([f"no {password}"])
    assert short.in_lines([f"no {b64(password)}"])
    assert not short.in_lines(["5.7.8 ++++"])
    assert len(password) < 3 or not short.in_lines([f"no {password[:-1]}"])


@pytest.mark.parametrize(
    "form", [ANSWER, ANSWER[5:15], "0fa31f21d4bd7bc2c2fd1cbbcb9adbd8", b64(ANSWER)]
)
def test_the_answer_to_a_challenge_is_a_secret_too(form):
    digest = "0fa31f21d4bd7bc2c2fd1cbbcb9adbd8"

    assert secret(PASSWORD, ANSWER, digest).in_lines([f"no {form}"])


def test_without_a_secret_everything_is_kept():
    assert secret("").kept_at_login(535, ["5.7.8 anything"]) == Reply.of(535, "5.7.8 anything")


def test_its_repr_shows_no_secret():
    assert PASSWORD[:6] not in repr(secret())


passwords = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1)


@given(passwords, st.text(max_size=20), st.text(max_size=20))
def test_no_password_gets_through_wherever_it_stands(password, before, after):
    made = secret(password)
    assert made.in_lines([before + password + after])
    if len(password.encode()) >= 4:
        assert made.in_lines(["x " + b64(before + password + after)])
        assert made.in_lines(["x " + every_octet("%{:02x}", password)])


def test_a_huge_reply_is_judged_quickly():
    lines = ["%41=41&amp;\\x41 " * 40] * 100
    made = secret("p" * 500 + "q" * 500)
    began = time.thread_time()

    assert not made.in_lines(lines)
    assert made.masked(lines) is lines
    assert is_within(time.thread_time() - began, 1)


TOKEN = base64.urlsafe_b64encode(bytes(range(256)) * 12).decode()
BEARER = f"user={USER}\1auth=Bearer {TOKEN}\1\1"


def test_a_token_of_4_kb_is_looked_for_and_cut_out_quickly():
    began = time.thread_time()

    for _ in range(50):
        made = secret(TOKEN)
        assert not made.in_lines(["2.7.0 Accepted"])
        assert made.in_lines([f"5.7.8 {TOKEN[1000:1006]}"])
        assert made.masked((f"2.1.0 {TOKEN} x",)) == (f"2.1.0 {MASK} x",)
    assert is_within(time.thread_time() - began, 2)


@pytest.mark.parametrize("length", [6, 20, 400])
@pytest.mark.parametrize("at", [60, 700, 2000, len(b64(BEARER)) - 420])
def test_a_piece_of_the_message_that_carries_a_token_is_recognised(at, length):
    assert secret(TOKEN).in_lines([f"5.7.8 no <{b64(BEARER)[at : at + length]}>"])
    assert not secret(TOKEN).in_lines([f"5.7.8 no <{b64(BEARER)[:20]}>"])


def test_the_token_that_was_shown_before_is_a_secret_too():
    both = SecretForms(username=USER, password="another-token", earlier=TOKEN)

    assert both.in_lines([TOKEN[5:11]])
    assert both.in_lines(["other-tok"])
    assert both.masked((f"2.1.0 {TOKEN} another-token",)) == (f"2.1.0 {MASK} {MASK}",)


@given(st.text(max_size=400), st.text(min_size=1, max_size=400))
def test_short_and_long_texts_are_judged_alike(password, text):
    made = secret(password)
    padding = "\x85" * 600  # no character of a secret, and cut out with the blanks

    assert made.in_lines([text]) == made.in_lines([text + padding])


# --- after the login

DIGEST = "0fa31f21d4bd7bc2c2fd1cbbcb9adbd8"
IN_ITSELF = {
    "password": PASSWORD,
    "base64": b64(PASSWORD),
    "base64 of AUTH PLAIN": b64(f"\0{USER}\0{PASSWORD}"),
    "base64 for URLs": base64.urlsafe_b64encode(PASSWORD.encode()).decode(),
    "hex": PASSWORD.encode().hex(),
    "answer": ANSWER,
    "digest": DIGEST,
}
PIECES = {
    *("six from the middle", "six at the end", "two lines", "three lines with a status each"),
    "quoted-printable, soft line break",
}
LOGGED_IN = secret(PASSWORD, DIGEST, ANSWER)


@pytest.mark.parametrize("name", sorted(FORMS.keys() - PIECES))
def test_each_form_of_the_whole_secret_is_taken_out_of_a_later_reply(name):
    lines = f"2.1.0 {FORMS[name]}".split("\n")

    kept = LOGGED_IN.masked(lines)

    assert kept is not lines
    assert kept == ("2.1.0",) or MASK in kept[0]
    assert LOGGED_IN.masked(kept) is kept


@pytest.mark.parametrize("form", IN_ITSELF.values(), ids=IN_ITSELF)
def test_a_plain_secret_is_replaced_by_a_mask(form):
    assert LOGGED_IN.masked((f"5.7.8 no: {form}, sorry",)) == (f"5.7.8 no: {MASK}, sorry",)
    assert LOGGED_IN.masked((form.upper(),)) == (MASK,)
    assert LOGGED_IN.masked(tuple(form.replace(" ", ""))) == (MASK,)


@pytest.mark.parametrize("form", IN_ITSELF.values(), ids=IN_ITSELF)
@pytest.mark.parametrize("at", [1, 5, 9])
def test_neither_a_line_end_nor_a_status_hides_a_secret(form, at):
    lines = (f"5.1.1 no {form[:at]}", f"5.1.1 {form[at:]} either")

    assert LOGGED_IN.masked(lines) == (f"5.1.1 no {MASK} either",)


def test_of_a_secret_that_is_encoded_further_the_status_is_left():
    assert LOGGED_IN.masked((f"2.1.0 <{quote(PASSWORD, safe='')}>",)) == ("2.1.0",)
    assert LOGGED_IN.masked((f"<{quote(PASSWORD, safe='')}>",)) == ("",)


@pytest.mark.parametrize("text", ["2.1.0 ok", f"{PASSWORD[:12]} and  more", "50 % & =20 \\x41", ""])
def test_a_later_reply_without_the_whole_secret_is_left_alone(text):
    lines = (text,)

    assert LOGGED_IN.masked(lines) is lines
    assert secret("").masked(lines) is lines


def test_a_short_word_is_secret_only_during_the_login():
    assert secret("ok").masked(("2.1.0 ok",)) == ("2.1.0 ok",)
    assert secret("ok").in_lines(["2.1.0 ok"])
    assert secret("o k ").masked(("2.1.0 ok",)) == ("2.1.0 ok",)


@given(passwords, st.text(max_size=20), st.text(max_size=20))
def test_no_whole_password_stands_in_a_later_reply(password, before, after):
    made = secret(password)
    for form in (password, b64(before + password + after), every_octet("%{:02x}", password)):
        kept = made.masked((f"x {before} {form} {after}",))
        assert made.masked(kept) is kept
        assert len(password) < 4 or not password.isalnum() or password not in "".join(kept)

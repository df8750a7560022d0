"""What the answers of authorization servers mean, the sick ones too."""

import json
from datetime import timedelta

import pytest

from domain.account.oauth_answer import (
    LONGEST_LIFE,
    USUAL_LIFE,
    GrantRefused,
    Refusal,
    device_code,
    granted,
    refused,
)


def answer(**fields):
    return json.dumps({"access_token": "a.b-c", **fields}).encode()


def refusal(status, body, **how):
    with pytest.raises(GrantRefused) as raised:
        granted(status, body, **how)
    return raised.value


@pytest.mark.parametrize(
    ("value", "life"),
    [
        (3599, timedelta(seconds=3599)),
        ("3599", timedelta(seconds=3599)),
        (3599.5, timedelta(seconds=3599.5)),
        (" 60 ", timedelta(seconds=60)),
        (1e-9, timedelta(seconds=1)),
        *((bad, USUAL_LIFE) for bad in (None, 0, -1, "soon", "", True, [], {}, float("nan"))),
        *((huge, LONGEST_LIFE) for huge in (1e300, "9" * 400, float("inf"))),
    ],
)
def test_a_lifetime_is_read_however_it_is_written(value, life):
    assert granted(200, answer(expires_in=value)).lifetime == life


def test_an_answer_needs_no_lifetime_type_or_refresh_token():
    found = granted(200, answer())

    assert (found.access_token, found.refresh_token, found.lifetime) == ("a.b-c", None, USUAL_LIFE)


@pytest.mark.parametrize("token", ["", 7, None, "a b", "a\r\nb", "ä", "x" * 16_385, ["a"]])
def test_a_token_that_is_none_is_a_fault_of_the_server(token):
    assert refusal(200, answer(access_token=token)).refusal is Refusal.SERVER


@pytest.mark.parametrize("token", ["", 7, "a\r\nb", {}])
def test_a_refresh_token_that_is_none_leaves_the_old_one(token):
    assert granted(200, answer(refresh_token=token)).refresh_token is None


@pytest.mark.parametrize(
    ("error", "who"),
    [
        ("invalid_grant", Refusal.CONSENT),
        ("interaction_required", Refusal.CONSENT),
        ("access_denied", Refusal.CONSENT),
        ("expired_token", Refusal.CONSENT),
        ("invalid_client", Refusal.CLIENT),
        ("unauthorized_client", Refusal.CLIENT),
        ("invalid_scope", Refusal.REQUEST),
        ("unsupported_grant_type", Refusal.REQUEST),
        ("some_new_error", Refusal.REQUEST),
        ("temporarily_unavailable", Refusal.SERVER),
        ("authorization_pending", Refusal.PENDING),
        ("slow_down", Refusal.SLOW_DOWN),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 200])
def test_an_error_says_who_can_mend_it_whatever_its_status(error, who, status):
    assert refusal(status, json.dumps({"error": error}).encode()).refusal is who


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_refresh_token_is_not_thrown_away_for_a_server_that_is_unwell(status):
    assert refusal(status, b'{"error": "invalid_grant"}').refusal is Refusal.SERVER


@pytest.mark.parametrize("status", [200, 204, 301, 307, 400, 403, 404, 500, 503])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b"\xff\xfe", b"[" * 60_000, b'"error"', b'{"error": {"a": 1}}']
)
def test_what_is_no_answer_of_oauth_is_a_fault_of_the_server(status, body):
    assert refusal(status, body).refusal is Refusal.SERVER


def test_a_redirect_is_told_and_not_followed():
    assert "redirect" in refusal(307, b"").detail


def test_a_description_is_told_in_one_line_of_bounded_length():
    text = "AADSTS70000:\r\nThe grant\x1b[31m is over. " + "x" * 5000
    body = json.dumps({"error": "invalid_grant", "error_description": text}).encode()

    detail = refusal(400, body).detail

    assert detail.startswith("invalid_grant: AADSTS70000: The grant")
    assert detail.isprintable()
    assert len(detail) < 330


@pytest.mark.parametrize("form", ["{}", "token={}!", "x{}", "{:.12}"])
def test_a_description_that_repeats_a_secret_is_left_out(form):
    secret = "0.AAAA-secret-refresh-token"
    text = form.format(secret)
    body = json.dumps({"error": "invalid_grant", "error_description": text}).encode()

    assert refusal(400, body, secrets=["", secret]).detail == "invalid_grant"


def test_an_error_that_is_a_secret_is_not_told():
    secret = "0.AAAA-secret-refresh-token"
    body = json.dumps({"error": secret, "error_description": "it is over"}).encode()

    found = refusal(400, body, secrets=[secret])

    assert found.detail == "an error without a name: it is over"
    assert found.refusal is Refusal.REQUEST


@pytest.mark.parametrize(
    ("header", "wait"),
    [("120", 120), (" 5 ", 5), ("99999", 3600), ("-1", None), ("Mon, 1 Jan", None), ("", None)],
)
def test_a_retry_after_is_heeded_within_bounds(header, wait):
    found = refusal(503, b"", retry_after=header).retry_after

    assert found == (None if wait is None else timedelta(seconds=wait))


def test_a_device_code_is_read_in_both_spellings():
    fields = {"device_code": "d", "user_code": "AB-CD", "expires_in": "900", "interval": "7"}
    for name in ("verification_uri", "verification_url"):
        body = json.dumps({**fields, name: "https://example.com/device"}).encode()
        found = device_code(200, body)
        assert found.verification_uri == "https://example.com/device"
        assert (found.lifetime, found.interval) == (timedelta(minutes=15), timedelta(seconds=7))


@pytest.mark.parametrize("place", ["javascript:alert(1)", "", None, "https://a b/"])
def test_a_device_code_leads_to_a_web_page_only(place):
    fields = {"device_code": "d", "user_code": "AB-CD", "verification_uri": place}
    with pytest.raises(GrantRefused):
        device_code(200, json.dumps(fields).encode())


def test_what_a_browser_brings_back_is_told_only_if_it_is_an_error_of_oauth():
    assert refused("access_denied").refusal is Refusal.CONSENT
    assert refused("invalid_scope").detail == "invalid_scope"
    for strange in ("<script>\n", "call +1 555 0100", "", "x" * 5000):
        assert refused(strange).detail == "an error without a name"


def test_no_token_is_in_a_representation():
    assert "a.b-c" not in repr(granted(200, answer(refresh_token="r-e-f")))
    assert "r-e-f" not in repr(granted(200, answer(refresh_token="r-e-f")))

"""Many emails in one call."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.applications import a_client_with_config, an_email_body


def post(client: FlaskClient, *emails: Any, **fields: Any) -> TestResponse:
    headers = fields.pop("headers", {})
    return client.post(
        "/api/emails/batch", json={"emails": list(emails), **fields}, headers=headers
    )


def accepted(client: FlaskClient) -> int:
    return len(client.get("/api/emails?limit=500").get_json())


def test_all_of_a_batch_is_accepted_in_order() -> None:
    client = a_client_with_config()
    answer = post(client, *(an_email_body(subject=f"n{n}") for n in range(500)))

    assert answer.status_code == 201
    assert answer.get_json() == {
        "message": "500 emails created and queued successfully",
        "email_ids": list(range(1, 501)),
        "results": None,
        "go_now": 45,  # of 50 an hour; the rest is for priorities 1 and 2
        "last_due_at": "2026-01-06T10:00:02.000000Z",  # 450 of 500 a day
    }
    assert client.get("/api/emails/7").get_json()["subject"] == "n6"


def test_one_wrong_email_refuses_all_and_every_wrong_field_is_named() -> None:
    client = a_client_with_config()
    answer = post(
        client,
        an_email_body(priority=9),
        an_email_body(),
        an_email_body(recipients=["nobody"], colour="red"),
    )

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [
        "/emails/0/priority",
        "/emails/2/recipients/0",
        "/emails/2/colour",
    ]
    assert accepted(client) == 0


def test_what_only_the_composer_sees_is_named_under_its_email() -> None:
    client = a_client_with_config()
    far = "2099-01-01T00:00:00Z"
    answer = post(client, an_email_body(), an_email_body(send_at=far))

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.get_json()["errors"]] == ["/emails/1/send_at"]
    assert accepted(client) == 0


def test_an_account_that_is_not_there_refuses_all() -> None:
    client = a_client_with_config()

    assert post(client, an_email_body(), an_email_body(smtp_config_id=9)).status_code == 404
    assert accepted(client) == 0


def test_each_accepts_those_that_are_right_and_says_why_of_the_others() -> None:
    client = a_client_with_config()
    answer = post(
        client,
        an_email_body(),
        an_email_body(priority=9),
        "no object",
        an_email_body(smtp_config_id=9),
        an_email_body(),
        mode="each",
    )

    body = answer.get_json()
    assert answer.status_code == 201
    assert body["email_ids"] == [1, 2]
    assert [result["email_id"] for result in body["results"]] == [1, None, None, None, 2]
    wrong = [result["error"] for result in body["results"] if result["error"]]
    assert [error["code"] for error in wrong] == ["invalid_input", "invalid_input", "not_found"]
    assert wrong[0]["errors"][0]["pointer"] == "/priority"
    assert accepted(client) == 2


def test_a_batch_has_one_to_five_hundred_emails() -> None:
    client = a_client_with_config()

    assert post(client).status_code == 400
    assert post(client, mode="each").status_code == 400
    assert post(client, *[an_email_body()] * 501).status_code == 400
    assert post(client, an_email_body(), mode="some").status_code == 400
    assert accepted(client) == 0


def test_what_is_wrong_with_a_batch_is_said_in_the_words_of_the_api() -> None:
    client = a_client_with_config()

    too_many = post(client, *[an_email_body()] * 501).get_json()
    no_email = post(client, an_email_body(), 5).get_json()

    assert too_many["detail"] == "/emails: must have at most 500 items"
    assert no_email["detail"] == "/emails/1: must be an object"


def test_a_batch_with_a_key_is_accepted_once() -> None:
    client = a_client_with_config()
    key = {"Idempotency-Key": "k"}
    first = post(client, an_email_body(), an_email_body(), headers=key).get_json()
    again = post(client, an_email_body(), an_email_body(), headers=key).get_json()

    assert {**first, "go_now": None, "last_due_at": None} == again
    assert accepted(client) == 2
    assert post(client, an_email_body(), headers=key).status_code == 409

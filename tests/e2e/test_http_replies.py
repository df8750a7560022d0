"""What Flask does for a reply or a body, and what is done here in its place, is the same."""

import json
from io import BytesIO

from flask.testing import FlaskClient

from tests.applications import a_client_with_config, an_email_body


def test_a_head_gets_the_headers_of_a_get_and_no_body(client: FlaskClient) -> None:
    asked, got = client.head("/healthz"), client.get("/healthz")

    assert asked.data == b""
    assert asked.headers["Content-Length"] == str(len(got.data))
    assert [name for name, _ in asked.headers] == [name for name, _ in got.headers]


def test_each_header_stands_once_in_a_reply(client: FlaskClient) -> None:
    reply = client.get("/api/emails")

    names = [name.lower() for name, _ in reply.headers]
    assert sorted(set(names)) == sorted(names)


def test_the_location_behind_a_prefix_is_a_url() -> None:
    reply = a_client_with_config().post(
        "/api/emails", json=an_email_body(), environ_overrides={"SCRIPT_NAME": "/post box"}
    )

    assert reply.headers["Location"] == "/post%20box/api/emails/1"


def test_a_body_that_breaks_off_is_refused(client: FlaskClient) -> None:
    reply = client.post(
        "/api/emails",
        content_type="application/json",
        input_stream=BytesIO(b'{"subject": "Hello"'),
        environ_overrides={"CONTENT_LENGTH": "1000"},
    )

    assert reply.status_code == 400
    assert reply.get_json()["code"] == "bad_request"


def test_a_body_without_a_known_length_is_read_to_its_end() -> None:
    reply = a_client_with_config().post(
        "/api/emails",
        content_type="application/json",
        input_stream=BytesIO(json.dumps(an_email_body()).encode()),
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert reply.status_code == 201

"""Headers of the client's own: which may be set, and that nothing else gets into a message."""

import pytest

from tests.applications import a_client_with_config, an_email_body, pointers
from tests.e2e.test_http_addresses import posted, refused


def test_headers_that_may_be_set_stand_in_the_message():
    _, message = posted(headers={"X-Order": "Nr. 7 – Größe", "Auto-Submitted": "auto-generated"})

    assert message["X-Order"] == "Nr. 7 – Größe"
    assert message["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("name", ["Bcc", "From", "X-Email-Ref", "X-SES-Tags", "X A", "a~/b", ""])
def test_a_header_that_is_reserved_is_refused_by_its_name(name):
    reply = refused(headers={"X-Fine": "x", name: "evil@example.net"})

    assert reply.json["code"] == "header_reserved"
    assert pointers(reply) == ["/headers/" + name.replace("~", "~0").replace("/", "~1")]


@pytest.mark.parametrize(
    ("headers", "pointer"),
    [
        ({"X-A": "a\r\nBcc: evil@example.net"}, "/headers/X-A"),
        ({"X-A": "a\u2028b"}, "/headers/X-A"),
        ({"X-A": ""}, "/headers/X-A"),
        ({"X-A": 7}, "/headers/X-A"),
        ({"X-A": None}, "/headers/X-A"),
        ({"X-A": "x" * 901}, "/headers/X-A"),
        ({"Importance": "urgent"}, "/headers/Importance"),
        ({"X-A": "1", "x-a": "2"}, "/headers/x-a"),
        ({f"X-{n}": "x" for n in range(31)}, "/headers"),
        ([["X-A", "1"]], "/headers"),
        ("X-A: 1", "/headers"),
        (None, "/headers"),
    ],
    ids=ascii,
)
def test_headers_of_a_wrong_form_are_refused(headers, pointer):
    reply = refused(headers=headers)

    assert reply.json["code"] == "invalid_input"
    assert pointers(reply) == [pointer]


def test_a_reserved_header_is_refused_in_a_batch_at_its_place():
    client = a_client_with_config()
    emails = [an_email_body(), an_email_body(headers={"Bcc": "evil@example.net"})]

    reply = client.post("/api/emails/batch", json={"emails": emails})
    each = client.post("/api/emails/batch", json={"emails": emails, "mode": "each"})

    assert (reply.json["code"], pointers(reply)) == (
        "header_reserved",
        ["/emails/1/headers/Bcc"],
    )
    assert each.json["results"][1]["error"]["code"] == "header_reserved"


def test_every_message_has_the_token_of_its_message_id_in_a_header_of_its_own():
    shown, message = posted()

    token = shown["message_id"].removeprefix("<").partition("@")[0]
    assert message.get_all("X-Email-Ref") == [token]

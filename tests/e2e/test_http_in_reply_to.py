"""in_reply_to: an email that answers one of ours, or any other message."""

from email import message_from_bytes, policy

import pytest

from adapters.fakes.sender import FakeSender
from tests.applications import (
    a_client_with_config,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
    pointers,
)
from tests.e2e.test_http_addresses import posted, refused


def test_a_reply_to_a_message_names_it():
    shown, message = posted(in_reply_to="<1a2b@example.org>")

    assert message["In-Reply-To"] == message["References"] == "<1a2b@example.org>"
    assert shown["in_reply_to"] == "<1a2b@example.org>"


def test_a_message_id_may_come_without_its_angle_brackets():
    assert posted(in_reply_to="1a2b@example.org")[0]["in_reply_to"] == "<1a2b@example.org>"


def test_replies_to_emails_of_ours_make_one_thread():
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body(in_reply_to="<0@example.org>"))
    for answered in (1, 2):
        reply = client.post("/api/emails", json=an_email_body(in_reply_to=answered))
        assert reply.status_code == 201
    ids = [client.get(f"/api/emails/{n}").json["message_id"] for n in (1, 2)]
    deliver(application)

    last = message_from_bytes(sender.accepted[-1].octets, policy=policy.default)
    assert last["In-Reply-To"] == ids[1]
    assert last["References"].split() == ["<0@example.org>", *ids]
    assert client.get("/api/emails/3").json["in_reply_to"] == ids[1]


@pytest.mark.parametrize(
    "value",
    [0, -1, 7, 2**63 - 1, True, 1.5, None, "", "17", "<a@b> <c@d>", "<a@b>\r\nBcc: e@e.e", [1], {}],
    ids=ascii,
)
def test_what_is_no_email_and_no_message_id_is_refused(value):
    assert pointers(refused(in_reply_to=value)) == ["/in_reply_to"]


def test_an_email_of_another_key_is_answered_as_one_that_is_not_there():
    application = an_application()
    a_client_with_config(application)
    owner, other = a_keyed_client(application, "send"), a_keyed_client(application, "send")
    assert owner.post("/api/emails", json=an_email_body()).status_code == 201

    hidden = other.post("/api/emails", json=an_email_body(in_reply_to=1))
    absent = other.post("/api/emails", json=an_email_body(in_reply_to=2))

    assert pointers(hidden) == pointers(absent) == ["/in_reply_to"]
    assert hidden.json["detail"].replace("1", "2") == absent.json["detail"]
    assert owner.post("/api/emails", json=an_email_body(in_reply_to=1)).status_code == 201


def test_in_a_batch_each_answer_is_judged_at_its_place():
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body())
    emails = [an_email_body(in_reply_to=1), an_email_body(in_reply_to=9)]

    reply = client.post("/api/emails/batch", json={"emails": emails})

    assert pointers(reply) == ["/emails/1/in_reply_to"]

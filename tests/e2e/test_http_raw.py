"""The message of an email as a file."""

from base64 import b64encode
from email import message_from_bytes, policy

from adapters.fakes.sender import FakeSender
from tests.applications import (
    a_client_with_config,
    a_config_body,
    a_keyed_client,
    an_application,
    an_email_body,
    deliver,
)


def test_the_message_is_byte_for_byte_what_was_handed_off():
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body(subject="Grüße", bcc=["eve@example.org"]))
    before = client.get("/api/emails/1/raw")
    deliver(application)
    after = client.get("/api/emails/1/raw")
    (taken,) = sender.accepted

    assert before.data == after.data == taken.octets
    assert b"eve@" not in after.data


def test_it_is_a_file_that_no_browser_shows():
    client = a_client_with_config()
    client.post("/api/emails", json=an_email_body())
    reply = client.get("/api/emails/1/raw")

    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "message/rfc822"
    assert reply.headers["Content-Disposition"] == 'attachment; filename="email-1.eml"'
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_mail_that_waits_for_any_account_shows_the_one_it_would_go_to():
    client = a_client_with_config()
    body = an_email_body()
    body.pop("smtp_config_id", None)
    client.post("/api/emails", json=body)
    message = message_from_bytes(client.get("/api/emails/1/raw").data, policy=policy.default)

    assert message["From"] == "Example Shop <shop@example.com>"
    assert message["Subject"] == "Welcome"


def test_when_the_account_is_gone_the_message_has_no_from_line():
    application = an_application()
    client = a_client_with_config(application)
    client.post("/api/emails", json=an_email_body())
    deliver(application)
    assert client.delete("/api/smtp-configs/1").status_code == 200
    message = message_from_bytes(client.get("/api/emails/1/raw").data, policy=policy.default)

    assert (message["From"], message["Subject"]) == (None, "Welcome")


def test_it_is_for_those_who_may_see_the_email():
    application = an_application()
    a_client_with_config(application)
    client = a_keyed_client(application, "send", "read")
    client.post("/api/emails", json=an_email_body())
    others = a_keyed_client(application, "send", "read")
    sender = a_keyed_client(application, "send")
    owner = a_keyed_client(application, "admin")

    def status(caller):
        return caller.get("/api/emails/1/raw").status_code

    assert [status(one) for one in (client, owner, others, sender)] == [200, 200, 404, 403]
    assert client.get("/api/emails/9/raw").status_code == 404


def test_a_key_of_other_accounts_does_not_learn_the_sender():
    application = an_application()
    owner = a_client_with_config(application)
    owner.post("/api/smtp-configs", json=a_config_body(name="second", email_address="b@b.example"))
    limited = a_keyed_client(application, "send", "read", accounts=frozenset({2}))
    limited.post("/api/emails", json=an_email_body())

    assert b"shop@example.com" not in limited.get("/api/emails/1/raw").data


def test_large_files_stand_in_the_download_as_they_were_handed_off():
    sender = FakeSender()
    application = an_application(sender=sender)
    client = a_client_with_config(application)
    file = {"filename": "a.bin", "content": b64encode(bytes(range(256)) * 2000).decode()}
    client.post("/api/emails", json=an_email_body(attachments=[file]))
    deliver(application)

    assert client.get("/api/emails/1/raw").data == sender.accepted[0].octets

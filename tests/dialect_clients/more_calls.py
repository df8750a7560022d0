"""Batches, templates and changes with the vendors' clients for Python; see test_dialect_clients."""

import json
import sys

import resend
from mailgun.client import Client
from postmarker.core import PostmarkClient
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Mail, To

asked = json.load(sys.stdin)
url, key, sender = asked["url"], asked["key"], asked["from"]
ADA, GRACE = "ada@example.org", "grace@example.org"


def resend_changes():
    resend.api_url, resend.api_key = url, key
    email = {"from": sender, "to": ADA, "subject": "Later", "text": "Hello"}
    later = asked["later"]
    options = {"idempotency_key": asked["once"]}
    sent = [resend.Emails.send({**email, "scheduled_at": later[0]}, options) for _ in range(2)]
    email_id = sent[0]["id"]
    before = resend.Emails.get(email_id)
    resend.Emails.update({"id": email_id, "scheduled_at": later[1]})
    after = resend.Emails.get(email_id)
    resend.Emails.cancel(email_id)
    last = resend.Emails.get(email_id)
    try:
        resend.Emails.send(email, options)
    except resend.exceptions.ResendError as error:
        other = error.error_type
    return {
        "same": sent[0]["id"] == sent[1]["id"],
        "other": other,
        "to": before["to"],
        "scheduled": [before["scheduled_at"], after["scheduled_at"]],
        "events": [before["last_event"], last["last_event"]],
    }


def resend_batch():
    resend.api_url, resend.api_key = url, key
    good = {"from": sender, "to": ADA, "subject": "Batch", "text": "Hello"}
    bad = {**good, "to": "nobody@-example.org"}
    done = resend.Batch.send([good, bad, good], {"batch_validation": "permissive"})
    return {"ids": len(done["data"]), "errors": [one["index"] for one in done["errors"]]}


def sendgrid_personalizations():
    message = Mail(
        from_email="me@example.com",
        to_emails=[To(ADA), To(GRACE)],
        subject="Each",
        plain_text_content="Hello",
        is_multiple=True,
    )
    return {"status": SendGridAPIClient(key, host=url).send(message).status_code}


def postmark_batch():
    client = PostmarkClient(server_token=key, root_api_url=url + "/")
    good = {"From": sender, "To": ADA, "Subject": "Batch", "TextBody": "Hello"}
    answers = client.emails.send_batch(good, {**good, "To": "nobody@-example.org"})
    return {"codes": [one["ErrorCode"] for one in answers]}


def postmark_template():
    client = PostmarkClient(server_token=key, root_api_url=url + "/")
    fields = {"From": sender, "To": ADA, "TemplateModel": {"name": "Ada"}}
    sent = client.emails.send_with_template(TemplateAlias="welcome", **fields)
    batch = client.emails.send_template_batch(
        {**fields, "TemplateAlias": "welcome"}, {**fields, "TemplateAlias": "nothing"}
    )
    return {"codes": [sent["ErrorCode"], *(one["ErrorCode"] for one in batch)]}


def postmark_test():
    client = PostmarkClient(server_token="POSTMARK_API_TEST", root_api_url=url + "/")
    sent = client.emails.send(From=sender, To=ADA, Subject="Test", TextBody="Hello")
    return {"message": sent["Message"]}


def lookups():
    """What the vendors' clients show of an email that waits."""
    text = {"subject": "Seen", "plain_text_content": "Hello"}
    sendgrid = SendGridAPIClient(key, host=url)
    sent = sendgrid.send(Mail(from_email="me@example.com", to_emails=ADA, **text))
    name = sent.headers["X-Message-Id"]
    postmark = PostmarkClient(server_token=key, root_api_url=url + "/")
    other = postmark.emails.send(From=sender, To=ADA, Subject="Seen", TextBody="Hello")
    mailgun = Client(auth=("api", key), api_url=url)
    data = {"from": sender, "to": ADA, "subject": "Seen", "text": "Hello"}
    third = mailgun.messages.create(domain="example.com", data=data).json()["id"]
    events = mailgun.events.get(domain="example.com", filters={"message-id": third}).json()
    return {
        "sendgrid": json.loads(sendgrid.client.messages._(name).get().body)["status"],
        "postmark": postmark.messages.outbound.get(other["MessageID"]).Status,
        "mailgun": [one["event"] for one in events["items"]],
    }


def mailgun_variables():
    client = Client(auth=("api", key), api_url=url)
    response = client.messages.create(
        domain="example.com",
        data={
            "from": sender,
            "to": [ADA, GRACE],
            "subject": "Hi %recipient.name%",
            "text": "Hello",
            "recipient-variables": json.dumps({ADA: {"name": "Ada"}, GRACE: {"name": "Grace"}}),
        },
    )
    return {"status": response.status_code}


CALLS = (
    resend_changes,
    resend_batch,
    sendgrid_personalizations,
    postmark_batch,
    postmark_template,
    postmark_test,
    lookups,
    mailgun_variables,
)
print(json.dumps({call.__name__: call() for call in CALLS}))

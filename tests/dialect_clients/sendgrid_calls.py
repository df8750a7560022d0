"""Sends with SendGrid's client for Python what is on standard input; see test_dialect_clients."""

import json
import sys
from email.utils import parseaddr

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import (
    Attachment,
    Bcc,
    Cc,
    ContentId,
    Disposition,
    FileContent,
    FileName,
    FileType,
    From,
    Header,
    Mail,
    ReplyTo,
    To,
)

asked = json.load(sys.stdin)


def mailbox(kind, text):
    name, address = parseaddr(text)
    return kind(address, name or None)


def message(email):
    made = Mail(
        from_email=mailbox(From, email["from"]),
        to_emails=[mailbox(To, one) for one in email["to"]],
        subject=email["subject"],
        plain_text_content=email["text"],
        html_content=email.get("html"),
    )
    for one in email.get("cc", []):
        made.add_cc(mailbox(Cc, one))
    for one in email.get("bcc", []):
        made.add_bcc(mailbox(Bcc, one))
    for one in email.get("reply_to", []):
        made.reply_to = mailbox(ReplyTo, one)
    for name, value in email.get("headers", {}).items():
        made.header = Header(name, value)
    for file in email.get("files", []):
        attachment = Attachment(
            FileContent(file["base64"]), FileName(file["name"]), FileType(file["type"])
        )
        if "cid" in file:
            attachment.disposition = Disposition("inline")
            attachment.content_id = ContentId(file["cid"])
        made.add_attachment(attachment)
    return made


def outcome(call):
    client = SendGridAPIClient(call["key"], host=asked["url"])
    made = message(call["email"])
    try:
        if "once" in call:
            headers = {"Idempotency-Key": call["once"]}
            response = client.client.mail.send.post(
                request_body=made.get(), request_headers=headers
            )
        else:
            response = client.send(made)
    except HTTPError as error:
        told = "; ".join(one["message"] for one in error.to_dict["errors"])
        return {"error": type(error).__name__, "status": error.status_code, "message": told}
    except OSError as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"id": response.headers["X-Message-Id"]}


print(json.dumps({name: outcome(call) for name, call in asked["calls"].items()}))

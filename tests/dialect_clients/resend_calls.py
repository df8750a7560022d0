"""Sends with Resend's client for Python what stands on standard input; see test_dialect_clients."""

import json
import sys
from base64 import b64decode

import resend
from resend.exceptions import ResendError

asked = json.load(sys.stdin)
resend.api_url = asked["url"]


def params(email):
    files = [
        {
            "filename": file["name"],
            "content_type": file["type"],
            # as its documentation has it: a list of octets
            "content": list(b64decode(file["base64"])),
            **({"content_id": file["cid"]} if "cid" in file else {}),
        }
        for file in email.get("files", [])
    ]
    fields = {
        "from": email["from"],
        "to": email["to"],
        "cc": email.get("cc"),
        "bcc": email.get("bcc"),
        "reply_to": email.get("reply_to"),
        "subject": email["subject"],
        "text": email["text"],
        "html": email.get("html"),
        "attachments": files,
        "headers": email.get("headers"),
    }
    return {name: value for name, value in fields.items() if value}


def outcome(call):
    resend.api_key = call["key"]
    options = {"idempotency_key": call["once"]} if "once" in call else None
    try:
        return {"id": resend.Emails.send(params(call["email"]), options)["id"]}
    except ResendError as error:
        return {"error": type(error).__name__, "status": error.code, "message": error.message}


print(json.dumps({name: outcome(call) for name, call in asked["calls"].items()}))

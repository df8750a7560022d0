"""Sends with Mailgun's client for Python what is on standard input; see test_dialect_clients."""

import json
import sys
from base64 import b64decode

from mailgun.client import Client
from mailgun.config import RetryPolicy
from mailgun.handlers.error_handler import ApiError
from requests import HTTPError

asked = json.load(sys.stdin)


def data(email):
    fields = {
        "from": email["from"],
        "to": email["to"],
        "cc": email.get("cc"),
        "bcc": email.get("bcc"),
        "h:Reply-To": email.get("reply_to"),
        "subject": email["subject"],
        "text": email["text"],
        "html": email.get("html"),
        **{f"h:{name}": value for name, value in email.get("headers", {}).items()},
    }
    return {name: value for name, value in fields.items() if value}


def files(email):
    return [
        (
            "inline" if "cid" in file else "attachment",
            (file["name"], b64decode(file["base64"]), file["type"]),
        )
        for file in email.get("files", [])
    ]


def outcome(call):
    # by itself it tries each refusal again, up to ten seconds later
    once = {"headers": {"Idempotency-Key": call["once"]}} if "once" in call else {}
    policy = None if "once" in call else RetryPolicy(max_retries=0)
    client = Client(auth=("api", call["key"]), api_url=asked["url"], retry_policy=policy)
    try:
        response = client.messages.create(
            data=data(call["email"]),
            files=files(call["email"]) or None,
            domain="example.com",
            **once,
        )
    except ApiError as error:
        return {"error": type(error).__name__, "message": str(error)}
    try:
        response.raise_for_status()
    except HTTPError as error:
        return {
            "error": type(error).__name__,
            "status": response.status_code,
            "message": response.json()["message"],
        }
    return {"id": response.json()["id"]}


print(json.dumps({name: outcome(call) for name, call in asked["calls"].items()}))

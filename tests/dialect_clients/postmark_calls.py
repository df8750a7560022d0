"""Sends with postmarker what stands on standard input; see test_dialect_clients."""

import json
import sys

from postmarker.core import PostmarkClient
from postmarker.exceptions import ClientError

asked = json.load(sys.stdin)


def params(email):
    return {
        "From": email["from"],
        "To": email["to"],
        "Cc": email.get("cc"),
        "Bcc": email.get("bcc"),
        "ReplyTo": ",".join(email.get("reply_to", [])),
        "Subject": email["subject"],
        "TextBody": email["text"],
        "HtmlBody": email.get("html"),
        "Headers": email.get("headers"),
        "Attachments": [
            {
                "Name": file["name"],
                "Content": file["base64"],
                "ContentType": file["type"],
                **({"ContentID": f"cid:{file['cid']}"} if "cid" in file else {}),
            }
            for file in email.get("files", [])
        ],
    }


def outcome(call):
    client = PostmarkClient(server_token=call["key"], root_api_url=asked["url"] + "/")
    if "once" in call:
        client.session.headers["Idempotency-Key"] = call["once"]
    try:
        return {"id": client.emails.send(**params(call["email"]))["MessageID"]}
    except ClientError as error:
        return {
            "error": type(error).__name__,
            "status": error.error_code,
            "message": str(error),
        }
    except OSError as error:
        return {"error": type(error).__name__, "message": str(error)}


print(json.dumps({name: outcome(call) for name, call in asked["calls"].items()}))

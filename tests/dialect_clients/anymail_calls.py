"""Sends with django-anymail what stands on standard input; see test_dialect_clients."""

import json
import sys
from base64 import b64decode
from email.mime.image import MIMEImage

import django
from django.conf import settings

asked = json.load(sys.stdin)
settings.configure(ANYMAIL=asked["settings"], USE_TZ=True)
django.setup()

from anymail.exceptions import AnymailError  # noqa: E402 - Django must be set up before
from django.core.mail import EmailMultiAlternatives, get_connection  # noqa: E402


def message(email):
    made = EmailMultiAlternatives(
        subject=email["subject"],
        body=email["text"],
        from_email=email["from"],
        to=email["to"],
        cc=email.get("cc"),
        bcc=email.get("bcc"),
        reply_to=email.get("reply_to"),
        headers=email.get("headers"),
    )
    if "html" in email:
        made.attach_alternative(email["html"], "text/html")
    for file in email.get("files", []):
        octets = b64decode(file["base64"])
        if "cid" in file:
            image = MIMEImage(octets, file["type"].partition("/")[2])
            image.add_header("Content-Disposition", "inline", filename=file["name"])
            image.add_header("Content-ID", f"<{file['cid']}>")
            made.attach(image)
        else:
            made.attach(file["name"], octets, file["type"])
    made.tags = email.get("tags", [])
    made.metadata = email.get("metadata", {})
    return made


def outcome(call):
    options = {asked["key_option"]: call["key"]}
    connection = get_connection(asked["backend"], **options)
    made = message(call["email"])
    try:
        connection.send_messages([made])
    except AnymailError as error:
        status = getattr(error, "status_code", None)
        return {"error": type(error).__name__, "status": status, "message": str(error)}
    status = made.anymail_status
    return {"id": status.message_id, "statuses": sorted(status.status)}


print(json.dumps({name: outcome(call) for name, call in asked["calls"].items()}, default=list))

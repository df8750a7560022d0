"""Sends the email on standard input with Django's backend; see test_smtp_client_cases."""

import json
import smtplib
import sys
from base64 import b64decode
from email.mime.image import MIMEImage

import django
from django.conf import settings

asked = json.load(sys.stdin)
settings.configure(
    EMAIL_HOST="localhost",
    EMAIL_PORT=asked["port"],
    EMAIL_USE_TLS=True,
    EMAIL_HOST_USER="apikey",
    EMAIL_HOST_PASSWORD=asked["key"],
)
django.setup()

from django.core.mail import EmailMultiAlternatives  # noqa: E402 - Django must be set up before

email = asked["email"]
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
try:
    made.send()
    outcome = {}
except smtplib.SMTPResponseException as error:
    outcome = {"error": type(error).__name__, "code": error.smtp_code}
except smtplib.SMTPRecipientsRefused as error:
    [(code, _)] = error.recipients.values()
    outcome = {"error": type(error).__name__, "code": code}
except (OSError, smtplib.SMTPServerDisconnected) as error:
    outcome = {"error": type(error).__name__, "code": None}
print(json.dumps(outcome))

"""Sends the message on standard input with smtplib; see test_smtp_client_cases."""

import json
import smtplib
import ssl
import sys
from email import message_from_string, policy

asked = json.load(sys.stdin)
message = message_from_string(asked["message"], policy=policy.default)
try:
    with smtplib.SMTP("localhost", asked["port"], timeout=60) as client:
        client.starttls(context=ssl.create_default_context())
        client.login("apikey", asked["key"])
        client.send_message(message)
    outcome = {}
except smtplib.SMTPResponseException as error:
    outcome = {"error": type(error).__name__, "code": error.smtp_code}
except smtplib.SMTPRecipientsRefused as error:
    [(code, _)] = error.recipients.values()
    outcome = {"error": type(error).__name__, "code": code}
except (OSError, smtplib.SMTPServerDisconnected) as error:
    outcome = {"error": type(error).__name__, "code": None}
print(json.dumps(outcome))

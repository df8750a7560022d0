"""Says which calls of Mailgun django-anymail takes for signed; see test_dialect_clients."""

import json
import sys

import django
from django.conf import settings

asked = json.load(sys.stdin)
settings.configure(ANYMAIL={"MAILGUN_WEBHOOK_SIGNING_KEY": asked["key"]}, USE_TZ=True)
django.setup()

from anymail.exceptions import AnymailWebhookValidationFailure  # noqa: E402 - after the setup
from anymail.webhooks.mailgun import MailgunTrackingWebhookView  # noqa: E402
from django.test import RequestFactory  # noqa: E402


def is_signed(call):
    request = RequestFactory().post("/", json.dumps(call), content_type="application/json")
    try:
        MailgunTrackingWebhookView().validate_request(request)
    except AnymailWebhookValidationFailure:
        return False
    return True


json.dump({name: is_signed(call) for name, call in asked["calls"].items()}, sys.stdout)

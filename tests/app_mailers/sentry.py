"""Sentry's mailer, which is Django's: its config.yml in the file that is named, then one email."""

import sys
from pathlib import Path

import django
from django.conf import settings

lines = Path(sys.argv[1]).read_text("utf-8").splitlines()
config = {
    name: value.strip().strip("'") for name, _, value in (one.partition(":") for one in lines)
}
settings.configure(
    EMAIL_HOST=config["mail.host"],
    EMAIL_PORT=int(config["mail.port"]),
    EMAIL_HOST_USER=config["mail.username"],
    EMAIL_HOST_PASSWORD=config["mail.password"],
    EMAIL_USE_TLS=config["mail.use-tls"] == "true",
    EMAIL_USE_SSL=config["mail.use-ssl"] == "true",
)
django.setup()

from django.core.mail import send_mail  # noqa: E402 - Django must be set up before

send_mail("Sentry", "Hello", config["mail.from"], ["ada@example.org"])

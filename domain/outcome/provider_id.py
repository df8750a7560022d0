"""The name that a mail server gives to a message, read from its reply to the final dot.

It is what the server's own log, its support and its notifications call the message by. No standard
says where it stands: each form here is one that servers use, and the tests have a real reply of
each. What looks like no name at all (``250 Queued (0.141 seconds)``) gives none.
"""

import re
from typing import Final

from domain.outcome.handoff import Reply

LONGEST_ID: Final = 255  # characters

# What a reply in lower case has if it has the form, and the form: most patterns take 5 to 14 times
# as long to find nothing as it takes to look for a text.
_FORMS: Final = tuple(
    (words, re.compile(form))
    for words, form in (
        # Amazon SES
        ("ok ", r"\bOk ([0-9a-f]{16}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9]{6})"),
        # Exchange: the Message-ID that it goes on with
        (
            "queued mail for delivery",
            r"<([^<>\s]+)> (?:\[InternalId=.*)?Queued mail for delivery",
        ),
        # Yandex
        ("queued on", r"(?i:\bqueued on) \S+ (?:as )?(\S+)"),
        # Postfix and many others: SendGrid, Mailjet, Brevo, Postmark, Mandrill, ZoneMTA, Mailpit
        ("queued as", r"(?i:queued as:?) (\S+)"),
        # Stalwart, slimta
        ("with id", r"(?i:\bwith id:?) (\S+)"),
        # Exim, GMX, IONOS
        ("id=", r"(?:^|[\s(,;])id=(\S+)"),
        # sendmail, OpenSMTPD, Proofpoint
        (
            "accepted for delivery",
            r"^(?:2\.\d\.\d:? )*(?!2\.\d\.\d)(\S+) (?i:(?:message|mail) accepted for delivery)",
        ),
        # Gmail
        ("- gsmtp", r"\bOK\s+\d+ (\S+) - gsmtp"),
        # Haraka: a UUID and the number of the transaction
        (
            "queued (",
            r"(?i:queued) \(([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?:\.\d+)*)\)",
        ),
        # Campaign Monitor
        ("ok:", r"\bOK:([0-9A-Za-z]{20,})\b"),
        # qmail: the time and its process
        (" qp ", r"^ok (\d+ qp \d+)"),
    )
)
# "queued as" and the like may also be followed by a word
_TELLING: Final = re.compile(r"(?=.*\d)[!-~]{4,}(?: qp \d+)?")


def reported_name(reply: Reply | None) -> str | None:
    """The name by which the provider may report on the message that it accepted with *reply*.

    None for servers whose reports return something of ours: nearly all. Amazon SES' do not always.
    """
    if reply is None or not reply.positive:
        return None
    found = _FORMS[0][1].search(reply.text)
    return None if found is None else found[1]


def provider_message_id(reply: Reply | None) -> str | None:
    """The server's name for the message that it accepted with *reply*, the one to the final dot.

    Without angle brackets around it. None if it refused, or names none.
    """
    return None if reply is None or not reply.positive else name_in(reply.text)


def name_in(text: str) -> str | None:
    """The name in the *text* of such a reply."""
    said = text.lower()
    for words, form in _FORMS:
        if words not in said:
            continue
        found = form.search(text)
        if found is not None:
            name = found[1].strip("<>()[]\"'").rstrip(".,;:")
            if len(name) <= LONGEST_ID and _TELLING.fullmatch(name):
                return name
    return None

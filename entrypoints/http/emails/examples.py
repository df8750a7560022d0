"""What the document shows of emails. The tests check each against its model."""

from typing import Any, Final

Example = dict[str, Any]

_TIME: Final = "2026-01-31T09:30:00.000000"

_INVITATION: Final = "\r\n".join(
    (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Example Ltd//EN",
        "METHOD:REQUEST",
        "BEGIN:VEVENT",
        "UID:1@example.com",
        "DTSTAMP:20260131T080000Z",
        "DTSTART:20260202T090000Z",
        "DTEND:20260202T093000Z",
        "ORGANIZER:mailto:me@example.com",
        "ATTENDEE;RSVP=TRUE:mailto:ada@example.org",
        "SUMMARY:Your invoice",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    )
)

LEAST: Final[Example] = {
    "subject": "Welcome",
    "recipients": ["ada@example.org"],
    "html_content": "<h1>Hello Ada</h1><p>It works.</p>",
}
MOST: Final[Example] = {
    "subject": "Your invoice",
    "from": {"address": "billing@example.com", "name": "Example Billing"},
    "recipients": ["Ada Lovelace <ada@example.org>"],
    "cc": [{"address": "grace@example.org", "name": "Hopper, Grace"}],
    "bcc": ["archive@example.org"],
    "reply_to": ["help@example.com"],
    "in_reply_to": "<1a2b@example.org>",
    "headers": {"X-Order": "1234", "Auto-Submitted": "auto-generated"},
    "html_content": '<p>It is attached.</p><img src="cid:logo" alt="Example Ltd">',
    "text_content": "It is attached.",
    "attachments": [
        {"filename": "invoice.pdf", "content": "JVBERi0xLjcK"},
        {
            "filename": "logo.png",
            "content": "iVBORw0KGgo=",
            "content_type": "image/png",
            "content_id": "logo",
        },
    ],
    "calendar": {"content": _INVITATION, "method": "REQUEST"},
    "priority": 1,
    "smtp_config_id": 1,
    "send_at": "2026-01-31T09:30:00+01:00",
    "expires_at": "2099-01-31T18:00:00+01:00",
    "at_most_once": True,
    "tags": ["invoice"],
    "metadata": {"order": "1042"},
}
RAW: Final[Example] = {
    "raw": "RnJvbTogbWVAZXhhbXBsZS5jb20KU3ViamVjdDogSGkKCkhlbGxvCg==",
    "recipients": ["ada@example.org"],
}
# a form: the email as JSON, and its files
FORM: Final[Example] = {
    "type": "object",
    "required": ["email"],
    "properties": {
        "email": {"$ref": "#/components/schemas/EmailRequest"},
        "file": {
            "type": "array",
            "maxItems": 20,
            "items": {"type": "string", "format": "binary"},
            "description": "Attached after the files of the email itself. A Content-ID makes one"
            " an image within the HTML.",
        },
    },
}
BY_TEMPLATE: Final[Example] = {
    "template": {"name": "welcome", "locale": "de-AT"},
    "variables": {"name": "Ada"},
    "recipients": ["ada@example.org"],
}
BATCH_BY_TEMPLATE: Final[Example] = {
    "template": {"name": "welcome"},
    "common": {"priority": 5, "variables": {"month": "January"}},
    "to": [
        {"recipient": "ada@example.org", "variables": {"name": "Ada"}},
        {"recipient": "grace@example.org", "variables": {"name": "Grace"}},
    ],
}
ROW: Final[Example] = {
    "id": 1,
    "subject": "Welcome",
    "status": "sent",
    "priority": 3,
    "retry_count": 0,
    "created_at": _TIME,
    "recipients": ["ada@example.org"],
    "reason_code": "accepted",
    "tags": ["welcome"],
}
SHOWN: Final[Example] = {
    "id": 1,
    "subject": "Welcome",
    "sender": "me@example.com",
    "sender_name": "My Team",
    "from": {"address": "billing@example.com", "name": "Example Billing"},
    "recipients": ["ada@example.org"],
    "cc": [],
    "bcc": [],
    "reply_to": [],
    "in_reply_to": None,
    "attachments": [
        {
            "filename": "invoice.pdf",
            "content_type": "application/pdf",
            "size": 9,
            "content_id": None,
        }
    ],
    "status": "sent",
    "priority": 3,
    "retry_count": 0,
    "smtp_config": "Main",
    "created_at": _TIME,
    "updated_at": "2026-01-31T09:30:01.250000",
    "sent_at": "2026-01-31T09:30:01.250000",
    "send_at": None,
    "expires_at": "2026-02-03T09:30:00.000000",
    "error_message": None,
    "reason_code": "accepted",
    "waiting_reason": None,
    "next_attempt_at": None,
    "message_id": "<5f0c8b0e1d@example.com>",
    "provider_message_id": "4F2A9C",
    "template": None,
    "at_most_once": False,
    "topic": None,
    "tags": ["welcome"],
    "metadata": {},
    "partial": False,
    "possibly_delivered": False,
    "rejected_recipients": [],
    "recipient_status": [
        {
            "address": "ada@example.org",
            "name": "Ada Lovelace",
            "kind": "to",
            "status": "accepted",
            "reason": None,
            "code": 250,
            "enhanced_code": "2.1.5",
            "text": "OK",
            "bounced_at": None,
            "bounce_status": None,
            "bounce_text": None,
            "complained_at": None,
        }
    ],
    "attempts": [
        {
            "attempt": 1,
            "account": "Main",
            "started_at": "2026-01-31T09:30:01.000000",
            "ended_at": "2026-01-31T09:30:01.250000",
            "stage": "dot",
            "code": 250,
            "enhanced_code": "2.0.0",
            "text": "queued as 4F2A9C",
            "result": "sent",
            "reason": "accepted",
            "provider_message_id": "4F2A9C",
            "duration_ms": 250.0,
        }
    ],
    "content_purged_at": None,
}
EXPLAINED: Final[Example] = {
    "id": 2,
    "status": "queued",
    "waiting_reason": "account_inactive",
    "next_attempt_at": None,
    "gates": [
        {"name": "scheduled", "open": True, "detail": "", "until": None},
        {
            "name": "account_inactive",
            "open": False,
            "detail": "Main is not active",
            "until": None,
        },
        {"name": "hour_limit", "open": True, "detail": "0 of 50 used", "until": None},
    ],
    "forecast": {"goes_at": None, "limited_by": "account_inactive"},
    "content_purged_at": None,
}

"""What the document shows of requests and replies. The tests check each against its model."""

from typing import Any, Final

Example = dict[str, Any]

_TIME: Final = "2026-01-31T09:30:00.000000"

EMAIL_LEAST: Final[Example] = {
    "subject": "Welcome",
    "recipients": ["ada@example.org"],
    "html_content": "<h1>Hello Ada</h1><p>It works.</p>",
}
EMAIL_MOST: Final[Example] = {
    "subject": "Your invoice",
    "recipients": ["ada@example.org"],
    "cc": ["grace@example.org"],
    "bcc": ["archive@example.org"],
    "html_content": "<p>It is attached to your account.</p>",
    "text_content": "It is attached to your account.",
    "priority": 1,
    "smtp_config_id": 1,
    "send_at": "2026-01-31T09:30:00+01:00",
    "at_most_once": True,
}
EMAIL_ACCEPTED: Final[Example] = {
    "message": "Email created and queued successfully",
    "email_id": 1,
}
BATCH: Final[Example] = {"emails": [EMAIL_LEAST, EMAIL_MOST], "mode": "all"}
BATCH_ACCEPTED: Final[Example] = {
    "message": "2 emails created and queued successfully",
    "email_ids": [1, 2],
    "results": None,
    "go_now": 2,
    "last_due_at": f"{_TIME}Z",
}
EMAIL_ROW: Final[Example] = {
    "id": 1,
    "subject": "Welcome",
    "status": "sent",
    "priority": 3,
    "retry_count": 0,
    "created_at": _TIME,
}
EMAIL: Final[Example] = {
    "id": 1,
    "subject": "Welcome",
    "sender": "me@example.com",
    "sender_name": "My Team",
    "recipients": ["ada@example.org"],
    "cc": [],
    "bcc": [],
    "status": "sent",
    "priority": 3,
    "retry_count": 0,
    "smtp_config": "Main",
    "created_at": _TIME,
    "updated_at": "2026-01-31T09:30:01.250000",
    "sent_at": "2026-01-31T09:30:01.250000",
    "send_at": None,
    "error_message": None,
    "reason_code": "accepted",
    "waiting_reason": None,
    "next_attempt_at": None,
    "message_id": "<5f0c8b0e1d@example.com>",
    "at_most_once": False,
    "partial": False,
    "possibly_delivered": False,
    "rejected_recipients": [],
    "recipient_status": [
        {
            "address": "ada@example.org",
            "kind": "to",
            "status": "accepted",
            "reason": None,
            "code": 250,
            "enhanced_code": "2.1.5",
            "text": "OK",
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
            "text": "queued as 4F2A",
            "result": "sent",
            "reason": "accepted",
            "duration_ms": 250.0,
        }
    ],
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
}
CANCELLED: Final[Example] = {"message": "Email cancelled successfully", "status": "cancelled"}
RETRIED: Final[Example] = {"message": "Email queued for retry", "status": "retry"}
RESOLVED: Final[Example] = {"message": "Email resolved as sent", "status": "sent"}

CONFIG_LEAST: Final[Example] = {
    "name": "Sandbox",
    "email_address": "me@example.com",
    "smtp_host": "127.0.0.1",
    "smtp_port": 2525,
    "use_tls": False,
}
CONFIG_MOST: Final[Example] = {
    "name": "Main",
    "email_address": "me@example.com",
    "display_name": "My Team",
    "smtp_host": "smtp.example.com",
    "smtp_port": 587,
    "username": "me@example.com",
    "password": "correct horse battery staple",
    "daily_limit": 500,
    "hourly_limit": 50,
    "minute_limit": None,
    "limit_unit": "messages",
    "max_connections": 2,
    "priority_reserve": 20,
}
CONFIG_CHANGES: Final[Example] = {"active": False, "daily_limit": 1000}
CONFIG_CREATED: Final[Example] = {
    "message": "SMTP configuration created successfully",
    "config_id": 1,
}
CONFIG_CHANGED: Final[Example] = {"message": "SMTP configuration updated successfully"}
CONFIG_DELETED: Final[Example] = {"message": "SMTP configuration deleted successfully"}
CONFIG_PAUSED: Final[Example] = {
    "message": "SMTP configuration paused successfully",
    "state": "paused",
}
CONFIG_RESUMED: Final[Example] = {
    "message": "SMTP configuration resumed successfully",
    "state": "open",
}
CONFIG_ROW: Final[Example] = {
    "id": 1,
    "name": "Main",
    "email_address": "me@example.com",
    "active": True,
    "daily_limit": 500,
    "sent_count_today": 12,
    "sent_count_hour": 3,
    "state": "open",
}
CONFIG: Final[Example] = {
    **CONFIG_ROW,
    "display_name": "My Team",
    "smtp_host": "smtp.example.com",
    "smtp_port": 587,
    "username": "me@example.com",
    "password_set": True,
    "auth_mechanism": None,
    "use_tls": True,
    "use_ssl": False,
    "hourly_limit": 50,
    "minute_limit": None,
    "limit_unit": "messages",
    "max_connections": 2,
    "priority_reserve": 20,
    "on_unknown": None,
    "announce_next": False,
    "last_sent": _TIME,
    "created_at": "2026-01-05T09:00:00.000000",
    "updated_at": "2026-01-05T09:00:00.000000",
    "pause_reason": None,
    "pause_text": None,
    "pause_until": None,
    "used_minute": 0,
    "used_hour": 3,
    "used_day": 12,
    "next_capacity_at": _TIME,
    "connections": {"max": 2, "allowed": 2, "in_flight": 0},
    "last_reply": None,
    "pace": None,
    "learned_limits": [
        {
            "window": "hour",
            "refused_after_least": 98,
            "refused_after_most": 101,
            "times": 3,
            "last_at": _TIME,
            "put": {"hourly_limit": 98},
        }
    ],
}
VERIFIED: Final[Example] = {
    "ok": False,
    "stage": "auth",
    "problem": None,
    "code": 535,
    "enhanced_code": "5.7.8",
    "text": "535 5.7.8 bad credentials",
    "stages": [
        {
            "stage": "connect",
            "ok": True,
            "code": None,
            "text": "connected to 192.0.2.25",
            "advice": "",
        },
        {
            "stage": "banner",
            "ok": True,
            "code": 220,
            "text": "220 smtp.example.com ESMTP",
            "advice": "",
        },
        {"stage": "ehlo", "ok": True, "code": 250, "text": "250 smtp.example.com", "advice": ""},
        {
            "stage": "auth",
            "ok": False,
            "code": 535,
            "text": "535 5.7.8 bad credentials",
            "advice": "Check username and password. Many providers want an app password instead of "
            "the one of the mailbox, and the full address as username.",
        },
    ],
}
WELCOME: Final[Example] = {
    "name": "email-service",
    "version": "0.1.0",
    "links": {"emails": "/api/emails", "smtp_configs": "/api/smtp-configs", "docs": "/docs"},
}
ALIVE: Final[Example] = {"status": "ok"}
READY: Final[Example] = {"status": "ready"}

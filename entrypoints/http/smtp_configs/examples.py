"""What the document shows of SMTP configurations. The tests check each against its model."""

from typing import Any, Final

Example = dict[str, Any]

_TIME: Final = "2026-01-31T09:30:00.000000"

LEAST: Final[Example] = {
    "name": "Sandbox",
    "email_address": "me@example.com",
    "smtp_host": "127.0.0.1",
    "smtp_port": 2525,
    "use_tls": False,
}
MOST: Final[Example] = {
    "name": "Main",
    "email_address": "me@example.com",
    "display_name": "My Team",
    "aliases": ["billing@example.com", "*@news.example.com"],
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
ROW: Final[Example] = {
    "id": 1,
    "name": "Main",
    "email_address": "me@example.com",
    "active": True,
    "daily_limit": 500,
    "sent_count_today": 12,
    "sent_count_hour": 3,
    "state": "open",
}
SHOWN: Final[Example] = {
    **ROW,
    "display_name": "My Team",
    "aliases": ["billing@example.com", "*@news.example.com"],
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
    "dkim": [{"selector": "mail", "domain": "example.com", "active": True}],
    "max_message_bytes": 36700160,
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

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
PRESET: Final[Example] = {
    "name": "Gmail",
    "email_address": "me@gmail.com",
    "provider": "gmail",
    "password": "abcd efgh ijkl mnop",
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
OAUTH: Final[Example] = {
    "name": "office",
    "email_address": "me@example.com",
    "smtp_host": "smtp.office365.com",
    "username": "me@example.com",
    "auth": {
        "type": "oauth",
        "provider": "microsoft",
        "flow": "device",
        "client_id": "11111111-2222-3333-4444-555555555555",
        "tenant": "example.com",
    },
}
GRAPH: Final[Example] = {
    "name": "office over Graph",
    "email_address": "me@example.com",
    "transport": "graph",
    "auth": {
        "type": "oauth",
        "provider": "microsoft",
        "flow": "client_credentials",
        "client_id": "11111111-2222-3333-4444-555555555555",
        "client_secret": "the value of the client secret",
        "tenant": "example.com",
    },
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
_PASSWORD: Final[Example] = {
    "type": "password",
    "provider": None,
    "flow": None,
    "client_id": None,
    "tenant": None,
    "scope": None,
    "token_url": None,
    "authorize_url": None,
    "device_url": None,
    "client_secret_set": None,
    "authorized": None,
    "authorized_at": None,
    "refreshed_at": None,
    "expires_at": None,
    "last_error": None,
}
SHOWN: Final[Example] = {
    **ROW,
    "display_name": "My Team",
    "aliases": ["billing@example.com", "*@news.example.com"],
    "transport": "smtp",
    "smtp_host": "smtp.example.com",
    "smtp_port": 587,
    "username": "me@example.com",
    "password_set": True,
    "auth": _PASSWORD,
    "inbox": {
        "host": "imap.example.com",
        "port": 993,
        "username": "bounces@example.com",
        "password_set": True,
        "folder": "INBOX",
        "poll_seconds": 60,
        "last_read_at": _TIME,
        "last_error": None,
    },
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
    "ses_headers": False,
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
    "warnings": [],
}

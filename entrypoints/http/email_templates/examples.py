"""What the document shows of templates. The tests check each against its model."""

from typing import Any, Final

Example = dict[str, Any]

_TIME: Final = "2026-01-31T09:30:00.000000Z"
_SUBJECT: Final = "Welcome, {{ name }}"
_HTML: Final = "<h1>Hello {{ name }}</h1><p>It works.</p>"
_VARIABLE: Final[Example] = {"type": "string", "required": True, "default": None, "sample": "Ada"}

LEAST: Final[Example] = {"name": "welcome", "subject": _SUBJECT, "html": _HTML}
MOST: Final[Example] = {
    "name": "invoice",
    "locale": "de-AT",
    "subject": "Rechnung {{ number }}",
    "mjml": "<mjml><mj-body><mj-section><mj-column><mj-text>Rechnung {{ number }}</mj-text>"
    "</mj-column></mj-section></mj-body></mjml>",
    "text": "Rechnung {{ number }}",
    "variables": {
        "number": {"type": "string", "sample": "2026-17"},
        "items": {"type": "list", "required": False, "default": []},
    },
}
CHANGES: Final[Example] = {
    "subject": _SUBJECT,
    "html": "<h1>Hello again, {{ name }}</h1>",
    "variables": {"name": {"sample": "Ada"}},
}
SAVED: Final[Example] = {
    "message": "Template saved as draft version 1",
    "name": "welcome",
    "locale": None,
    "version": 1,
}
SHOWN: Final[Example] = {
    "name": "welcome",
    "locale": None,
    "version": 1,
    "subject": _SUBJECT,
    "html": _HTML,
    "mjml": None,
    "text": None,
    "variables": {"name": _VARIABLE},
    "created_at": _TIME,
    "published_at": None,
}
ROW: Final[Example] = {
    "name": "welcome",
    "locale": None,
    "version": 2,
    "subject": _SUBJECT,
    "created_at": _TIME,
    "published_version": 1,
    "published_at": _TIME,
}
VERSION: Final[Example] = {
    "version": 1,
    "subject": _SUBJECT,
    "created_at": _TIME,
    "published_at": _TIME,
}
PREVIEW: Final[Example] = {
    "subject": "Welcome, Ada",
    "html": "<h1>Hello Ada</h1><p>It works.</p>",
    "text": "Hello Ada\n\nIt works.",
    "size": 34,
    "warnings": [],
}

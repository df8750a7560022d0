"""The calls under /api/emails."""

from entrypoints.http.emails.handlers import Emails
from entrypoints.http.emails.submissions import Submissions

__all__ = ["Emails", "Submissions"]

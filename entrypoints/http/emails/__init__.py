"""The calls under /api/emails."""

from entrypoints.http.emails.handlers import Emails

__all__ = ["Emails"]

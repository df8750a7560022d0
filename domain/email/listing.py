"""What lists and counts show of emails."""

from datetime import datetime

import attrs

from domain.email.status import Status


@attrs.frozen(kw_only=True)
class EmailSummary:
    """One row of a list."""

    id: int
    subject: str
    status: Status
    priority: int
    retry_count: int
    account_id: int | None
    created_at: datetime


@attrs.frozen
class Page:
    """One page of a list; *next_before* is the cursor of the next one, or None at the end."""

    emails: tuple[EmailSummary, ...]
    next_before: int | None = None


@attrs.frozen(kw_only=True)
class Waiting:
    """How many emails wait, and how many are being sent."""

    waiting: int
    sending: int

"""One attempt to hand an email off, and how attempts end without a result."""

from datetime import datetime, timedelta
from typing import Final

import attrs

from domain.outcome.handoff import Reply, Stage
from domain.outcome.provider_id import provider_message_id
from domain.outcome.verdict import Result

CRASHED: Final = "crashed"  # the reason of an attempt whose process died


@attrs.frozen(kw_only=True)
class Attempt:
    """One attempt to hand an email off; its row is written before the socket is opened."""

    email_id: int
    attempt_no: int
    account_id: int
    account_name: str
    instance: int
    started_at: datetime
    ended_at: datetime | None = None
    duration: timedelta | None = None
    stage: Stage | None = None
    reply: Reply | None = None
    result: Result | None = None
    reason: str | None = None
    text: str = ""

    @property
    def provider_message_id(self) -> str | None:
        """What the server that accepted the message calls it, if it has said so."""
        return provider_message_id(self.reply) if self.stage is Stage.DOT else None


@attrs.frozen(kw_only=True)
class AbandonedAttempt:
    """Why a claim ended without a result. ``reason`` None leaves the reason that the email had."""

    reason: str | None
    text: str = ""
    crashed: bool = False

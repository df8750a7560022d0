"""What an email was submitted with, beyond what its delivery needs."""

from datetime import datetime
from typing import Final

import attrs

from domain.mailbox import Mailbox
from domain.suppression import SuppressionReason


@attrs.frozen
class TemplateUsed:
    """The version of a template that an email was rendered from; *locale* "" is the default."""

    name: str
    version: int
    locale: str = ""


@attrs.frozen(kw_only=True)
class AttachedFile:
    """A file as the client attached it; *size* in octets, before it is encoded."""

    filename: str
    content_type: str
    size: int
    content_id: str | None = None


@attrs.frozen(kw_only=True)
class Detail:
    """What is kept of an email for people: most have none, and delivery reads it only where a
    recipient was suppressed, to see whether the reason was *bypassed*.

    *sender* is the From that the client chose, None for the account's own. *names* are those of
    recipients, by their position in the email. *expires_at* is what the client asked for; the email
    itself has when it does expire.
    """

    sender: Mailbox | None = None
    reply_to: tuple[Mailbox, ...] = ()
    names: tuple[tuple[int, str], ...] = ()
    in_reply_to: str | None = None
    template: TemplateUsed | None = None
    topic: str | None = None
    attachments: tuple[AttachedFile, ...] = ()
    expires_at: datetime | None = None
    bypassed: frozenset[SuppressionReason] = frozenset()

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return self != NOTHING


NOTHING: Final = Detail()

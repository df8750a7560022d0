"""What a report says about the recipients of an email, and by what it names the email."""

from enum import StrEnum
from typing import Final

import attrs

MOST_RECIPIENTS: Final = 500  # of one report; more than any email of ours has
LONGEST_DIAGNOSTIC: Final = 1024  # characters


class BounceKind(StrEnum):
    """What follows for a recipient."""

    HARD = "hard"  # the address is dead: unknown user or host, moved, or it refuses all mail
    SOFT = "soft"  # not delivered, for a reason that may pass or that another message may not have
    DELAYED = "delayed"  # still tried
    COMPLAINT = "complaint"  # the recipient called it spam
    OTHER = "other"  # delivered, relayed, expanded


@attrs.frozen(kw_only=True)
class ReportedRecipient:
    """One recipient as a report has it.

    *status* is an enhanced status (RFC 3463), x.0.0 where the report has only a class; None for a
    complaint. *diagnostic* is one line of text, "" if nothing was said.
    """

    recipient: str
    status: str | None
    kind: BounceKind
    diagnostic: str = ""


@attrs.frozen(kw_only=True)
class References:
    """By what a report names the email. All of it can be forged but by who has seen the email.

    *refs* are values of X-Email-Ref in the returned headers; *message_ids* have their angle
    brackets; *tags* are what stands behind the first + in addresses that the report came to (VERP);
    *provider_ids* are names that a provider gave the email.
    """

    refs: tuple[str, ...] = ()
    envelope_ids: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    provider_ids: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Report:
    """The recipients in the report's order, each once, at most `MOST_RECIPIENTS`; none for mail
    that is no report.

    *is_complaint*: it is one, though it may not say whose.
    """

    recipients: tuple[ReportedRecipient, ...] = ()
    is_complaint: bool = False
    references: References = References()


@attrs.frozen(kw_only=True)
class Told:
    """What a report says about a recipient, before it is judged; *action* as in RFC 3464, or ""."""

    recipient: str
    action: str = ""
    status: str = ""
    diagnostic: str = ""

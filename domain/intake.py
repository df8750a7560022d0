"""How large an email and a call may be, and when two calls are the same: for every way in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import attrs

from domain.errors import FieldError
from domain.message.attachment import DENIED

LONGEST_SUBJECT: Final = 989  # characters
LONGEST_SCHEDULE: Final = timedelta(days=30)
LARGEST_BODY: Final = 10 * 1024 * 1024  # octets of the HTML, or of the text
MOST_REPLY_TO: Final = 25  # addresses
MOST_EMAILS: Final = 500  # of one call
# What templates may make of one call, in characters: as much as one call may send as HTML.
MOST_RENDERED: Final = 30 * 1024 * 1024
SEND_FEWER: Final = "send fewer at once"  # a client that reads it in an error may do so


@attrs.frozen(kw_only=True)
class IntakeLimits:
    """How many recipients one email may have, and all emails of one call together.

    *denied_files* are the extensions of files that are not sent, in small letters.
    """

    max_recipients: int = 100
    max_call_recipients: int = 10_000
    denied_files: frozenset[str] = DENIED

    def errors_of_email(self, recipients: int) -> tuple[FieldError, ...]:
        """What is wrong with an email to so many *recipients*."""
        most = self.max_recipients
        if recipients <= most:
            return ()
        return (FieldError("to", f"at most {most} over recipients, cc and bcc, not {recipients}"),)

    def errors_of_call(self, recipients: Sequence[int]) -> tuple[FieldError, ...]:
        """What is wrong with a call whose emails have so many *recipients* each."""
        if len(recipients) > MOST_EMAILS:
            return (FieldError("emails", f"must have at most {MOST_EMAILS} items"),)
        most, all_of_them = self.max_call_recipients, sum(recipients)
        if all_of_them <= most:
            return ()
        message = f"at most {most} recipients over all emails, not {all_of_them}"
        return (FieldError("emails", message),)


def errors_of_times(
    send_at: datetime | None, expires_at: datetime | None, *, now: datetime
) -> Iterator[FieldError]:
    """What is wrong with the times at which an email is due and expires; None for either."""
    if send_at is not None and send_at > now + LONGEST_SCHEDULE:
        yield FieldError("send_at", f"must be at most {LONGEST_SCHEDULE.days} days ahead")
    if expires_at is None:
        return
    if expires_at <= now:
        yield FieldError("expires_at", "must be in the future")
    elif send_at is not None and expires_at <= send_at:
        yield FieldError("expires_at", "must be after send_at")


def is_too_large(text: str) -> bool:
    """Whether *text* is more than an HTML part, or a text part, may be."""
    if 4 * len(text) <= LARGEST_BODY:  # no character has more than four octets
        return False
    return len(text.encode("utf-8", "surrogatepass")) > LARGEST_BODY


def digest(fields: Mapping[str, object]) -> str:
    """The digest by which two submissions are compared; the order of the fields does not matter."""
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()

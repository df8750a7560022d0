"""An event hook: a URL of ours that a provider calls when an email bounced.

The last part of its path is a secret of 256 bits. Only its digest is stored: whoever has the URL
may report about the emails of the account.
"""

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs

from domain.errors import FieldError, InvalidInput, NotFound

PATH: Final = "/hooks/"
MOST_HOOKS: Final = 10  # of one account: one for each domain at the provider, and some room
LONGEST_KEY: Final = 1000  # characters
_SECRET: Final = re.compile(r"[0-9a-f]{64}")
_TOPIC: Final = re.compile(
    r"arn:aws(?:-[a-z]{1,10}){0,2}:sns:([a-z0-9-]{3,32}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}"
)


class HookKind(StrEnum):
    """Whose calls a hook takes, as the path says it."""

    SES = "ses"
    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"
    POSTMARK = "postmark"


# octets of one call. SendGrid sends batches, and documents that they grow to 768 kB.
_MOST_OCTETS: Final = {HookKind.SENDGRID: 1024 * 1024}
_USUAL_OCTETS: Final = 256 * 1024


@attrs.frozen(kw_only=True)
class EventHook:
    """One hook. *sealed_key* is ciphertext of what a call is verified with, None where the provider
    needs none; *topic* is the one topic of SNS that may call, None until the first one has.
    """

    id: int = 0
    account_id: int
    kind: HookKind
    digest: str
    sealed_key: bytes | None = attrs.field(default=None, repr=False)
    topic: str | None = None
    created_at: datetime

    @property
    def context(self) -> str:
        """What the key is sealed for."""
        return sealed_for(self.digest)


def most_octets(kind: HookKind) -> int:
    """How long the body of one call may be."""
    return _MOST_OCTETS.get(kind, _USUAL_OCTETS)


def digest_of(secret: str) -> str | None:
    """How the hook with this secret is found; None for what is no secret of ours."""
    if not _SECRET.fullmatch(secret):
        return None
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def path_of(kind: HookKind, secret: str) -> str:
    """Where the provider calls."""
    return f"{PATH}{kind}/{secret}"


def sealed_for(digest: str) -> str:
    """The context of a hook's key in the vault: nothing else opens there."""
    return f"hook:{digest}"


def region_of(topic: str) -> str | None:
    """The region of a topic of SNS; None if *topic* names none."""
    found = _TOPIC.fullmatch(topic)
    return None if found is None else found[1]


def no_hook(hook_id: int) -> NotFound:
    """The error for a hook that the account does not have."""
    return NotFound(f"there is no event hook {hook_id} of this SMTP configuration")


def needs_key(kind: HookKind) -> bool:
    """Whether calls of this kind are verified with a key that the provider shows."""
    return kind in _KEYS


def check_hook(kind: HookKind, *, signing_key: str | None, topic: str | None) -> None:
    """InvalidInput unless calls of this provider can be verified with what is given."""
    errors = []
    if signing_key is None and needs_key(kind):
        errors.append(FieldError("signing_key", f"is needed: {_KEYS[kind]}"))
    elif signing_key is not None and kind is HookKind.SES:
        errors.append(
            FieldError("signing_key", "is not used: Amazon SNS signs with certificates of its own")
        )
    elif signing_key is not None and kind is HookKind.POSTMARK and not _is_basic(signing_key):
        errors.append(
            FieldError("signing_key", "must be name:password, which Postmark sends as Basic auth")
        )
    if topic is not None and kind is not HookKind.SES:
        errors.append(FieldError("topic", "is for Amazon SES only"))
    elif topic is not None and region_of(topic) is None:
        errors.append(
            FieldError("topic", "must be the ARN of a topic: arn:aws:sns:REGION:ACCOUNT:NAME")
        )
    if errors:
        raise InvalidInput(*errors)


_KEYS: Final = {
    HookKind.SENDGRID: "the verification key that SendGrid shows at Signature Verification, without"
    " which anyone with the URL could report bounces",
    HookKind.MAILGUN: "the HTTP webhook signing key that Mailgun shows at API security, without"
    " which anyone with the URL could report bounces",
}


def _is_basic(text: str) -> bool:
    name, colon, password = text.partition(":")
    return bool(name and colon and password) and text.isascii() and text.isprintable()

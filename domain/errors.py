"""One family of errors; the narrowest is raised, and its message says what to do.

EmailServiceError
├── InvalidInput            what the caller sent cannot be accepted
│   └── MessageTooLarge     no mail server that may send it takes so much
├── Unauthorized            no key, or none that is valid
├── Forbidden               the key may not do this
├── TooMany                 more calls or recipients than allowed
├── NotFound                there is no such thing, or the caller may not see it
├── Conflict                the thing exists but its state forbids it
│   ├── IllegalTransition   the table has no such transition
│   ├── NameTaken           an account's name is unique
│   ├── AccountRemoved      the email stays on an account that is gone
│   ├── ContentPurged       the message was removed: it ended long ago
│   └── IdempotencyMismatch the same idempotency key came with another body
├── Unavailable             not now; try again
│   ├── StoreUnavailable    the store cannot be reached, is locked or full
│   └── NotAccepting        the queue is at its depth, the disk is low, or the service drains
│       └── AccountQueueFull  as much waits for this one account as may
├── SchemaTooNew            a newer version has changed the database: this one must not run on it
├── StaleAttempt            a write of an attempt that is no longer the current one
└── SecretUnreadable        a sealed secret was made with another key or for another row
"""

from datetime import timedelta

import attrs


class EmailServiceError(Exception):
    """Every error of this project. ``code`` is stable and read by programs."""

    code = "error"


@attrs.frozen
class FieldError:
    """One thing wrong with the input: *field* as the domain names it, "" for all of it.

    A part of a field stands after a slash: ``headers/X-Tag``, ``attachments/0/content``. *index* is
    the place of the draft among those that were submitted together.
    """

    field: str
    message: str
    index: int | None = None

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class InvalidInput(EmailServiceError):
    """The input cannot be accepted. ``errors`` names every field that is wrong."""

    code = "invalid_input"

    def __init__(self, *errors: FieldError, code: str | None = None) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors
        if code is not None:
            self.code = code


class MessageTooLarge(InvalidInput):
    """The message is larger than the mail servers that may send it take."""

    code = "message_too_large"


class Unauthorized(EmailServiceError):
    """There is no API key in the request, or none that is valid now."""

    code = "unauthorized"


class Forbidden(EmailServiceError):
    """The API key is valid and may not do this."""

    code = "forbidden"


class TooMany(EmailServiceError):
    """More than is allowed in this time. ``retry_after`` says when to ask again."""

    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotFound(EmailServiceError):
    """There is no such thing."""

    code = "not_found"


def no_smtp_configuration(account_id: int) -> NotFound:
    """The error for an account that is not there, or not the caller's, in the API's words."""
    return NotFound(f"there is no SMTP configuration {account_id}")


class Conflict(EmailServiceError):
    """The state of the thing forbids what was asked."""

    code = "conflict"


class IllegalTransition(Conflict):
    """The table has no such transition from this status."""

    code = "illegal_transition"


class NameTaken(Conflict):
    """Another account has this name."""

    code = "name_taken"


class AccountRemoved(Conflict):
    """The email stays on an account that was removed: it can only go if another one is named."""


class ContentPurged(Conflict):
    """The message of the email was removed, for it ended long ago. Only its result is known."""

    code = "content_purged"

    def __init__(self, email_id: int) -> None:
        super().__init__(
            f"the message of email {email_id} was removed some time after the email had ended"
        )


class IdempotencyMismatch(Conflict):
    """The idempotency key was used before, with another body."""

    code = "idempotency_mismatch"


class Unavailable(EmailServiceError):
    """Not now. ``retry_after`` says when to ask again."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnavailable(Unavailable):
    """The store cannot be reached, is locked, or its disk is full. Nothing was written."""

    code = "store_unavailable"


class NotAccepting(Unavailable):
    """The service takes no email for now: draining, queue at its depth, disk low."""

    code = "not_accepting"


class AccountQueueFull(NotAccepting):
    """So much mail waits for one account that no more is taken for it by name."""

    code = "account_queue_full"


class SchemaTooNew(EmailServiceError):
    """A newer version of this program has changed the database: this one must not run on it."""

    code = "schema_too_new"


class StaleAttempt(EmailServiceError):
    """This attempt is no longer the current one. Write nothing more, send nothing more."""

    code = "stale_attempt"


class SecretUnreadable(EmailServiceError):
    """A sealed secret cannot be opened with the keys at hand for the row it stands in."""

    code = "secret_unreadable"

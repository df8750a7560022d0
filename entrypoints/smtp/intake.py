"""From a session's questions to the use cases, and from their errors to replies.

Each call blocks: it runs in a worker thread.
"""

from typing import Final

import attrs

from application import Application
from application.intake.routing import FROM_NOT_ALLOWED
from domain.access import Caller, Scope
from domain.errors import (
    Conflict,
    EmailServiceError,
    Forbidden,
    InvalidInput,
    MessageTooLarge,
    NotAccepting,
    NotFound,
    TooMany,
    Unauthorized,
)
from entrypoints.smtp import reply
from entrypoints.smtp.message import submitted
from entrypoints.smtp.reply import Reply
from entrypoints.smtp.session import MessageCame

_THE_MESSAGE: Final = ("", "raw", "sender")  # fields whose errors begin with "it"
_NO_LOGIN_NOW: Final = Reply(454, "4.7.0", "The key cannot be checked now: try again")
_BAD_KEY: Final = Reply(535, "5.7.8", "The password must be an API key that is valid")


@attrs.frozen(kw_only=True)
class Login:
    """What an API key came to: the *answer* to it, and where it is good what its holder may do.

    *key_id* is None if the key was refused. *refusal* tells what keeps its holder from sending.
    """

    answer: Reply
    token: str = attrs.field(default="", repr=False)
    key_id: int | None = None
    refusal: Reply | None = None


class SmtpIntake:
    """What the listener asks the application. Safe from many threads."""

    def __init__(self, application: Application) -> None:
        self._access = application.access
        self._submission = application.submission
        self._admission = application.admission
        self._senders = application.senders

    def log_in(self, token: str, *, remote: str) -> Login:
        """Whether *token* is an API key that is valid; it comes from the address *remote*."""
        try:
            caller = self._access.authenticate(token, remote=remote, by_prefix=True)
        except TooMany:
            return Login(answer=reply.TOO_MANY_BAD_KEYS)
        except Unauthorized:
            return Login(answer=_BAD_KEY)
        except EmailServiceError:
            return Login(answer=_NO_LOGIN_NOW)
        return Login(
            answer=reply.LOGGED_IN,
            token=token,
            key_id=caller.key_id,
            refusal=_lacking(caller),
        )

    def take(self, message: MessageCame, login: Login, *, remote: str) -> Reply:
        """What became of a message; after a 250 it is durable.

        The key is checked each time: it may have been revoked since.
        """
        try:
            caller = self._access.authenticate(login.token, remote=remote)
        except (Unauthorized, TooMany):
            return reply.KEY_GONE
        except EmailServiceError as error:
            return self._refusal(error, None)
        try:
            email_id = self._submit(message, caller)
        except InvalidInput as error:
            self._submission.refused(len(message.recipients), caller=caller)
            return self._refusal(error, caller)
        except EmailServiceError as error:
            return self._refusal(error, caller)
        return Reply(250, "2.0.0", f"Ok: queued as {email_id}")

    def _submit(self, message: MessageCame, caller: Caller) -> int:
        asked = submitted(message.octets, message.recipients, scope=caller.idempotency_scope)
        drafts, known_by = (asked.draft,), asked.idempotency
        try:
            accepted = self._submission.submit(drafts, idempotency=known_by, caller=caller)
        except InvalidInput as error:
            if error.code != FROM_NOT_ALLOWED or not caller.rewrites_from:
                raise
            drafts = (asked.draft.sent_as_account(),)
            accepted = self._submission.submit(drafts, idempotency=known_by, caller=caller)
        return accepted.ids[0]

    def _refusal(self, error: EmailServiceError, caller: Caller | None) -> Reply:
        """The reply that says so."""
        if self._admission.draining and isinstance(error, NotAccepting):
            return reply.STOPPING
        if caller is not None and error.code == FROM_NOT_ALLOWED:
            return self._not_allowed(caller)
        for kind, code, status in _REPLIES:
            if isinstance(error, kind):
                return Reply(code, status, _told(error))
        return Reply(451, "4.3.0", str(error))

    def _not_allowed(self, caller: Caller) -> Reply:
        try:
            allowed = self._senders.allowed(caller)
        except EmailServiceError as error:
            return self._refusal(error, None)
        named = ", ".join(allowed) or "none: there is no SMTP configuration"
        return Reply(550, "5.7.1", f"From must be an address of this API key: {named}")


# the first that fits
_REPLIES: Final[tuple[tuple[type[EmailServiceError], int, str], ...]] = (
    (Forbidden, 550, "5.7.1"),
    (MessageTooLarge, 552, "5.3.4"),
    (InvalidInput, 554, "5.6.0"),
    (Conflict, 554, "5.6.0"),
    (NotFound, 554, "5.6.0"),
    (TooMany, 451, "4.7.1"),
    (NotAccepting, 452, "4.3.1"),
)


def _told(error: EmailServiceError) -> str:
    """What is wrong, without the names that fields have elsewhere."""
    if not isinstance(error, InvalidInput):
        return str(error)
    return "; ".join(one.message if one.field in _THE_MESSAGE else str(one) for one in error.errors)


def _lacking(caller: Caller) -> Reply | None:
    try:
        caller.require(Scope.SEND)
    except Forbidden as error:
        return Reply(550, "5.7.1", str(error))
    return None

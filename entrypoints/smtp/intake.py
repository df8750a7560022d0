"""From a session's questions to the use cases, and from their errors to replies.

Each call blocks: it runs in a worker thread.
"""

import logging
from collections.abc import Sequence
from typing import Final

import attrs

from application import Application
from application.intake.acceptance import Stored
from application.intake.routing import FROM_NOT_ALLOWED
from application.intake.submit import Call
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

log = logging.getLogger("email_service.smtp")

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


@attrs.frozen
class Came:
    """A message that has come, of a session that has logged in from the address *remote*."""

    message: MessageCame
    login: Login
    remote: str


@attrs.frozen
class _Asked:
    """What the message at this *place* asks for, to so many *recipients*."""

    place: int
    recipients: int
    call: Call


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

    def take(self, messages: Sequence[Came]) -> Sequence[Reply]:
        """What became of each of the messages that came at once; after a 250 it is durable.

        The key is checked each time: it may have been revoked since.
        """
        replies: dict[int, Reply] = {}
        callers: dict[tuple[str, str], Caller | Reply] = {}
        asked: dict[Caller, list[_Asked]] = {}
        for place, came in enumerate(messages):
            shown = (came.login.token, came.remote)
            if shown not in callers:
                callers[shown] = self._caller(*shown)
            caller = callers[shown]
            wanted = caller if isinstance(caller, Reply) else self._asked(place, came, caller)
            if isinstance(wanted, Reply):
                replies[place] = wanted
            elif isinstance(caller, Caller):
                asked.setdefault(caller, []).append(wanted)
        for caller, group in asked.items():
            places = (one.place for one in group)
            replies.update(zip(places, self._submit(group, caller), strict=True))
        return [replies[place] for place in range(len(messages))]

    def _caller(self, token: str, remote: str) -> Caller | Reply:
        try:
            return self._access.authenticate(token, remote=remote)
        except (Unauthorized, TooMany):
            return reply.KEY_GONE
        except EmailServiceError as error:
            return self._refusal(error, None)

    def _asked(self, place: int, came: Came, caller: Caller) -> "_Asked | Reply":
        """What a message asks for. A bug in it must not cost the others their answers."""
        recipients = came.message.recipients
        try:
            asked = submitted(came.message.octets, recipients, scope=caller.idempotency_scope)
        except EmailServiceError as error:
            return self._refused(error, len(recipients), caller)
        except Exception:
            log.exception("a message could not be read")
            return reply.FAILED
        return _Asked(place, len(recipients), Call(asked.draft, asked.idempotency))

    def _submit(self, group: "Sequence[_Asked]", caller: Caller) -> Sequence[Reply]:
        """Of one caller. What cannot be prepared together because of a bug is prepared alone."""
        calls = [one.call for one in group]
        try:
            prepared = self._submission.prepare_calls(calls, caller=caller)
        except EmailServiceError as error:
            return [self._refused(error, one.recipients, caller) for one in group]
        except Exception:
            log.exception("a message could not be prepared")
            if len(group) == 1:
                return [reply.FAILED]
            return [answer for one in group for answer in self._submit([one], caller)]
        try:
            outcomes = self._submission.store_calls(prepared, caller=caller)
        except EmailServiceError as error:
            outcomes = [error] * len(group)
        except Exception:  # it is not known what was stored
            log.exception("messages could not be stored")
            return [reply.FAILED] * len(group)
        return [
            self._answer(one, outcome, caller) for one, outcome in zip(group, outcomes, strict=True)
        ]

    def _answer(
        self, asked: "_Asked", outcome: Stored | EmailServiceError, caller: Caller
    ) -> Reply:
        if isinstance(outcome, Stored):
            return Reply(250, "2.0.0", f"Ok: queued as {outcome.ids[0]}")
        draft = asked.call.draft
        if (
            isinstance(outcome, InvalidInput)
            and outcome.code == FROM_NOT_ALLOWED
            and caller.rewrites_from
            and draft.sender is not None
        ):
            again = attrs.evolve(asked.call, draft=draft.sent_as_account())
            [answer] = self._submit([attrs.evolve(asked, call=again)], caller)
            return answer
        return self._refused(outcome, asked.recipients, caller)

    def _refused(self, error: EmailServiceError, recipients: int, caller: Caller) -> Reply:
        if isinstance(error, InvalidInput):
            self._submission.refused(recipients, caller=caller)
        return self._refusal(error, caller)

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

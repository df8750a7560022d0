"""Why an email was not sent, with the exit code of sendmail for it (BSD's sysexits.h)."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, ClassVar


class Exit(IntEnum):
    """The exit codes of sendmail that we use."""

    OK = 0
    USAGE = 64  # the arguments are wrong
    DATAERR = 65  # the message is wrong
    NOUSER = 67  # a recipient is wrong
    UNAVAILABLE = 69  # the service refuses it for another reason
    TEMPFAIL = 75  # try it again later
    CONFIG = 78  # the address of the service or the key is wrong


class Failure(Exception):
    """The email was not sent; the message says why and what to do. It has no part of the key."""

    exit_code: ClassVar[Exit] = Exit.UNAVAILABLE
    code: ClassVar[str] = "failed"

    def told(self) -> Mapping[str, Any]:
        """What programs get of it: the service's problem, or ``code`` and ``detail``."""
        return {"code": self.code, "detail": str(self)}


class WrongUsage(Failure):
    """The arguments cannot be used."""

    exit_code = Exit.USAGE
    code = "usage"


class WrongMessage(Failure):
    """The message cannot be sent as it is."""

    exit_code = Exit.DATAERR
    code = "message"


class WrongRecipient(Failure):
    """A recipient is no address."""

    exit_code = Exit.NOUSER
    code = "recipient"


class WrongConfiguration(Failure):
    """The service cannot be found or used with what is configured."""

    exit_code = Exit.CONFIG
    code = "configuration"


class Unanswered(Failure):
    """Nothing was accepted as far as is known: the same call may be made again later."""

    exit_code = Exit.TEMPFAIL
    code = "try_again_later"

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, nothing_stored: bool = False
    ) -> None:
        """*retry_after_s* is what the service said about when. *nothing_stored*: it answered each
        time that it cannot take the call, so that nothing came of it.
        """
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.nothing_stored = nothing_stored


class Refused(Failure):
    """The service answered with a 4xx; *problem* is what it said."""

    code = "refused"

    def __init__(self, status: int, problem: Mapping[str, Any], *, has_key: bool = True) -> None:
        super().__init__(_in_words(status, problem, has_key=has_key))
        self.status = status
        self.problem = problem

    @property
    def errors(self) -> Sequence[tuple[str, str]]:
        """The JSON pointer of each wrong field, and what is wrong with it."""
        found = self.problem.get("errors")
        items = found if isinstance(found, list) else []
        return [
            (str(one.get("pointer", "")), str(one.get("message", "")))
            for one in items
            if isinstance(one, dict)
        ]

    def told(self) -> Mapping[str, Any]:
        """The service's problem."""
        return self.problem or {"code": self.code, "detail": str(self)}


def _in_words(status: int, problem: Mapping[str, Any], *, has_key: bool) -> str:
    if status == 401 and not has_key:
        return "the service demands an API key: set EMAIL_SERVICE_KEY"
    detail = problem.get("detail")
    if status == 401:
        return f"the service refuses the API key: {detail or 'it is not valid'}"
    return f"the service refuses it: {detail or f'it answers {status}'}"

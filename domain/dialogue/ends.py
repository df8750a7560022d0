"""How a dialogue ends before its email is accepted."""

from typing import Final

from domain.dialogue.replies import ServerReply
from domain.outcome.handoff import Problem

# OpenSSL's names for bytes that are not TLS: a greeting in plain text, for example.
NOT_TLS: Final = frozenset(
    "WRONG_VERSION_NUMBER UNKNOWN_PROTOCOL RECORD_LAYER_FAILURE PACKET_LENGTH_TOO_LONG"
    " HTTP_REQUEST WRONG_SSL_VERSION BAD_RECORD_TYPE UNEXPECTED_RECORD".split()
)


class ConnectionFailed(Exception):
    """The connection is of no further use."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail


class ExchangeEnded(Exception):
    """The dialogue ended at its stage, with a reply or with a problem."""

    def __init__(
        self,
        *,
        reply: ServerReply | None = None,
        problem: Problem | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(detail)
        self.reply = reply
        self.problem = problem
        self.detail = detail


def unexpected(reply: ServerReply) -> ConnectionFailed:
    """What a well-formed reply means that the command cannot have."""
    return ConnectionFailed(Problem.PROTOCOL, f"an unexpected {reply.code}")


def expect(code: int, reply: ServerReply) -> None:
    """ExchangeEnded if the server refuses, ConnectionFailed if it answers something else.

    Another positive code is that of another command (RFC 5321 section 4.3.2): a 220 is no answer
    to EHLO, a 250 none to AUTH.
    """
    if reply.code >= 400:
        raise ExchangeEnded(reply=reply)
    if reply.code != code:
        raise unexpected(reply)


def unasked(reply: ServerReply) -> ConnectionFailed | ExchangeEnded:
    """What a reply before its command means.

    A 421 may come at any time (RFC 5321 section 3.8), everything else is out of step.
    """
    if reply.code == 421:
        return ExchangeEnded(reply=reply)
    return ConnectionFailed(Problem.PROTOCOL, "a reply that nobody asked for")

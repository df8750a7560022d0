"""The replies of the SMTP listener: code, enhanced status (RFC 3463), text."""

import re
from typing import Final

import attrs

LONGEST_TEXT: Final = 400  # characters; with the code it fits the 512 octets of RFC 5321, 4.5.3.1.5
_UNPRINTABLE: Final = re.compile(r"[^ -~]+")


def _printable(text: str) -> str:
    """What may stand on one line: an error may quote what a client has written."""
    return _UNPRINTABLE.sub("?", text)[:LONGEST_TEXT]


@attrs.frozen
class Reply:
    """One reply of one line. After a 421 the connection is closed."""

    code: int
    status: str
    text: str = attrs.field(converter=_printable)

    @property
    def closes(self) -> bool:
        """Whether the connection ends with it."""
        return self.code in (221, 421)

    @property
    def is_error(self) -> bool:
        """Whether the client has done something wrong, and not only asked at a bad time."""
        return self.code >= 500

    def line(self) -> bytes:
        """As it is written."""
        return f"{self.code} {self.status} {self.text}\r\n".encode("ascii")


OK: Final = Reply(250, "2.0.0", "Ok")
SENDER_OK: Final = Reply(250, "2.1.0", "Ok")
RECIPIENT_OK: Final = Reply(250, "2.1.5", "Ok")
LOGGED_IN: Final = Reply(235, "2.7.0", "Authentication successful")
START_TLS: Final = Reply(220, "2.0.0", "Ready to start TLS")
BYE: Final = Reply(221, "2.0.0", "Bye")
CANNOT_VERIFY: Final = Reply(252, "2.5.0", "Send some mail, and see")

BAD_LINE: Final = Reply(500, "5.5.2", "Lines are UTF-8, end in CRLF, and have no CR, LF or NUL")
LONG_LINE: Final = Reply(500, "5.5.2", "The line is too long")
UNKNOWN_COMMAND: Final = Reply(502, "5.5.1", "There is no such command here")
BAD_ARGUMENT: Final = Reply(501, "5.5.4", "The argument of this command is wrong")
NEEDS_HELLO: Final = Reply(503, "5.5.1", "Send EHLO first")
NEEDS_MAIL: Final = Reply(503, "5.5.1", "Send MAIL first")
NEEDS_RECIPIENT: Final = Reply(554, "5.5.1", "There is no valid recipient")
TWO_SENDERS: Final = Reply(503, "5.5.1", "The sender was given already")
NEEDS_TLS: Final = Reply(530, "5.7.0", "Send STARTTLS first: a key is not taken without TLS")
NEEDS_LOGIN: Final = Reply(530, "5.7.0", "Log in first: the password is an API key")
NO_TLS: Final = Reply(502, "5.5.1", "There is no TLS here")
LOGGED_IN_ALREADY: Final = Reply(503, "5.5.1", "You are logged in already")
NO_LOGIN_NOW: Final = Reply(503, "5.5.1", "Not between MAIL and the end of the message")
NO_MECHANISM: Final = Reply(504, "5.5.4", "Only PLAIN and LOGIN are there")
BAD_BASE64: Final = Reply(501, "5.5.2", "That is not base64, or not what this mechanism sends")
LOGIN_CANCELLED: Final = Reply(501, "5.7.0", "Authentication cancelled")

NO_NULL_SENDER: Final = Reply(550, "5.7.1", "Mail without a sender is not taken for submission")
BAD_PARAMETER: Final = Reply(555, "5.5.4", "A parameter of this command is not known here")
TOO_LARGE: Final = Reply(552, "5.3.4", "The message is too large")
TOO_MANY_RECIPIENTS: Final = Reply(452, "4.5.3", "Too many recipients: send the rest separately")
NEEDS_SMTPUTF8: Final = Reply(553, "5.6.7", "Say SMTPUTF8 with MAIL for this address")
BARE_LINE_END: Final = Reply(550, "5.6.11", "The message has a CR or LF that is not part of CRLF")
NO_MEMORY: Final = Reply(452, "4.3.1", "Too many large messages at once: try again")

TOO_MANY_ERRORS: Final = Reply(421, "4.7.0", "Too many errors")
TOO_MANY_BAD_KEYS: Final = Reply(421, "4.7.0", "Too many keys were refused: wait a minute")
KEY_GONE: Final = Reply(421, "4.7.0", "The API key is not valid any more")
TOO_SLOW: Final = Reply(421, "4.4.2", "Nothing came for too long")
TOO_MANY_SESSIONS: Final = Reply(421, "4.7.0", "Too many connections")
STOPPING: Final = Reply(421, "4.3.2", "The service is stopping: connect again")
FAILED: Final = Reply(451, "4.3.0", "An internal error: try again")

"""Microsoft Graph's sendMail, played: as strict as what is known of it, and never kinder.

It takes a token, decodes the message, and delivers to whoever stands in To, Cc and Bcc, for there
is no envelope. `FakeWeb` serves it in this process, ``tests/graph_server.py`` over a socket.
"""

import base64
import binascii
import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import attrs

from application.ports.web import WebAnswer, WebProblem, WebRequest

LARGEST_REQUEST: Final = 4 * 1024 * 1024
_REQUEST_ID: Final = "7d4e1c9e-2d0b-4f6b-8f0e-3a0d8f2b6c11"


@attrs.frozen(kw_only=True)
class Delivered:
    """A message that was taken, and everybody whom it goes to."""

    mailbox: str
    octets: bytes = attrs.field(repr=False)
    recipients: tuple[str, ...]

    @property
    def message(self) -> EmailMessage:
        """It, parsed."""
        parsed = message_from_bytes(self.octets, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@attrs.frozen(kw_only=True)
class Play:
    """What is done to one sendMail in the place of taking it.

    *stores*: the message is taken all the same. *problem*: there is no answer.
    """

    status: int = 202
    code: str = ""
    message: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes | None = None
    stores: bool = False
    problem: WebProblem | None = None


class PlayedGraph:
    """The API for *mailboxes*, which it knows by any of *tokens*. Safe from many threads.

    ``requests`` counts those to sendMail, ``questions`` the others. Each `Play` in ``plays`` is
    used up by one sendMail.
    """

    def __init__(
        self,
        *mailboxes: str,
        takes: Callable[[str], bool],
        may_read: bool = False,
        send_as: tuple[str, ...] = (),
    ) -> None:
        self._mailboxes = frozenset(map(str.lower, mailboxes))
        self._takes = takes
        self._may_read = may_read
        self._send_as = frozenset(map(str.lower, send_as))
        self._lock = threading.Lock()
        self.plays: deque[Play] = deque()
        self.delivered: list[Delivered] = []
        self.requests = 0
        self.questions = 0

    def __call__(self, request: WebRequest) -> WebAnswer | WebProblem:
        """What it answers."""
        place = urlsplit(request.url)
        parts = place.path.split("/")
        if parts[:3] != ["", "v1.0", "users"] or len(parts) not in (4, 5):
            return _error(404, "BadRequest", "Resource not found for the segment.")
        mailbox = unquote(parts[3]).lower()
        asked = {name.lower(): value for name, value in request.headers.items()}
        if (request.method, len(parts)) == ("GET", 4):
            with self._lock:
                self.questions += 1
            return self._question(mailbox, asked)
        if request.method != "POST" or parts[4:] != ["sendMail"]:
            return _error(405, "Request_BadRequest", "Specified HTTP method is not allowed.")
        with self._lock:
            self.requests += 1
            play = self.plays.popleft() if self.plays else Play()
        return self._sending(mailbox, asked, request.body, play)

    def _question(self, mailbox: str, asked: Mapping[str, str]) -> WebAnswer:
        if not self._knows(asked):
            return _unauthenticated()
        if not self._may_read:
            text = "Insufficient privileges to complete the operation."
            return _error(403, "Authorization_RequestDenied", text)
        if mailbox not in self._mailboxes:
            return _error(404, "Request_ResourceNotFound", "Resource does not exist.")
        return WebAnswer(status=200, headers={}, body=b'{"id":"1"}')

    def _sending(
        self, mailbox: str, asked: Mapping[str, str], body: bytes, play: Play
    ) -> WebAnswer | WebProblem:
        if play.status == 202 or play.stores:
            refusal, delivered = self._judged(mailbox, asked, body)
            if delivered is None:
                return refusal
            with self._lock:
                self.delivered.append(delivered)
        if play.problem is not None:
            return play.problem
        if play.status == 202:
            headers = {"request-id": _REQUEST_ID, **play.headers}
            return WebAnswer(status=202, headers=headers, body=play.body or b"")
        if play.body is not None:
            return WebAnswer(status=play.status, headers=play.headers, body=play.body)
        return _error(play.status, play.code or "UnknownError", play.message, **play.headers)

    def _judged(
        self, mailbox: str, asked: Mapping[str, str], body: bytes
    ) -> tuple[WebAnswer, Delivered | None]:
        """The refusal, or the message that is taken."""
        if len(body) > LARGEST_REQUEST:
            return WebAnswer(status=413, headers={}, body=b""), None
        if not self._knows(asked):
            return _unauthenticated(), None
        if mailbox not in self._mailboxes:
            return _error(
                404, "ErrorInvalidUser", f"The requested user '{mailbox}' is invalid."
            ), None
        if asked.get("content-type") != "text/plain":
            return _error(400, "BadRequest", "Unable to read JSON request payload."), None
        try:
            octets = base64.b64decode(body, validate=True)
        except binascii.Error:
            text = "Invalid base64 string for MIME content."
            return _error(400, "ErrorMimeContentInvalidBase64String", text), None
        delivered = Delivered(mailbox=mailbox, octets=octets, recipients=_recipients(octets))
        sender = str(delivered.message["from"].addresses[0].addr_spec).lower()
        if sender != mailbox and sender not in self._send_as:
            text = "The user account does not have the right to send mail on behalf of it."
            return _error(403, "ErrorSendAsDenied", text), None
        if not delivered.recipients:
            return _error(400, "ErrorInvalidRecipients", "At least one is needed."), None
        return WebAnswer(status=202, headers={}, body=b""), delivered

    def _knows(self, asked: Mapping[str, str]) -> bool:
        kind, _, token = asked.get("authorization", "").partition(" ")
        return kind == "Bearer" and self._takes(token)


def _recipients(octets: bytes) -> tuple[str, ...]:
    message = message_from_bytes(octets, policy=policy.default)
    found = dict[str, None]()
    for name in ("to", "cc", "bcc"):
        for header in message.get_all(name, []):
            for address in header.addresses:
                found[str(address.addr_spec)] = None
    return tuple(found)


def _unauthenticated() -> WebAnswer:
    return _error(401, "InvalidAuthenticationToken", "Access token has expired.")


def _error(status: int, code: str, message: str, **headers: Any) -> WebAnswer:
    fields = {"error": {"code": code, "message": message, "innerError": {"date": "2026-11-30"}}}
    return WebAnswer(status=status, headers=headers, body=json.dumps(fields).encode())

"""The sandbox's pages: what arrived in the local inbox, rendered so that no message can do harm.

A message is somebody else's text. It is escaped everywhere; its HTML is shown only in a frame that
can neither run scripts, load anything, nor reach the page around it.
"""

import shlex
from collections.abc import Sequence
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Final, Protocol

import attrs
from flask import Blueprint, Response, abort, jsonify, render_template, request

from entrypoints.http.operations import SANDBOX

PAGE_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MESSAGE_CSP: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'"
)
OUTCOMES: Final = (
    ("reply-451-once@example.com", "is deferred once, then accepted (greylisting)"),
    ("reply-451@example.com", "is deferred every time, until the retries are used up"),
    ("reply-550@example.com", "is refused: there is no such user"),
    ("reply-554-dot@example.com", "is refused after the message was transferred"),
    ("reply-421@example.com", "closes the connection"),
    ("slow@example.com", "is accepted after three seconds"),
)


class Received(Protocol):
    """A message in the inbox."""

    @property
    def number(self) -> int: ...

    @property
    def received_at(self) -> datetime: ...

    @property
    def sender(self) -> str: ...

    @property
    def recipients(self) -> tuple[str, ...]: ...

    @property
    def octets(self) -> bytes: ...


class Inbox(Protocol):
    """Where mail arrives."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def messages(self) -> Sequence[Received]:
        """Newest first."""
        ...

    def get(self, number: int) -> Received | None:
        """One of them, or None."""
        ...


@attrs.frozen(kw_only=True)
class Letter:
    """A message as a page shows it."""

    number: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    size: int
    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None

    @property
    def summary(self) -> dict[str, object]:
        """What programs read."""
        return {
            "number": self.number,
            "received_at": self.received_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "from": self.sender,
            "to": list(self.recipients),
            "subject": self.subject,
            "size": self.size,
        }


class Sandbox:
    """The pages under /sandbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(
            "sandbox",
            __name__,
            url_prefix="/sandbox",
            template_folder="templates",
            static_folder="static",
        )
        routes.get("")(self.index)
        routes.get("/")(self.index)
        routes.get("/messages.json")(self.messages)
        routes.get("/<int:number>")(self.message)
        routes.get("/<int:number>/html")(self.html)
        routes.get("/<int:number>/raw")(self.raw)
        routes.after_request(_protected)
        routes.record(lambda setup: setup.app.extensions.__setitem__(SANDBOX, self._inbox))
        return routes

    def index(self) -> str:
        """What has arrived, and how to send something."""
        return render_template(
            "sandbox/index.html",
            letters=self._letters(),
            inbox=self._inbox,
            configs_url=shlex.quote(f"{request.url_root}api/smtp-configs"),
            emails_url=shlex.quote(f"{request.url_root}api/emails"),
            outcomes=OUTCOMES,
        )

    def messages(self) -> Response:
        """What has arrived, for programs."""
        return jsonify([letter.summary for letter in self._letters()])

    def message(self, number: int) -> str:
        """One message as a page."""
        return render_template("sandbox/message.html", letter=_letter(self._received(number)))

    def html(self, number: int) -> Response:
        """Its HTML, for the frame that can do no harm."""
        letter = _letter(self._received(number))
        response = Response(letter.html or "", content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = MESSAGE_CSP
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        return response

    def raw(self, number: int) -> Response:
        """Its octets as they came."""
        response = Response(self._received(number).octets, content_type="message/rfc822")
        response.headers["Content-Disposition"] = f'attachment; filename="sandbox-{number}.eml"'
        return response

    def _letters(self) -> list[Letter]:
        return [_letter(received, bodies=False) for received in self._inbox.messages()]

    def _received(self, number: int) -> Received:
        received = self._inbox.get(number)
        if received is None:
            abort(404)
        return received


def _protected(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", PAGE_CSP)
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if request.endpoint != "sandbox.static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _letter(received: Received, *, bodies: bool = True) -> Letter:
    message = message_from_bytes(received.octets, policy=policy.default)
    return Letter(
        number=received.number,
        received_at=received.received_at,
        sender=received.sender,
        recipients=received.recipients,
        subject=_header(message, "Subject"),
        size=len(received.octets),
        headers=tuple((name, _header(message, name, at)) for at, name in enumerate(message.keys())),
        text=_body(message, "plain") if bodies else None,
        html=_body(message, "html") if bodies else None,
    )


def _header(message: EmailMessage, name: str, at: int | None = None) -> str:
    """A header decoded; as it stands if it cannot be. *at* is its place, if there are several."""
    raw = [value for key, value in message.raw_items() if key.lower() == name.lower()]
    try:
        value = str(message.get(name, "") if at is None else message.values()[at])
    except Exception:  # the standard library's header parser raises whatever it stumbles upon
        value = str(raw[0]) if raw else ""
    return _clean(value)


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        content = part.get_content()
    except (LookupError, ValueError):  # a charset or encoding that nobody knows
        content = part.get_payload()
    return _clean(str(content))


def _clean(text: str) -> str:
    """*text* as UTF-8 can carry it: octets that nobody could decode become question marks."""
    return text.encode("utf-8", "replace").decode()

"""The sandbox's pages: what arrived in the local inbox, rendered so that no message can do harm.

A message is somebody else's text. The inbox has read it and cleaned its HTML. Here it is escaped
everywhere; its HTML is shown only in a frame that can neither run scripts, load anything, nor reach
the page around it.
"""

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from flask import Blueprint, Response, abort, jsonify, render_template, request

from domain.message.letter import Letter
from entrypoints.http.message_parts import MOST_SOURCE, frame, message_file, part_file, source_of
from entrypoints.http.operations import SANDBOX
from entrypoints.http.times import shown

PAGE_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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

    @property
    def letter(self) -> Letter: ...

    def html(self) -> str:
        """The letter's HTML with the images that the message brings."""
        ...

    def part(self, number: int) -> bytes | None:
        """What is in this part; None if there is no such part, or it holds others."""
        ...


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
        routes.get("/<int:number>/parts/<int:part>")(self.part)
        routes.get("/<int:number>/source")(self.source)
        routes.get("/<int:number>/raw")(self.raw)
        routes.after_request(_protected)
        routes.record(lambda setup: setup.app.extensions.__setitem__(SANDBOX, self._inbox))
        return routes

    def index(self) -> str:
        """What has arrived, and how to send something."""
        return render_template(
            "sandbox/index.html",
            messages=self._inbox.messages(),
            inbox=self._inbox,
            configs_url=shlex.quote(f"{request.url_root}api/smtp-configs"),
            emails_url=shlex.quote(f"{request.url_root}api/emails"),
            outcomes=OUTCOMES,
        )

    def messages(self) -> Response:
        """What has arrived, for programs."""
        return jsonify([_summary(received) for received in self._inbox.messages()])

    def message(self, number: int) -> str:
        """One message as a page."""
        return render_template("sandbox/message.html", received=self._received(number))

    def html(self, number: int) -> Response:
        """Its HTML, for the frame that can do no harm."""
        return frame(self._received(number).html())

    def part(self, number: int, part: int) -> Response:
        """One part, to be kept as a file: no browser shows or runs what somebody else sent."""
        received = self._received(number)
        octets = received.part(part)
        if octets is None:
            abort(404)
        return part_file(received.letter.parts[part], octets)

    def source(self, number: int) -> str:
        """The message as it came, as text."""
        received = self._received(number)
        return render_template(
            "sandbox/source.html",
            received=received,
            source=source_of(received.octets),
            cut=len(received.octets) > MOST_SOURCE,
        )

    def raw(self, number: int) -> Response:
        """Its octets as they came."""
        return message_file(self._received(number).octets, f"sandbox-{number}")

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


def _summary(received: Received) -> dict[str, object]:
    """What programs read."""
    return {
        "number": received.number,
        "received_at": shown(received.received_at),
        "from": received.sender,
        "recipients": list(received.recipients),
        "to": list(received.letter.to),
        "cc": list(received.letter.cc),
        "bcc": list(received.letter.bcc),
        "subject": received.letter.subject,
        "size": len(received.octets),
    }

"""Every path under /sandbox with what answers it."""

import shlex
from collections.abc import Sequence
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urlencode

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)

from domain.lint import CHECKS
from domain.message.letter import LetterPart
from entrypoints.http.message_parts import (
    MOST_SOURCE,
    file_name,
    message_file,
    part_file,
    source_of,
)
from entrypoints.http.operations import SANDBOX
from entrypoints.http.sandbox.policies import (
    FILE_CSP,
    FRAME_HEAD,
    MESSAGE_CSP,
    REMOTE_CSP,
    protected,
)
from entrypoints.http.sandbox.policies import SANDBOX as FRAME
from entrypoints.http.sandbox.ports import Emails, Inbox, Received
from entrypoints.http.sandbox.shown import (
    IMAGES,
    blocked_hosts,
    links_of,
    reference_in,
    summary,
    whole,
)

AT_ONCE: Final = 50  # messages on a page of the list
TABS: Final = ("html", "text", "headers", "source", "parts", "links", "checks")
OUTCOMES: Final = (
    ("reply-451-once@example.com", "is deferred once, then accepted (greylisting)"),
    ("reply-451@example.com", "is deferred every time, until the retries are used up"),
    ("reply-550@example.com", "is refused: there is no such user"),
    ("reply-554-dot@example.com", "is refused after the message was transferred"),
    ("reply-421@example.com", "closes the connection"),
    ("slow@example.com", "is accepted after three seconds"),
)


def no_emails(reference: str, *, recipients: Sequence[str]) -> int | None:
    """Of a sandbox without a service."""
    return None


class Sandbox:
    """The pages under /sandbox. What changes something is a POST; `access` refuses other sites'."""

    def __init__(self, inbox: Inbox, *, email_of: Emails = no_emails) -> None:
        self._inbox = inbox
        self._email_of = email_of
        self._started = token_hex(4)  # an inbox that was started anew counts its versions anew

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(
            "sandbox",
            "entrypoints.http",
            url_prefix="/sandbox",
            template_folder="templates",
            static_folder="static/sandbox",
            static_url_path="/static",
        )
        routes.get("")(self.index)
        routes.get("/")(self.index)
        routes.get("/rows")(self.rows)
        routes.get("/messages.json")(self.messages)
        routes.get("/<int:number>.json")(self.message_json)
        routes.get("/<int:number>")(self.message)
        routes.get("/<int:number>/<any(text,headers,source,parts,links,checks):tab>")(self.tab)
        routes.get("/<int:number>/html")(self.html)
        routes.get("/<int:number>/parts/<int:part>")(self.part)
        routes.get("/<int:number>/parts/<int:part>/image")(self.image)
        routes.get("/<int:number>/raw")(self.raw)
        routes.post("/<int:number>/delete")(self.delete)
        routes.post("/<int:number>/read")(self.read)
        routes.post("/<int:number>/unread")(self.unread)
        routes.post("/delete")(self.clear)
        routes.post("/read")(self.read_all)
        routes.after_request(protected)
        routes.record(lambda setup: setup.app.extensions.__setitem__(SANDBOX, self._inbox))
        return routes

    # -- the list ----------------------------------------------------------------------------------

    def index(self) -> str:
        """What has arrived, and how to send something."""
        search, place = _search(), _place()
        found = self._inbox.messages(search)
        shown, older = _slice(found, place)
        return render_template(
            "sandbox/index.html",
            messages=shown,
            found=len(found),
            older=older,
            newest=place is None,
            search=search,
            feed=url_for("sandbox.rows", q=search or None, before=place),
            unread=self._inbox.unread,
            kept=len(self._inbox.messages()) if search else None,
            inbox=self._inbox,
            configs_url=shlex.quote(f"{request.url_root}api/smtp-configs"),
            emails_url=shlex.quote(f"{request.url_root}api/emails"),
            outcomes=OUTCOMES,
        )

    def rows(self) -> Response:
        """The list alone, for a page that looks again: 304 while nothing has changed."""
        search = _search()
        if (same := self._unchanged()) is not None:
            return same
        found = self._inbox.messages(search)
        shown, older = _slice(found, _place())
        rows = render_template("sandbox/rows.html", messages=shown, search=search)
        reply = self._tagged(Response(rows, content_type="text/html; charset=utf-8"))
        reply.headers["Sandbox-Found"] = str(len(found))
        reply.headers["Sandbox-Older"] = "" if older is None else str(older)
        return reply

    def messages(self) -> Response:
        """What has arrived, for programs."""
        if (same := self._unchanged()) is not None:
            return same
        return self._tagged(jsonify([summary(one) for one in self._inbox.messages(_search())]))

    def _unchanged(self) -> Response | None:
        if request.if_none_match.contains(self._tag):
            return self._tagged(Response(status=304))
        return None

    def _tagged(self, response: Response) -> Response:
        response.set_etag(self._tag)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Sandbox-Unread"] = str(self._inbox.unread)
        return response

    @property
    def _tag(self) -> str:
        return f"{self._started}-{self._inbox.version}"

    # -- one message -------------------------------------------------------------------------------

    def message(self, number: int) -> str:
        """Its page; the message counts as read from now on."""
        received = self._received(number)
        return self._page(received, "text" if received.letter.html is None else "html")

    def tab(self, number: int, tab: str) -> str:
        """The same page with something else of the message."""
        return self._page(self._received(number), tab)

    def _page(self, received: Received, tab: str) -> str:
        if request.method == "GET" and not received.seen:
            self._inbox.mark([received.number], seen=True)
            received = self._received(received.number)
        search = _search()

        def address(name: str, number: int = received.number, **more: str | None) -> str:
            """Of the same message, or another one of the same search."""
            values: dict[str, Any] = {"number": number, "q": search or None, **more}
            return url_for(f"sandbox.{name}", **values)

        newer, older = self._beside(received)
        reference = reference_in(received)
        email_id = reference and self._email_of(reference, recipients=received.recipients)
        return render_template(
            "sandbox/message.html",
            received=received,
            letter=received.letter,
            tab=tab,
            tabs=TABS if received.letter.html is not None else TABS[1:],
            search=search,
            address=address,
            newer=newer,
            older=older,
            links=links_of(received),
            blocked=blocked_hosts(received),
            remote=request.args.get("images") == "remote",
            phone=request.args.get("width") == "phone",
            frame=FRAME,
            images=IMAGES,
            file_name=file_name,
            checks=len(CHECKS),
            source=source_of(received.octets),
            source_cut=len(received.octets) > MOST_SOURCE,
            email_id=email_id,
            email_url=_email_url(email_id) if email_id else None,
        )

    def _beside(self, received: Received) -> tuple[int | None, int | None]:
        """The next newer and the next older one of the search that the message was opened from."""
        numbers = [one.number for one in self._inbox.messages(_search())]
        newer = [number for number in numbers if number > received.number]
        older = [number for number in numbers if number < received.number]
        return (newer[-1] if newer else None), (older[0] if older else None)

    def message_json(self, number: int) -> Response:
        """One message, for programs; it stays unread."""
        received = self._received(number)
        files = {
            part.number: url_for("sandbox.part", number=number, part=part.number)
            for part in received.letter.files
        }
        return jsonify(whole(received, files=files))

    def html(self, number: int) -> Response:
        """Its HTML, for the frame that can do no harm."""
        remote = request.args.get("images") == "remote"
        html = self._received(number).html(remote=remote)
        response = Response(FRAME_HEAD + html, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = REMOTE_CSP if remote else MESSAGE_CSP
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    def part(self, number: int, part: int) -> Response:
        """One part, to be kept as a file: no browser shows or runs what somebody else sent."""
        return part_file(*self._part(number, part))

    def image(self, number: int, part: int) -> Response:
        """A part that a browser shows as an image without running anything."""
        described, octets = self._part(number, part)
        if described.content_type not in IMAGES:
            abort(404)
        response = Response(octets, content_type=described.content_type)
        response.headers["Content-Security-Policy"] = FILE_CSP
        return response

    def raw(self, number: int) -> Response:
        """Its octets as they came."""
        return message_file(self._received(number).octets, f"sandbox-{number}")

    # -- changes -----------------------------------------------------------------------------------

    def delete(self, number: int) -> Response:
        """Take one message out."""
        self._inbox.delete([number])
        return _to_list()

    def clear(self) -> Response:
        """Take out what the search finds; without a search everything."""
        self._inbox.delete([one.number for one in self._inbox.messages(_search())])
        return _to_list(keep_search=False)

    def read(self, number: int) -> Response:
        """Note that it was read."""
        self._inbox.mark([number], seen=True)
        return _to_list()

    def unread(self, number: int) -> Response:
        """Note that it was not read."""
        self._inbox.mark([number], seen=False)
        return _to_list()

    def read_all(self) -> Response:
        """Note that what the search finds was read."""
        self._inbox.mark([one.number for one in self._inbox.messages(_search())], seen=True)
        return _to_list()

    def _received(self, number: int) -> Received:
        received = self._inbox.get(number)
        if received is None:
            abort(404)
        return received

    def _part(self, number: int, part: int) -> tuple[LetterPart, bytes]:
        received = self._received(number)
        octets = received.part(part)
        if octets is None:
            abort(404)
        return received.letter.parts[part], octets


def _search() -> str:
    """What is looked for; it stands in the address, so a search can be kept and shared."""
    return request.args.get("q", "").strip()


def _place() -> int | None:
    """The number below which the page of the list begins; None for the newest."""
    text = request.args.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _slice(found: Sequence[Received], place: int | None) -> tuple[Sequence[Received], int | None]:
    """Those of a page, newest first, and where the next one begins if there are older ones."""
    left = found if place is None else [one for one in found if one.number < place]
    shown = left[:AT_ONCE]
    return shown, shown[-1].number if len(left) > len(shown) else None


def _to_list(*, keep_search: bool = True) -> Response:
    search = _search() if keep_search else ""
    query = f"?{urlencode({'q': search})}" if search else ""
    response = redirect(url_for("sandbox.index") + query, code=303)
    assert isinstance(response, Response)
    return response


def _email_url(email_id: int) -> str | None:
    """The email's page in the dashboard, if there is a dashboard."""
    path = f"/dashboard/emails/{email_id}"
    known = current_app.url_map.bind("localhost").test(path, method="GET")
    return f"{request.script_root}{path}" if known else None

"""A secret that was just made: shown once, on the page that the browser is led to.

Until then the browser keeps it, sealed with the key of the service and for this login alone. So it
stands in no address, no log and no table, and to load the page again makes no other one.
"""

import json

from flask import Response

from application.dashboard_sessions import SHOWN_WITHIN, DashboardSessions
from entrypoints.http.browsers import (
    forget_new_secret,
    keep_new_secret,
    login_of,
    new_secret_of,
)
from entrypoints.http.dashboard.page import go_to, page
from entrypoints.http.requests import the_request


class ShownOnce:
    """Secrets of one kind: *title* and *text* say what one is, *endpoint* is the page."""

    def __init__(
        self, sessions: DashboardSessions, endpoint: str, *, title: str, text: str
    ) -> None:
        self._sessions = sessions
        self._endpoint = endpoint
        self._title = title
        self._text = text

    def lead_to(
        self, secret: str, *, name: str = "", login: str | None = None, **values: str | int
    ) -> Response:
        """303 to the page that shows it. *login* is that of this browser, where it is a new one."""
        asked = the_request()
        sealed = self._sessions.seal_once(
            json.dumps([self._endpoint, name, secret], ensure_ascii=False),
            login=login or login_of(asked),
        )
        reply = go_to(self._endpoint, done=None, **values)
        keep_new_secret(reply, sealed, asked, age_s=int(SHOWN_WITHIN.total_seconds()))
        return reply

    def show(self, *, place: str, then: str) -> Response | None:
        """The page; None if there is nothing to be shown, or not any more."""
        asked = the_request()
        sealed = new_secret_of(asked)
        opened = None if sealed is None else self._sessions.open_once(sealed, login=login_of(asked))
        if opened is None:
            return None
        endpoint, name, secret = json.loads(opened)
        if endpoint != self._endpoint:
            return None
        reply = page(
            "secret.html",
            place=place,
            title=f"{self._title} {name}".strip(),
            secret=secret,
            text=self._text,
            then=then,
        )
        reply.headers["Cache-Control"] = "no-store"
        reply.headers.pop("ETag", None)
        forget_new_secret(reply, asked)
        return reply

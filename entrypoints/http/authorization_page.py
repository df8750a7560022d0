"""The page that a browser comes back to from an OAuth provider, with a code for us.

It needs no key, and a page of another site leads here: the state in the link is what it takes, and
the cookie of the page that began it, if one did. Nothing of the query is shown or logged: a code is
as good as a password until it is used.
"""

import logging
from typing import ClassVar, Final
from urllib.parse import urlsplit

from flask import Blueprint, Response

from application import Application
from domain.account.authorization import CALLBACK, LIFETIME
from domain.errors import Conflict, NotFound, Unavailable
from entrypoints.http.public_page import STYLES, later_page, public_page
from entrypoints.http.requests import the_request

COOKIE: Final = "email_service_oauth"
log = logging.getLogger("email_service.http")
_LONGEST: Final = 8192  # of a parameter; those of providers have a few hundred characters


class AuthorizationPage:
    """The page under /oauth/. Its links are relative: it works under any path of a proxy."""

    BLUEPRINT: ClassVar = "authorization"

    def __init__(self, application: Application) -> None:
        self._authorizations = application.authorizations

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(
            self.BLUEPRINT,
            __name__,
            template_folder="templates",
            static_folder=STYLES,
            static_url_path="/oauth/static",
        )
        routes.get(CALLBACK)(self.callback)
        routes.register_error_handler(NotFound, _not_found)
        routes.register_error_handler(Conflict, _refused)
        routes.register_error_handler(Unavailable, _unavailable)
        return routes

    def callback(self) -> Response:
        """The code becomes a token, once."""
        asked = the_request()
        if asked.method != "GET":
            return public_page("oauth/wrong.html", status=405)  # a HEAD would use the state up
        account = self._authorizations.complete(
            _one("state"), code=_one("code"), error=_one("error"), cookie=asked.cookies.get(COOKIE)
        )
        page = public_page("oauth/done.html", account=account.name)
        page.delete_cookie(COOKIE, path=CALLBACK)
        return page


def keep_cookie(reply: Response, cookie: str, *, callback: str) -> None:
    """Let the browser that began it keep what must come back to the page at *callback*."""
    place = urlsplit(callback)
    reply.set_cookie(
        COOKIE,
        cookie,
        max_age=int(LIFETIME.total_seconds()),
        path=place.path,
        secure=place.scheme == "https",
        httponly=True,
        samesite="Lax",  # it comes along when the provider sends the browser back
    )


def _one(name: str) -> str:
    """A parameter that stands in the query once; "" otherwise."""
    values = the_request().args.getlist(name)
    return values[0] if len(values) == 1 and len(values[0]) <= _LONGEST else ""


def _not_found(_: NotFound) -> Response:
    return public_page("oauth/wrong.html", status=404)


def _refused(error: Conflict) -> Response:
    return public_page("oauth/refused.html", status=409, text=str(error))


def _unavailable(error: Unavailable) -> Response:
    request_id = the_request().request_id
    log.error("nobody can authorize: %s", error.code, extra={"request_id": request_id})
    return later_page("oauth/refused.html", error, text=str(error))

"""The pages behind the links to unsubscribe: for recipients, who have nothing but the link.

To look changes nothing: mail scanners open every link. Only a POST does: that of a mail client
(RFC 8058), which sends neither cookies nor a key and follows no redirect, or that of the button on
the page. Whatever its body says, it means the same. Where the wish cannot be stored the answer is
an error, for a mail client takes a 200 for done and never asks again.

The token is all that it takes to unsubscribe somebody, so it is written into no log.
"""

import logging
import math
from typing import ClassVar, Final

from flask import Blueprint, Response, render_template

from application import Application
from application.unsubscribe_links import PATH
from domain.errors import NotFound, Unavailable
from domain.suppression import Subscription
from entrypoints.http.requests import the_request

log = logging.getLogger("email_service.http")

# No script, and nothing that stands in the page itself; the form leads back to where it came from.
PAGE_CSP: Final = (
    "default-src 'none'; style-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": PAGE_CSP,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}


class UnsubscribePages:
    """The pages under /u/. Their links are relative: they work under any path of a proxy."""

    BLUEPRINT: ClassVar = "unsubscribe"

    def __init__(self, application: Application) -> None:
        self._unsubscribe = application.unsubscribe

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(
            self.BLUEPRINT,
            __name__,
            template_folder="templates",
            static_folder="static/unsubscribe",
            static_url_path=f"{PATH}static",
        )
        routes.get(f"{PATH}<token>")(self.page)
        routes.post(f"{PATH}<token>")(self.confirm)
        routes.register_error_handler(NotFound, _not_found)
        routes.register_error_handler(Unavailable, _unavailable)
        return routes

    def page(self, token: str) -> Response:
        """What the link would end, and a button."""
        subscription = self._unsubscribe.subscription(token)
        return _about("ask.html", subscription)

    def confirm(self, token: str) -> Response:
        """It is done, and durable."""
        subscription = self._unsubscribe.unsubscribe(token)
        return _about("done.html", subscription)


def _about(name: str, subscription: Subscription) -> Response:
    """A page that says what is ended; a line may break behind the @ of the address."""
    local, _, domain = subscription.address.rpartition("@")
    return _page(name, local=local, domain=domain, topic=subscription.topic)


def _not_found(_: NotFound) -> Response:
    return _page("wrong.html", status=404)


def _unavailable(error: Unavailable) -> Response:
    request_id = the_request().request_id
    log.error("nobody can unsubscribe: %s", error.code, extra={"request_id": request_id})
    page = _page("later.html", status=503)
    page.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
    return page


def _page(name: str, *, status: int = 200, **values: str) -> Response:
    return Response(
        render_template(f"unsubscribe/{name}", **values),
        status=status,
        content_type="text/html; charset=utf-8",
        headers=_HEADERS,
    )

"""The pages behind the links to unsubscribe: for recipients, who have nothing but the link.

To look changes nothing: mail scanners open every link. Only a POST does: that of a mail client
(RFC 8058), which sends neither cookies nor a key and follows no redirect, or that of the button on
the page. Whatever its body says, it means the same. Where the wish cannot be stored the answer is
an error, for a mail client takes a 200 for done and never asks again.

The token is all that it takes to unsubscribe somebody, so it is written into no log.
"""

import logging
from typing import ClassVar

from flask import Blueprint, Response

from application import Application
from application.unsubscribe_links import PATH
from domain.errors import NotFound, Unavailable
from domain.suppression import Subscription
from entrypoints.http.public_page import STYLES, later_page, public_page
from entrypoints.http.requests import the_request

log = logging.getLogger("email_service.http")


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
            static_folder=STYLES,
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
    return public_page(f"unsubscribe/{name}", local=local, domain=domain, topic=subscription.topic)


def _not_found(_: NotFound) -> Response:
    return public_page("unsubscribe/wrong.html", status=404)


def _unavailable(error: Unavailable) -> Response:
    request_id = the_request().request_id
    log.error("nobody can unsubscribe: %s", error.code, extra={"request_id": request_id})
    return later_page("unsubscribe/later.html", error)

"""What providers call: POST /hooks/{kind}/{secret}.

It needs no API key: the secret in the path is one, and most providers sign besides. The path is
written into no log. A call is written down before it is answered with 200; a provider that gets
anything else calls again.
"""

from typing import ClassVar, Final

from flask import Blueprint, Response

from application import Application
from application.hook_calls import HookCall
from domain.hook import sendgrid, sns
from domain.hook.hook import PATH, most_octets
from entrypoints.http.json_reader import check_encoding, read_body, read_limit
from entrypoints.http.replies import reply
from entrypoints.http.requests import the_request
from entrypoints.http.schemas import Done

_HEADERS: Final = (sns.RAW, sendgrid.SIGNATURE, sendgrid.TIMESTAMP, "Authorization")


class ProviderHooks:
    """The path under /hooks/, which is not part of the API's document: no client calls it."""

    BLUEPRINT: ClassVar = "hooks"

    def __init__(self, application: Application) -> None:
        self._calls = application.hook_calls

    def routes(self) -> Blueprint:
        """The one path."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        routes.post(f"{PATH}<kind>/<secret>")(self.receive)
        return routes

    def receive(self, kind: str, secret: str) -> Response:
        """Written down."""
        asked = the_request()
        remote = asked.remote_addr or ""
        hook = self._calls.hook(kind, secret, remote=remote)
        check_encoding()
        asked.max_content_length = read_limit(most_octets(hook.kind))
        given = {name: asked.headers.get(name, "") for name in _HEADERS}
        self._calls.receive(hook, HookCall(octets=read_body(), headers=given, remote=remote))
        return reply(Done(message="recorded"))

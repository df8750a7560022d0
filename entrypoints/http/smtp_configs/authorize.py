"""The call by which a person begins to authorize an SMTP configuration that logs in by OAuth."""

from typing import Annotated, ClassVar, Final, Literal

from flask import Blueprint, Response
from pydantic import Field

from application import Application
from domain.access import Scope
from domain.account.oauth import Flow
from domain.errors import NotFound
from entrypoints.http.access import the_caller
from entrypoints.http.authorization_page import keep_cookie
from entrypoints.http.json_reader import read_optional_object
from entrypoints.http.openapi import NO_FIELDS, Answer, Tag, add_routes, operation
from entrypoints.http.problems import problem
from entrypoints.http.replies import reply
from entrypoints.http.requests import the_request
from entrypoints.http.schemas import Instant, NoFields, ReplyModel
from entrypoints.http.times import rfc3339
from entrypoints.http.validation import parse

_EXAMPLE: Final = {
    "flow": "authorization_code",
    "authorize_url": "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?…",
    "user_code": None,
    "verification_uri": None,
    "expires_at": "2026-01-31T09:40:00.000000Z",
}


class AuthorizeReply(ReplyModel):
    """What a person has to do."""

    flow: Literal["authorization_code", "device"]
    authorize_url: Annotated[
        str | None,
        Field(description="For authorization_code: to be opened in that person's browser, once."),
    ]
    user_code: Annotated[
        str | None, Field(description="For device: to be typed in at verification_uri.")
    ]
    verification_uri: str | None
    expires_at: Instant


class Authorize:
    """The call under /api/smtp-configs/{config_id}/authorize."""

    BLUEPRINT: ClassVar = "authorize"

    def __init__(self, application: Application) -> None:
        self._authorizations = application.authorizations

    def routes(self) -> Blueprint:
        """The path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        routes.register_error_handler(NotFound, _not_found)
        return routes

    @operation(
        "POST",
        "/api/smtp-configs/{config_id}/authorize",
        name="authorizeSmtpConfig",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        body=NO_FIELDS,
        answer=Answer(
            description="What a person has to do.", model=AuthorizeReply, example=_EXAMPLE
        ),
        refusals=(409,),
    )
    def begin(self, config_id: int) -> Response:
        """Authorize an SMTP configuration.

        Of the flow authorization_code: open authorize_url in a browser and consent; the provider
        sends it back to /oauth/callback. Of the flow device: type user_code in at verification_uri;
        the service asks for the result every half minute. Then it is resumed, if it was paused for
        the want of it. 409 if it needs no authorization, or lacks what it takes.
        """
        parse(NoFields, read_optional_object())
        caller = the_caller()
        if self._authorizations.flow_of(config_id, caller=caller) is Flow.DEVICE:
            device = self._authorizations.begin_device(config_id, caller=caller)
            return reply(
                AuthorizeReply(
                    flow="device",
                    authorize_url=None,
                    user_code=device.shown.user_code,
                    verification_uri=device.shown.verification_uri,
                    expires_at=rfc3339(device.expires_at),
                )
            )
        environ = the_request().environ
        callback = self._authorizations.callback(int(environ["SERVER_PORT"]))
        # a browser tells which page asks; no other client does
        by_page = "HTTP_ORIGIN" in environ or "HTTP_SEC_FETCH_SITE" in environ
        begun = self._authorizations.begin(
            config_id, redirect_uri=callback, by_page=by_page, caller=caller
        )
        answer = reply(
            AuthorizeReply(
                flow="authorization_code",
                authorize_url=begun.authorize_url,
                user_code=None,
                verification_uri=None,
                expires_at=rfc3339(begun.expires_at),
            )
        )
        if begun.cookie is not None:
            keep_cookie(answer, begun.cookie, callback=callback)
        return answer


def _not_found(error: NotFound) -> Response:
    return problem(404, code=error.code, detail=str(error))

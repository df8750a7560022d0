"""The accounts of the API, where they are called smtp-configs."""

from collections.abc import Mapping
from typing import ClassVar, Final

from flask import Blueprint, Response, request, url_for
from pydantic import TypeAdapter

from application import Application
from application.account_writer import Updated
from domain.access import Scope
from domain.account.oauth import how_to_authorize
from domain.errors import InvalidInput, NameTaken, NotFound
from entrypoints.advice import unsigned
from entrypoints.http.access import the_caller
from entrypoints.http.fields import RequestError
from entrypoints.http.json_reader import read_object, read_optional_object
from entrypoints.http.openapi import NO_FIELDS, Answer, Body, Tag, add_routes, operation
from entrypoints.http.problems import problem
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.schemas import Done, NoFields
from entrypoints.http.smtp_configs import examples
from entrypoints.http.smtp_configs.fields import changes_of, new_account
from entrypoints.http.smtp_configs.replies import config_reply, config_row, verify_reply
from entrypoints.http.smtp_configs.schemas import (
    PauseChanged,
    SmtpConfigChanges,
    SmtpConfigCreated,
    SmtpConfigReply,
    SmtpConfigRequest,
    SmtpConfigRow,
    VerifyReply,
    VerifyRequest,
)
from entrypoints.http.validation import parse

_ROWS: Final = TypeAdapter(list[SmtpConfigRow])
_MISSING: Final = (
    "its password was forgotten, because the server, the TLS mode or the username changed: "
    "it is paused (password_missing) until you send the password again"
)


def _new_state(example: Mapping[str, str]) -> Answer:
    return Answer(description="The new state.", model=PauseChanged, example=example)


class SmtpConfigs:
    """The calls under /api/smtp-configs."""

    BLUEPRINT: ClassVar = "smtp_configs"

    def __init__(self, application: Application) -> None:
        self._account_service = application.account_service
        self._providers = application.providers
        self._account_queries = application.account_queries

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        routes.register_error_handler(NotFound, _not_found)
        routes.register_error_handler(NameTaken, _name_taken)
        return routes

    @operation(
        "POST",
        "/api/smtp-configs",
        name="createSmtpConfig",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        body=Body(
            model=SmtpConfigRequest,
            examples={
                "sandbox": examples.LEAST,
                "known provider": examples.PRESET,
                "provider": examples.MOST,
                "oauth": examples.OAUTH,
                "graph": examples.GRAPH,
            },
        ),
        answer=Answer(
            status=201,
            description="Stored; Location is the path of the SMTP configuration.",
            model=SmtpConfigCreated,
            example={"message": "SMTP configuration created successfully", "config_id": 1},
            headers=("Location",),
            links=("showSmtpConfig", "changeSmtpConfig", "pauseSmtpConfig", "deleteSmtpConfig"),
        ),
        refusals=(409,),
    )
    def create(self) -> Response:
        """Create an SMTP configuration.

        use_tls and use_ssl cannot both be true; with neither, a password is sent to this machine
        only. username and password are given together. With auth of the type oauth there is no
        password; it waits (needs_consent) until a person authorizes it. provider fills in what you
        leave out: the server, the port, the TLS mode, the username, the limits; so does transport
        graph. 409 if the name is taken.
        """
        fields = new_account(read_object(), self._providers)
        config_id = self._account_service.create(fields, caller=the_caller())
        created = reply(
            SmtpConfigCreated(
                message="SMTP configuration created successfully", config_id=config_id
            ),
            201,
        )
        created.headers["Location"] = url_for("smtp_configs.show", config_id=config_id)
        return created

    @operation(
        "GET",
        "/api/smtp-configs",
        name="listSmtpConfigs",
        tag=Tag.ACCOUNTS,
        scope=Scope.READ,
        answer=Answer(
            description="Every SMTP configuration.",
            model=SmtpConfigRow,
            many=True,
            example=[examples.ROW],
        ),
    )
    def index(self) -> Response:
        """List SMTP configurations."""
        return reply_list(
            _ROWS,
            [config_row(view) for view in self._account_queries.accounts(caller=the_caller())],
        )

    @operation(
        "GET",
        "/api/smtp-configs/{config_id}",
        name="showSmtpConfig",
        tag=Tag.ACCOUNTS,
        scope=Scope.READ,
        answer=Answer(
            description="Everything except the password.",
            model=SmtpConfigReply,
            example=examples.SHOWN,
        ),
    )
    def show(self, config_id: int) -> Response:
        """Show an SMTP configuration.

        Its settings, what is left of its limits, and why it is paused, if it is.
        """
        return reply(config_reply(self._account_queries.account(config_id, caller=the_caller())))

    @operation(
        "PUT",
        "/api/smtp-configs/{config_id}",
        name="changeSmtpConfig",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        body=Body(
            model=SmtpConfigChanges,
            examples={"switch off": {"active": False, "daily_limit": 1000}},
        ),
        answer=Answer(
            description="Changed.",
            model=Done,
            example={"message": "SMTP configuration updated successfully"},
        ),
        refusals=(409,),
    )
    def update(self, config_id: int) -> Response:
        """Change an SMTP configuration.

        A field that is left out stays as it is; name at least one. The change applies from the next
        email on. New credentials or another server end a pause that the old ones caused. Another
        server, port, TLS mode or username without a password deletes the stored password: the SMTP
        configuration is paused (password_missing) until a password is sent, and message says so.
        What OAuth has is deleted too, also with another application: it is paused (needs_consent)
        until it is authorized again. auth is replaced as a whole, but for its secrets. message
        also says when no DKIM key that signs fits the new email_address. Another transport is
        another server; smtp needs smtp_host then.
        """
        wanted = parse(SmtpConfigChanges, read_object())
        if not wanted.given():
            raise InvalidInput(RequestError("", "name at least one field to change"))
        updated = self._account_service.update(config_id, changes_of(wanted), caller=the_caller())
        return reply(Done(message=_message_of(updated)))

    @operation(
        "DELETE",
        "/api/smtp-configs/{config_id}",
        name="deleteSmtpConfig",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        answer=Answer(
            description="Removed.",
            model=Done,
            example={"message": "SMTP configuration deleted successfully"},
        ),
        refusals=(409,),
    )
    def delete(self, config_id: int) -> Response:
        """Delete an SMTP configuration.

        409 while email waits for it. Emails that it sent keep its name.
        """
        self._account_service.delete(config_id, caller=the_caller())
        return reply(Done(message="SMTP configuration deleted successfully"))

    @operation(
        "POST",
        "/api/smtp-configs/{config_id}/pause",
        name="pauseSmtpConfig",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        body=NO_FIELDS,
        answer=_new_state({"message": "SMTP configuration paused successfully", "state": "paused"}),
    )
    def pause(self, config_id: int) -> Response:
        """Pause an SMTP configuration.

        Nothing is handed off through it until it is resumed; its email waits.
        """
        parse(NoFields, read_optional_object())
        self._account_service.pause(config_id, caller=the_caller())
        return self._state(config_id, "SMTP configuration paused successfully")

    @operation(
        "POST",
        "/api/smtp-configs/{config_id}/resume",
        name="resumeSmtpConfig",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        body=NO_FIELDS,
        answer=_new_state({"message": "SMTP configuration resumed successfully", "state": "open"}),
        refusals=(409,),
    )
    def resume(self, config_id: int) -> Response:
        """Resume an SMTP configuration.

        Ends any pause, clears the record of failures, and hands email off again. 409 while the
        password is missing: send the password instead.
        """
        parse(NoFields, read_optional_object())
        self._account_service.resume(config_id, caller=the_caller())
        return self._state(config_id, "SMTP configuration resumed successfully")

    @operation(
        "POST",
        "/api/smtp-configs/{config_id}/verify",
        name="verifySmtpConfig",
        tag=Tag.ACCOUNTS,
        scope=Scope.ADMIN,
        body=Body(
            model=VerifyRequest,
            examples={"own address": {}, "another": {"recipient": "ada@example.org"}},
            required=False,
        ),
        answer=Answer(
            description="How far it got, and why no further.",
            model=VerifyReply,
            example=examples.VERIFIED,
        ),
    )
    def verify(self, config_id: int) -> Response:
        """Verify an SMTP configuration.

        Connects, starts TLS, logs in, and names the sender and a recipient; sends nothing.
        """
        wanted = parse(VerifyRequest, read_optional_object())
        return reply(
            verify_reply(
                self._account_service.verify(
                    config_id, recipient=wanted.recipient, caller=the_caller()
                )
            )
        )

    def _state(self, config_id: int, message: str) -> Response:
        view = self._account_queries.account(config_id, caller=the_caller())
        return reply(PauseChanged(message=message, state=view.account.state(view.now).value))


def _message_of(updated: Updated) -> str:
    message, account = "SMTP configuration updated successfully", updated.account
    buts = (
        *([_MISSING] if account.awaits_password else []),
        *([_waits(account.id)] if account.awaits_consent else []),
        *([unsigned(account)] if updated.unsigned else []),
    )
    return f"{message}, but {'; and '.join(buts)}" if buts else message


def _waits(account_id: int) -> str:
    return f"it waits (needs_consent): {how_to_authorize(account_id)}"


def _not_found(error: NotFound) -> Response:
    config_id = (request.view_args or {}).get("config_id")
    return problem(404, code=error.code, detail=f"there is no SMTP configuration {config_id}")


def _name_taken(error: NameTaken) -> Response:
    detail = (
        "another SMTP configuration has this name: choose another one, or change that one (PUT)"
    )
    return problem(409, code=error.code, detail=detail)

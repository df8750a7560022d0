"""The accounts of the API, where they are called smtp-configs: the translation is here alone."""

from datetime import datetime
from typing import Final, cast

from flask import Blueprint, Response, request, url_for
from pydantic import TypeAdapter

from application import Application
from application.administration import AccountFields
from application.overview import AccountView
from domain.account import Account, Security
from domain.congestion import LearnedLimit
from domain.errors import FieldError, InvalidInput, NameTaken, NotFound
from domain.gates import AccountUse, holdup
from domain.limits import Window
from domain.verification import Verification
from entrypoints.http.access import the_caller
from entrypoints.http.json_reader import read_object, read_optional_object
from entrypoints.http.problems import problem
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.schemas import (
    ConnectionsReply,
    Done,
    LearnedLimitReply,
    NoFields,
    PauseChanged,
    RequestModel,
    SmtpConfigChanges,
    SmtpConfigCreated,
    SmtpConfigReply,
    SmtpConfigRequest,
    SmtpConfigRow,
    VerifyReply,
    VerifyRequest,
    VerifyStage,
)
from entrypoints.http.times import shown, shown_if_any
from entrypoints.http.validation import parse

_ROWS: Final = TypeAdapter(list[SmtpConfigRow])
_PORT_WITH_SSL: Final = 465
_MISSING: Final = (
    "its password was forgotten, because the server, the TLS mode or the username changed: "
    "it is paused (password_missing) until you send the password again"
)

_LIMIT_FIELDS: Final = {"minute": "minute_limit", "hour": "hourly_limit", "day": "daily_limit"}

# the word of the API -> ours
_WORDS: Final = {
    "name": "name",
    "email_address": "address",
    "display_name": "display_name",
    "smtp_host": "host",
    "smtp_port": "port",
    "username": "username",
    "password": "password",
    "auth_mechanism": "auth_mechanism",
    "announce_next": "announce_next",
    "use_tls": "use_tls",
    "use_ssl": "use_ssl",
    "active": "active",
    "daily_limit": "daily",
    "hourly_limit": "hourly",
    "minute_limit": "minute",
    "limit_unit": "unit",
    "max_connections": "max_connections",
    "priority_reserve": "priority_reserve",
    "on_unknown": "on_unknown",
}


class SmtpConfigs:
    """The calls under /api/smtp-configs."""

    def __init__(self, application: Application) -> None:
        self._administration = application.administration
        self._overview = application.overview

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint("smtp_configs", __name__, url_prefix="/api/smtp-configs")
        routes.post("")(self.create)
        routes.get("")(self.index)
        routes.get("/<id:config_id>")(self.show)
        routes.put("/<id:config_id>")(self.update)
        routes.delete("/<id:config_id>")(self.delete)
        routes.post("/<id:config_id>/pause")(self.pause)
        routes.post("/<id:config_id>/resume")(self.resume)
        routes.post("/<id:config_id>/verify")(self.verify)
        routes.register_error_handler(NotFound, _not_found)
        routes.register_error_handler(NameTaken, _name_taken)
        return routes

    def create(self) -> Response:
        """A new one."""
        wanted = parse(SmtpConfigRequest, read_object())
        fields = _fields(wanted)
        fields.setdefault("port", _PORT_WITH_SSL if wanted.use_ssl else wanted.smtp_port)
        config_id = self._administration.create(fields, caller=the_caller())
        created = reply(
            SmtpConfigCreated(
                message="SMTP configuration created successfully", config_id=config_id
            ),
            201,
        )
        created.headers["Location"] = url_for("smtp_configs.show", config_id=config_id)
        return created

    def index(self) -> Response:
        """All of them."""
        return reply_list(
            _ROWS, [_row(view) for view in self._overview.accounts(caller=the_caller())]
        )

    def show(self, config_id: int) -> Response:
        """One, without its password."""
        return reply(_config_reply(self._overview.account(config_id, caller=the_caller())))

    def update(self, config_id: int) -> Response:
        """Change what is named."""
        fields = _fields(parse(SmtpConfigChanges, read_object()))
        if not fields:
            raise InvalidInput(FieldError("", "name at least one field to change"))
        account = self._administration.update(config_id, fields, caller=the_caller())
        return reply(Done(message=_updated(account)))

    def delete(self, config_id: int) -> Response:
        """Remove it, if no mail waits on it."""
        self._administration.delete(config_id, caller=the_caller())
        return reply(Done(message="SMTP configuration deleted successfully"))

    def pause(self, config_id: int) -> Response:
        """Hand nothing off until it is resumed."""
        parse(NoFields, read_optional_object())
        self._administration.pause(config_id, caller=the_caller())
        return self._state(config_id, "SMTP configuration paused successfully")

    def resume(self, config_id: int) -> Response:
        """Hand mail off again."""
        parse(NoFields, read_optional_object())
        self._administration.resume(config_id, caller=the_caller())
        return self._state(config_id, "SMTP configuration resumed successfully")

    def verify(self, config_id: int) -> Response:
        """Connect, log in, and name a sender and a recipient; nothing is sent."""
        wanted = parse(VerifyRequest, read_optional_object())
        return reply(
            _verify_reply(
                self._administration.verify(
                    config_id, recipient=wanted.recipient, caller=the_caller()
                )
            )
        )

    def _state(self, config_id: int, message: str) -> Response:
        view = self._overview.account(config_id, caller=the_caller())
        return reply(PauseChanged(message=message, state=view.account.state(view.now).value))


def _updated(account: Account) -> str:
    message = "SMTP configuration updated successfully"
    return f"{message}, but {_MISSING}" if account.awaits_password else message


def _not_found(error: NotFound) -> Response:
    config_id = (request.view_args or {}).get("config_id")
    return problem(404, code=error.code, detail=f"there is no SMTP configuration {config_id}")


def _name_taken(error: NameTaken) -> Response:
    return problem(409, code=error.code, detail="another SMTP configuration has this name")


def _fields(wanted: RequestModel) -> AccountFields:
    fields = {_WORDS[word]: value for word, value in wanted.given().items()}
    return cast(AccountFields, fields)  # _WORDS has its names, the models its types


def _row(view: AccountView) -> SmtpConfigRow:
    account = view.account
    return SmtpConfigRow(
        id=account.id,
        name=account.name,
        email_address=str(account.address),
        active=account.active,
        daily_limit=account.limits.daily,
        sent_count_today=view.sent[Window.DAY],
        sent_count_hour=view.sent[Window.HOUR],
        state=account.state(view.now).value,
    )


def _config_reply(view: AccountView) -> SmtpConfigReply:
    account, limits = view.account, view.account.limits
    pause = holdup(account, AccountUse(used=view.used, room_at=view.room_at), now=view.now)
    return SmtpConfigReply(
        **_row(view).model_dump(),
        display_name=account.display_name,
        smtp_host=account.host,
        smtp_port=account.port,
        username=account.username,
        password_set=account.sealed_password is not None,
        auth_mechanism=account.auth_mechanism.value if account.auth_mechanism else None,
        use_tls=account.security is Security.STARTTLS,
        use_ssl=account.security is Security.TLS,
        hourly_limit=limits.hourly,
        minute_limit=limits.minute,
        limit_unit=limits.unit.value,
        max_connections=limits.max_connections,
        priority_reserve=limits.priority_reserve,
        on_unknown=account.on_unknown.value if account.on_unknown else None,
        announce_next=account.announce_next,
        last_sent=shown_if_any(account.last_sent_at),
        created_at=shown(account.created_at),
        updated_at=shown(account.updated_at),
        pause_reason=pause.reason if pause else None,
        pause_text=pause.text if pause else None,
        pause_until=shown_if_any(pause.until) if pause else None,
        used_minute=view.used[Window.MINUTE],
        used_hour=view.used[Window.HOUR],
        used_day=view.used[Window.DAY],
        next_capacity_at=shown_if_any(view.room_at),
        connections=_connections(account, in_flight=view.in_flight),
        last_reply=account.health.last_reply or None,
        pace=_pace(account, view.now),
        learned_limits=[_learned(limit) for limit in account.health.learned],
    )


def _pace(account: Account, now: datetime) -> int | None:
    pace = account.health.pace.now(now) if account.health.pace else None
    return None if pace is None else int(pace)


def _learned(limit: LearnedLimit) -> LearnedLimitReply:
    """What a provider refused, and the change that would keep below it."""
    return LearnedLimitReply(
        window=limit.window,
        refused_after_least=limit.least,
        refused_after_most=limit.most,
        times=limit.times,
        last_at=shown(limit.at),
        put={_LIMIT_FIELDS[limit.window]: max(1, limit.least)},
    )


def _connections(account: Account, *, in_flight: int) -> ConnectionsReply:
    most = account.limits.max_connections
    return ConnectionsReply(max=most, allowed=account.health.connections(most), in_flight=in_flight)


def _verify_reply(verification: Verification) -> VerifyReply:
    failed = verification.failed
    server = failed.reply if failed else None
    return VerifyReply(
        ok=failed is None,
        stage=failed.stage.value if failed else None,
        problem=failed.problem.value if failed and failed.problem else None,
        code=server.code if server else None,
        enhanced_code=server.enhanced if server else None,
        text=failed.text if failed else "",
        stages=[
            VerifyStage(
                stage=step.stage.value,
                ok=step.ok,
                code=step.reply.code if step.reply else None,
                text=step.text,
                advice=verification.advice(step),
            )
            for step in verification.steps
        ],
    )

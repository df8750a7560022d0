"""The call that says when the mail of an SMTP configuration will be gone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final

from flask import Blueprint, Response
from pydantic import Field

from application import Application
from application.account_queries import AccountForecast
from application.forecasting import WindowUse
from domain.access import Scope
from domain.account.limits import Window
from entrypoints.http.access import the_caller
from entrypoints.http.forecasts import LimitedBy, limit_name
from entrypoints.http.openapi import Answer, Tag, add_routes, operation
from entrypoints.http.replies import reply
from entrypoints.http.schemas import Instant, ReplyModel
from entrypoints.http.times import rfc3339_if_any

_EXAMPLE: Final[dict[str, Any]] = {
    "config_id": 1,
    "waiting": 120,
    "waiting_shared": 0,
    "drains_at": "2026-11-30T11:30:02.000000Z",
    "limited_by": "hour_limit",
    "frees_at": "2026-11-30T10:30:01.000000Z",
    "windows": [
        {
            "window": "hour",
            "limit": 50,
            "used": 50,
            "kept": 0,
            "frees_at": "2026-11-30T10:30:01.000000Z",
        }
    ],
}


class WindowForecast(ReplyModel):
    """One window that has a limit."""

    window: Window
    limit: Annotated[int, Field(description="The lower one of the limit and the pace, if slowed.")]
    used: int
    kept: Annotated[int, Field(description="Of the limit, for priorities 1 and 2 only.")]
    frees_at: Annotated[
        Instant | None,
        Field(
            description="When the window has room for one more of priorities 3 to 5; null while"
            " only the result of what is being sent can tell."
        ),
    ]


class ForecastReply(ReplyModel):
    """When the mail of an SMTP configuration will be gone."""

    config_id: int
    waiting: Annotated[int, Field(description="Emails that only this SMTP configuration sends.")]
    waiting_shared: Annotated[
        int | None,
        Field(
            description="Emails that any SMTP configuration may send; null for an API key that is"
            " limited to some."
        ),
    ]
    drains_at: Annotated[
        Instant | None,
        Field(
            description="When all of these will have been handed off; null if only a person can"
            " change what holds them up. What is accepted or refused later is not known."
        ),
    ]
    limited_by: LimitedBy
    frees_at: Annotated[
        Instant | None,
        Field(
            description="When all windows have room for one more of priorities 3 to 5; null without"
            " a limit, or while only the result of what is being sent can tell."
        ),
    ]
    windows: list[WindowForecast]


class ForecastCalls:
    """The call under /api/smtp-configs/{config_id}/forecast."""

    BLUEPRINT: ClassVar = "forecast"

    def __init__(self, application: Application) -> None:
        self._account_queries = application.account_queries

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "GET",
        "/api/smtp-configs/{config_id}/forecast",
        name="forecastSmtpConfig",
        tag=Tag.ACCOUNTS,
        scope=Scope.READ,
        answer=Answer(
            description="When its mail will be gone.", model=ForecastReply, example=_EXAMPLE
        ),
    )
    def forecast(self, config_id: int) -> Response:
        """Forecast when the queue drains.

        By the limits and what they already count, pauses, priorities, what waits, and how fast the
        server was of late. It is an estimate.
        """
        return reply(
            _forecast_reply(self._account_queries.forecast(config_id, caller=the_caller()))
        )


def _forecast_reply(view: AccountForecast) -> ForecastReply:
    return ForecastReply(
        config_id=view.account.id,
        waiting=view.waiting,
        waiting_shared=view.shared,
        drains_at=rfc3339_if_any(view.expected.at),
        limited_by=limit_name(view.expected.limited_by),
        frees_at=rfc3339_if_any(_room_at(view.windows)),
        windows=list(map(_window, view.windows)),
    )


def _room_at(windows: Sequence[WindowUse]) -> datetime | None:
    """When the last of *windows* has room; None if nobody knows."""
    times = [use.frees_at for use in windows]
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def _window(use: WindowUse) -> WindowForecast:
    return WindowForecast(
        window=use.window,
        limit=use.limit,
        used=use.used,
        kept=use.kept,
        frees_at=rfc3339_if_any(use.frees_at),
    )

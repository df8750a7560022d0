"""The page that is seen first: what needs somebody, what happened, and what goes out next."""

from datetime import timedelta
from typing import Final

from flask import Blueprint, Response

from application import Application
from entrypoints.http.dashboard.needs import told
from entrypoints.http.dashboard.page import POLL, caller_of_page, go_to, page
from entrypoints.http.dashboard.plot import plot_of
from entrypoints.http.requests import the_request

TONIGHT: Final = timedelta(hours=12)
MOST_NEEDS: Final = 30
DAY, WEEK = "24h", "7d"
_HOURS: Final = {DAY: 24, WEEK: 7 * 24}


class OverviewPages:
    """The overview."""

    def __init__(self, application: Application) -> None:
        self._attention = application.attention
        self._overview = application.overview
        self._upcoming = application.upcoming

    def add_to(self, routes: Blueprint) -> None:
        """Route it."""
        routes.add_url_rule("", "overview", self.overview)
        routes.add_url_rule("/", "overview_with_slash", self.with_slash)

    def with_slash(self) -> Response:
        """People type one."""
        return go_to("overview")

    def overview(self) -> Response:
        """Who only asks for freshness gets the live part: the rest costs more and changes less."""
        caller, asked = caller_of_page(), the_request()
        needs = self._attention.needs(caller=caller)
        activity = self._overview.activity(caller=caller) if caller.accounts is None else None
        span = asked.args.get("range", DAY)
        span = span if span in _HOURS else DAY
        hours = activity.hours[-_HOURS[span] :] if activity else ()
        return page(
            "overview.html",
            needs=[told(need) for need in needs[:MOST_NEEDS]],
            more_needs=max(0, len(needs) - MOST_NEEDS),
            activity=activity,
            today=activity and activity.hours[-24:],
            span=span,
            spans=tuple(_HOURS),
            hours=hours,
            plot=plot_of(hours) if hours else None,
            upcoming=None
            if POLL in asked.headers
            else self._upcoming.within(TONIGHT, caller=caller),
        )

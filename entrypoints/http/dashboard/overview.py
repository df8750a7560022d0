"""The page that is seen first: what needs somebody, and how the queue stands."""

from flask import Blueprint, Response

from application import Application
from domain.email.status import WAITING, Status
from entrypoints.http.dashboard.page import caller_of_page, page


class OverviewPages:
    """The overview."""

    def __init__(self, application: Application) -> None:
        self._queries = application.queries
        self._metrics = application.metrics

    def add_to(self, routes: Blueprint) -> None:
        """Route it."""
        routes.add_url_rule("", "overview", self.overview)

    def overview(self) -> Response:
        """One cheap read."""
        caller = caller_of_page()
        accounts = self._queries.accounts(caller=caller)
        figures = self._metrics.figures(caller=caller) if caller.accounts is None else None
        return page(
            "overview.html",
            accounts=accounts,
            figures=figures,
            waiting=figures and sum(figures.emails[one] for one in WAITING),
            failed=figures and figures.emails[Status.FAILED],
        )

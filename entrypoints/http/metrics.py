"""`/metrics`: the call that a monitoring system makes."""

from typing import ClassVar, Final

from flask import Blueprint, Response

from application import Application
from domain.access import Scope
from entrypoints.http.access import the_caller
from entrypoints.http.openapi import Answer, Tag, add_routes, operation

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class MetricsCalls:
    """The call that a monitoring system makes."""

    BLUEPRINT: ClassVar = "metrics"

    def __init__(self, application: Application, *, version: str) -> None:
        self._metrics = application.metrics
        self._version = version

    def routes(self) -> Blueprint:
        """The path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "GET",
        "/metrics",
        name="showMetrics",
        tag=Tag.OPERATIONS,
        scope=Scope.METRICS,
        answer=Answer(
            description="The figures, as Prometheus reads them.",
            media_type=TEXT,
        ),
    )
    def show(self) -> Response:
        """Show the figures of the service for Prometheus.

        They are as of now and the same whichever process answers. Needs a key that is not limited
        to some SMTP configurations.
        """
        # the library is for those who ask: to import it takes longer than to answer
        from entrypoints.http.exposition import exposition

        figures = self._metrics.figures(caller=the_caller())
        text = exposition(figures, version=self._version)
        return Response(text, content_type=TEXT, headers={"Cache-Control": "no-store"})

"""The routes of one dialect."""

from collections.abc import Callable

from flask import Blueprint, Response

from application import Application
from entrypoints.http.dialects.dialect import IGNORED, Asking, Dialect, Sending
from entrypoints.http.dialects.intake import DialectIntake
from entrypoints.http.dialects.registry import name_of
from entrypoints.http.dialects.responses import response_of
from entrypoints.http.validation import refuse_unknown_query


class DialectCalls:
    """Every call that *dialect* declares. With *test_ids* an X-Test-Id is passed on."""

    def __init__(
        self, dialect: Dialect, application: Application, *, test_ids: bool = False
    ) -> None:
        self._dialect = dialect
        self._application = application
        self._intake = DialectIntake(application, test_ids=test_ids)

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self._dialect.name, __name__)
        for place, call in enumerate(self._dialect.calls):
            answer = self._sending(call) if isinstance(call, Sending) else self._asking(call)
            routes.add_url_rule(call.path, name_of(place), answer, methods=[call.method])
        return routes

    def _sending(self, call: Sending) -> Callable[..., Response]:
        def answer(**path: str) -> Response:
            refuse_unknown_query()
            self._intake.check()
            order = call.read(**path)
            reply = response_of(call.answer(order, self._intake.take(order)))
            if order.ignored:
                reply.headers[IGNORED] = ", ".join(order.ignored)
            return reply

        return answer

    def _asking(self, call: Asking) -> Callable[..., Response]:
        def answer(**path: str) -> Response:
            refuse_unknown_query(call.query)
            return response_of(call.answer(self._application, **path))

        return answer

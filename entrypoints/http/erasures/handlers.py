"""The calls about erasures: ask for one, and see how far it has come."""

from typing import ClassVar, Final

from flask import Blueprint, Response, url_for

from application import Application
from application.erasing import Progress
from domain.access import Scope
from entrypoints.http.access import the_caller
from entrypoints.http.erasures.schemas import ErasureRequest, ErasureRow
from entrypoints.http.json_reader import read_object
from entrypoints.http.openapi import Answer, Body, Tag, add_routes, operation
from entrypoints.http.replies import reply
from entrypoints.http.times import rfc3339, rfc3339_if_any
from entrypoints.http.validation import parse

_ROW: Final = {
    "id": 1,
    "status": "running",
    "pseudonym": "erased-0123456789abcdef0123456789abcdef@erased.invalid",
    "step": "recipients",
    "emails_erased": 0,
    "emails_waiting": 0,
    "requested_at": "2026-01-31T09:30:00.000000Z",
    "done_at": None,
}


class Erasures:
    """The calls under /api/erasures."""

    BLUEPRINT: ClassVar = "erasures"

    def __init__(self, application: Application) -> None:
        self._erasing = application.erasing

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "POST",
        "/api/erasures",
        name="erasePerson",
        tag=Tag.SUPPRESSIONS,
        scope=Scope.ADMIN,
        body=Body(
            model=ErasureRequest,
            examples={"shortest": {"address": "ada@example.org"}},
        ),
        answer=Answer(
            status=202,
            description="It has begun; Location is where to see how far it has come.",
            model=ErasureRow,
            example=_ROW,
            headers=("Location",),
        ),
    )
    def request(self) -> Response:
        """Erase a person.

        Everything that the service has of the address up to now is removed, in the background.
        Email that waits for this address alone is cancelled; email that waits for others too is
        erased once it has ended. Needs a key that is not limited to some SMTP configurations.
        """
        wanted = parse(ErasureRequest, read_object())
        erasure = self._erasing.request(wanted.address, caller=the_caller())
        begun = reply(_row(Progress(erasure=erasure, waiting=0)), 202)
        begun.headers["Location"] = url_for("erasures.show", erasure_id=erasure.id)
        return begun

    @operation(
        "GET",
        "/api/erasures/{erasure_id}",
        name="showErasure",
        tag=Tag.SUPPRESSIONS,
        scope=Scope.ADMIN,
        answer=Answer(
            description="The erasure.",
            model=ErasureRow,
            example={
                **_ROW,
                "status": "done",
                "step": "done",
                "emails_erased": 3,
                "done_at": "2026-01-31T09:30:20.000000Z",
            },
        ),
    )
    def show(self, erasure_id: int) -> Response:
        """Show how far an erasure has come."""
        return reply(_row(self._erasing.of(erasure_id, caller=the_caller())))


def _row(progress: Progress) -> ErasureRow:
    erasure = progress.erasure
    return ErasureRow(
        id=erasure.id,
        status="done" if erasure.is_done else "running",
        pseudonym=erasure.pseudonym,
        step=erasure.step.value,
        emails_erased=erasure.emails,
        emails_waiting=progress.waiting,
        requested_at=rfc3339(erasure.requested_at),
        done_at=rfc3339_if_any(erasure.done_at),
    )

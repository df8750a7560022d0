"""The calls about the suppression list: look, add, remove."""

from typing import ClassVar, Final

from flask import Blueprint, Response, url_for
from pydantic import TypeAdapter

from application import Application
from application.suppressions import Entry, Listing
from domain.access import Scope
from domain.address import Address
from domain.errors import NotFound
from domain.suppression import Suppression, SuppressionReason
from entrypoints import suppression_csv
from entrypoints.addresses import email_address
from entrypoints.http.access import the_caller
from entrypoints.http.cursors import email_id_before
from entrypoints.http.json_reader import read_object
from entrypoints.http.openapi import CSV, JSON, Answer, Body, Tag, add_routes, operation
from entrypoints.http.paging import link_next
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.requests import the_request
from entrypoints.http.schemas import Done
from entrypoints.http.suppressions.schemas import (
    SuppressedReply,
    SuppressedRequest,
    SuppressionQuery,
    SuppressionRemovalQuery,
    SuppressionRequest,
    SuppressionRow,
    SuppressionsQuery,
)
from entrypoints.http.times import rfc3339, rfc3339_if_any
from entrypoints.http.validation import parse, parse_query

_CSV: Final = "text/csv"
_LONGEST_ACCEPT: Final = 1_000
_ROWS: Final = TypeAdapter(list[SuppressionRow])
_ROW: Final = {
    "address": "ada@example.org",
    "scope": "*",
    "reason": "manual",
    "created_at": "2026-01-31T09:30:00.000000Z",
    "expires_at": None,
    "email_id": None,
}


class Suppressions:
    """The calls under /api/suppressions."""

    BLUEPRINT: ClassVar = "suppressions"

    def __init__(self, application: Application) -> None:
        self._suppressions = application.suppressions

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "POST",
        "/api/suppressions",
        name="suppressAddress",
        tag=Tag.SUPPRESSIONS,
        scope=Scope.ADMIN,
        body=Body(
            model=SuppressionRequest,
            examples={
                "shortest": {"address": "ada@example.org"},
                "everything": {
                    "address": "ada@example.org",
                    "scope": "topic:newsletter",
                    "reason": "unsubscribe",
                    "email_id": 1,
                },
            },
        ),
        answer=Answer(
            status=201,
            description="What stands on the list now; Location is the path of the address.",
            model=SuppressionRow,
            example=_ROW,
            headers=("Location",),
        ),
        refusals=(404,),
    )
    def put(self) -> Response:
        """Suppress an address.

        It gets no mail of this scope any more; what waits is not sent to it. An entry with the
        same address, scope and reason is replaced.
        """
        wanted = parse(SuppressionRequest, read_object())
        entry = Entry(
            address=wanted.address,
            scope=wanted.scope,
            reason=SuppressionReason(wanted.reason),
            expires_at=wanted.expires_at,
            email_id=wanted.email_id,
        )
        stored = self._suppressions.put(entry, caller=the_caller())
        created = reply(_row(stored), 201)
        created.headers["Location"] = url_for("suppressions.show", address=stored.address)
        return created

    @operation(
        "GET",
        "/api/suppressions",
        name="listSuppressions",
        tag=Tag.SUPPRESSIONS,
        scope=Scope.ADMIN,
        query=SuppressionsQuery,
        answer=Answer(
            description="One page.",
            model=SuppressionRow,
            many=True,
            example=[_ROW],
            headers=("Link",),
            csv=True,
        ),
        refusals=(404,),
    )
    def page(self) -> Response:
        """List suppressions.

        In the order in which they were made, one page at a time; the Link header has the next
        page. A page may be shorter than *limit* though another one follows. A client that asks for
        text/csv gets the page as a table with a header.
        """
        query = parse_query(SuppressionsQuery)
        found = self._suppressions.page(
            scope=query.scope,
            reason=_reason(query.reason),
            after=0 if query.cursor is None else email_id_before(query.cursor),
            limit=query.limit,
            caller=the_caller(),
        )
        answer = _table(found) if _prefers_csv() else _list(found)
        answer.headers["Vary"] = "Accept"
        return link_next(answer, query.given(), found.next_after)

    @operation(
        "POST",
        "/api/suppressions/lookup",
        name="lookUpSuppressions",
        tag=Tag.SUPPRESSIONS,
        scope=Scope.SEND,
        body=Body(
            model=SuppressedRequest,
            examples={
                "newsletter": {
                    "addresses": ["ada@example.org", "grace@example.org"],
                    "topic": "newsletter",
                }
            },
        ),
        answer=Answer(
            description="Those that are suppressed.",
            model=SuppressedReply,
            example={"suppressed": ["ada@example.org"]},
        ),
        refusals=(404,),
    )
    def look_up(self) -> Response:
        """Look up who is suppressed.

        Which of up to 500 addresses would get no email of this topic, sent by this SMTP
        configuration. Nothing is stored.
        """
        body = read_object()
        wanted = parse(SuppressedRequest, body)
        unwanted = self._suppressions.unwanted_among(
            wanted.addresses,
            topic=wanted.topic,
            account_id=wanted.smtp_config_id,
            caller=the_caller(),
        )
        given = zip(body["addresses"], wanted.addresses, strict=True)
        return reply(SuppressedReply(suppressed=[text for text, one in given if one in unwanted]))

    @operation(
        "GET",
        "/api/suppressions/{address}",
        name="showSuppressions",
        tag=Tag.SUPPRESSIONS,
        scope=Scope.ADMIN,
        query=SuppressionQuery,
        answer=Answer(
            description="Its entries, at least one.",
            model=SuppressionRow,
            many=True,
            example=[_ROW],
        ),
    )
    def show(self, address: str) -> Response:
        """Show the suppressions of an address.

        404 if there is none.
        """
        query = parse_query(SuppressionQuery)
        found = self._suppressions.of(_address(address), scope=query.scope, caller=the_caller())
        return reply_list(_ROWS, [_row(one) for one in found])

    @operation(
        "DELETE",
        "/api/suppressions/{address}",
        name="deleteSuppressions",
        tag=Tag.SUPPRESSIONS,
        scope=Scope.ADMIN,
        query=SuppressionRemovalQuery,
        answer=Answer(
            description="Removed.",
            model=Done,
            example={"message": "1 suppression removed"},
        ),
        refusals=(409,),
    )
    def remove(self, address: str) -> Response:
        """Remove the suppressions of an address.

        All of them, or those of one scope. 409 if one of them is a complaint, unless with
        force=true; then nothing is removed.
        """
        query = parse_query(SuppressionRemovalQuery)
        number = self._suppressions.remove(
            _address(address), scope=query.scope, force=query.force, caller=the_caller()
        )
        plural = "" if number == 1 else "s"
        return reply(Done(message=f"{number} suppression{plural} removed"))


def _prefers_csv() -> bool:
    """Who takes anything, or says nothing, gets JSON."""
    accept = the_request().environ.get("HTTP_ACCEPT", "")
    if _CSV not in accept or len(accept) > _LONGEST_ACCEPT:
        return False
    wanted = the_request().accept_mimetypes
    return bool(wanted[_CSV] > wanted[JSON])


def _list(found: Listing) -> Response:
    return reply_list(_ROWS, [_row(one) for one in found.suppressions])


def _table(found: Listing) -> Response:
    text = suppression_csv.HEADER + suppression_csv.written(found.suppressions)
    return Response(text, content_type=CSV)


def _address(text: str) -> Address:
    """That of a path. NotFound for what cannot be one: it cannot be on the list."""
    try:
        return email_address(text)
    except ValueError:
        raise NotFound("there is no such address") from None


def _reason(name: str | None) -> SuppressionReason | None:
    return None if name is None else SuppressionReason(name)


def _row(suppression: Suppression) -> SuppressionRow:
    return SuppressionRow(
        address=suppression.address,
        scope=suppression.scope,
        reason=suppression.reason.value,
        created_at=rfc3339(suppression.created_at),
        expires_at=rfc3339_if_any(suppression.expires_at),
        email_id=suppression.email_id,
    )

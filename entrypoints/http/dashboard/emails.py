"""The list of emails: what was searched for stands in the address of the page."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import attrs
from flask import Blueprint, Response, url_for

from application import Application
from domain.address import Address
from domain.email.claim_policy import ANY_ACCOUNT
from domain.email.listing import Page, Search
from domain.email.status import Status
from domain.errors import FieldError, InvalidInput
from entrypoints.addresses import email_address
from entrypoints.http.cursors import cursor_after, email_id_before
from entrypoints.http.dashboard.fields import line, moment, number
from entrypoints.http.dashboard.gate_words import short_reason
from entrypoints.http.dashboard.page import caller_of_page, page
from entrypoints.http.dashboard.story import BOUNCES
from entrypoints.http.dashboard.way_back import CURSOR, FIELDS, query_of
from entrypoints.http.dashboard.words import STATUSES, reason
from entrypoints.http.requests import the_request

T = TypeVar("T")

ROWS: Final = 50


@attrs.frozen(kw_only=True)
class Wanted:
    """What is searched for, read."""

    search: Search
    status: Status | None
    account_id: int | None


class EmailPages:
    """The list."""

    def __init__(self, application: Application) -> None:
        self._queries = application.queries
        self._account_queries = application.account_queries

    def add_to(self, routes: Blueprint) -> None:
        """Route it."""
        routes.add_url_rule("/emails", "emails", self.emails)

    def emails(self) -> Response:
        """One page, newest first; 400 with what was typed if it cannot be searched for."""
        asked, caller = the_request(), caller_of_page()
        typed = {name: asked.args.get(name, "") for name in FIELDS}
        names = self._account_queries.account_names(caller=caller)
        cursor = asked.args.get(CURSOR)
        before = None if cursor is None else email_id_before(cursor)
        found = Page(())
        problems: Mapping[str, str] = {}
        try:
            wanted = wanted_of(typed)
        except InvalidInput as error:
            problems = {one.field: one.message for one in error.errors}
        else:
            found = self._queries.emails(
                wanted.search,
                status=wanted.status,
                account_id=wanted.account_id,
                before=before,
                limit=ROWS,
                caller=caller,
            )
        return page(
            "emails.html",
            status=400 if problems else 200,
            typed=typed,
            problems=problems,
            searched=any(typed.values()),
            statuses=[(one.value, word.text) for one, word in STATUSES.items()],
            accounts=names,
            emails=found.emails,
            reason=reason,
            hold_ups=self._queries.hold_ups(found.emails, caller=caller),
            short_reason=short_reason,
            back=query_of(typed | {CURSOR: cursor or ""}),
            reports=self._queries.reports(found.emails, caller=caller),
            report_words=BOUNCES,
            older=_address(typed, found.next_before),
            newest=_address(typed) if before is not None else None,
        )


def wanted_of(typed: Mapping[str, str]) -> Wanted:
    """What was typed, as it is searched for. InvalidInput with all that is wrong."""
    errors: list[FieldError] = []

    def read(name: str, parse: Callable[[str, str], T | None]) -> T | None:
        try:
            return parse(name, typed[name])
        except InvalidInput as error:
            errors.extend(error.errors)
            return None

    search = Search(
        recipient=read("recipient", _recipient),
        subject=read("subject", line),
        tag=read("tag", line),
        since=read("since", moment),
        until=read("until", moment),
        queue=read("queue", _queue),
    )
    status = read("status", _status)
    account_id = read("account", number)
    if errors:
        raise InvalidInput(*errors)
    return Wanted(search=search, status=status, account_id=account_id)


def _recipient(field: str, text: str) -> Address | None:
    if not text.strip():
        return None
    try:
        return email_address(text.strip())
    except ValueError as error:
        raise InvalidInput(FieldError(field, f"{error}; the whole address is needed")) from None


def _status(field: str, text: str) -> Status | None:
    if text and text not in STATUSES:
        raise InvalidInput(FieldError(field, "is no status"))
    return Status(text) if text else None


def _queue(field: str, text: str) -> int | None:
    return ANY_ACCOUNT if text.strip() == str(ANY_ACCOUNT) else number(field, text)


def _address(typed: Mapping[str, str], before: int | None = 0) -> str | None:
    """The address of the page with the emails before that one; without one, None."""
    if before is None:
        return None
    given: dict[str, Any] = {name: value for name, value in typed.items() if value}
    if before:
        given[CURSOR] = cursor_after(before)
    return url_for("dashboard.emails", **given)

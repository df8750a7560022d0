"""The suppression list: who gets no mail, why, and until when."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from flask import Blueprint, Response, url_for

from application import Application
from application.suppressions import Entry, Listing
from domain.access import Caller
from domain.address import Address
from domain.errors import FieldError, Forbidden, InvalidInput, NotFound
from domain.suppression import EVERYTHING, SuppressionReason, account_scope, topic_scope
from entrypoints import suppression_csv
from entrypoints.addresses import email_address
from entrypoints.http.cursors import cursor_after, email_id_before
from entrypoints.http.dashboard.fields import moment
from entrypoints.http.dashboard.page import caller_of_page, go_to, page
from entrypoints.http.dashboard.words import SUPPRESSION_REASONS
from entrypoints.http.requests import the_request

ROWS: Final = 50
_AT_ONCE: Final = 1000  # entries that the download reads at once
_OF_A_TOPIC: Final = "topic"
_FIELDS: Final = ("address", "scope", "topic", "reason", "expires_at")


class SuppressionPages:
    """The list, a form to add to it, and its download."""

    def __init__(self, application: Application) -> None:
        self._suppressions = application.suppressions
        self._account_queries = application.account_queries

    def add_to(self, routes: Blueprint) -> None:
        """Route them."""
        routes.add_url_rule("/suppressions", "suppressions", self.suppressions)
        routes.add_url_rule("/suppressions", "suppress", self.add, methods=["POST"])
        routes.add_url_rule("/suppressions/remove", "unsuppress", self.remove, methods=["POST"])
        routes.add_url_rule("/suppressions.csv", "suppressions_csv", self.csv)

    def suppressions(self) -> Response:
        """One page in the order in which the entries were made, or those of one address."""
        return self._page({}, [], status=200)

    def add(self) -> Response:
        """Put an address on the list: 303, or 400 with the fields as they were typed."""
        form = the_request().form
        typed = {name: form.get(name, "") for name in _FIELDS}
        try:
            stored = self._suppressions.put(_entry(typed), caller=caller_of_page())
        except (InvalidInput, Forbidden, NotFound) as error:
            return self._page(typed, _texts(error), status=400)
        return go_to("suppressions", done="suppressed", address=stored.address)

    def remove(self) -> Response:
        """Take what stands of an address in one scope off the list, complaints too."""
        form = the_request().form
        address = _address("address", form.get("address", ""))
        self._suppressions.remove(
            address, scope=form.get("scope"), force=True, caller=caller_of_page()
        )
        return go_to("suppressions", done="unsuppressed")

    def csv(self) -> Response:
        """All of it as a table, piece by piece."""
        caller = caller_of_page()
        self._suppressions.page(limit=1, caller=caller)  # refuses before the answer has begun
        reply = Response(self._rows(caller), content_type="text/csv; charset=utf-8")
        reply.headers["Content-Disposition"] = 'attachment; filename="suppressions.csv"'
        reply.headers["Cache-Control"] = "private, no-store"
        return reply

    def _rows(self, caller: Caller) -> Iterator[str]:
        yield suppression_csv.HEADER
        after: int | None = 0
        while after is not None:
            found = self._suppressions.page(after=after, limit=_AT_ONCE, caller=caller)
            yield suppression_csv.written(found.suppressions)
            after = found.next_after

    def _page(self, typed: Mapping[str, str], problems: Sequence[str], *, status: int) -> Response:
        caller, asked = caller_of_page(), the_request()
        wanted = asked.args.get("address", "").strip()
        accounts = self._account_queries.account_names(caller=caller)
        found, wrong = Listing(suppressions=(), next_after=None), None
        try:
            found = self._found(wanted)
        except InvalidInput as error:
            wrong, status = error.errors[0].message, 400
        return page(
            "suppressions.html",
            status=status,
            place="dashboard.suppressions",
            wanted=wanted,
            wrong=wrong,
            entries=found.suppressions,
            older=_next(found),
            accounts=accounts,
            scopes=_scopes(accounts, caller),
            reasons=[(one.value, text) for one, text in SUPPRESSION_REASONS.items()],
            typed={"scope": "", "reason": "manual"} | dict(typed),
            problems=problems,
        )

    def _found(self, wanted: str) -> Listing:
        caller = caller_of_page()
        if not wanted:
            cursor = the_request().args.get("cursor")
            after = 0 if cursor is None else email_id_before(cursor)
            return self._suppressions.page(after=after, limit=ROWS, caller=caller)
        try:
            found = self._suppressions.of(_address("address", wanted), caller=caller)
        except NotFound:
            found = ()
        return Listing(suppressions=found, next_after=None)


def _entry(typed: Mapping[str, str]) -> Entry:
    """InvalidInput with what is wrong."""
    scope = typed["scope"]
    if scope == _OF_A_TOPIC:
        scope = topic_scope(typed["topic"].strip())
    try:
        reason = SuppressionReason(typed["reason"])
    except ValueError:
        raise InvalidInput(FieldError("reason", "is none of those")) from None
    return Entry(
        address=_address("address", typed["address"]),
        scope=scope,
        reason=reason,
        expires_at=moment("expires_at", typed["expires_at"]),
    )


def _address(field: str, text: str) -> Address:
    try:
        return email_address(text.strip())
    except ValueError as error:
        raise InvalidInput(FieldError(field, str(error))) from None


def _scopes(accounts: Mapping[int, str], caller: Caller) -> Sequence[tuple[str, str]]:
    """The scopes that this caller may choose, with their words."""
    of_all = [(EVERYTHING, "all mail"), (_OF_A_TOPIC, "mail of one topic")]
    of_accounts = [
        (account_scope(account_id), f"mail of the account {name}")
        for account_id, name in accounts.items()
    ]
    return of_accounts if caller.accounts is not None else [*of_all, *of_accounts]


def _next(found: Listing) -> str | None:
    if found.next_after is None:
        return None
    return url_for("dashboard.suppressions", cursor=cursor_after(found.next_after))


def _texts(error: InvalidInput | Forbidden | NotFound) -> Sequence[str]:
    if not isinstance(error, InvalidInput):
        return [str(error)]
    return [f"{_LABELS.get(one.field, one.field)}: {one.message}" for one in error.errors]


_LABELS: Final = {
    "address": "Address",
    "scope": "What it holds for",
    "reason": "Reason",
    "expires_at": "Until",
}

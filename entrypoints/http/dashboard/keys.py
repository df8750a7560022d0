"""API keys and the audit: who may call, and who did what."""

from collections.abc import Sequence
from typing import Final

from flask import Blueprint, Response, url_for

from application import Application
from application.api_keys import KeyWish
from domain.access import ApiKey, Scope
from domain.errors import FieldError, Forbidden, InvalidInput
from entrypoints.http.api_keys.schemas import KeyRequest
from entrypoints.http.browsers import keep_login
from entrypoints.http.dashboard.forms import (
    REFUSALS,
    checked,
    field,
    number_in_query,
    status_of,
    told,
    typed,
    utc,
    whole_number,
    without_blanks,
)
from entrypoints.http.dashboard.page import caller_of_page, go_to, page
from entrypoints.http.dashboard.shown_once import ShownOnce
from entrypoints.http.dashboard.words import Word
from entrypoints.http.requests import the_request
from entrypoints.http.validation import parse

ROWS: Final = 100
_FIRST_KEY: Final = (
    "the first key needs admin: with it the pages are closed to whoever has no such key"
)
_SCOPES: Final = {
    Scope.SEND: "submit email",
    Scope.READ: "look up email",
    Scope.METRICS: "read /metrics",
    Scope.ADMIN: "everything, and this dashboard",
}


class KeyPages:
    """The keys, and the audit."""

    def __init__(self, application: Application) -> None:
        self._access = application.access
        self._keys = application.api_keys
        self._sessions = application.dashboard_sessions
        self._shown = ShownOnce(
            application.dashboard_sessions,
            "created_key",
            title="The new API key",
            text="A program sends it with each call, as X-API-Key or as a bearer token.",
        )
        self._account_queries = application.account_queries

    def add_to(self, routes: Blueprint) -> None:
        """Route them."""
        routes.add_url_rule("/keys", "keys", self.keys, methods=["GET", "POST"])
        routes.add_url_rule("/keys/created", "created_key", self.created)
        routes.add_url_rule("/keys/<prefix>/revoke", "revoke", self.revoke, methods=["POST"])
        routes.add_url_rule("/audit", "audit", self.audit)

    def keys(self) -> Response:
        """All that this key may see, and a form for a new one."""
        return self._add() if field("name") or checked("scopes") else self._list()

    def _list(self, problems: Sequence[str] = (), *, status: int = 200) -> Response:
        caller = caller_of_page()
        found = self._keys.page(after=number_in_query("after") or 0, limit=ROWS, caller=caller)
        return page(
            "keys.html",
            status=status,
            place="dashboard.keys",
            keys=found.keys,
            state=lambda key: _state(key, usable=key.usable(found.at)),
            next=None
            if found.next_after is None
            else url_for("dashboard.keys", after=found.next_after),
            names=self._account_queries.account_names(caller=caller),
            scopes=_SCOPES,
            problems=problems,
            typed=typed(),
            chosen=checked("scopes"),
            chosen_accounts=checked("smtp_config_ids"),
        )

    def _add(self) -> Response:
        try:
            wanted = parse(
                KeyRequest,
                without_blanks(
                    name=field("name"),
                    smtp_config_ids=list(map(whole_number, checked("smtp_config_ids"))) or "",
                    daily_recipients=whole_number(field("daily_recipients")),
                    expires_at=utc(field("expires_at")),
                )
                | {"scopes": list(checked("scopes"))},
            )
            first = self._access.is_open()
            if first and Scope.ADMIN not in map(Scope, wanted.scopes):
                raise InvalidInput(FieldError("scopes", _FIRST_KEY))
            ids = wanted.smtp_config_ids
            wish = KeyWish(
                name=wanted.name,
                scopes=frozenset(map(Scope, wanted.scopes)),
                accounts=None if ids is None else frozenset(ids),
                expires_at=wanted.expires_at,
                daily_recipients=wanted.daily_recipients,
            )
            _, token = self._keys.create(wish, caller=caller_of_page())
        except (*REFUSALS, Forbidden) as error:
            status = 403 if isinstance(error, Forbidden) else status_of(error)
            return self._list(told(error), status=status)
        if not first:
            return self._shown.lead_to(token, name=wanted.name)
        # from now on a login is needed, by a key that nobody has read yet
        asked = the_request()
        login = self._sessions.log_in(token, remote=asked.remote_addr or "")
        reply = self._shown.lead_to(token, name=wanted.name, login=login)
        keep_login(reply, login, asked)
        return reply

    def created(self) -> Response:
        """The new key, once; then the list."""
        shown = self._shown.show(place="dashboard.keys", then=url_for("dashboard.keys"))
        return shown or go_to("keys")

    def revoke(self, prefix: str) -> Response:
        """At once and for good. Who revokes the key of this login is led to the login."""
        try:
            self._keys.revoke(prefix, caller=caller_of_page())
        except REFUSALS as error:
            return self._list(told(error), status=status_of(error))
        return go_to("keys", done="revoked")

    def audit(self) -> Response:
        """Who did what, the last first."""
        found = self._keys.audit(
            before=number_in_query("before"), limit=ROWS + 1, caller=caller_of_page()
        )
        rows = found[:ROWS]
        older = len(found) > ROWS
        return page(
            "audit.html",
            place="dashboard.audit",
            entries=rows,
            older=url_for("dashboard.audit", before=rows[-1].id) if older else None,
        )


def _state(key: ApiKey, *, usable: bool) -> Word:
    if usable:
        return Word("in force", "good")
    return Word("revoked", "off") if key.revoked_at is not None else Word("expired", "off")

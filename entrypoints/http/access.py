"""Authentication: a call under /api has a caller, or is refused before its body is read.

Here a caller is only recognised; what it may see and change is decided by the use cases. The scope
that an operation declares is looked at here too, so that nobody's megabytes are read for nothing.
"""

import math
from collections.abc import Sequence
from typing import Final

from flask import Flask, Response
from werkzeug.exceptions import RequestEntityTooLarge

from application import Application
from application.access import Access
from domain.access import TESTER, Caller, Scope
from domain.address import is_loopback
from domain.errors import Forbidden, TooMany
from domain.hook.hook import most_octets
from entrypoints.http.browsers import check_form, login_of
from entrypoints.http.dialects.dialect import Dialect, KeyMissing
from entrypoints.http.dialects.registry import Dialects
from entrypoints.http.json_reader import check_content_type, check_encoding, read_limit
from entrypoints.http.judgement import JUDGEMENT, Judgement
from entrypoints.http.keys import presented_key
from entrypoints.http.openapi import Operation
from entrypoints.http.proxies import forwarded_of
from entrypoints.http.requests import ServiceRequest, the_request

HOOK: Final = "hooks.receive"
# Public endpoints: an orchestrator or a browser calls them without a key.
OPEN: Final = frozenset(
    {
        "operations.alive",
        "operations.ready",
        "operations.welcome",
        "operations.static",
        "docs.page",
        "docs_pages.page",
        "docs_pages.search",
        "docs_pages.static",
        # whoever has a link to unsubscribe may use it: a mail client has nothing else
        "unsubscribe.page",
        "unsubscribe.confirm",
        "unsubscribe.static",
        # the provider's page sends a browser here: it has the state, and no key
        "authorization.callback",
        "authorization.static",
        # a provider has the secret in the path, and no key
        HOOK,
    }
)
TESTERS_BODY: Final = 64 * 1024  # octets that are read of somebody whom nobody knows
DOCUMENT: Final = "docs.openapi"
SANDBOX: Final = "sandbox"
DASHBOARD: Final = "dashboard"
STYLES: Final = f"{DASHBOARD}.static"
LOGIN: Final = f"{DASHBOARD}.login"
LARGEST_FORM: Final = 8 * 1024 * 1024  # octets of a form of the dashboard: a file of addresses
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FOREIGN: Final = frozenset({"cross-site", "same-site"})


def install_access(
    app: Flask,
    application: Application,
    operations: Sequence[Operation],
    dialects: Dialects,
    *,
    document_needs_key: bool,
) -> None:
    """Check every request to *app* before it is routed."""
    free = OPEN if document_needs_key else OPEN | {DOCUMENT}
    door = _Door(application, operations, dialects, free)
    app.before_request(door.check)
    app.after_request(_tell_allowance)


def the_caller() -> Caller:
    """The caller of the current request. Only for routes that are checked."""
    caller = the_request().caller
    assert caller is not None
    return caller


class _Door:
    def __init__(
        self,
        application: Application,
        operations: Sequence[Operation],
        dialects: Dialects,
        free: frozenset[str],
    ) -> None:
        self._scopes = {one.endpoint: one.scope for one in operations}
        self._scopes |= dialects.scopes
        self._bodies = {one.endpoint: one.body for one in operations if one.body is not None}
        self._bodies |= dialects.bodies
        self._access: Access = application.access
        self._sessions = application.dashboard_sessions
        self._hook_calls = application.hook_calls
        self._free = free

    def check(self) -> Response | None:
        """Unauthorized, Forbidden or TooMany for a request that may not go on."""
        asked = the_request()
        judgement: Judgement | None = asked.environ.get(JUDGEMENT)
        if judgement is not None and judgement.passed:
            asked.caller, asked.allowance = judgement.caller, judgement.allowance
            if asked.blueprint == DASHBOARD:
                asked.max_content_length = asked.max_form_memory_size = LARGEST_FORM
                check_form(asked)
            return None
        if asked.blueprint == SANDBOX:
            refuse_other_sites(asked)
        elif asked.blueprint == DASHBOARD:
            self._let_in(asked)
        elif not self._is_free(asked):
            self._recognise(asked)
        return None if judgement is None else self._passed(judgement, asked)

    def _let_in(self, asked: ServiceRequest) -> None:
        """The visitor of a page of the dashboard; no API key is looked at here.

        A form is checked here, so that no page can forget it. Unauthorized leads to the login.
        """
        if asked.endpoint == STYLES:
            return
        asked.max_content_length = asked.max_form_memory_size = LARGEST_FORM
        if asked.endpoint != LOGIN:
            asked.caller = self._sessions.visitor(login_of(asked))
            if asked.caller.key_id is None:
                refuse_other_sites(asked)
            allowance = self._sessions.take_turn(asked.caller)
            if allowance is not None and allowance.retry_after is not None:
                raise TooMany(
                    "too many pages at once of this login", retry_after=allowance.retry_after
                )
        judging = JUDGEMENT in asked.environ  # then the body is not there yet
        if asked.method not in _READING and not judging:
            check_form(asked)

    def _is_free(self, asked: ServiceRequest) -> bool:
        """Whether it needs no caller; without a route: whether it is outside of the API."""
        if asked.dialect is not None:
            return False
        if asked.endpoint is None:
            return not asked.path.lstrip("/").lower().startswith("api")
        return asked.endpoint in self._free

    def _recognise(self, asked: ServiceRequest) -> None:
        caller = self._caller(asked)
        asked.caller = caller
        asked.allowance = allowance = self._access.take_turn(caller)
        if allowance is not None and allowance.retry_after is not None:
            raise TooMany(
                "too many calls in a short time with this API key",
                retry_after=allowance.retry_after,
            )
        scope = self._needed(asked)
        if scope is not None:
            caller.require(scope)

    def _caller(self, asked: ServiceRequest) -> Caller:
        if asked.dialect is not None:
            return self._caller_in(asked.dialect, asked)
        caller = self._access.authenticate(
            presented_key(asked.environ), remote=asked.remote_addr or ""
        )
        if caller.key_id is None:
            refuse_other_sites(asked)
        return caller

    def _caller_in(self, dialect: Dialect, asked: ServiceRequest) -> Caller:
        """Who calls in a dialect: always somebody with a key, for no app of these has none.

        A browser may add Basic credentials to the call of another site's page by itself.
        """
        if asked.environ.get("HTTP_SEC_FETCH_SITE") in _FOREIGN:
            raise Forbidden("no other site's page may call")
        token = dialect.key(asked.environ)
        if token is None:
            raise KeyMissing(f"an API key is needed: send it {dialect.key_hint}")
        if token == dialect.test_key:
            asked.max_content_length = read_limit(TESTERS_BODY)
            return TESTER
        return self._access.authenticate(token, remote=asked.remote_addr or "")

    def _needed(self, asked: ServiceRequest) -> Scope | None:
        if asked.endpoint is None or asked.method == "OPTIONS":
            return None
        return self._scopes.get(asked.endpoint, Scope.ADMIN)

    def _passed(self, judgement: Judgement, asked: ServiceRequest) -> Response:
        """The request may go on, if it is one that takes a body like this."""
        if asked.routing_exception is not None:
            raise asked.routing_exception
        if asked.blueprint == DASHBOARD and asked.caller is not None:
            if (asked.content_length or 0) > LARGEST_FORM:
                raise RequestEntityTooLarge
            judgement.caller = asked.caller
            judgement.passed = True
            return Response(status=204)
        if asked.endpoint == HOOK:
            self._check_hook(asked)
            judgement.passed = True
            return Response(status=204)
        body = self._bodies.get(asked.endpoint or "")
        if body is None or asked.caller is TESTER:
            raise RequestEntityTooLarge
        if not body.takes(asked.mimetype):
            check_content_type()
        check_encoding()
        judgement.caller, judgement.allowance = asked.caller, asked.allowance
        judgement.passed = True
        return Response(status=204)

    def _check_hook(self, asked: ServiceRequest) -> None:
        """Refuse a long body that nobody would read: of a wrong secret, or too long."""
        path = asked.view_args or {}
        hook = self._hook_calls.hook(path["kind"], path["secret"], remote=asked.remote_addr or "")
        if (asked.content_length or 0) > most_octets(hook.kind):
            raise RequestEntityTooLarge


def may_open_sandbox(asked: ServiceRequest) -> bool:
    """Whether the sandbox would answer this browser."""
    try:
        refuse_other_sites(asked)
    except Forbidden:
        return False
    return True


def refuse_other_sites(asked: ServiceRequest) -> None:
    """Refuse a browser's call without a key that another site's page has made (CSRF).

    The client must be on this machine, whatever was bound. The Host gives away a name that was
    pointed at this machine (DNS rebinding), Origin and Sec-Fetch-Site a page from elsewhere.
    """
    environ = asked.environ
    origin = environ.get("HTTP_ORIGIN")
    if (
        not is_loopback(asked.remote_addr or "")
        or not _is_this_machine(asked.host)
        or _came_from_elsewhere(asked)
        or (origin is not None and origin != asked.host_url.rstrip("/"))
        or environ.get("HTTP_SEC_FETCH_SITE") in _FOREIGN
    ):
        raise Forbidden("without an API key only this machine may ask, and no other site's page")


def _came_from_elsewhere(asked: ServiceRequest) -> bool:
    """Whether what a proxy's headers replaced was not this machine either.

    A browser on the proxy's machine can be made to send such headers by the page of a name that was
    pointed here: what it cannot choose is its own address and the Host.
    """
    forwarded = forwarded_of(asked.environ)
    return forwarded is not None and not (
        is_loopback(forwarded.peer) and _is_this_machine(forwarded.host or asked.host)
    )


def _is_this_machine(host: str) -> bool:
    name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name) or name.lower().endswith(".localhost")


def _tell_allowance(response: Response) -> Response:
    allowance = the_request().allowance
    if allowance is not None:
        response.headers["RateLimit-Limit"] = str(allowance.limit)
        response.headers["RateLimit-Remaining"] = str(allowance.remaining)
        response.headers["RateLimit-Reset"] = str(math.ceil(allowance.reset.total_seconds()))
    return response

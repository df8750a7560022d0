"""How a page of the dashboard is answered: rendered, tagged, and never more than a browser needs.

A page is rendered by its template with everything that the layout shows. It asks the browser to
look again each time, with an ETag: what has not changed is answered 304 without a body.
"""

import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from flask import Response, current_app, redirect, render_template, url_for
from werkzeug.exceptions import HTTPException

from domain.access import Caller
from domain.errors import (
    Conflict,
    ContentPurged,
    EmailServiceError,
    Forbidden,
    InvalidInput,
    NotFound,
    StaleAttempt,
    TooMany,
    Unauthorized,
    Unavailable,
)
from entrypoints.http.access import may_open_sandbox
from entrypoints.http.browsers import (
    FORM_FIELD,
    forget_login,
    forget_notice,
    form_token,
    keep_notice,
    keep_visit,
    login_of,
    notice_of,
)
from entrypoints.http.dashboard import words
from entrypoints.http.dashboard.forms import told
from entrypoints.http.operations import SANDBOX
from entrypoints.http.requests import ServiceRequest, the_request

ROOT: Final = "/dashboard"
POLL: Final = "HX-Request"  # this header comes with what htmx asks for
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie",
    # with no-referrer a browser would hide from us which page sends a form
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex, nofollow",
}


class Place(NamedTuple):
    """An entry of the navigation: what it is called and the endpoint that it leads to.

    *of_every_account*: it tells of all accounts, and is closed to a key that is limited to some.
    """

    label: str
    endpoint: str
    of_every_account: bool = False


PLACES: Final = (
    Place("Overview", "dashboard.overview"),
    Place("Emails", "dashboard.emails"),
    Place("Accounts", "dashboard.accounts"),
    Place("Templates", "dashboard.templates"),
    Place("Newsletter", "dashboard.newsletter"),
    Place("Suppressions", "dashboard.suppressions"),
    Place("Webhooks", "dashboard.webhooks"),
    Place("Keys", "dashboard.keys"),
    Place("Audit", "dashboard.audit", of_every_account=True),
)
_INBOX: Final = Place("Sandbox", "sandbox.index")


def page(template: str, *, status: int = 200, **values: object) -> Response:
    """The page that *template* (under templates/dashboard/) makes of *values*."""
    asked = the_request()
    # what asks for freshness shows no notice: it must stay for the page that is loaded next
    notice = None if POLL in asked.headers else NOTICES.get(notice_of(asked) or "")
    text = render_template(
        f"dashboard/{template}",
        places=_places(asked),
        words=words,
        place=values.pop("place", asked.endpoint),
        caller=asked.caller,
        logged_in=login_of(asked) is not None,
        csrf_field=FORM_FIELD,
        csrf=form_token(asked),
        here=asked.root_path + path_of(asked),
        notice=notice,
        **values,
    )
    reply = Response(text, status=status, content_type="text/html; charset=utf-8", headers=_HEADERS)
    if status == 200 and asked.method == "GET":
        reply.set_etag(blake2b(text.encode(), digest_size=16).hexdigest())
        reply.make_conditional(asked)
    keep_visit(reply, asked)
    if notice is not None:
        forget_notice(reply, asked)
    return reply


def _places(asked: ServiceRequest) -> Sequence[Place]:
    """The entries of the navigation that this visitor may open."""
    caller = asked.caller
    if caller is None:
        return ()
    places = [one for one in PLACES if caller.has_every_account or not one.of_every_account]
    sandbox = current_app.extensions.get(SANDBOX) is not None and may_open_sandbox(asked)
    return [*places, _INBOX] if sandbox else places


def go_to(endpoint: str, *, done: str | None = None, **values: str | int | None) -> Response:
    """After a form: the browser loads that page, which says what was done (a name of `NOTICES`).

    The name stands in a cookie that the next page removes, not in the address: whoever loads the
    page again, or comes back to it, does not read it once more.
    """
    assert done is None or done in NOTICES, done
    reply = redirect(url_for(f"dashboard.{endpoint}", **values), 303)  # type: ignore[arg-type]
    assert isinstance(reply, Response)
    if done is not None:
        keep_notice(reply, done, the_request())
    return reply


def caller_of_page() -> Caller:
    """Who looks at this page. Only for pages that are behind the login."""
    caller = the_request().caller
    assert caller is not None
    return caller


def local_path(given: str | None) -> str | None:
    """A path of the dashboard to go back to, if *given* is one and nothing else."""
    if given is None or not given.startswith(("/dashboard/", "/dashboard?")) or "\\" in given:
        return None
    split = urlsplit(given)
    return given if not split.scheme and not split.netloc and given.isprintable() else None


# What a page says after a form has done its work, by the name that the browser keeps until then.
NOTICES: Final[Mapping[str, str]] = {
    "logged-out": "You are logged out.",
    "saved": "Saved.",
    "deleted": "Deleted.",
    "enabled": "Switched on. What was missed is sent, as far as events are kept.",
    "disabled": "Switched off.",
    "tested": "The test is on its way: it will be among the calls in a moment.",
    "replayed": "The event is sent again: the call will be in the list in a moment.",
    "revoked": "Revoked. Programs with this key are refused from now on.",
    "account-paused": "Paused: nothing is handed off through it until you resume it.",
    "account-resumed": "Resumed: it sends again.",
    "account-changed": "Changed: it counts from the next email on.",
    "account-needs-password": (
        "Changed. It is paused: another server or username needs its password again."
    ),
    "account-needs-consent": "Changed. It is paused until a person authorizes it again.",
    "account-deleted": "Deleted.",
    "email-cancelled": "The email is cancelled.",
    "email-rescheduled": "The email is sent at the new time.",
    "email-retried": "The email is in the queue again.",
    "email-resolved": "The email is noted as sent.",
    "email-resent": "The email is in the queue again, to be sent once more.",
    "suppressed": "The address gets no such mail from now on.",
    "unsuppressed": "The address is no longer on the list: mail is sent to it from now on.",
    "template-created": "The template is saved as a draft. Publish it to send with it.",
    "template-saved": "The template is saved as a draft. What is published is still sent.",
    "template-published": "This version is sent from now on.",
    "template-removed": "The template is removed.",
    "template-tested": "This is the test: it is sent now.",
}

_STATUS: Final[Mapping[type[EmailServiceError], int]] = {
    InvalidInput: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    ContentPurged: 410,
    Conflict: 409,
    StaleAttempt: 409,
    TooMany: 429,
    Unavailable: 503,
}
_TITLES: Final = {
    400: "That is not possible",
    401: "Log in",
    403: "Not allowed",
    404: "Not found",
    405: "Not found",
    409: "That is not possible now",
    410: "Removed",
    413: "Too large",
    429: "Slow down",
    503: "Not now",
}
_TEXTS: Final = {
    404: "There is no such page, or nothing with this number.",
    405: "There is no such page.",
    413: "What was sent is larger than this page accepts.",
}


def error_page(error: Exception) -> Response:
    """The page that says why it cannot be done. The error's own words are ours: they are shown."""
    asked = the_request()
    if isinstance(error, HTTPException):
        status = error.code or 500
        return _sorry(status, _TEXTS.get(status, "This cannot be understood."))
    assert isinstance(error, EmailServiceError)
    if isinstance(error, Unauthorized):
        return to_login(asked)
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)
    reply = _sorry(status, *told(error))
    if isinstance(error, TooMany | Unavailable):
        wait = max(1, math.ceil(error.retry_after.total_seconds()))
        reply.headers["Retry-After"] = str(wait)
    return reply


def to_login(asked: ServiceRequest) -> Response:
    """A person is led to the login; what asks for freshness only is told that it ended.

    A browser that follows a link from elsewhere shows no cookie: it loads the page once more.
    """
    if asked.method == "GET" and POLL not in asked.headers:
        if asked.headers.get("Sec-Fetch-Site") == "cross-site":
            return page("arriving.html", status=401, place=None)
        back = path_of(asked)
        reply = go_to("login", next=None if back == ROOT else back)
    else:
        reply = _sorry(401, "Your login has ended. Log in again.")
    if login_of(asked) is not None:
        forget_login(reply, asked)
    return reply


def path_of(asked: ServiceRequest) -> str:
    """The path and the query of a request, without the prefix that a proxy takes away."""
    return asked.full_path if asked.query_string else asked.path


def _sorry(status: int, *texts: str) -> Response:
    title = _TITLES.get(status, "That did not work")
    return page("error.html", status=status, title=title, texts=texts, place=None)

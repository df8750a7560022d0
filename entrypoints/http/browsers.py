"""What the dashboard keeps in a browser, and what a browser must show to change anything.

A cookie holds a secret: that of the login, or, where nobody logs in, one that only ties a form to
the browser that was given it. Every form has a token that is made of this secret, so another site's
page can neither read nor guess it. Beside it the browser says itself which page sends a form.
"""

import hmac
from hashlib import sha256
from secrets import token_hex
from typing import Final

from flask import Response

from domain.address import is_loopback
from domain.dashboard_session import LIFETIME
from domain.errors import Forbidden
from entrypoints.http.requests import ServiceRequest

FORM_FIELD: Final = "csrf"
TOO_OPEN: Final = (
    "the dashboard is for HTTPS: put TLS in front of the service and name the proxy in"
    " TRUSTED_PROXIES, or open the dashboard on the machine itself, for example through"
    " ssh -L 5000:127.0.0.1:5000"
)
_LOGIN: Final = "email_service_login"
_VISIT: Final = "email_service_visit"
_NOTICE: Final = "email_service_notice"
_SHOWN_ONCE: Final = "email_service_shown_once"
_SECURE: Final = "__Host-"  # a browser takes it over HTTPS only, for this host and all its paths
_NOTICE_AGE_S: Final = 60  # the page that shows it is loaded at once
_LONGEST_SEALED: Final = 3500
_LONGEST: Final = 128  # characters of a cookie that is read; ours have 64
_FOREIGN: Final = frozenset({"cross-site", "same-site"})


def login_of(asked: ServiceRequest) -> str | None:
    """The secret of the login that the browser shows, if any."""
    return _cookie(asked, _LOGIN)


def keep_login(reply: Response, secret: str, asked: ServiceRequest) -> None:
    """Let the browser keep the secret of its new login."""
    _set(reply, _LOGIN, secret, asked)


def forget_login(reply: Response, asked: ServiceRequest) -> None:
    """Let the browser forget its login, and the pages that it has kept."""
    _forget(reply, _LOGIN, asked)
    reply.headers["Clear-Site-Data"] = '"cache"'


def form_token(asked: ServiceRequest) -> str:
    """The token that a form on a page for this browser must have."""
    secret = login_of(asked) or _visit(asked)
    return hmac.new(secret.encode(), b"form", sha256).hexdigest()


def keep_visit(reply: Response, asked: ServiceRequest) -> None:
    """Let the browser keep what its forms' tokens are made of, if it was made for this page."""
    if asked.visit and login_of(asked) is None and _cookie(asked, _VISIT) != asked.visit:
        _set(reply, _VISIT, asked.visit, asked)


def keep_notice(reply: Response, name: str, asked: ServiceRequest) -> None:
    """Let the browser keep the name of a notice until it loads its next page."""
    _set(reply, _NOTICE, name, asked, max_age=_NOTICE_AGE_S)


def notice_of(asked: ServiceRequest) -> str | None:
    """The name of the notice that was not shown yet, if any."""
    return _cookie(asked, _NOTICE)


def forget_notice(reply: Response, asked: ServiceRequest) -> None:
    """Let the browser forget a notice that is shown now."""
    _forget(reply, _NOTICE, asked)


def keep_new_secret(reply: Response, sealed: str, asked: ServiceRequest, *, age_s: int) -> None:
    """Let the browser keep, sealed, a secret that the page which it is led to shows."""
    _set(reply, _SHOWN_ONCE, sealed, asked, max_age=age_s)


def new_secret_of(asked: ServiceRequest) -> str | None:
    """The sealed secret that was not shown yet, if any."""
    return _cookie(asked, _SHOWN_ONCE, longest=_LONGEST_SEALED)


def forget_new_secret(reply: Response, asked: ServiceRequest) -> None:
    """Let the browser forget a secret that is shown now."""
    _forget(reply, _SHOWN_ONCE, asked)


def check_form(asked: ServiceRequest) -> None:
    """Forbidden for a form that does not come from a page of ours in the same browser (CSRF)."""
    origin = asked.headers.get("Origin")
    if (origin is not None and origin != asked.host_url.rstrip("/")) or (
        asked.headers.get("Sec-Fetch-Site") in _FOREIGN
    ):
        raise Forbidden("the form was sent by a page of another site")
    given = asked.form.get(FORM_FIELD, "")
    known = login_of(asked) or _cookie(asked, _VISIT)
    if known is None or not hmac.compare_digest(given.encode(), form_token(asked).encode()):
        raise Forbidden("the form is too old, or of another browser: load the page again")


def is_private(asked: ServiceRequest) -> bool:
    """Whether nobody on the way can read along: HTTPS, or a browser on this machine."""
    host = asked.host
    name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    on_this_machine = is_loopback(name) or name.lower() == "localhost"
    return asked.is_secure or (on_this_machine and is_loopback(asked.remote_addr or ""))


def _visit(asked: ServiceRequest) -> str:
    if not asked.visit:
        asked.visit = _cookie(asked, _VISIT) or token_hex(32)
    return asked.visit


def _cookie(asked: ServiceRequest, name: str, *, longest: int = _LONGEST) -> str | None:
    value = asked.cookies.get(_name(asked, name))
    return value if value and len(value) <= longest else None


def _forget(reply: Response, name: str, asked: ServiceRequest) -> None:
    reply.delete_cookie(
        _name(asked, name), secure=asked.is_secure, httponly=True, samesite="Strict"
    )


def _set(
    reply: Response,
    name: str,
    value: str,
    asked: ServiceRequest,
    *,
    max_age: int = int(LIFETIME.total_seconds()),
) -> None:
    reply.set_cookie(
        _name(asked, name),
        value,
        max_age=max_age,
        secure=asked.is_secure,
        httponly=True,
        samesite="Strict",
    )


def _name(asked: ServiceRequest, name: str) -> str:
    return f"{_SECURE}{name}" if asked.is_secure else name

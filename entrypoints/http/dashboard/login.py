"""The pages to log in and out."""

from flask import Blueprint, Response, redirect

from application import Application
from domain.errors import Forbidden, TooMany, Unauthorized
from entrypoints.http.browsers import (
    TOO_OPEN,
    forget_login,
    is_private,
    keep_login,
    login_of,
)
from entrypoints.http.dashboard.page import ROOT, go_to, local_path, page
from entrypoints.http.requests import the_request


class LoginPages:
    """The login, by an API key that is typed once and kept nowhere."""

    def __init__(self, application: Application) -> None:
        self._sessions = application.dashboard_sessions
        self._access = application.access

    def add_to(self, routes: Blueprint) -> None:
        """Route them."""
        routes.add_url_rule("/login", "login", self.login, methods=["GET", "POST"])
        routes.add_url_rule("/logout", "logout", self.logout, methods=["POST"])

    def login(self) -> Response:
        """The form, and what became of it: 303 to the page that was asked for, 401, 403 or 429."""
        asked = the_request()
        back = local_path(asked.args.get("next"))
        if asked.method == "POST":
            return self._log_in(back)
        if self._is_in():
            return _to(back)
        problem = None if is_private(asked) else TOO_OPEN
        return _form(back, problem, blocked=problem is not None)

    def logout(self) -> Response:
        """End the login, here and in the store."""
        asked = the_request()
        secret = login_of(asked)
        if secret is not None:
            self._sessions.log_out(secret)
        reply = go_to("login", done="logged-out")
        forget_login(reply, asked)
        return reply

    def _log_in(self, back: str | None) -> Response:
        asked = the_request()
        if not is_private(asked):
            return _form(back, TOO_OPEN, status=403, blocked=True)
        key = asked.form.get("key", "").strip()
        try:
            secret = self._sessions.log_in(key, remote=asked.remote_addr or "")
        except Unauthorized:
            return _form(back, "This API key is unknown, revoked or expired.", status=401)
        except Forbidden:
            text = "This API key lacks the scope admin, which the dashboard needs."
            return _form(back, text, status=403)
        except TooMany as error:
            seconds = max(1, round(error.retry_after.total_seconds()))
            text = f"Too many refused API keys. Try again in {seconds} seconds."
            reply = _form(back, text, status=429)
            reply.headers["Retry-After"] = str(seconds)
            return reply
        reply = _to(back)
        keep_login(reply, secret, asked)
        return reply

    def _is_in(self) -> bool:
        try:
            self._sessions.visitor(login_of(the_request()))
        except Unauthorized:
            return False
        return True


def _to(back: str | None) -> Response:
    reply = redirect(the_request().root_path + (back or ROOT), 303)
    assert isinstance(reply, Response)
    return reply


def _form(
    back: str | None, problem: str | None = None, *, status: int = 200, blocked: bool = False
) -> Response:
    return page("login.html", status=status, problem=problem, blocked=blocked, back=back)

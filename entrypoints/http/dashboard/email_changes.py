"""The pages on which a person changes an email: each says first what it will do."""

from typing import Final

from flask import Blueprint, Response

from application import Application
from application.email_changes import Change
from domain.email.status import TERMINAL
from domain.errors import Conflict, EmailServiceError, FieldError, InvalidInput, StaleAttempt
from entrypoints.http.dashboard.email import CHANGES
from entrypoints.http.dashboard.fields import moment, number
from entrypoints.http.dashboard.page import caller_of_page, go_to, page
from entrypoints.http.dashboard.way_back import carried
from entrypoints.http.requests import the_request

WHAT_IT_DOES: Final = {
    Change.RETRY: "The email goes back into the queue with all its retries. It is sent only to the"
    " recipients that no server has accepted it for.",
    Change.RESOLVE_AS_SENT: "The email is noted as sent. Nothing is sent.",
    Change.RESEND: "The email is sent once more. If the mail server has it after all, the recipient"
    " gets it twice.",
    Change.RESCHEDULE: "The email waits until the time that you name. One that was tried before is"
    " not tried sooner than it would have been.",
    Change.CANCEL: "The email is taken back: it is not sent to anybody who does not have it yet."
    " That cannot be undone.",
}
DONE: Final = {
    Change.RETRY: "email-retried",
    Change.RESOLVE_AS_SENT: "email-resolved",
    Change.RESEND: "email-resent",
    Change.RESCHEDULE: "email-rescheduled",
    Change.CANCEL: "email-cancelled",
}
_BY_AN_ACCOUNT: Final = frozenset({Change.RETRY, Change.RESEND})
MOST_NAMED: Final = 5  # addresses
_NOT_NOW: Final = (
    "This email cannot be changed so as it stands now. Its page says what can be done."
)


class EmailChangePages:
    """One page for each change."""

    def __init__(self, application: Application) -> None:
        self._queries = application.queries
        self._account_queries = application.account_queries
        self._changes = application.email_changes

    def add_to(self, routes: Blueprint) -> None:
        """Route them."""
        names = ",".join(Change)
        rule = f"/emails/<id:email_id>/<any({names}):change>"
        routes.add_url_rule(rule, "email_change", self.change, methods=["GET", "POST"])

    def change(self, email_id: int, change: str) -> Response:
        """What it does, and then does it: 303 to the email, or 409 or 400 with why not."""
        wanted = Change(change)
        possible = self._changes.possible(email_id, caller=caller_of_page())
        if the_request().method == "GET" or wanted not in possible:
            return self._form(email_id, wanted)
        try:
            self._do(email_id, wanted)
        except (InvalidInput, Conflict, StaleAttempt) as error:
            status = 400 if isinstance(error, InvalidInput) else 409
            return self._form(email_id, wanted, status=status, error=error)
        return go_to("email", done=DONE[wanted], email_id=email_id, back=carried())

    def _do(self, email_id: int, change: Change) -> None:
        form, caller = the_request().form, caller_of_page()
        if change is Change.CANCEL:
            self._changes.cancel(email_id, caller=caller)
        elif change is Change.RESCHEDULE:
            send_at = moment("send_at", form.get("send_at", ""))
            if "now" in form:
                send_at = self._queries.email(email_id, caller=caller).now
            if send_at is None:
                raise InvalidInput(FieldError("send_at", "name a time, or send it now"))
            self._changes.reschedule(email_id, send_at, caller=caller)
        elif change is Change.RESOLVE_AS_SENT:
            self._changes.resolve(email_id, as_sent=True, caller=caller)
        else:
            account_id = number("account", form.get("account", ""))
            if change is Change.RETRY:
                self._changes.retry(email_id, account_id=account_id, caller=caller)
            else:
                self._changes.resolve(email_id, as_sent=False, account_id=account_id, caller=caller)

    def _form(
        self,
        email_id: int,
        change: Change,
        *,
        status: int = 200,
        error: EmailServiceError | None = None,
    ) -> Response:
        caller, form = caller_of_page(), the_request().form
        view = self._queries.email(email_id, caller=caller)
        possible = self._changes.possible(email_id, caller=caller)
        problems = [] if error is None else _texts(error)
        if error is None and possible.get(change, _NOT_NOW):
            problems = [possible.get(change) or _NOT_NOW]
            status = 409
        again = change in _BY_AN_ACCOUNT and view.email.status in TERMINAL
        return page(
            "email_change.html",
            left_out=self._changes.left_out_of_retry(email_id, caller=caller) if again else (),
            most_named=MOST_NAMED,
            back=carried(),
            status=status,
            place="dashboard.emails",
            view=view,
            change=change,
            title=CHANGES[change],
            what=WHAT_IT_DOES[change],
            allowed=possible.get(change, _NOT_NOW) is None,
            problems=problems,
            accounts=self._accounts() if change in _BY_AN_ACCOUNT else None,
            typed={name: form.get(name, "") for name in ("account", "send_at")},
        )

    def _accounts(self) -> dict[int, str]:
        return dict(self._account_queries.account_names(caller=caller_of_page()))


def _texts(error: EmailServiceError) -> list[str]:
    if not isinstance(error, InvalidInput):
        return [str(error)]
    return [one.message if one.field else str(one) for one in error.errors]

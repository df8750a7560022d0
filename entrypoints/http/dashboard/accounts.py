"""The pages of accounts: all of them, one with all that is known of it, and what it is told."""

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, Response

from application import Application
from application.account_queries import AccountView
from application.oauth.authorize import Begun, BegunDevice
from application.upcoming import UpcomingQueue
from domain.account.account import AccountState, may_resume, waits_for_person
from domain.account.dkim_key import leaves_unsigned
from domain.account.limits import Window
from domain.account.oauth import Flow
from domain.account.oauth_credentials import by_graph
from domain.attention import in_order, of_account
from domain.doctor.finding import Group, Status
from domain.email.gates import AccountUse, holdup
from domain.errors import Conflict, EmailServiceError, InvalidInput
from entrypoints.addresses import email_address
from entrypoints.advice import advice, unsigned
from entrypoints.http.authorization_page import keep_cookie
from entrypoints.http.dashboard import account_form, reasons
from entrypoints.http.dashboard.account_form import Form
from entrypoints.http.dashboard.needs import told
from entrypoints.http.dashboard.overview import TONIGHT
from entrypoints.http.dashboard.page import caller_of_page, go_to, page
from entrypoints.http.requests import the_request

SHOWN_AT_ONCE: Final = 25
_WINDOWS: Final = {Window.MINUTE: "Minute", Window.HOUR: "Hour", Window.DAY: "Day"}
_WORST_FIRST: Final = (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.OK)
_RANKS: Final = {
    AccountState.PAUSED: 0,
    AccountState.UNREACHABLE: 1,
    AccountState.OPEN: 2,
    AccountState.INACTIVE: 3,
}


class AccountsPages:
    """What is known of accounts, and what is done with one."""

    def __init__(self, application: Application) -> None:
        self._accounts = application.account_service
        self._account_queries = application.account_queries
        self._upcoming = application.upcoming
        self._authorizations = application.authorizations
        self._doctor = application.doctor

    def add_to(self, routes: Blueprint) -> None:
        """Route them."""
        one = "/accounts/<id:account_id>"
        routes.add_url_rule("/accounts", "accounts", self.accounts)
        routes.add_url_rule(one, "account", self.account)
        routes.add_url_rule(f"{one}/edit", "edit_account", self.edit, methods=["GET", "POST"])
        for name, view in (
            ("pause", self.pause),
            ("resume", self.resume),
            ("verify", self.verify),
            ("doctor", self.doctor),
            ("authorize", self.authorize),
            ("delete", self.delete),
        ):
            routes.add_url_rule(f"{one}/{name}", f"{name}_account", view, methods=["POST"])

    # -- seen ---------------------------------------------------------------------------------

    def accounts(self) -> Response:
        """Those in trouble first; of many, some at a time."""
        caller = caller_of_page()
        views = sorted(
            self._account_queries.accounts(caller=caller),
            key=lambda view: (_RANKS[view.account.state(view.now)], view.account.id),
        )
        last = max(0, len(views) - 1) // SHOWN_AT_ONCE + 1
        number = min(_number(the_request().args.get("page")), last)
        shown = views[(number - 1) * SHOWN_AT_ONCE : number * SHOWN_AT_ONCE]
        queues = self._upcoming.of_accounts(
            [view.account.id for view in shown], TONIGHT, caller=caller
        )
        return page(
            "accounts.html",
            cards=[_card(view, queues.get(view.account.id)) for view in shown],
            number=number,
            last=last,
            total=len(views),
            may_add=caller.accounts is None,
        )

    def account(self, account_id: int) -> Response:
        """All that is known of one."""
        return self._page(account_id)

    def _page(
        self, account_id: int, *, status: int = 200, texts: tuple[str, ...] = (), **typed: str
    ) -> Response:
        caller = caller_of_page()
        view = self._account_queries.account(account_id, caller=caller)
        forecast = self._account_queries.forecast(account_id, caller=caller)
        queue = self._upcoming.of_accounts([account_id], TONIGHT, caller=caller)[account_id]
        account, stored = view.account, view.credentials
        waits = waits_for_person(account)
        client = account.oauth and account.oauth.complete(graph=by_graph(account))
        return page(
            "account.html",
            status=status,
            place="dashboard.accounts",
            card=_card(view, queue),
            view=view,
            account=account,
            forecast=forecast,
            windows={one.window: one for one in forecast.windows},
            client=client,
            authorized=client is not None and stored is not None and stored.may_ask(client),
            unsigned=unsigned(account) if leaves_unsigned(account, view.dkim) else None,
            stands_still=account.health.opens_at(view.now) != view.now,
            may_pause=(account.active and not waits) or "reason" in typed,
            may_resume=may_resume(account),
            problems=texts,
            typed=typed,
        )

    # -- done ---------------------------------------------------------------------------------

    def pause(self, account_id: int) -> Response:
        """Pause it, with a reason for other people."""
        reason = the_request().form.get("reason", "")
        try:
            self._accounts.pause(account_id, reason=reason, caller=caller_of_page())
        except InvalidInput as error:
            texts, _ = account_form.problems(error)
            return self._page(account_id, status=400, texts=tuple(texts), reason=reason)
        return go_to("account", account_id=account_id, done="account-paused")

    def resume(self, account_id: int) -> Response:
        """Let it send again."""
        try:
            self._accounts.resume(account_id, caller=caller_of_page())
        except Conflict as error:
            return self._page(account_id, status=409, texts=(str(error),))
        return go_to("account", account_id=account_id, done="account-resumed")

    def delete(self, account_id: int) -> Response:
        """Remove it, if no email waits for it."""
        try:
            self._accounts.delete(account_id, caller=caller_of_page())
        except Conflict as error:
            return self._page(account_id, status=409, texts=(str(error),))
        return go_to("accounts", done="account-deleted")

    def verify(self, account_id: int) -> Response:
        """Try it out; nothing is sent."""
        return self.verified(account_id, recipient=the_request().form.get("recipient", "").strip())

    def verified(self, account_id: int, *, recipient: str = "", added: bool = False) -> Response:
        """The page that says how far the dialogue got. *added*: it was just stored."""
        caller = caller_of_page()
        try:
            to = email_address(recipient) if recipient else None
        except ValueError as error:
            text = f"Recipient: {error}"
            return self._page(account_id, status=400, texts=(text,), recipient=recipient)
        found = self._accounts.verify(account_id, recipient=to, caller=caller)
        return page(
            "account_verified.html",
            place="dashboard.accounts",
            account=found.account,
            steps=[(step, advice(step, found.account)) for step in found.steps],
            failed=found.failed,
            unsigned=unsigned(found.account) if found.unsigned else None,
            added=added,
        )

    def doctor(self, account_id: int) -> Response:
        """Examine it and the DNS of its domain; this may take half a minute."""
        text = the_request().form.get("message", "").strip()
        try:
            found = self._doctor.examine(
                account_id,
                advise=advice,
                message=text.encode("utf-8", "replace") if text else None,
                caller=caller_of_page(),
            )
        except InvalidInput as error:
            texts, _ = account_form.problems(error)
            return self._page(account_id, status=400, texts=tuple(texts))
        chapters = [(group, [f for f in found.findings if f.group is group]) for group in Group]
        return page(
            "account_doctor.html",
            place="dashboard.accounts",
            found=found,
            chapters=[
                (group, sorted(findings, key=lambda one: _WORST_FIRST.index(one.status)))
                for group, findings in chapters
                if findings
            ],
        )

    def authorize(self, account_id: int) -> Response:
        """What a person has to do at the provider. The policy of our pages lets no form lead to
        another site, so that the page has a link.
        """
        caller = caller_of_page()
        try:
            if self._authorizations.flow_of(account_id, caller=caller) is Flow.DEVICE:
                device = self._authorizations.begin_device(account_id, caller=caller)
                return self._to_provider(account_id, device=device)
            callback = self._authorizations.callback(int(the_request().environ["SERVER_PORT"]))
            begun = self._authorizations.begin(
                account_id, redirect_uri=callback, by_page=True, caller=caller
            )
        except Conflict as error:
            return self._page(account_id, status=409, texts=(_sentence(error),))
        reply = self._to_provider(account_id, begun=begun)
        if begun.cookie is not None:
            keep_cookie(reply, begun.cookie, callback=callback)
        return reply

    def _to_provider(
        self, account_id: int, *, begun: Begun | None = None, device: BegunDevice | None = None
    ) -> Response:
        account = self._account_queries.account(account_id, caller=caller_of_page()).account
        return page(
            "account_authorize.html",
            place="dashboard.accounts",
            account=account,
            begun=begun,
            device=device,
        )

    # -- changed ------------------------------------------------------------------------------

    def edit(self, account_id: int) -> Response:
        """The usual fields; the others are changed by the API."""
        caller, asked = caller_of_page(), the_request()
        account = self._account_queries.account(account_id, caller=caller).account
        if asked.method == "GET":
            return _form(account_id, account_form.shown(account))
        form = asked.form.to_dict()
        try:
            changes = account_form.changes(form, account)
            if changes is None:
                return go_to("account", account_id=account_id)
            updated = self._accounts.update(account_id, changes, caller=caller)
        except InvalidInput as error:
            texts, wrong = account_form.problems(error)
            return _form(account_id, form, status=400, texts=texts, wrong=wrong)
        except Conflict as error:
            return _form(account_id, form, status=409, texts=[_sentence(error)])
        done = "account-changed"
        if updated.account.awaits_password:
            done = "account-needs-password"
        elif updated.account.awaits_consent:
            done = "account-needs-consent"
        return go_to("account", account_id=account_id, done=done)


def _form(
    account_id: int,
    form: Form,
    *,
    status: int = 200,
    texts: list[str] | None = None,
    wrong: frozenset[str] = frozenset(),
) -> Response:
    return page(
        "account_edit.html",
        status=status,
        place="dashboard.accounts",
        account_id=account_id,
        form=form,
        labels=account_form.LABELS,
        securities=account_form.SECURITIES,
        problems=texts or [],
        wrong=wrong,
    )


def _card(view: AccountView, queue: UpcomingQueue | None) -> Mapping[str, object]:
    """What the list and the page of an account both show of it."""
    account, now = view.account, view.now
    waiting = queue.waiting if queue is not None else 0
    pause = holdup(account, AccountUse(used=view.used, room_at=view.room_at), now=now)
    limits = account.limits_at(now)
    return {
        "account": account,
        "state": account.state(now),
        "needs": [told(n) for n in in_order(of_account(account, waiting=waiting, now=now))],
        "holdup": pause,
        "why": reasons.of_account(pause.reason) if pause is not None else None,
        "bars": [
            (label, view.used[window], limits.of(window)) for window, label in _WINDOWS.items()
        ],
        "queue": queue,
    }


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else 1


def _sentence(error: EmailServiceError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]

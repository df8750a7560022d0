"""The pages that add an account: from an address to one that works.

The first form takes the address alone. What is found out about its provider fills the second one
in, beside what a person does there, such as making an app password. Once it is stored it is tried
out, or authorized if it logs in by OAuth.
"""

from typing import Final

from flask import Blueprint, Response

from application import Application
from application.provider_lookup import Lookup, Proposal
from domain.access import Caller
from domain.account.account import Security
from domain.account.autoconfig import Login
from domain.account.limits import NEW_RESERVE, Limits
from domain.account.oauth import Flow, OAuthProvider
from domain.account.provider import PasswordKind, Provider
from domain.errors import Conflict, InvalidInput
from entrypoints.addresses import email_address
from entrypoints.http.dashboard import account_form
from entrypoints.http.dashboard.account_form import Form
from entrypoints.http.dashboard.accounts import AccountsPages
from entrypoints.http.dashboard.page import caller_of_page, page
from entrypoints.http.requests import the_request

LONGEST_NAME: Final = 200
_PASSWORDS: Final = {
    PasswordKind.MAILBOX: "Password of the mailbox",
    PasswordKind.APP_PASSWORD: "App password",
    PasswordKind.SMTP_PASSWORD: "SMTP password",
    PasswordKind.API_KEY: "API key",
}
_OAUTH_PROVIDERS: Final = {
    OAuthProvider.GOOGLE.value: "Google",
    OAuthProvider.MICROSOFT.value: "Microsoft",
}
_FLOWS: Final = {
    Flow.AUTHORIZATION_CODE.value: "in this browser",
    Flow.DEVICE.value: "by a code on another device (Microsoft)",
}


class NewAccountPages:
    """Two forms."""

    def __init__(self, application: Application, accounts: AccountsPages) -> None:
        self._accounts = application.account_service
        self._lookup = application.provider_lookup
        self._providers = application.providers
        self._authorizations = application.authorizations
        self._pages = accounts

    def add_to(self, routes: Blueprint) -> None:
        """Route them."""
        routes.add_url_rule("/accounts/new", "new_account", self.address, methods=["GET", "POST"])
        routes.add_url_rule("/accounts/create", "create_account", self.create, methods=["POST"])

    def address(self) -> Response:
        """The first form, and once it is sent the second one."""
        caller, asked = caller_of_page(), the_request()
        _check(caller)
        if asked.method == "GET":
            return _address_form("")
        text = asked.form.get("email_address", "").strip()
        try:
            address = email_address(text)
        except ValueError as error:
            return _address_form(text, problem=f"Email address: {error}")
        found = self._lookup.look_up(address, caller=caller)
        return self._form(_filled(found), found=found)

    def create(self) -> Response:
        """Store it; then it is tried out, or a person authorizes it."""
        caller, form = caller_of_page(), the_request().form.to_dict()
        _check(caller)
        try:
            fields = account_form.created(form, self._providers)
            account_id = self._accounts.create(fields, caller=caller)
        except InvalidInput as error:
            texts, wrong = account_form.problems(error)
            return self._form(form, status=400, texts=texts, wrong=wrong)
        except Conflict:
            texts = [f"{account_form.LABELS['name']}: another account has this name"]
            return self._form(form, status=409, texts=texts, wrong=frozenset({"name"}))
        if fields.get("auth"):
            return self._pages.authorize(account_id)
        return self._pages.verified(account_id, added=True)

    def _form(
        self,
        form: Form,
        *,
        found: Lookup | None = None,
        status: int = 200,
        texts: list[str] | None = None,
        wrong: frozenset[str] = frozenset(),
    ) -> Response:
        provider = self._provider(form.get("provider", ""))
        return page(
            "account_new.html",
            status=status,
            place="dashboard.accounts",
            form=form,
            found=found,
            proposal=found.proposal if found else None,
            provider=provider,
            needs_region=provider is not None and bool(provider.regions or provider.region_host),
            regions=_regions(provider),
            password_label=_password_label(provider),
            labels=account_form.LABELS,
            securities=account_form.SECURITIES,
            oauth_providers=_OAUTH_PROVIDERS,
            oauth_flows=_FLOWS,
            callback=self._callback(),
            problems=texts or [],
            wrong=wrong,
        )

    def _callback(self) -> str | None:
        """Where the provider leads a browser back to; None if it is not known."""
        try:
            return self._authorizations.callback(int(the_request().environ["SERVER_PORT"]))
        except Conflict:
            return None

    def _provider(self, name: str) -> Provider | None:
        return next((one for one in self._providers.all() if one.id == name), None)


def _check(caller: Caller) -> None:
    """Forbidden for who would be told so only after the whole form was filled in."""
    caller.require_every_account("create one")


def _address_form(text: str, *, problem: str | None = None) -> Response:
    return page(
        "account_address.html",
        status=400 if problem else 200,
        place="dashboard.accounts",
        text=text,
        problems=[problem] if problem else [],
    )


def _filled(found: Lookup) -> dict[str, str]:
    """The second form as the look-up fills it in."""
    address, proposal = str(found.address), found.proposal
    form = {
        "name": address[:LONGEST_NAME],
        "email_address": address,
        "security": Security.STARTTLS.value,
        "smtp_port": "587",
        "username": address,
        "login": "password",
        "oauth_provider": OAuthProvider.MICROSOFT.value,
        "oauth_flow": Flow.AUTHORIZATION_CODE.value,
        "priority_reserve": str(NEW_RESERVE),
        **account_form.limits_shown(Limits()),
    }
    return {**form, **_proposed(proposal)} if proposal is not None else form


def _proposed(proposal: Proposal) -> dict[str, str]:
    filled: dict[str, str] = {}
    server, provider = proposal.server, proposal.provider
    if provider is not None:
        filled |= {"provider": provider.id, **account_form.limits_shown(provider.limits())}
        if provider.oauth is not None:
            filled["oauth_provider"] = provider.oauth.value
    if proposal.region is not None:
        filled["region"] = proposal.region
    if server is None:
        return filled
    return filled | {
        "smtp_host": server.host,
        "smtp_port": str(server.port),
        "security": server.security.value,
        "username": server.username,
        "login": {Login.OAUTH: "oauth", Login.NONE: "none"}.get(server.login, "password"),
    }


def _regions(provider: Provider | None) -> dict[str, str]:
    """What is chosen from; empty where any name may be typed in, or there are none."""
    if provider is None or provider.region_host is not None or not provider.regions:
        return {}
    names = {one.name: f"{one.name} ({one.host})" for one in provider.regions}
    return names if provider.host is None else {"": f"the usual one ({provider.host})", **names}


def _password_label(provider: Provider | None) -> str:
    if provider is None or not provider.passwords:
        return account_form.LABELS["password"]
    return _PASSWORDS[provider.passwords[0]]

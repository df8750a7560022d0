"""The form of an account: from what it sends to what the API takes, and back to what it shows.

Its fields have the API's names, so that the same rules judge them and name what is wrong.
"""

import re
from collections.abc import Mapping
from typing import Final

from application.account_writer import AccountFields, ChangesOf
from domain.account.account import Account, Security, Transport
from domain.account.limits import Limits
from domain.account.provider import Providers
from domain.errors import Conflict, InvalidInput
from entrypoints.http.fields import pointer_of
from entrypoints.http.smtp_configs.fields import changes_of, new_account
from entrypoints.http.smtp_configs.schemas import SmtpConfigChanges
from entrypoints.http.validation import parse

LABELS: Final[Mapping[str, str]] = {
    "name": "Name",
    "email_address": "Email address",
    "display_name": "Name of the sender",
    "smtp_host": "Mail server",
    "smtp_port": "Port",
    "security": "Encryption",
    "username": "Username",
    "password": "Password",
    "region": "Region",
    "daily_limit": "Emails a day",
    "hourly_limit": "Emails an hour",
    "minute_limit": "Emails a minute",
    "max_connections": "Connections at once",
    "priority_reserve": "Kept for priorities 1 and 2, in percent",
    "active": "Active",
    "oauth_provider": "Provider of OAuth",
    "oauth_flow": "How a person consents",
    "client_id": "Client ID",
    "client_secret": "Client secret",
    "tenant": "Tenant",
    "recipient": "Recipient",
    "reason": "Reason",
    "message": "Message",
}
SECURITIES: Final = {
    Security.STARTTLS.value: "STARTTLS (usual on port 587)",
    Security.TLS.value: "TLS from the first byte (port 465)",
    Security.PLAIN.value: "none (to this machine only)",
}
LIMITS: Final = ("daily_limit", "hourly_limit", "minute_limit")
_NUMBERS: Final = (*LIMITS, "smtp_port", "max_connections", "priority_reserve")
_TEXTS: Final = ("name", "email_address", "display_name", "smtp_host", "username")
_NUMBER: Final = re.compile(r"[0-9]{1,12}")
# The API's names of fields, or of their parts, and those of the form where they differ.
_FORM_NAMES: Final = {
    "use_tls": "security",
    "use_ssl": "security",
    "auth/provider": "oauth_provider",
    "auth/flow": "oauth_flow",
    "auth/client_id": "client_id",
    "auth/client_secret": "client_secret",
    "auth/tenant": "tenant",
}

Form = Mapping[str, str]


def shown(account: Account) -> Form:
    """What the form shows of an account that is there."""
    limits = account.limits
    return {
        "name": account.name,
        "email_address": str(account.address),
        "display_name": account.display_name,
        "smtp_host": account.host,
        "smtp_port": str(account.port),
        "security": account.security.value,
        "username": account.username,
        **limits_shown(limits),
        "priority_reserve": str(limits.priority_reserve),
        "active": "yes" if account.active else "",
        "seen": seen(account),
    }


def seen(account: Account) -> str:
    """What tells whether the account was changed since the form was loaded."""
    return account.updated_at.isoformat()


def changes(form: Form, before: Account) -> ChangesOf | None:
    """What the form changes of *before*, checked again as it stands when it is written.

    InvalidInput; Conflict if somebody else has changed it since. None if nothing is to be changed.
    """
    was = shown(before)
    body = _body({name: text for name, text in form.items() if text != was.get(name, "")})
    if ("active" in form or "seen" in form) and form.get("active", "") != was["active"]:
        body["active"] = bool(form.get("active"))
    if before.transport is Transport.GRAPH:
        for name in ("smtp_host", "smtp_port", "use_tls", "use_ssl"):
            body.pop(name, None)
    if not body:
        return None
    wanted = changes_of(parse(SmtpConfigChanges, body))
    moment = form.get("seen", "")

    def if_unchanged(account: Account) -> AccountFields:
        if seen(account) != moment:
            raise Conflict("somebody has changed it meanwhile: look at it again")
        return wanted(account) if callable(wanted) else wanted

    return if_unchanged


def created(form: Form, providers: Providers) -> AccountFields:
    """The fields of a new account. InvalidInput."""
    body = _body({name: text for name, text in form.items() if text or name in LIMITS})
    login = form.get("login", "password")
    if login != "password":
        body.pop("password", None)
    if login == "none":
        body.pop("username", None)
    if login == "oauth":
        body["auth"] = _auth(form)
    for name in ("provider", "region"):
        if form.get(name):
            body[name] = form[name]
    if "region" in body and _is_of_provider(form, providers):
        body.pop("smtp_host", None)  # the region names the server
    return new_account(body, providers)


def limits_shown(limits: Limits) -> dict[str, str]:
    """The fields of limits."""
    return {
        "daily_limit": _text(limits.daily),
        "hourly_limit": _text(limits.hourly),
        "minute_limit": _text(limits.minute),
        "max_connections": str(limits.max_connections),
    }


def problems(error: InvalidInput) -> tuple[list[str], frozenset[str]]:
    """What is wrong in words, and the form's names of the fields that are."""
    names, texts = [], []
    for found in error.errors:
        name = _form_name(pointer_of(found).lstrip("/"))
        label = LABELS.get(name)
        names.append(name)
        texts.append(f"{label}: {found.message}" if label else f"{name}: {found.message}")
    return list(dict.fromkeys(texts)), frozenset(names)


def _body(form: Form) -> dict[str, object]:
    """The body of a call of the API; a number that is none is left to its rules."""
    body: dict[str, object] = {name: form[name].strip() for name in _TEXTS if name in form}
    for name in _NUMBERS:
        if name in form:
            text = form[name].strip()
            number = int(text) if _NUMBER.fullmatch(text) else text
            body[name] = None if name in LIMITS and not text else number
    if form.get("password"):
        body["password"] = form["password"]
    security = form.get("security")
    if security is not None:
        body["use_tls"] = security == Security.STARTTLS
        body["use_ssl"] = security == Security.TLS
    return body


def _is_of_provider(form: Form, providers: Providers) -> bool:
    """Whether the server that the form names is one of its provider's."""
    host = form.get("smtp_host", "").strip().lower()
    return any(
        one.id == form.get("provider") and one.serves(host) for one in providers.all() if host
    )


def _auth(form: Form) -> dict[str, object]:
    fields = {
        "provider": form.get("oauth_provider", ""),
        "flow": form.get("oauth_flow", ""),
        "client_id": form.get("client_id", "").strip(),
        "client_secret": form.get("client_secret", ""),
        "tenant": form.get("tenant", "").strip(),
    }
    return {"type": "oauth", **{name: text for name, text in fields.items() if text}}


def _form_name(path: str) -> str:
    return _FORM_NAMES.get(path) or path.partition("/")[0]


def _text(number: int | None) -> str:
    return "" if number is None else str(number)

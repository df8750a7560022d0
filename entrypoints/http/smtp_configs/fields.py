"""From an SMTP configuration as a client writes it to the fields of an account.

The words of the API and ours are translated here alone.
"""

from collections.abc import Mapping
from typing import Final, cast

from application.account_writer import AccountFields, ChangesOf
from application.provider_presets import with_preset
from domain.account.provider import Providers
from entrypoints.http.fields import RequestError
from entrypoints.http.schemas import RequestModel
from entrypoints.http.smtp_configs.auth import AuthRequest, oauth_wish
from entrypoints.http.smtp_configs.inbox import InboxRequest, inbox_wish
from entrypoints.http.smtp_configs.schemas import SmtpConfigChanges, SmtpConfigRequest
from entrypoints.http.smtp_configs.switches import SWITCHES, Switches
from entrypoints.http.validation import parse

_HOST_MISSING: Final = RequestError("/smtp_host", "is required without a provider")
# they are not stored, or stored as something else
_NOT_OURS: Final = SWITCHES | {"provider", "region"}

# the word of the API -> ours; use_tls and use_ssl are in `Switches`
_WORDS: Final = {
    "name": "name",
    "email_address": "address",
    "display_name": "display_name",
    "aliases": "aliases",
    "transport": "transport",
    "smtp_host": "host",
    "smtp_port": "port",
    "username": "username",
    "password": "password",
    "auth": "auth",
    "inbox": "inbox",
    "auth_mechanism": "auth_mechanism",
    "announce_next": "announce_next",
    "ses_headers": "ses_headers",
    "max_message_bytes": "allowed_octets",
    "active": "active",
    "daily_limit": "daily",
    "hourly_limit": "hourly",
    "minute_limit": "minute",
    "limit_unit": "unit",
    "max_connections": "max_connections",
    "priority_reserve": "priority_reserve",
    "on_unknown": "on_unknown",
}


def new_account(body: Mapping[str, object], providers: Providers) -> AccountFields:
    """The fields of a new account, with what the provider that *body* names fills in.

    InvalidInput names all that is wrong with it.
    """
    known = {"smtp_host", "provider"} & body.keys() or body.get("transport") == "graph"
    missing = () if known else (_HOST_MISSING,)
    wanted = parse(SmtpConfigRequest, body, *missing)
    fields, switches = _fields(wanted), _switches(wanted)
    if switches.named is not None:
        fields["security"] = switches.named
    provider = None if wanted.provider is None else providers.named(wanted.provider)
    filled = with_preset(fields, provider, wanted.region)
    if switches.named is None and not switches.left_out:
        filled["security"] = switches.of_new(filled.get("port"))
    return filled


def changes_of(wanted: SmtpConfigChanges) -> AccountFields | ChangesOf:
    """What was sent; where one of the two switches was, it depends on the account as it stands."""
    fields, switches = _fields(wanted), _switches(wanted)
    if switches.left_out:
        return fields
    return lambda account: {**fields, "security": switches.of_existing(account.security)}


def _fields(wanted: RequestModel) -> AccountFields:
    given = wanted.given().items()
    fields = {_WORDS[word]: value for word, value in given if word not in _NOT_OURS}
    if isinstance(auth := fields.get("auth"), AuthRequest):
        fields["auth"] = oauth_wish(auth)
    if isinstance(inbox := fields.get("inbox"), InboxRequest):
        fields["inbox"] = inbox_wish(inbox)
    return cast(AccountFields, fields)  # _WORDS has its names, the models its types


def _switches(wanted: SmtpConfigRequest | SmtpConfigChanges) -> Switches:
    return Switches(use_tls=wanted.use_tls, use_ssl=wanted.use_ssl)

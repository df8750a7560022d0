"""The calls under /api/providers: what is known of mail providers."""

from typing import Any, ClassVar, Final

from flask import Blueprint, Response
from pydantic import TypeAdapter

from application import Application
from domain.access import Scope
from entrypoints.http.access import the_caller
from entrypoints.http.openapi import Answer, Tag, add_routes, operation
from entrypoints.http.providers.schemas import (
    LookupQuery,
    LookupReply,
    ProviderReply,
    lookup_reply,
    provider_reply,
)
from entrypoints.http.replies import reply, reply_list
from entrypoints.http.validation import parse_query

_ROWS: Final = TypeAdapter(list[ProviderReply])
_EXAMPLE: Final[dict[str, Any]] = {
    "id": "icloud",
    "title": "iCloud Mail",
    "kind": "mailbox",
    "domains": ["icloud.com", "me.com", "mac.com"],
    "mx": ["mail.icloud.com"],
    "smtp_host": "smtp.mail.me.com",
    "regions": [],
    "region_host": None,
    "ports": [{"smtp_port": 587, "use_tls": True, "use_ssl": False}],
    "username": "{address}",
    "passwords": ["app_password"],
    "oauth": None,
    "daily_limit": 1000,
    "hourly_limit": None,
    "minute_limit": 20,
    "limit_unit": "messages",
    "max_connections": 1,
    "announce_next": False,
    "figures": [
        {
            "name": "messages_per_day",
            "value": 1000,
            "source": "https://support.apple.com/en-ca/102198",
            "checked_on": "2026-11-30",
            "confidence": "published",
        }
    ],
    "steps": ["Turn on two-factor authentication for the Apple Account."],
    "notes": ["Apple makes it for personal mail and forbids bulk mail."],
    "source": "https://support.apple.com/en-us/102525",
    "checked_on": "2026-11-30",
    "confidence": "published",
}
_FOUND: Final[dict[str, Any]] = {
    "address": "ada@icloud.com",
    "found_by": "known_domain",
    "source": "https://support.apple.com/en-us/102525",
    "provider": "icloud",
    "login": "password",
    "smtp_config": {
        "name": "ada@icloud.com",
        "email_address": "ada@icloud.com",
        "provider": "icloud",
        "smtp_host": "smtp.mail.me.com",
        "smtp_port": 587,
        "use_tls": True,
        "use_ssl": False,
        "username": "ada@icloud.com",
    },
    "missing": ["password"],
    "warnings": [],
    "unknown": [],
}


class ProviderCatalogue:
    """The calls under /api/providers."""

    BLUEPRINT: ClassVar = "providers"

    def __init__(self, application: Application) -> None:
        self._providers = application.providers
        self._provider_lookup = application.provider_lookup

    def routes(self) -> Blueprint:
        """Every path with what answers it."""
        routes = Blueprint(self.BLUEPRINT, __name__)
        add_routes(routes, self)
        return routes

    @operation(
        "GET",
        "/api/providers",
        name="listProviders",
        tag=Tag.PROVIDERS,
        scope=Scope.READ,
        answer=Answer(
            description="Every provider that is known.",
            model=ProviderReply,
            many=True,
            example=[_EXAMPLE],
        ),
    )
    def index(self) -> Response:
        """List mail providers.

        What provider fills in for a new SMTP configuration, each figure with its source.
        """
        return reply_list(_ROWS, list(map(provider_reply, self._providers.all())))

    @operation(
        "GET",
        "/api/providers/lookup",
        name="lookUpProvider",
        tag=Tag.PROVIDERS,
        scope=Scope.READ,
        query=LookupQuery,
        answer=Answer(
            description="What was found; found_by is null if nobody tells.",
            model=LookupReply,
            example=_FOUND,
        ),
    )
    def look_up(self) -> Response:
        """Look up the mail server of an address.

        Known domains are answered at once. For others the DNS, the domain itself and Thunderbird's
        database are asked, for 10 seconds at most, which needs the scope admin. Nothing is stored:
        check what is proposed, and post it.
        """
        wanted = parse_query(LookupQuery)
        found = self._provider_lookup.look_up(wanted.address, caller=the_caller())
        return reply(lookup_reply(found))

    @operation(
        "GET",
        "/api/providers/{provider_id}",
        name="showProvider",
        tag=Tag.PROVIDERS,
        scope=Scope.READ,
        answer=Answer(description="It.", model=ProviderReply, example=_EXAMPLE),
    )
    def show(self, provider_id: str) -> Response:
        """Show a mail provider.

        Its servers and limits, and the steps that a person takes there.
        """
        return reply(provider_reply(self._providers.get(provider_id)))

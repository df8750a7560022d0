"""How an account logs in without a password: OAuth 2.0 (RFC 6749), as its owner has set it up.

The secrets and tokens that belong to it are stored apart, sealed; nothing here is secret. Endpoints
and scopes: developers.google.com/identity/protocols/oauth2, learn.microsoft.com/entra/
identity-platform (November 2026).
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

import attrs

from domain.account.network import NetworkPolicy
from domain.account.web_url import web_url
from domain.errors import FieldError, InvalidInput


class OAuthProvider(StrEnum):
    """Whose authorization server it is; that of ``CUSTOM`` is named by its URLs."""

    GOOGLE = "google"
    MICROSOFT = "microsoft"
    CUSTOM = "custom"


class Flow(StrEnum):
    """How the service comes by its tokens.

    The first two begin with a person who consents and go on with refresh tokens (RFC 6749 4.1 with
    PKCE, RFC 8628); the others are granted to the application itself (RFC 6749 4.4, RFC 7523).
    """

    AUTHORIZATION_CODE = "authorization_code"
    DEVICE = "device"
    CLIENT_CREDENTIALS = "client_credentials"
    SERVICE_ACCOUNT = "service_account"


# The reasons of pauses.
NEEDS_CONSENT: Final = "needs_consent"
OAUTH_CLIENT: Final = "oauth_client"
# Without this scope Microsoft gives no refresh token.
_OFFLINE: Final = "offline_access"
_SHARED_TENANTS: Final = frozenset({"common", "organizations", "consumers"})
_GRAPH: Final = "https://graph.microsoft.com/"
# The flows that a provider offers for mail, and what to choose in the place of the others.
_NO_FLOW: Final[Mapping[tuple[OAuthProvider, Flow], str]] = {
    (OAuthProvider.GOOGLE, Flow.DEVICE): (
        "Google allows no mail in the device flow: use authorization_code"
    ),
    (OAuthProvider.GOOGLE, Flow.CLIENT_CREDENTIALS): (
        "Google has no such flow for mail: use service_account"
    ),
    (OAuthProvider.MICROSOFT, Flow.SERVICE_ACCOUNT): (
        "Microsoft has no service accounts of this kind: use client_credentials"
    ),
}
_URLS: Final = ("token_url", "authorize_url", "device_url")
_NEEDED_URLS: Final[Mapping[Flow, tuple[str, ...]]] = {
    Flow.AUTHORIZATION_CODE: ("token_url", "authorize_url"),
    Flow.DEVICE: ("token_url", "device_url"),
    Flow.CLIENT_CREDENTIALS: ("token_url",),
    Flow.SERVICE_ACCOUNT: ("token_url",),
}
_GOOGLE_URLS: Final = {
    "token_url": "https://oauth2.googleapis.com/token",
    "authorize_url": "https://accounts.google.com/o/oauth2/v2/auth",
}
_MICROSOFT_URLS: Final = {
    "token_url": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
    "authorize_url": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
    "device_url": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode",
}
# A directory's number, one of its domains, or one of the shared words.
_TENANT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")  # RFC 6749, appendix A
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")


@attrs.frozen(kw_only=True)
class OAuthClient:
    """The application that was registered with the provider. Empty texts take the provider's own.

    ``tenant`` is Microsoft's; ``scope`` is separated by blanks.
    """

    provider: OAuthProvider
    flow: Flow
    client_id: str
    tenant: str = ""
    scope: str = ""
    token_url: str = ""
    authorize_url: str = ""
    device_url: str = ""

    @property
    def needs_consent(self) -> bool:
        """Whether a person must authorize it before it has a token."""
        return self.flow in (Flow.AUTHORIZATION_CODE, Flow.DEVICE)

    @property
    def registration(self) -> tuple[str, ...]:
        """What its secret was given for: a change of it sends the secret elsewhere, or another."""
        urls = (self.token_url, self.authorize_url, self.device_url)
        return (self.provider, self.flow, self.client_id, self.tenant, *urls)

    def complete(self, *, graph: bool) -> "OAuthClient":
        """With the provider's URLs and scope in the place of empty texts.

        *graph*: for mail that leaves over Microsoft's Graph API; a token for SMTP is of no use
        there, nor the other way round.
        """
        known: Mapping[str, str] = {}
        tenant = self.tenant
        if self.provider is OAuthProvider.GOOGLE:
            known = _GOOGLE_URLS
        elif self.provider is OAuthProvider.MICROSOFT:
            tenant = tenant or "common"
            known = {name: url.format(tenant=tenant) for name, url in _MICROSOFT_URLS.items()}
        return attrs.evolve(
            self,
            tenant=tenant,
            scope=self._whole_scope(graph=graph),
            token_url=known.get("token_url", self.token_url),
            authorize_url=known.get("authorize_url", self.authorize_url),
            device_url=known.get("device_url", self.device_url),
        )

    def _whole_scope(self, *, graph: bool) -> str:
        if self.provider is OAuthProvider.GOOGLE:
            return self.scope or "https://mail.google.com/"
        if self.provider is OAuthProvider.CUSTOM:
            return self.scope
        if not self.needs_consent:
            return self.scope or (
                f"{_GRAPH}.default" if graph else "https://outlook.office365.com/.default"
            )
        mail = f"{_GRAPH}Mail.Send" if graph else "https://outlook.office.com/SMTP.Send"
        scope = self.scope or mail
        return scope if _OFFLINE in scope.split(" ") else f"{scope} {_OFFLINE}"


@attrs.frozen(kw_only=True)
class ServiceAccount:
    """What a service account is known by, and its private RSA key in PEM."""

    client_email: str
    private_key: str = attrs.field(repr=False)


def client_errors(client: OAuthClient, *, graph: bool) -> Iterator[FieldError]:
    """What is wrong with the fields of *client*, as parts of ``auth``."""
    refused = _NO_FLOW.get((client.provider, client.flow))
    if refused is not None:
        yield FieldError("auth/flow", refused)
    if not _VISIBLE.fullmatch(client.client_id):
        yield FieldError("auth/client_id", "must be given, in ASCII without blanks")
    if client.scope and not _SCOPE.fullmatch(client.scope):
        yield FieldError("auth/scope", "must be words of ASCII with one blank between them")
    yield from _tenant_errors(client)
    yield from _scope_errors(client, graph=graph)
    needed = _NEEDED_URLS[client.flow] if client.provider is OAuthProvider.CUSTOM else ()
    for name in _URLS:
        given = getattr(client, name)
        if name in needed and not given:
            yield FieldError(f"auth/{name}", f"is required for {client.flow} at a custom provider")
        if given and client.provider is not OAuthProvider.CUSTOM:
            yield FieldError(f"auth/{name}", f"is known for {client.provider}: leave it out")
        elif given and name not in needed:
            yield FieldError(f"auth/{name}", f"is not used by {client.flow}: leave it out")


def _tenant_errors(client: OAuthClient) -> Iterator[FieldError]:
    if client.provider is not OAuthProvider.MICROSOFT:
        if client.tenant:
            yield FieldError("auth/tenant", "is for microsoft only")
        return
    if client.tenant and (not _TENANT.fullmatch(client.tenant) or ".." in client.tenant):
        yield FieldError("auth/tenant", "must be the directory's ID, one of its domains, or common")
    app_only = client.flow is Flow.CLIENT_CREDENTIALS
    if app_only and (not client.tenant or client.tenant.lower() in _SHARED_TENANTS):
        yield FieldError("auth/tenant", "client_credentials needs the ID of one directory")


def _scope_errors(client: OAuthClient, *, graph: bool) -> Iterator[FieldError]:
    if client.provider is not OAuthProvider.MICROSOFT:
        return
    words = client.scope.split(" ") if client.scope else []
    if client.needs_consent and any(word.endswith("SMTP.SendAsApp") for word in words):
        yield FieldError(
            "auth/scope",
            "SMTP.SendAsApp is for client_credentials: a person consents to SMTP.Send",
        )
    # https://learn.microsoft.com/en-us/entra/identity-platform/scopes-oidc#the-default-scope
    if not client.needs_consent and words and not all(word.endswith("/.default") for word in words):
        yield FieldError("auth/scope", "client_credentials takes a scope that ends in /.default")
    at_graph = any(word.startswith(_GRAPH) for word in words)
    if words and at_graph != graph:
        yield FieldError(
            "auth/scope",
            "must be one of graph.microsoft.com for the transport graph"
            if graph
            else "a token for graph.microsoft.com does not log in by SMTP: use SMTP.Send",
        )


def secret_errors(client: OAuthClient, *, secret: bool, key: bool) -> Iterator[FieldError]:
    """What its owner must give, or must not, beside *client*: the secret, the service account."""
    by_key = client.flow is Flow.SERVICE_ACCOUNT
    if by_key and not key:
        yield FieldError(
            "auth/service_account", "is required: the file with its key, as Google gives it"
        )
    if key and not by_key:
        yield FieldError("auth/service_account", f"is not used by {client.flow}: leave it out")
    if secret and by_key:
        yield FieldError("auth/client_secret", f"is not used by {client.flow}: leave it out")
    if not secret and needs_secret(client):
        yield FieldError("auth/client_secret", "is required")


def needs_secret(client: OAuthClient) -> bool:
    """Whether its provider grants it nothing without a client secret.

    Google has given its desktop applications one too, though it keeps nothing secret there.
    """
    if client.flow is Flow.CLIENT_CREDENTIALS:
        return True
    return client.provider is OAuthProvider.GOOGLE and client.flow is Flow.AUTHORIZATION_CODE


def url_errors(client: OAuthClient, network: NetworkPolicy) -> Iterator[FieldError]:
    """The URLs that this service may not ask."""
    for name in _URLS:
        url = getattr(client, name)
        if url:
            try:
                web_url(url, network=network, field=f"auth/{name}")
            except InvalidInput as refused:
                yield from refused.errors


def how_to_authorize(account_id: int) -> str:
    """What mends an account that needs consent."""
    return (
        f"run email-service accounts authorize {account_id}, "
        f"or POST /api/smtp-configs/{account_id}/authorize"
    )

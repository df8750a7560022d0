"""How an SMTP configuration logs in: the block ``auth`` of its calls."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field

from application.account_queries import AccountView
from application.oauth.account_auth import OAuthWish
from domain.account.oauth import Flow, OAuthClient, OAuthProvider, ServiceAccount
from domain.account.oauth_credentials import by_graph
from domain.errors import FieldError, InvalidInput
from entrypoints.http.fields import RequestError
from entrypoints.http.schemas import Absent, ReplyModel, RequestModel, Shown, Time
from entrypoints.http.times import shown_if_any

_LONGEST_URL: Final = 2048


def _provider(name: str) -> OAuthProvider:
    return OAuthProvider(name)


def _flow(name: str) -> Flow:
    return Flow(name)


def _line(text: str) -> str:
    if any(character in text for character in "\0\r\n"):
        raise ValueError("must not contain a line end or NUL")
    return text


_ProviderName: TypeAlias = Literal["google", "microsoft", "custom"]
_FlowName: TypeAlias = Literal[
    "authorization_code", "device", "client_credentials", "service_account"
]
_Url: TypeAlias = Annotated[str, Field(min_length=1, max_length=_LONGEST_URL)]


class ServiceAccountRequest(RequestModel):
    """The JSON key of a service account, as Google gives it; its other fields are not looked at."""

    model_config = ConfigDict(extra="ignore")

    client_email: Annotated[
        str, Field(min_length=1, max_length=320, examples=["robot@project.iam.gserviceaccount.com"])
    ]
    private_key: Annotated[
        str,
        Field(
            min_length=1,
            max_length=20_000,
            repr=False,
            description="An RSA key in PEM. Stored encrypted, never shown.",
        ),
    ]


class AuthRequest(RequestModel):
    """How it logs in: by its password, or by OAuth 2.0, for which all other fields are."""

    type: Annotated[
        Literal["password", "oauth"],
        Field(description="password: the field password is used, and the others are left out."),
    ]
    provider: Annotated[
        Absent[Annotated[_ProviderName, AfterValidator(_provider)]],
        Field(description="Whose authorization server it is. Required for oauth."),
    ] = None
    flow: Annotated[
        Absent[Annotated[_FlowName, AfterValidator(_flow)]],
        Field(
            description="With authorization_code and device a person authorizes it; with the others"
            " the application itself is granted tokens. Required for oauth."
        ),
    ] = None
    client_id: Annotated[
        Absent[str],
        Field(
            min_length=1,
            max_length=300,
            description="Of the application that was registered with the provider. Required, except"
            " that service_account has its own.",
        ),
    ] = None
    client_secret: Annotated[
        Absent[Annotated[str, AfterValidator(_line), Shown(pattern=r"^[^\u0000\r\n]*$")]],
        Field(
            min_length=1,
            max_length=1_000,
            repr=False,
            description="Stored encrypted, never shown. If left out in a change, the stored one"
            " stays as long as server, username and application do.",
        ),
    ] = None
    tenant: Annotated[
        Absent[str],
        Field(
            min_length=1,
            max_length=253,
            description="Microsoft's directory: its ID or a domain of it. If left out: common.",
        ),
    ] = None
    scope: Annotated[
        Absent[str],
        Field(
            min_length=1,
            max_length=2_000,
            description="Separated by blanks. If left out: what sending mail takes.",
        ),
    ] = None
    token_url: Annotated[
        Absent[_Url], Field(description="Of a custom provider: where tokens are asked for.")
    ] = None
    authorize_url: Annotated[
        Absent[_Url], Field(description="Of a custom provider, for authorization_code.")
    ] = None
    device_url: Annotated[
        Absent[_Url], Field(description="Of a custom provider, for the flow device.")
    ] = None
    service_account: Annotated[
        Absent[ServiceAccountRequest], Field(description="For the flow service_account.")
    ] = None


class AuthReply(ReplyModel):
    """How it logs in. Of a password, and of a server without AUTH, all other fields are null."""

    type: Literal["password", "oauth"]
    provider: _ProviderName | None = None
    flow: _FlowName | None = None
    client_id: str | None = None
    tenant: str | None = None
    scope: Annotated[str | None, Field(description="What is asked for.")] = None
    token_url: str | None = None
    authorize_url: str | None = None
    device_url: str | None = None
    client_secret_set: bool | None = None
    authorized: Annotated[
        bool | None,
        Field(
            description="Whether it has what tokens are granted for: a person's consent, or the"
            " secret of the application."
        ),
    ] = None
    authorized_at: Time | None = None
    refreshed_at: Annotated[Time | None, Field(description="When it got its token.")] = None
    expires_at: Annotated[Time | None, Field(description="When that token ends.")] = None
    last_error: Annotated[
        str | None,
        Field(description="What the authorization server said, if it gave no token when asked."),
    ] = None


def oauth_wish(wanted: AuthRequest) -> OAuthWish | None:
    """The application and its secrets; None for a password. InvalidInput."""
    given = wanted.given()
    if wanted.type == "password":
        unused = sorted(given.keys() - {"type"})
        if unused:
            raise InvalidInput(*(RequestError(f"/auth/{name}", "is for oauth") for name in unused))
        return None
    robot = wanted.service_account
    client_id = wanted.client_id or (robot.client_email if robot else "")
    missing: list[FieldError] = [
        RequestError(f"/auth/{name}", "is required for oauth")
        for name, value in (
            ("provider", wanted.provider),
            ("flow", wanted.flow),
            ("client_id", client_id),
        )
        if not value
    ]
    if robot is not None and wanted.client_id not in (None, robot.client_email):
        missing.append(RequestError("/auth/client_id", "is another one than client_email"))
    if missing:
        raise InvalidInput(*missing)
    assert wanted.provider is not None, "it was asked for above"
    assert wanted.flow is not None, "it was asked for above"
    client = OAuthClient(
        provider=OAuthProvider(wanted.provider),
        flow=Flow(wanted.flow),
        client_id=client_id,
        tenant=wanted.tenant or "",
        scope=wanted.scope or "",
        token_url=wanted.token_url or "",
        authorize_url=wanted.authorize_url or "",
        device_url=wanted.device_url or "",
    )
    key = None
    if robot is not None:
        key = ServiceAccount(client_email=robot.client_email, private_key=robot.private_key)
    return OAuthWish(client=client, secret=wanted.client_secret, service_account=key)


def auth_reply(view: AccountView) -> AuthReply:
    """How it logs in, without anything secret."""
    account, stored = view.account, view.credentials
    if account.oauth is None:
        return AuthReply(type="password")
    client = account.oauth.complete(graph=by_graph(account))
    return AuthReply(
        type="oauth",
        provider=client.provider.value,
        flow=client.flow.value,
        client_id=client.client_id,
        tenant=client.tenant or None,
        scope=client.scope or None,
        token_url=client.token_url,
        authorize_url=client.authorize_url if client.flow is Flow.AUTHORIZATION_CODE else None,
        device_url=client.device_url if client.flow is Flow.DEVICE else None,
        client_secret_set=stored is not None and stored.sealed_secret is not None,
        authorized=stored is not None and stored.may_ask(client),
        authorized_at=shown_if_any(stored.obtained_at) if stored else None,
        refreshed_at=shown_if_any(stored.refreshed_at) if stored else None,
        expires_at=shown_if_any(stored.expires_at) if stored else None,
        last_error=(stored.last_error or None) if stored else None,
    )

"""The AuthorizationServer port on a played provider, without HTTP between the two."""

from collections.abc import Callable
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.fakes.oauth_provider import DEVICE, JWT_BEARER, PlayedAnswer, PlayedProvider
from domain.account.oauth import OAuthClient
from domain.account.oauth_answer import DeviceCode, Granted, device_code, granted


def _nothing() -> None:
    return


class FakeAuthorizationServer:
    """Whichever server a client names, it is *provider* that answers.

    *meanwhile* is called while a request is under way: a test looks at what others do then.
    """

    def __init__(
        self, provider: PlayedProvider, *, meanwhile: Callable[[], object] = _nothing
    ) -> None:
        self._provider = provider
        self.meanwhile = meanwhile

    def check_key(self, key: str) -> None:
        """By reading it."""
        try:
            private = load_pem_private_key(key.encode(), password=None)
        except (ValueError, TypeError):
            raise ValueError("must be a private key in PEM") from None
        if not isinstance(private, RSAPrivateKey):
            raise ValueError("must be a private key for RSA")

    def authorize_url(
        self,
        client: OAuthClient,
        *,
        state: str,
        challenge: str,
        redirect_uri: str,
        login_hint: str,
    ) -> str:
        """With all that the provider looks at."""
        fields = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": redirect_uri,
            "scope": client.scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "login_hint": login_hint,
        }
        return f"{client.authorize_url}?{urlencode(fields)}"

    def exchange(
        self, client: OAuthClient, *, secret: str, code: str, verifier: str, redirect_uri: str
    ) -> Granted:
        """The first token."""
        return self._granted(
            client,
            "authorization_code",
            secret,
            code=code,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
        )

    def refresh(self, client: OAuthClient, *, secret: str, refresh_token: str) -> Granted:
        """The next token."""
        return self._granted(client, "refresh_token", secret, refresh_token=refresh_token)

    def as_client(self, client: OAuthClient, *, secret: str) -> Granted:
        """A token for the application."""
        return self._granted(client, "client_credentials", secret, scope=client.scope)

    def as_service_account(self, client: OAuthClient, *, key: str, subject: str) -> Granted:
        """A token for a mailbox."""
        self.check_key(key)
        self.meanwhile()
        form = {"grant_type": JWT_BEARER, "issuer": client.client_id, "scope": client.scope}
        return _token(self._provider.token(form, assertion=True), (key,))

    def begin_device(self, client: OAuthClient, *, secret: str) -> DeviceCode:
        """What a person types in."""
        form = {"client_id": client.client_id, "scope": client.scope, "client_secret": secret}
        answer = self._provider.device(form)
        return device_code(
            answer.status,
            answer.body,
            retry_after=answer.headers.get("retry-after", ""),
            secrets=(secret,),
        )

    def ask_device(self, client: OAuthClient, *, secret: str, device_code: str) -> Granted:
        """The first token, once the person has consented."""
        return self._granted(client, DEVICE, secret, device_code=device_code)

    def _granted(self, client: OAuthClient, grant_type: str, secret: str, **fields: str) -> Granted:
        self.meanwhile()
        form = {"grant_type": grant_type, "client_id": client.client_id, **fields}
        if secret:
            form["client_secret"] = secret
        return _token(self._provider.token(form), (secret, *fields.values()))


def _token(answer: PlayedAnswer, secrets: tuple[str, ...]) -> Granted:
    return granted(
        answer.status,
        answer.body,
        retry_after=answer.headers.get("retry-after", ""),
        secrets=secrets,
    )

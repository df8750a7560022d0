"""The AuthorizationServer port over HTTP."""

from collections.abc import Iterable
from typing import Final

from adapters.oauth.assertion import private_key, signed_assertion
from application.ports.system import Clock
from application.ports.web import WebAnswer, WebClient, WebFailed, WebRequest
from domain.account.oauth import OAuthClient, OAuthProvider
from domain.account.oauth_answer import (
    DeviceCode,
    Granted,
    GrantRefused,
    Refusal,
    device_code,
    granted,
)

_FORM: Final = {
    "content-type": "application/x-www-form-urlencoded",
    "accept": "application/json",
}
_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"


class WebAuthorizationServer:
    """Speaks with whichever server a client names.

    The client shows its secret in the body (RFC 6749 2.3.1), which Google and Microsoft ask for.
    """

    def __init__(self, web: WebClient, *, clock: Clock) -> None:
        self._web = web
        self._clock = clock

    def check_key(self, key: str) -> None:
        """By reading it."""
        private_key(key)

    def authorize_url(
        self,
        client: OAuthClient,
        *,
        state: str,
        challenge: str,
        redirect_uri: str,
        login_hint: str,
    ) -> str:
        """RFC 6749 4.1.1 with RFC 7636 4.3. Google gives a refresh token only if asked so."""
        from oauthlib.common import add_params_to_uri

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
        if client.provider is OAuthProvider.GOOGLE:
            fields |= {"access_type": "offline", "prompt": "consent"}
        given = [(name, value) for name, value in fields.items() if value]
        return str(add_params_to_uri(client.authorize_url, given))

    def exchange(
        self, client: OAuthClient, *, secret: str, code: str, verifier: str, redirect_uri: str
    ) -> Granted:
        """RFC 6749 4.1.3 with RFC 7636 4.5."""
        return self._granted(
            client,
            "authorization_code",
            secrets=(secret, code, verifier),
            client_secret=secret,
            code=code,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
        )

    def refresh(self, client: OAuthClient, *, secret: str, refresh_token: str) -> Granted:
        """RFC 6749 6. Microsoft wants the scope again; without it the others keep the old one."""
        microsoft = client.provider is OAuthProvider.MICROSOFT
        return self._granted(
            client,
            "refresh_token",
            secrets=(secret, refresh_token),
            client_secret=secret,
            refresh_token=refresh_token,
            scope=client.scope if microsoft else "",
        )

    def as_client(self, client: OAuthClient, *, secret: str) -> Granted:
        """RFC 6749 4.4.2."""
        return self._granted(
            client,
            "client_credentials",
            secrets=(secret,),
            client_secret=secret,
            scope=client.scope,
        )

    def as_service_account(self, client: OAuthClient, *, key: str, subject: str) -> Granted:
        """RFC 7523 2.1, as Google has it: the scope stands inside the assertion."""
        assertion = signed_assertion(
            key,
            issuer=client.client_id,
            subject=subject,
            audience=client.token_url,
            scope=client.scope,
            now=self._clock.now(),
        )
        return self._granted(
            client,
            _JWT_BEARER,
            secrets=(assertion, key),
            include_client_id=False,
            assertion=assertion,
        )

    def begin_device(self, client: OAuthClient, *, secret: str) -> DeviceCode:
        """RFC 8628 3.1."""
        from oauthlib.common import urlencode

        fields = {"client_id": client.client_id, "scope": client.scope, "client_secret": secret}
        body = urlencode([(name, value) for name, value in fields.items() if value])
        answer = self._fetch(client.device_url, body)
        return device_code(
            answer.status, answer.body, retry_after=_retry_after(answer), secrets=(secret,)
        )

    def ask_device(self, client: OAuthClient, *, secret: str, device_code: str) -> Granted:
        """RFC 8628 3.4."""
        return self._granted(
            client,
            _DEVICE,
            secrets=(secret, device_code),
            client_secret=secret,
            device_code=device_code,
        )

    def _granted(
        self,
        client: OAuthClient,
        grant_type: str,
        *,
        secrets: Iterable[str],
        include_client_id: bool = True,
        **fields: str,
    ) -> Granted:
        from oauthlib.oauth2.rfc6749.parameters import prepare_token_request

        given = {name: value for name, value in fields.items() if value}
        body = prepare_token_request(
            grant_type,
            include_client_id=include_client_id,
            client_id=client.client_id,
            **given,
        )
        answer = self._fetch(client.token_url, body)
        return granted(
            answer.status, answer.body, retry_after=_retry_after(answer), secrets=secrets
        )

    def _fetch(self, url: str, body: str) -> WebAnswer:
        request = WebRequest(method="POST", url=url, headers=_FORM, body=body.encode("ascii"))
        try:
            return self._web.fetch(request)
        except WebFailed as error:
            text = f"the authorization server gave no answer: {error.detail}"
            raise GrantRefused(Refusal.SERVER, text) from None


def _retry_after(answer: WebAnswer) -> str:
    return answer.headers.get("retry-after", "")

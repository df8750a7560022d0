"""The authorization server over HTTP keeps the contract; and what really goes over the wire."""

import logging
from collections.abc import Iterator

import pytest

from adapters.clock import SystemClock
from adapters.fakes.clock import FakeClock
from adapters.fakes.oauth_provider import PlayedAnswer, PlayedProvider
from adapters.name_resolver import NameResolver
from adapters.oauth import WebAuthorizationServer
from adapters.web_client import UrllibWebClient
from application.ports.oauth import AuthorizationServer
from domain.account.network import NetworkPolicy
from domain.account.oauth import Flow, OAuthProvider
from domain.account.oauth_answer import GrantRefused, Refusal
from tests.builders import an_oauth_client
from tests.contract.authorization_suite import (
    BACK,
    PRIVATE,
    ROBOT,
    SECRET,
    AuthorizationContract,
    Client,
    new_key,
    public_of,
)
from tests.oauth_server import OAuthServer, running_oauth_server


class TestWebAuthorizationServer(AuthorizationContract):
    @pytest.fixture
    def oauth(self, provider: PlayedProvider) -> Iterator[OAuthServer]:
        with running_oauth_server(provider) as oauth:
            yield oauth

    @pytest.fixture
    def server(self, clock: FakeClock) -> Iterator[AuthorizationServer]:
        network = NetworkPolicy(private=True)
        web = UrllibWebClient(
            resolver=NameResolver(allow=network.allows), network=network, clock=SystemClock()
        )
        yield WebAuthorizationServer(web, clock=clock)
        web.close()

    @pytest.fixture
    def client(self, oauth: OAuthServer) -> Client:
        return oauth.client

    def test_a_server_that_does_not_listen_is_away(
        self, server: AuthorizationServer, client: Client
    ) -> None:
        nowhere = client(token_url="http://127.0.0.1:1/token")

        with pytest.raises(GrantRefused) as raised:
            server.refresh(nowhere, secret=SECRET, refresh_token="r")

        assert raised.value.refusal is Refusal.SERVER

    def test_an_assertion_of_another_key_is_refused(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client
    ) -> None:
        provider.service_accounts[ROBOT] = public_of(new_key())
        robot = client(flow=Flow.SERVICE_ACCOUNT, client_id=ROBOT)

        with pytest.raises(GrantRefused):
            server.as_service_account(robot, key=PRIVATE, subject="ada@example.org")

    def test_no_secret_of_a_request_or_an_answer_is_logged(
        self,
        server: AuthorizationServer,
        provider: PlayedProvider,
        client: Client,
        oauth: OAuthServer,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        token = provider.grant("app")

        granted = server.refresh(client(), secret=SECRET, refresh_token=token)
        provider.instead.append(PlayedAnswer.error("invalid_grant", f"{SECRET} {token}"))
        with pytest.raises(GrantRefused) as raised:
            server.refresh(client(), secret=SECRET, refresh_token=token)

        assert len(oauth.seen) == 2
        told = f"{caplog.text} {raised.value} {raised.value.detail}"
        for secret in (token, granted.access_token, granted.refresh_token, SECRET):
            assert secret is not None
            assert secret not in told

    def test_google_is_asked_for_a_refresh_token_each_time(
        self, server: AuthorizationServer
    ) -> None:
        client = an_oauth_client(provider=OAuthProvider.GOOGLE, client_id="x&y")

        url = server.authorize_url(
            client.complete(graph=False),
            state="s+/=",
            challenge="c",
            redirect_uri=BACK,
            login_hint="ada+1@example.org",
        )

        assert url.startswith("https://accounts.google.com/o/oauth2/v2/auth?")
        assert "access_type=offline" in url
        assert "prompt=consent" in url
        assert "client_id=x%26y" in url
        assert "state=s%2B%2F%3D" in url

    def test_microsoft_is_told_the_scope_when_a_token_is_renewed(
        self, server: AuthorizationServer, client: Client, oauth: OAuthServer
    ) -> None:
        urls = {"token_url": client().token_url, "authorize_url": client().authorize_url}
        microsoft = an_oauth_client(client_id="app", scope="mail offline_access", **urls)

        for one in (microsoft, client()):
            with pytest.raises(GrantRefused):
                server.refresh(one, secret=SECRET, refresh_token="r")

        assert ["scope=" in body for body in oauth.seen] == [True, False]

"""The fake authorization server keeps the contract."""

import pytest

from adapters.fakes.authorization_server import FakeAuthorizationServer
from adapters.fakes.oauth_provider import PlayedProvider
from application.ports.oauth import AuthorizationServer
from tests.builders import an_oauth_client
from tests.contract.authorization_suite import AuthorizationContract, Client


class TestFakeAuthorizationServer(AuthorizationContract):
    @pytest.fixture
    def server(self, provider: PlayedProvider) -> AuthorizationServer:
        return FakeAuthorizationServer(provider)

    @pytest.fixture
    def client(self) -> Client:
        return lambda **changes: an_oauth_client(**{"client_id": "app", **changes}).complete(
            graph=False
        )

"""What every AuthorizationServer must do: over HTTP, and the fake that tests use.

A subclass gives ``provider``, what is played, and ``server`` and ``client`` to ask it with.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from adapters.fakes.clock import FakeClock
from adapters.fakes.oauth_provider import PlayedAnswer, PlayedProvider
from application.ports.oauth import AuthorizationServer
from domain.account.oauth import Flow, OAuthClient
from domain.account.oauth_answer import GrantRefused, Refusal

SECRET = "a secret with + & = % and ünïcode"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
BACK = "http://127.0.0.1:5000/oauth/callback"


def new_key() -> rsa.RSAPrivateKey:
    """A key of a service account."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_of(key: rsa.RSAPrivateKey) -> str:
    """Its public half, in PEM."""
    octets = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return octets.decode()


_KEY = new_key()
PRIVATE = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = public_of(_KEY)
ROBOT = "robot@project.example.com"

Client = Callable[..., OAuthClient]


class AuthorizationContract:
    """The suite of the AuthorizationServer port."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def provider(self, clock: FakeClock) -> PlayedProvider:
        return PlayedProvider(
            clock=clock,
            clients={"app": SECRET, "public": ""},
            service_accounts={ROBOT: PUBLIC},
        )

    def test_a_person_consents_and_the_code_becomes_tokens(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client
    ) -> None:
        code = _code(server, provider, client(), state="a state")

        granted = server.exchange(
            client(), secret=SECRET, code=code, verifier=VERIFIER, redirect_uri=BACK
        )

        assert provider.takes(granted.access_token)
        again = _refresh(server, client(), granted.refresh_token)
        assert provider.takes(again.access_token)
        assert again.refresh_token not in (None, granted.refresh_token)

    @pytest.mark.parametrize(
        "wrong",
        [{"verifier": "w" * 43}, {"redirect_uri": f"{BACK}/other"}, {"code": "another"}],
    )
    def test_a_code_is_good_with_its_own_verifier_and_redirect_only(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client, wrong: Any
    ) -> None:
        right = {"code": _code(server, provider, client()), "verifier": VERIFIER}

        with pytest.raises(GrantRefused) as raised:
            server.exchange(client(), secret=SECRET, **{**right, "redirect_uri": BACK, **wrong})

        assert raised.value.refusal is Refusal.CONSENT

    def test_a_code_is_good_once(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client
    ) -> None:
        given = {"code": _code(server, provider, client()), "verifier": VERIFIER}
        server.exchange(client(), secret=SECRET, redirect_uri=BACK, **given)

        with pytest.raises(GrantRefused):
            server.exchange(client(), secret=SECRET, redirect_uri=BACK, **given)

    def test_a_refresh_token_that_comes_twice_ends_all_of_them(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client
    ) -> None:
        first = provider.grant("app")
        second = _refresh(server, client(), first).refresh_token

        for token in (first, second):
            with pytest.raises(GrantRefused) as raised:
                _refresh(server, client(), token)
            assert raised.value.refusal is Refusal.CONSENT

    def test_an_application_without_a_secret_shows_none(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client
    ) -> None:
        token = provider.grant("public")

        granted = server.refresh(client(client_id="public"), secret="", refresh_token=token)

        assert provider.takes(granted.access_token)

    @pytest.mark.parametrize(
        ("client_id", "secret"), [("app", "wrong"), ("app", ""), ("unknown", SECRET)]
    )
    def test_an_application_is_known_by_its_id_and_secret(
        self,
        server: AuthorizationServer,
        provider: PlayedProvider,
        client: Client,
        client_id: str,
        secret: str,
    ) -> None:
        with pytest.raises(GrantRefused) as raised:
            server.refresh(
                client(client_id=client_id), secret=secret, refresh_token=provider.grant("app")
            )

        assert raised.value.refusal is Refusal.CLIENT

    def test_an_application_is_granted_a_token_of_its_own_right(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client
    ) -> None:
        granted = server.as_client(client(flow=Flow.CLIENT_CREDENTIALS), secret=SECRET)

        assert provider.takes(granted.access_token)
        assert granted.refresh_token is None

    def test_a_service_account_is_granted_a_token_by_its_key(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client
    ) -> None:
        robot = client(flow=Flow.SERVICE_ACCOUNT, client_id=ROBOT)

        granted = server.as_service_account(robot, key=PRIVATE, subject="ada@example.org")

        assert provider.takes(granted.access_token)

    def test_a_service_account_that_is_not_known_is_refused(
        self, server: AuthorizationServer, client: Client
    ) -> None:
        robot = client(flow=Flow.SERVICE_ACCOUNT, client_id="other@example.com")

        with pytest.raises(GrantRefused) as raised:
            server.as_service_account(robot, key=PRIVATE, subject="ada@example.org")

        assert raised.value.refusal is Refusal.CONSENT

    @pytest.mark.parametrize("key", ["", "no key", PUBLIC])
    def test_a_key_that_is_none_is_told_before_anything_is_asked(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client, key: str
    ) -> None:
        robot = client(flow=Flow.SERVICE_ACCOUNT, client_id=ROBOT)

        with pytest.raises(ValueError, match="key"):
            server.check_key(key)
        with pytest.raises(ValueError, match="key"):
            server.as_service_account(robot, key=key, subject="ada@example.org")

        assert provider.asked.total() == 0

    def test_a_key_of_another_kind_is_told(self, server: AuthorizationServer) -> None:
        elliptic = ec.generate_private_key(ec.SECP256R1())
        text = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

        server.check_key(PRIVATE)
        with pytest.raises(ValueError, match="RSA"):
            server.check_key(text)

    def test_a_device_waits_until_the_person_has_consented(
        self,
        server: AuthorizationServer,
        provider: PlayedProvider,
        client: Client,
        clock: FakeClock,
    ) -> None:
        device = client(flow=Flow.DEVICE)
        shown = server.begin_device(device, secret=SECRET)

        assert shown.verification_uri.startswith("https://")
        assert _asked(server, device, shown.device_code) is Refusal.PENDING
        assert _asked(server, device, shown.device_code) is Refusal.SLOW_DOWN
        provider.answer_device(shown.user_code)
        clock.tick(shown.interval.total_seconds())
        granted = server.ask_device(device, secret=SECRET, device_code=shown.device_code)
        assert provider.takes(granted.access_token)
        assert granted.refresh_token

    @pytest.mark.parametrize("late", [False, True])
    def test_a_device_ends_when_the_person_refuses_or_is_late(
        self,
        server: AuthorizationServer,
        provider: PlayedProvider,
        client: Client,
        clock: FakeClock,
        late: bool,
    ) -> None:
        device = client(flow=Flow.DEVICE)
        shown = server.begin_device(device, secret=SECRET)
        if late:
            clock.tick(shown.lifetime.total_seconds())
        else:
            provider.answer_device(shown.user_code, yes=False)

        assert _asked(server, device, shown.device_code) is Refusal.CONSENT

    @pytest.mark.parametrize(
        ("answer", "who"),
        [
            (PlayedAnswer(status=503, body=b"<html>"), Refusal.SERVER),
            (PlayedAnswer(status=200, body=b"<html>"), Refusal.SERVER),
            (PlayedAnswer.error("invalid_grant", status=200), Refusal.CONSENT),
            (PlayedAnswer(status=302, headers={"location": "/elsewhere"}), Refusal.SERVER),
        ],
    )
    def test_sick_answers_are_told_apart(
        self,
        server: AuthorizationServer,
        provider: PlayedProvider,
        client: Client,
        answer: PlayedAnswer,
        who: Refusal,
    ) -> None:
        provider.instead.append(answer)

        with pytest.raises(GrantRefused) as raised:
            _refresh(server, client(), provider.grant("app"))

        assert raised.value.refusal is who
        assert provider.asked.total() == 1

    def test_a_retry_after_is_told(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client
    ) -> None:
        provider.instead.append(PlayedAnswer(status=429, headers={"retry-after": "77"}))

        with pytest.raises(GrantRefused) as raised:
            _refresh(server, client(), provider.grant("app"))

        wait = raised.value.retry_after
        assert wait is not None
        assert wait.total_seconds() == 77

    def test_a_lifetime_may_be_a_text_and_the_type_may_be_missing(
        self, server: AuthorizationServer, provider: PlayedProvider, client: Client
    ) -> None:
        provider.instead.append(PlayedAnswer.json(access_token="a", expires_in="120"))

        granted = _refresh(server, client(), provider.grant("app"))

        assert granted.lifetime.total_seconds() == 120


def _code(
    server: AuthorizationServer, provider: PlayedProvider, client: OAuthClient, state: str = "s"
) -> str:
    url = server.authorize_url(
        client,
        state=state,
        challenge=CHALLENGE.decode(),
        redirect_uri=BACK,
        login_hint="ada@example.org",
    )
    back = parse_qs(urlsplit(provider.consent(url)).query)
    assert back["state"] == [state]
    return back["code"][0]


def _refresh(server: AuthorizationServer, client: OAuthClient, token: str | None) -> Any:
    assert token is not None
    return server.refresh(client, secret=SECRET, refresh_token=token)


def _asked(server: AuthorizationServer, client: OAuthClient, code: str) -> Refusal:
    with pytest.raises(GrantRefused) as raised:
        server.ask_device(client, secret=SECRET, device_code=code)
    return raised.value.refusal

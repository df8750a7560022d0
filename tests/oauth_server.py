"""The played provider behind HTTP, on loopback: for what really goes over the wire.

``/authorize`` sends a browser back with a code at once, as if a person had consented; ``/token``
and ``/device`` are its endpoints. ``slow_s`` makes it wait before it answers. With ``lose_next``
the next request hangs and reaches nobody, as one that is lost on its way.
"""

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from adapters.fakes.oauth_provider import JWT_BEARER, PlayedAnswer, PlayedProvider
from domain.account.oauth import Flow, OAuthClient, OAuthProvider


class OAuthServer:
    """The server while it runs. ``seen`` are the bodies of all requests, as texts."""

    def __init__(self, provider: PlayedProvider) -> None:
        self.provider = provider
        self.seen: list[str] = []
        self.slow_s = 0.0
        self.port = 0
        self.stopped = threading.Event()
        self.lose_next = False
        self.lost = False

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, **changes: Any) -> OAuthClient:
        """An application of it."""
        flow = changes.pop("flow", Flow.AUTHORIZATION_CODE)
        urls = {"token_url": f"{self.url}/token"}
        if flow is Flow.AUTHORIZATION_CODE:
            urls["authorize_url"] = f"{self.url}/authorize"
        if flow is Flow.DEVICE:
            urls["device_url"] = f"{self.url}/device"
        fields = {"client_id": "app", "scope": "mail", **urls, **changes}
        return OAuthClient(provider=OAuthProvider.CUSTOM, flow=flow, **fields)

    def answer(self, path: str, body: str) -> PlayedAnswer:
        """To a POST."""
        self.seen.append(body)
        form = dict(parse_qsl(body, keep_blank_values=True))
        if self.slow_s:
            self.stopped.wait(self.slow_s)
        if path == "/device":
            return self.provider.device(form)
        if form.get("grant_type") == JWT_BEARER:
            claims = self._claims(form.get("assertion", ""))
            issuer, scope = str(claims.get("iss", "")), str(claims.get("scope", ""))
            form = {"grant_type": JWT_BEARER, "issuer": issuer, "scope": scope}
            return self.provider.token(form, assertion=bool(claims))
        return self.provider.token(form)

    def _claims(self, assertion: str) -> Mapping[str, Any]:
        """Those of an assertion that is signed by its issuer, and for this server; else none."""
        try:
            head, claims, signature = assertion.split(".")
            if json.loads(_octets(head)) != {"alg": "RS256", "typ": "JWT"}:
                return {}
            found = json.loads(_octets(claims))
            key = load_pem_public_key(self.provider.service_accounts[found["iss"]].encode())
            assert isinstance(key, RSAPublicKey)
            signed = f"{head}.{claims}".encode()
            key.verify(_octets(signature), signed, PKCS1v15(), SHA256())
        except (ValueError, KeyError, InvalidSignature):
            return {}
        life = found["exp"] - found["iat"]
        good = found["aud"] == f"{self.url}/token" and 0 < life <= 3600 and found["sub"]
        return found if good else {}


@contextmanager
def running_oauth_server(provider: PlayedProvider) -> Iterator[OAuthServer]:
    """The server until the end of the block."""
    oauth = OAuthServer(provider)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                place = oauth.provider.consent(self.path)
            except (ValueError, KeyError) as error:
                self._send(PlayedAnswer(status=400, body=str(error).encode()))
                return
            self._send(PlayedAnswer(status=302, headers={"location": place}))

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(length).decode("ascii")
            if oauth.lose_next:
                oauth.lose_next, oauth.lost = False, True
                oauth.stopped.wait(60)
                self.close_connection = True
                return
            if self.headers.get("content-type") != "application/x-www-form-urlencoded":
                self._send(PlayedAnswer.error("invalid_request"))
                return
            self._send(oauth.answer(self.path, body))

        def _send(self, answer: PlayedAnswer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    oauth.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield oauth
    finally:
        oauth.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _octets(letters: str) -> bytes:
    return base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))

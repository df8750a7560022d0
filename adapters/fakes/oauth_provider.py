"""An authorization server that is played: as strict as RFC 6749, 7636, 7523 and 8628 ask for.

It checks the client, its secret, the redirect URI and the verifier, takes a code once, and takes a
refresh token once where it rotates them: one that comes again ends everything that was granted
(RFC 9700 4.14.2). A person's part is played by `consent` and `answer_device`.
"""

import base64
import hashlib
import json
import threading
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import attrs

from application.ports.system import Clock

JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"


@attrs.frozen(kw_only=True)
class PlayedAnswer:
    """What stands in an answer of HTTP."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def json(cls, status: int = 200, /, **fields: Any) -> "PlayedAnswer":
        """A JSON object."""
        return cls(status=status, body=json.dumps(fields).encode())

    @classmethod
    def error(cls, error: str, description: str = "", status: int = 400) -> "PlayedAnswer":
        """A refusal."""
        return cls.json(status, error=error, error_description=description or f"it is {error}")


@attrs.define
class _Family:
    """All that comes of one consent."""

    client_id: str
    scope: str
    alive: bool = True
    current: str = ""


@attrs.frozen
class _Code:
    client_id: str
    redirect_uri: str
    challenge: str
    scope: str


@attrs.define
class _Device:
    client_id: str
    scope: str
    user_code: str
    ends_at: datetime
    asked_at: datetime | None = None
    answer: bool | None = None


class PlayedProvider:
    """The server. *lifetime* is of access tokens, in seconds. Safe from many threads.

    ``asked`` counts the requests by their grant type. Answers that are put into ``instead`` are
    given in the place of its own, one for each request.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rotates: bool = True,
        lifetime: int = 3600,
        interval: int = 5,
        clients: Mapping[str, str] | None = None,
        service_accounts: Mapping[str, str] | None = None,
    ) -> None:
        self._clock = clock
        self.rotates = rotates
        self.lifetime = lifetime
        self.interval = interval
        self.clients = dict(clients or {})
        self.service_accounts = dict(service_accounts or {})
        self.asked: Counter[str] = Counter()
        self.instead: deque[PlayedAnswer] = deque()
        self._codes: dict[str, _Code] = {}
        self._families: dict[str, _Family] = {}
        self._devices: dict[str, _Device] = {}
        self._access: dict[str, tuple[_Family, datetime]] = {}
        self._number = 0
        self._lock = threading.Lock()

    # -- what a person does

    def consent(self, url: str, *, error: str = "") -> str:
        """Open *url*, consent (or not: *error*); the URL that the browser is sent back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        if query.get("client_id") not in self.clients:
            raise ValueError("invalid_client")
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            raise ValueError("invalid_request: a code with PKCE by S256 is asked for")
        back = {"state": query["state"]}
        if error:
            back["error"] = error
        else:
            with self._lock:
                back["code"] = self._new("code")
                self._codes[back["code"]] = _Code(
                    query["client_id"],
                    query["redirect_uri"],
                    query["code_challenge"],
                    query.get("scope", ""),
                )
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def answer_device(self, user_code: str, *, yes: bool = True) -> None:
        """Type in *user_code*, and consent or refuse."""
        with self._lock:
            for device in self._devices.values():
                if device.user_code == user_code:
                    device.answer = yes

    def grant(self, client_id: str, scope: str = "") -> str:
        """A refresh token, as of a consent that was given before."""
        with self._lock:
            family = _Family(client_id, scope)
            return self._new_refresh(family)

    def revoke(self) -> None:
        """All that was granted is over, as when a person changes the password."""
        with self._lock:
            for family in self._families.values():
                family.alive = False

    def forget_access(self) -> None:
        """No access token that was given is good any more; refresh tokens are."""
        with self._lock:
            self._access.clear()

    def takes(self, access_token: str) -> bool:
        """Whether a mail server would take it."""
        with self._lock:
            family, ends_at = self._access.get(access_token, (None, self._clock.now()))
            return family is not None and family.alive and self._clock.now() < ends_at

    # -- what is asked of it

    def token(self, form: Mapping[str, str], *, assertion: bool = False) -> PlayedAnswer:
        """The token endpoint. *assertion*: the signature of the one in *form* was checked."""
        grant_type = form.get("grant_type", "")
        with self._lock:
            self.asked[grant_type] += 1
            if self.instead:
                return self.instead.popleft()
            if grant_type == JWT_BEARER:
                good = assertion and form.get("issuer") in self.service_accounts
                if not good:
                    return PlayedAnswer.error("invalid_grant", "Invalid JWT Signature.")
                return self._tokens(_Family(form["issuer"], form.get("scope", "")))
            refused = self._wrong_client(form)
            if refused is not None:
                return refused
            grants = {
                "authorization_code": self._by_code,
                "refresh_token": self._by_refresh,
                "client_credentials": self._by_client,
                DEVICE: self._by_device,
            }
            if grant_type not in grants:
                return PlayedAnswer.error("unsupported_grant_type")
            return grants[grant_type](form)

    def device(self, form: Mapping[str, str]) -> PlayedAnswer:
        """The device authorization endpoint (RFC 8628 3.2)."""
        with self._lock:
            self.asked["device"] += 1
            if self.instead:
                return self.instead.popleft()
            refused = self._wrong_client(form)
            if refused is not None:
                return refused
            code, life = self._new("device"), 900
            user_code = f"USER-{self._number:04d}"
            self._devices[code] = _Device(
                form["client_id"],
                form.get("scope", ""),
                user_code,
                self._clock.now() + timedelta(seconds=life),
            )
            return PlayedAnswer.json(
                device_code=code,
                user_code=user_code,
                verification_uri="https://login.example.com/device",
                expires_in=life,
                interval=self.interval,
            )

    def _wrong_client(self, form: Mapping[str, str]) -> PlayedAnswer | None:
        secret = self.clients.get(form.get("client_id", ""))
        if secret is None:
            return PlayedAnswer.error("unauthorized_client")
        if form.get("client_secret", "") != secret:
            return PlayedAnswer.error("invalid_client", status=401)
        return None

    def _by_code(self, form: Mapping[str, str]) -> PlayedAnswer:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.client_id != form["client_id"]:
            return PlayedAnswer.error("invalid_grant", "the code is not known")
        if code.redirect_uri != form.get("redirect_uri"):
            return PlayedAnswer.error("invalid_grant", "the redirect URI is another one")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
            return PlayedAnswer.error("invalid_grant", "the verifier is wrong")
        family = _Family(code.client_id, code.scope)
        return self._tokens(family, refresh=self._new_refresh(family))

    def _by_refresh(self, form: Mapping[str, str]) -> PlayedAnswer:
        token = form.get("refresh_token", "")
        family = self._families.get(token)
        if family is None or family.client_id != form["client_id"] or not family.alive:
            return PlayedAnswer.error("invalid_grant", "the refresh token is over")
        if family.current != token:
            family.alive = False  # somebody has a copy: nobody gets anything any more
            return PlayedAnswer.error("invalid_grant", "the refresh token was used before")
        return self._tokens(family, refresh=self._new_refresh(family) if self.rotates else "")

    def _by_client(self, form: Mapping[str, str]) -> PlayedAnswer:
        if not self.clients[form["client_id"]]:
            return PlayedAnswer.error("unauthorized_client")
        return self._tokens(_Family(form["client_id"], form.get("scope", "")))

    def _by_device(self, form: Mapping[str, str]) -> PlayedAnswer:
        device = self._devices.get(form.get("device_code", ""))
        now = self._clock.now()
        if device is None or device.client_id != form["client_id"]:
            return PlayedAnswer.error("invalid_grant")
        if now >= device.ends_at:
            return PlayedAnswer.error("expired_token")
        soon = device.asked_at is not None and now < device.asked_at + timedelta(
            seconds=self.interval
        )
        device.asked_at = now
        if soon:
            return PlayedAnswer.error("slow_down")
        if device.answer is None:
            return PlayedAnswer.error("authorization_pending")
        del self._devices[form["device_code"]]
        if not device.answer:
            return PlayedAnswer.error("access_denied")
        family = _Family(device.client_id, device.scope)
        return self._tokens(family, refresh=self._new_refresh(family))

    def _tokens(self, family: _Family, *, refresh: str = "") -> PlayedAnswer:
        access = self._new("access")
        ends_at = self._clock.now() + timedelta(seconds=self.lifetime)
        self._access[access] = (family, ends_at)
        return PlayedAnswer.json(
            access_token=access,
            token_type="Bearer",  # noqa: S106 - the name of a kind
            expires_in=self.lifetime,
            **({"refresh_token": refresh} if refresh else {}),
        )

    def _new_refresh(self, family: _Family) -> str:
        family.current = self._new("refresh")
        self._families[family.current] = family
        return family.current

    def _new(self, what: str) -> str:
        """No two are alike, and a test finds them wherever they are written."""
        self._number += 1
        digest = hashlib.sha256(f"{what} {self._number} {id(self)}".encode()).hexdigest()
        return f"{what}-{self._number}-{digest}"

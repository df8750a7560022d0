"""A person authorizes an account: at the provider's page with a browser, or with a code to type in.

What comes back is used once, and for the configuration that it was begun for. No transaction is
open while the provider is asked.
"""

from datetime import datetime
from typing import Final

import attrs

from application.oauth.grants import Grants
from application.own_url import own_url
from application.ports.oauth import AuthorizationServer
from application.ports.sender import Sender
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Observe, Vault, Wake
from application.telling import save_account
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account
from domain.account.authorization import (
    CALLBACK,
    LIFETIME,
    Authorization,
    challenge_of,
    digest_of,
    is_code,
    is_state,
    sealed_for,
    text_of,
)
from domain.account.oauth import NEEDS_CONSENT, OAUTH_CLIENT, Flow, OAuthClient, needs_secret
from domain.account.oauth_answer import DeviceCode, Granted, GrantRefused, Refusal, refused
from domain.account.oauth_credentials import Credentials, by_graph
from domain.account.oauth_credentials import sealed_for as sealed_for_account
from domain.errors import Conflict, NotFound, SecretUnreadable, Unavailable
from domain.events import Event

_MENDED: Final = (NEEDS_CONSENT, OAUTH_CLIENT)
_UNKNOWN: Final = "this authorization is not known: it was used, or begun too long ago"
_SLICE: Final = 200
_LONGEST_RUN_S: Final = 15.0  # the sweep has other things to do


@attrs.frozen(kw_only=True)
class Begun:
    """Where a person consents, and the *state* that must come back. *cookie* goes to a page."""

    authorize_url: str = attrs.field(repr=False)
    state: str = attrs.field(repr=False)
    cookie: str | None = attrs.field(default=None, repr=False)
    expires_at: datetime


@attrs.frozen(kw_only=True)
class BegunDevice:
    """What a person types in, and the *digest* by which it is asked for.

    ``before`` is when the account was authorized before, if it was.
    """

    shown: DeviceCode
    digest: str
    account_id: int
    before: datetime | None
    expires_at: datetime


@attrs.frozen(kw_only=True)
class _Known:
    """An account with what it needs to ask: its complete client, and its secret."""

    account: Account
    client: OAuthClient
    secret: str = attrs.field(repr=False)


class Authorizations:
    """The use cases. *public_url* is where the service is reached; None in development only."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        vault: Vault,
        server: AuthorizationServer,
        grants: Grants,
        sender: Sender,
        wake: Wake,
        observe: Observe,
        public_url: str | None,
        development: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._server = server
        self._grants = grants
        self._sender = sender
        self._wake = wake
        self._observe = observe
        self._public_url = public_url
        self._development = development
        self._away: set[str] = set()  # devices whose provider gave no answer to the last sweep

    def flow_of(self, account_id: int, *, caller: Caller = LOCAL) -> Flow:
        """How it is usually authorized. Forbidden, NotFound; Conflict if no person can do it."""
        return self._known(account_id, caller).client.flow

    def callback(self, port: int) -> str:
        """Where a browser is sent back to: never a name that a request gave.

        *port* is that of the socket; it is used in development, without a public URL. Conflict.
        """
        base = own_url(self._public_url, development=self._development, port=port)
        if base is None:
            raise Conflict("PUBLIC_URL is not set: set it to where browsers reach this service")
        return f"{base}{CALLBACK}"

    def begin(
        self,
        account_id: int,
        *,
        redirect_uri: str,
        by_page: bool = False,
        caller: Caller = LOCAL,
    ) -> Begun:
        """A URL for a person's browser. *by_page*: a cookie of the page must come back with it.

        Forbidden, NotFound; Conflict where the provider has no page for it, or a secret is missing.
        """
        known = self._known(account_id, caller)
        if not known.client.authorize_url:
            raise Conflict("it is authorized by a code that is typed in at another device")
        state, verifier = _random(self._entropy), _random(self._entropy)
        cookie = _random(self._entropy) if by_page else None
        begun = self._authorization(known, state, verifier, caller, redirect_uri=redirect_uri)
        if cookie is not None:
            begun = attrs.evolve(begun, browser=digest_of(cookie))
        self._store.write(lambda tx: tx.authorizations.add(begun))
        url = self._server.authorize_url(
            known.client,
            state=state,
            challenge=challenge_of(verifier),
            redirect_uri=redirect_uri,
            login_hint=known.account.username,
        )
        return Begun(authorize_url=url, state=state, cookie=cookie, expires_at=begun.expires_at)

    def complete(
        self, state: str, *, code: str = "", error: str = "", cookie: str | None = None
    ) -> Account:
        """What came back from the provider. The account, which sends again.

        NotFound for a state that is not known, is over, was used or belongs to another browser;
        Conflict, in words, if the provider or the person refused; Unavailable if it is away.
        """
        begun = self._taken(digest_of(state)) if is_state(state) else None
        if begun is None or begun.device:
            raise NotFound(_UNKNOWN)
        if begun.browser and (cookie is None or digest_of(cookie) != begun.browser):
            raise NotFound(_UNKNOWN)
        if error or not is_code(code):
            raise _in_words(refused(error or "no code came back"))
        known = self._known_again(begun)
        verifier = _opened(self._vault, begun.sealed, begun.context)
        try:
            granted = self._server.exchange(
                known.client,
                secret=known.secret,
                code=code,
                verifier=verifier,
                redirect_uri=begun.redirect_uri,
            )
        except GrantRefused as refusal:
            raise _in_words(refusal) from None
        return self._authorized(known, begun, granted)

    def begin_device(self, account_id: int, *, caller: Caller = LOCAL) -> BegunDevice:
        """What a person types in. Forbidden, NotFound, Conflict, Unavailable."""
        known = self._known(account_id, caller)
        if not known.client.device_url:
            raise Conflict("it is authorized with a browser, not by a code that is typed in")
        try:
            shown = self._server.begin_device(known.client, secret=known.secret)
        except GrantRefused as refusal:
            raise _in_words(refusal) from None
        begun = self._authorization(known, _random(self._entropy), shown.device_code, caller)
        begun = attrs.evolve(begun, device=True, expires_at=self._clock.now() + shown.lifetime)
        self._store.write(lambda tx: tx.authorizations.add(begun))
        return BegunDevice(
            shown=shown,
            digest=begun.digest,
            account_id=account_id,
            before=self._authorized_at(account_id),
            expires_at=begun.expires_at,
        )

    def ask_device(self, begun: BegunDevice) -> Account | Refusal:
        """The account once the person has consented; PENDING or SLOW_DOWN before.

        The sweep of a service asks too: what that was given counts as well. NotFound if it is over;
        Conflict if the person refused; Unavailable if the provider is away.
        """
        try:
            return self._ask_device(begun.digest)
        except (Conflict, NotFound):
            if self._authorized_at(begun.account_id) in (None, begun.before):
                raise
            return self._store.read(lambda tx: tx.accounts.get(begun.account_id))

    def _authorized_at(self, account_id: int) -> datetime | None:
        stored = self._store.read(lambda tx: tx.credentials.find(account_id))
        return None if stored is None else stored.obtained_at

    def _ask_device(self, digest: str) -> Account | Refusal:
        begun = self._store.read(lambda tx: tx.authorizations.find(digest))
        if begun is None or self._clock.now() >= begun.expires_at:
            raise NotFound(_UNKNOWN)
        known = self._known_again(begun)
        code = _opened(self._vault, begun.sealed, begun.context)
        try:
            granted = self._server.ask_device(known.client, secret=known.secret, device_code=code)
        except GrantRefused as refusal:
            if refusal.refusal in (Refusal.PENDING, Refusal.SLOW_DOWN):
                return refusal.refusal
            if refusal.refusal is not Refusal.SERVER:
                self._taken(digest)
            raise _in_words(refusal) from None
        try:
            return self._authorized(known, begun, granted)
        finally:
            # after the tokens are stored: who finds no authorization finds them
            self._taken(digest)

    def tend(self) -> None:
        """A part of the sweep: ask for what was typed in meanwhile, forget what is over."""
        now = self._clock.now()
        while self._store.write(lambda tx: tx.authorizations.prune(now, limit=_SLICE)) == _SLICE:
            pass
        began = self._clock.monotonic()
        devices = self._store.read(lambda tx: tx.authorizations.devices())
        self._away.intersection_update(devices)
        for digest in sorted(devices, key=self._away.__contains__):
            if self._clock.monotonic() - began > _LONGEST_RUN_S:
                return
            self._away.discard(digest)
            try:
                self._ask_device(digest)
            except (Conflict, NotFound) as error:
                self._observe(Event(name="authorization_failed", fields={"text": str(error)}))
            except Unavailable:
                self._away.add(digest)  # asked again by the next sweep, after the others

    def _known(self, account_id: int, caller: Caller) -> _Known:
        caller.require(Scope.ADMIN)
        caller.check_account(account_id)
        account, stored = self._store.read(
            lambda tx: (tx.accounts.get(account_id), tx.credentials.find(account_id))
        )
        if account.oauth is None:
            raise Conflict("it logs in by password: there is nothing to authorize")
        if not account.oauth.needs_consent:
            raise Conflict("its application is granted tokens without a person's consent")
        if needs_secret(account.oauth) and (stored is None or stored.sealed_secret is None):
            raise Conflict("its client secret is missing: send it first, with auth")
        secret = ""
        if stored is not None and stored.sealed_secret is not None:
            context = sealed_for_account(account.id, "secret")
            secret = _opened(self._vault, stored.sealed_secret, context)
        client = account.oauth.complete(graph=by_graph(account))
        return _Known(account=account, client=client, secret=secret)

    def _known_again(self, begun: Authorization) -> _Known:
        """The account, if it is the one that it was begun for, by a key that is good still."""
        now = self._clock.now()
        if begun.key != LOCAL.prefix:
            key = self._store.read(lambda tx: tx.keys.find(begun.key))
            if key is None or not key.usable(now):
                raise NotFound(_UNKNOWN)
        known = self._known(begun.account_id, LOCAL)
        if known.account.version != begun.version:
            raise Conflict("the SMTP configuration was changed meanwhile: begin again")
        return known

    def _authorization(
        self, known: _Known, state: str, secret: str, caller: Caller, *, redirect_uri: str = ""
    ) -> Authorization:
        digest = digest_of(state)
        return Authorization(
            digest=digest,
            account_id=known.account.id,
            version=known.account.version,
            sealed=self._vault.seal(secret, context=sealed_for(digest)),
            redirect_uri=redirect_uri,
            key=caller.prefix,
            expires_at=self._clock.now() + LIFETIME,
        )

    def _taken(self, digest: str) -> Authorization | None:
        """What was begun, out of the store: nobody else gets it. None if it is over."""
        begun = self._store.write(lambda tx: tx.authorizations.take(digest))
        return begun if begun is not None and self._clock.now() < begun.expires_at else None

    def _authorized(self, known: _Known, begun: Authorization, granted: Granted) -> Account:
        """Store the tokens; the account sends again, if it was the consent that it lacked."""
        if granted.refresh_token is None:
            raise Conflict("the provider gave no refresh token: allow offline access there")
        now = self._clock.now()
        asked = self._grants.sealed(known.account, granted, generation=0, asked_at=now)

        def work(tx: Transaction) -> Account:
            before = account = tx.accounts.lock(known.account.id)
            if account.version != begun.version:
                raise Conflict("the SMTP configuration was changed meanwhile: begin again")
            stored = tx.credentials.find(account.id) or Credentials(account_id=account.id)
            renewed = stored.renewed(
                access=asked.sealed_access,
                refresh=asked.sealed_refresh,
                lifetime=asked.lifetime,
                now=now,
            )
            tx.credentials.save(attrs.evolve(renewed, obtained_at=now))
            # a verdict about the old token, which may come still, counts no more
            account = attrs.evolve(account, version=account.version + 1, updated_at=now)
            pause = account.health.pause
            if pause is not None and pause.reason in _MENDED:
                account = account.resumed()
            save_account(tx, account, was=before, at=now)
            by = attrs.evolve(LOCAL, prefix=begun.key)
            entry = by.did("account_authorized", f"account {account.id}", at=now, name=account.name)
            tx.audit.add(entry)
            return account

        account = self._store.write(work)
        self._sender.retire(account.id)
        self._wake()
        fields = {"account": account.name}
        self._observe(Event(name="account_authorized", account_id=account.id, fields=fields))
        return account


def _opened(vault: Vault, sealed: bytes, context: str) -> str:
    try:
        return vault.open(sealed, context=context)
    except SecretUnreadable as error:
        raise Conflict(str(error)) from error


def _random(entropy: Entropy) -> str:
    return text_of(bytes.fromhex(entropy.token() + entropy.token()))


def _in_words(refusal: GrantRefused) -> Conflict | Unavailable:
    if refusal.refusal is Refusal.SERVER:
        return Unavailable(f"the provider gave no token: {refusal.detail}")
    return Conflict(f"the provider gave no token: {refusal.detail}")

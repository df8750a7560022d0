"""What the owner of an account writes about its login by OAuth, and what a change leaves of it."""

import json
from typing import Final

import attrs

from application.ports.cluster import InstanceRepository
from application.ports.oauth import AuthorizationServer
from application.ports.store import Transaction
from application.ports.system import Vault
from domain.account.account import Account
from domain.account.network import NetworkPolicy
from domain.account.oauth import OAuthClient, ServiceAccount, secret_errors, url_errors
from domain.account.oauth_credentials import Credentials, sealed_for
from domain.capability import Capability
from domain.errors import FieldError, InvalidInput, NotAccepting, SecretUnreadable

_KEY_FIELD: Final = "auth/service_account/private_key"


@attrs.frozen(kw_only=True)
class OAuthWish:
    """An application, and what is secret of it: None if it was not sent."""

    client: OAuthClient
    secret: str | None = attrs.field(default=None, repr=False)
    service_account: ServiceAccount | None = None

    @property
    def secret_given(self) -> bool:
        """Whether something secret was sent."""
        return bool(self.secret) or self.service_account is not None


@attrs.frozen(kw_only=True)
class AccountAuth:
    """Checks what is written, and stores it sealed."""

    vault: Vault
    server: AuthorizationServer
    network: NetworkPolicy

    def check(self, wish: OAuthWish | None, *, password: str | None) -> None:
        """InvalidInput for what is wrong whatever the account was before."""
        if wish is None:
            return
        errors = list(url_errors(wish.client, self.network))
        if password:
            errors.append(FieldError("password", "is not used by OAuth: leave it out"))
        if wish.service_account is not None:
            try:
                self.server.check_key(wish.service_account.private_key)
            except ValueError as error:
                errors.append(FieldError(_KEY_FIELD, str(error)))
        if errors:
            raise InvalidInput(*errors)

    def store(
        self, tx: Transaction, before: Account, account: Account, wish: OAuthWish | None
    ) -> bool:
        """Keep what is left of the secrets and tokens, and what is new; whether any were forgotten.

        *wish* is None if nothing was sent. InvalidInput if something secret is missing, and
        NotAccepting while a process delivers that knows nothing of OAuth.
        """
        found = tx.credentials.find(account.id)
        if account.oauth is None:
            if found is None or before.oauth is None:
                return False
            # the row stays for its generation: a token that is on its way finds another one
            left = found.after_change(before, account)
            tx.credentials.save(left)
            return _forgot(found, left)
        if before.oauth is None:
            _check_capability(tx.instances)
        stored = found or Credentials(account_id=account.id)
        left = stored.after_change(before, account)
        if wish is not None:
            left = self._with_secrets(left, wish)
            errors = secret_errors(
                account.oauth,
                secret=left.sealed_secret is not None,
                key=left.sealed_key is not None,
            )
            if found_errors := list(errors):
                raise InvalidInput(*found_errors)
        if left != found:
            tx.credentials.save(left)
        return found is not None and _forgot(stored, left)

    def holds(self, stored: Credentials, wish: OAuthWish) -> bool:
        """Whether what is secret of *wish* is what is stored already."""
        wanted = (("secret", wish.secret or None), ("key", _key_text(wish)))
        return all(text is None or text == self._opened(stored, what) for what, text in wanted)

    def _opened(self, stored: Credentials, what: str) -> str | None:
        sealed = stored.sealed_key if what == "key" else stored.sealed_secret
        if sealed is None:
            return None
        try:
            return self.vault.open(sealed, context=sealed_for(stored.account_id, what))
        except SecretUnreadable:
            return None

    def _with_secrets(self, credentials: Credentials, wish: OAuthWish) -> Credentials:
        account_id = credentials.account_id
        if wish.secret:
            sealed = self.vault.seal(wish.secret, context=sealed_for(account_id, "secret"))
            credentials = attrs.evolve(credentials, sealed_secret=sealed)
        text = _key_text(wish)
        if text is not None:
            sealed = self.vault.seal(text, context=sealed_for(account_id, "key"))
            credentials = attrs.evolve(credentials, sealed_key=sealed)
        if wish.secret_given:
            # a refusal of the old secret says nothing about the new one
            credentials = attrs.evolve(credentials, failures=0, retry_at=None, last_error="")
        return credentials


def _key_text(wish: OAuthWish) -> str | None:
    """What is sealed of a service account."""
    if wish.service_account is None:
        return None
    return json.dumps({"private_key": wish.service_account.private_key})


def _forgot(before: Credentials, after: Credentials) -> bool:
    had = before.sealed_secret or before.sealed_key or before.sealed_refresh
    return bool(had) and after.generation != before.generation


def _check_capability(instances: InstanceRepository) -> None:
    if instances.lacks(Capability.OAUTH):
        raise NotAccepting("a process of an older version delivers still, and knows no OAuth yet")

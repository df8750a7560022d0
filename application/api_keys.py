"""API keys are created, listed and revoked here, and secrets are carried over to a new secret key.

A key is shown once; after that only its prefix and a fingerprint are known.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from application.ports.access import KeyRepository, SecretRepository
from application.ports.accounts import DkimKeyRepository
from application.ports.hooks import HookRepository
from application.ports.oauth import CredentialsRepository
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Observe, Vault
from application.ports.webhooks import WebhookRepository
from application.telling import AccountChange, save_account
from application.unsubscribe_links import secret_context
from domain.access import (
    LOCAL,
    PREFIX_LENGTH,
    ApiKey,
    AuditEntry,
    Caller,
    Reach,
    Scope,
    check_end,
    check_successor,
    no_api_key,
    still_usable,
    token_of,
)
from domain.account.account import Account
from domain.account.dkim_key import DkimKey
from domain.account.oauth_credentials import SEALED, Credentials, sealed_for
from domain.errors import Conflict, SecretUnreadable
from domain.events import Event
from domain.hook.hook import EventHook
from domain.webhook.webhook import Webhook
from domain.webhook.webhook import sealed_for as sealed_for_webhook

_TRIES: Final = 5  # for a prefix that is not in use


@attrs.frozen(kw_only=True)
class KeyWish:
    """A key as somebody wants it. None is as in `Reach`, or as the key has it that makes this one.

    It ends with its *lifetime* or at *expires_at*; at most one of them is given.
    """

    name: str
    scopes: frozenset[Scope]
    accounts: frozenset[int] | None = None
    lifetime: timedelta | None = None
    expires_at: datetime | None = None
    daily_recipients: int | None = None
    rewrites_from: bool = False

    def reach(self, *, now: datetime) -> Reach:
        """What it may do if it is made now."""
        return Reach(
            scopes=self.scopes,
            accounts=self.accounts,
            daily_recipients=self.daily_recipients,
            expires_at=self.expires_at if self.lifetime is None else now + self.lifetime,
        )


@attrs.frozen(kw_only=True)
class KeyPage:
    """Keys as they were *at* that time; *next_after* is where the next page begins, if there is
    one.
    """

    keys: Sequence[ApiKey]
    at: datetime
    next_after: int | None


@attrs.frozen(kw_only=True)
class Rotation:
    """What a change of the secret key has carried over, and what still needs the old one.

    ``unreadable`` are accounts whose password no key at hand opens, ``unreadable_dkim`` DKIM keys,
    ``unreadable_oauth`` the ids of accounts with a secret or token of OAuth that none opens,
    ``unreadable_webhooks`` the ids of webhooks with such a secret;
    ``waiting`` are keys that carry themselves over when they are next used. ``secrets``
    and ``unreadable_secrets`` are the names of the service's own secrets.
    """

    resealed: int
    unreadable: tuple[Account, ...]
    resealed_dkim: int
    unreadable_dkim: tuple[DkimKey, ...]
    resealed_hooks: int
    unreadable_hooks: tuple[EventHook, ...]
    resealed_oauth: int = 0
    unreadable_oauth: tuple[int, ...] = ()
    resealed_webhooks: int = 0
    unreadable_webhooks: tuple[int, ...] = ()
    secrets: tuple[str, ...] = ()
    unreadable_secrets: tuple[str, ...] = ()
    waiting: tuple[ApiKey, ...]


class ApiKeys:
    """The use cases about keys, the secret that seals, and the audit trail."""

    def __init__(
        self, *, store: Store, clock: Clock, entropy: Entropy, vault: Vault, observe: Observe
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._observe = observe

    def create(self, wish: KeyWish, *, caller: Caller = LOCAL) -> tuple[ApiKey, str]:
        """A new key and its text, which is never shown again. See `ApiKey.hand_on`.

        InvalidInput for an end that has passed, NotFound for an account, Forbidden; Unauthorized if
        the caller's own key was revoked meanwhile.
        """
        caller.require(Scope.ADMIN)
        now = self._clock.now()
        check_end(wish.expires_at, now=now)
        secret = bytes.fromhex(self._entropy.token() + self._entropy.token())

        def work(tx: Transaction) -> tuple[ApiKey, str]:
            own = still_usable(caller, tx.keys.lock(), now=now)
            reach = wish.reach(now=now)
            if own is not None:
                reach = own.hand_on(reach, daily_recipients=caller.daily_recipients)
            for account_id in sorted(wish.accounts or ()):
                tx.accounts.get(account_id)
            prefix = _free_prefix(tx.keys, self._entropy)
            token = token_of(prefix, secret)
            key = tx.keys.add(
                ApiKey(
                    name=wish.name.strip(),
                    prefix=prefix,
                    digest=self._vault.fingerprints(token)[0],
                    scopes=reach.scopes,
                    accounts=reach.accounts,
                    daily_recipients=reach.daily_recipients,
                    rewrites_from=wish.rewrites_from,
                    created_at=now,
                    expires_at=reach.expires_at,
                )
            )
            tx.audit.add(_key_entry(caller, "key_created", key, at=now))
            return key, token

        key, token = self._store.write(work)
        self._tell("key_created", key)
        return key, token

    def all(self) -> Sequence[ApiKey]:
        """All keys there ever were, by id."""
        return self._store.read_latest(lambda tx: tx.keys.all())

    def page(self, *, after: int = 0, limit: int, caller: Caller = LOCAL) -> KeyPage:
        """Up to *limit* of those that this caller may see, by id. Forbidden."""
        caller.require(Scope.ADMIN)
        seen = [one for one in self.all() if one.id > after and one.may_be_seen(caller.accounts)]
        return KeyPage(
            keys=seen[:limit],
            at=self._clock.now(),
            next_after=seen[limit - 1].id if len(seen) > limit else None,
        )

    def revoke(self, prefix: str, *, caller: Caller = LOCAL) -> ApiKey:
        """Take it back, in force from the next call on, in every process.

        NotFound for one that the caller may not see; Conflict if it was revoked before, and for the
        last administrator's key unless the caller is the owner; Unauthorized as for `create`.
        """
        caller.require(Scope.ADMIN)
        now = self._clock.now()

        def work(tx: Transaction) -> ApiKey:
            keys = tx.keys.lock()
            own = still_usable(caller, keys, now=now)
            key = _visible(keys, prefix, caller)
            if key.revoked_at is not None:
                raise Conflict(f"the API key {prefix} was revoked before")
            if own is not None:
                check_successor(key, keys, now=now)
            key = attrs.evolve(key, revoked_at=now)
            tx.keys.save(key)
            tx.audit.add(_key_entry(caller, "key_revoked", key, at=now))
            return key

        key = self._store.write(work)
        self._tell("key_revoked", key)
        return key

    def rotate_secret(self, *, caller: Caller = LOCAL) -> Rotation:
        """Seal passwords, DKIM keys, what OAuth has and our own secrets with the newest secret key.

        Whichever of the keys at hand has sealed them.
        """
        caller.require(Scope.ADMIN)
        now = self._clock.now()

        def work(tx: Transaction) -> Rotation:
            sealed = [a for a in tx.accounts.all() if a.sealed_password is not None]
            unreadable = tuple(
                account for account in sealed if not self._resealed(tx, account, now=now)
            )
            dkim_keys = tx.dkim_keys.all()
            unreadable_dkim = tuple(
                key for key in dkim_keys if not self._resealed_dkim(tx.dkim_keys, key)
            )
            hooks = [hook for hook in tx.hooks.all() if hook.sealed_key is not None]
            unreadable_hooks = tuple(
                hook for hook in hooks if not self._resealed_hook(tx.hooks, hook)
            )
            oauth = tx.credentials.all()
            unreadable_oauth = tuple(
                one.account_id for one in oauth if not self._resealed_oauth(tx.credentials, one)
            )
            webhooks = tx.webhooks.all()
            unreadable_webhooks = tuple(
                one.id for one in webhooks if not self._resealed_webhook(tx.webhooks, one)
            )
            secrets = tx.secrets.all()
            carried = tuple(
                name for name, one in secrets if self._resealed_own(tx.secrets, name, one)
            )
            rotation = Rotation(
                secrets=carried,
                unreadable_secrets=tuple(name for name, _ in secrets if name not in carried),
                resealed=len(sealed) - len(unreadable),
                unreadable=unreadable,
                resealed_dkim=len(dkim_keys) - len(unreadable_dkim),
                unreadable_dkim=unreadable_dkim,
                resealed_hooks=len(hooks) - len(unreadable_hooks),
                unreadable_hooks=unreadable_hooks,
                resealed_oauth=len(oauth) - len(unreadable_oauth),
                unreadable_oauth=unreadable_oauth,
                resealed_webhooks=len(webhooks) - len(unreadable_webhooks),
                unreadable_webhooks=unreadable_webhooks,
                waiting=tuple(
                    key
                    for key in tx.keys.all()
                    if key.usable(now) and not self._vault.is_current(key.digest)
                ),
            )
            entry = caller.did(
                "secret_rotated",
                "SECRET_KEY",
                at=now,
                resealed=rotation.resealed,
                unreadable=len(unreadable),
                resealed_dkim=rotation.resealed_dkim,
                unreadable_dkim=len(unreadable_dkim),
                resealed_hooks=rotation.resealed_hooks,
                unreadable_hooks=len(unreadable_hooks),
                resealed_oauth=rotation.resealed_oauth,
                unreadable_oauth=len(unreadable_oauth),
                resealed_webhooks=rotation.resealed_webhooks,
                unreadable_webhooks=len(unreadable_webhooks),
            )
            tx.audit.add(entry)
            return rotation

        return self._store.write(work)

    def _resealed(self, tx: AccountChange, account: Account, *, now: datetime) -> bool:
        assert account.sealed_password is not None
        sealed = self._sealed_anew(account.sealed_password, context=f"account:{account.id}")
        if sealed is not None:
            # the version stays: open sessions are as good as before
            resealed = attrs.evolve(account, sealed_password=sealed)
            save_account(tx, resealed, was=account, at=now)
        return sealed is not None

    def _resealed_dkim(self, keys: DkimKeyRepository, key: DkimKey) -> bool:
        sealed = self._sealed_anew(key.sealed_key, context=key.context)
        if sealed is not None:
            keys.save(attrs.evolve(key, sealed_key=sealed))
        return sealed is not None

    def _resealed_hook(self, hooks: HookRepository, hook: EventHook) -> bool:
        assert hook.sealed_key is not None
        sealed = self._sealed_anew(hook.sealed_key, context=hook.context)
        if sealed is not None:
            hooks.save(attrs.evolve(hook, sealed_key=sealed))
        return sealed is not None

    def _resealed_oauth(self, stored: CredentialsRepository, credentials: Credentials) -> bool:
        anew: dict[str, bytes] = {}
        for name in SEALED:
            sealed = getattr(credentials, f"sealed_{name}")
            if sealed is None:
                continue
            again = self._sealed_anew(sealed, context=sealed_for(credentials.account_id, name))
            if again is None:
                return False
            anew[f"sealed_{name}"] = again
        # the names are those of Credentials
        stored.save(attrs.evolve(credentials, **anew))  # type: ignore[arg-type]
        return True

    def _resealed_webhook(self, webhooks: WebhookRepository, listed: Webhook) -> bool:
        webhook = webhooks.lock(listed.id)
        context = sealed_for_webhook(webhook.id)
        sealed = self._sealed_anew(webhook.sealed_secret, context=context)
        old = webhook.sealed_old and self._sealed_anew(webhook.sealed_old, context=context)
        if sealed is None or (webhook.sealed_old is not None and old is None):
            return False
        webhooks.save(attrs.evolve(webhook, sealed_secret=sealed, sealed_old=old))
        return True

    def _sealed_anew(self, sealed: bytes, *, context: str) -> bytes | None:
        """None if no key at hand opens it."""
        try:
            secret = self._vault.open(sealed, context=context)
        except SecretUnreadable:
            return None
        return self._vault.seal(secret, context=context)

    def _resealed_own(self, secrets: SecretRepository, name: str, sealed: bytes) -> bool:
        anew = self._sealed_anew(sealed, context=secret_context(name))
        if anew is not None:
            secrets.replace(name, anew)
        return anew is not None

    def _tell(self, name: str, key: ApiKey) -> None:
        self._observe(Event(name=name, fields={"key": key.prefix, "name": key.name}))

    def audit(
        self, *, before: int | None = None, limit: int, caller: Caller = LOCAL
    ) -> Sequence[AuditEntry]:
        """Up to *limit* entries, newest first, with ids below *before* if that is given.

        Forbidden without admin, or for some accounts only: it tells of all of them.
        """
        caller.require(Scope.ADMIN)
        caller.require_every_account("see the audit")
        return self._store.read(lambda tx: tx.audit.latest(before=before, limit=limit))


def _free_prefix(keys: KeyRepository, entropy: Entropy) -> str:
    for _ in range(_TRIES):
        prefix = entropy.token()[-PREFIX_LENGTH:]
        if keys.find(prefix) is None:
            return prefix
    raise Conflict("no free prefix was found for the API key: try again")


def _visible(keys: Sequence[ApiKey], prefix: str, caller: Caller) -> ApiKey:
    for key in keys:
        if key.prefix == prefix and key.may_be_seen(caller.accounts):
            return key
    raise no_api_key()


def _key_entry(caller: Caller, action: str, key: ApiKey, *, at: datetime) -> AuditEntry:
    return caller.did(
        action, f"key {key.prefix}", at=at, name=key.name, scopes=",".join(sorted(key.scopes))
    )

"""API keys are created, listed and revoked here, and secrets are carried over to a new secret key.

A key is shown once; after that only its prefix and a fingerprint are known.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from application.ports.access import KeyRepository, SecretRepository
from application.ports.accounts import AccountRepository, DkimKeyRepository
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Observe, Vault
from application.unsubscribe_links import secret_context
from domain.access import LOCAL, PREFIX_LENGTH, ApiKey, AuditEntry, Caller, Scope, token_of
from domain.account.account import Account
from domain.account.dkim_key import DkimKey
from domain.errors import Conflict, NotFound, SecretUnreadable
from domain.events import Event

_TRIES: Final = 5  # for a prefix that is not in use


@attrs.frozen(kw_only=True)
class KeyWish:
    """A key as its owner wants it: *accounts* None is every account, *lifetime* None no end."""

    name: str
    scopes: frozenset[Scope]
    accounts: frozenset[int] | None = None
    lifetime: timedelta | None = None
    daily_recipients: int | None = None


@attrs.frozen(kw_only=True)
class Rotation:
    """What a change of the secret key has carried over, and what still needs the old one.

    ``unreadable`` are accounts whose password no key at hand opens, ``unreadable_dkim`` DKIM keys;
    ``waiting`` are keys that carry themselves over when they are next used. ``secrets``
    and ``unreadable_secrets`` are the names of the service's own secrets.
    """

    resealed: int
    unreadable: tuple[Account, ...]
    resealed_dkim: int
    unreadable_dkim: tuple[DkimKey, ...]
    secrets: tuple[str, ...] = ()
    unreadable_secrets: tuple[str, ...] = ()
    waiting: tuple[ApiKey, ...]


class ApiKeys:
    """The owner's use cases about keys, the secret that seals, and the audit trail."""

    def __init__(
        self, *, store: Store, clock: Clock, entropy: Entropy, vault: Vault, observe: Observe
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._observe = observe

    def create(self, wish: KeyWish, *, caller: Caller = LOCAL) -> tuple[ApiKey, str]:
        """A new key and its text, which is never shown again. NotFound for an account."""
        caller.require(Scope.ADMIN)
        now = self._clock.now()
        secret = bytes.fromhex(self._entropy.token() + self._entropy.token())

        def work(tx: Transaction) -> tuple[ApiKey, str]:
            for account_id in sorted(wish.accounts or ()):
                tx.accounts.get(account_id)
            prefix = self._free_prefix(tx.keys)
            token = token_of(prefix, secret)
            key = tx.keys.add(
                ApiKey(
                    name=wish.name.strip(),
                    prefix=prefix,
                    digest=self._vault.fingerprints(token)[0],
                    scopes=wish.scopes,
                    accounts=wish.accounts,
                    daily_recipients=wish.daily_recipients,
                    created_at=now,
                    expires_at=None if wish.lifetime is None else now + wish.lifetime,
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

    def revoke(self, prefix: str, *, caller: Caller = LOCAL) -> ApiKey:
        """Take it back, in force from the next call on. NotFound; Conflict if it was before."""
        caller.require(Scope.ADMIN)
        now = self._clock.now()

        def work(tx: Transaction) -> ApiKey:
            key = tx.keys.find(prefix)
            if key is None:
                raise NotFound("there is no API key with this prefix")
            if key.revoked_at is not None:
                raise Conflict(f"the API key {prefix} was revoked before")
            key = attrs.evolve(key, revoked_at=now)
            tx.keys.save(key)
            tx.audit.add(_key_entry(caller, "key_revoked", key, at=now))
            return key

        key = self._store.write(work)
        self._tell("key_revoked", key)
        return key

    def rotate_secret(self, *, caller: Caller = LOCAL) -> Rotation:
        """Seal SMTP passwords, DKIM keys and the service's own secrets with the newest secret key.

        Whichever of the keys at hand has sealed them.
        """
        caller.require(Scope.ADMIN)
        now = self._clock.now()

        def work(tx: Transaction) -> Rotation:
            sealed = [a for a in tx.accounts.all() if a.sealed_password is not None]
            unreadable = tuple(
                account for account in sealed if not self._resealed(tx.accounts, account)
            )
            dkim_keys = tx.dkim_keys.all()
            unreadable_dkim = tuple(
                key for key in dkim_keys if not self._resealed_dkim(tx.dkim_keys, key)
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
                waiting=tuple(key for key in tx.keys.all() if self._waits(key)),
            )
            entry = caller.did(
                "secret_rotated",
                "SECRET_KEY",
                at=now,
                resealed=rotation.resealed,
                unreadable=len(unreadable),
                resealed_dkim=rotation.resealed_dkim,
                unreadable_dkim=len(unreadable_dkim),
            )
            tx.audit.add(entry)
            return rotation

        return self._store.write(work)

    def _resealed(self, accounts: AccountRepository, account: Account) -> bool:
        assert account.sealed_password is not None
        sealed = self._sealed_anew(account.sealed_password, context=f"account:{account.id}")
        if sealed is not None:
            # the version stays: open sessions are as good as before
            accounts.save(attrs.evolve(account, sealed_password=sealed))
        return sealed is not None

    def _resealed_dkim(self, keys: DkimKeyRepository, key: DkimKey) -> bool:
        sealed = self._sealed_anew(key.sealed_key, context=key.context)
        if sealed is not None:
            keys.save(attrs.evolve(key, sealed_key=sealed))
        return sealed is not None

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

    def _waits(self, key: ApiKey) -> bool:
        return key.usable(self._clock.now()) and not self._vault.is_current(key.digest)

    def _free_prefix(self, keys: KeyRepository) -> str:
        for _ in range(_TRIES):
            prefix = self._entropy.token()[-PREFIX_LENGTH:]
            if keys.find(prefix) is None:
                return prefix
        raise Conflict("no free prefix was found for the API key: try again")

    def _tell(self, name: str, key: ApiKey) -> None:
        self._observe(Event(name=name, fields={"key": key.prefix, "name": key.name}))

    def audit(self, *, limit: int) -> Sequence[AuditEntry]:
        """The last *limit* entries, newest first."""
        return self._store.read(lambda tx: tx.audit.latest(limit=limit))


def _key_entry(caller: Caller, action: str, key: ApiKey, *, at: datetime) -> AuditEntry:
    return caller.did(
        action, f"key {key.prefix}", at=at, name=key.name, scopes=",".join(sorted(key.scopes))
    )

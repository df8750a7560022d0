"""What the owner of an account does with its event hooks: make them, look, remove them."""

from collections.abc import Sequence

import attrs

from application.own_url import own_url
from application.ports.hooks import Signatures
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Observe, Vault
from domain.access import LOCAL, Caller, Scope
from domain.errors import Conflict, FieldError, InvalidInput
from domain.events import Event
from domain.hook.hook import (
    MOST_HOOKS,
    EventHook,
    HookKind,
    check_hook,
    digest_of,
    no_hook,
    path_of,
    sealed_for,
)


@attrs.frozen(kw_only=True)
class NewHook:
    """A hook and its URL, which is shown once: only a digest of its secret is stored."""

    hook: EventHook
    url: str = attrs.field(repr=False)


class EventHooks:
    """The owner's use cases. *public_url* is where providers reach the service.

    In *development* this machine may play the provider, so that none is needed.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        vault: Vault,
        signatures: Signatures,
        observe: Observe,
        public_url: str | None,
        development: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._signatures = signatures
        self._observe = observe
        self._public_url = public_url
        self._development = development

    def create(
        self,
        account_id: int,
        kind: HookKind,
        *,
        signing_key: str | None = None,
        topic: str | None = None,
        port: int | None = None,
        caller: Caller = LOCAL,
    ) -> NewHook:
        """A new hook of this account. Forbidden, NotFound, InvalidInput.

        *port* is that of the socket; it is used in development, without a public URL. Conflict if
        nobody could call it, for PUBLIC_URL is not set, or there are too many.
        """
        _allow(caller, account_id)
        check_hook(kind, signing_key=signing_key, topic=topic)
        if kind is HookKind.SENDGRID and not self._signatures.is_p256_key(signing_key or ""):
            message = "must be the verification key of SendGrid: a public key that begins with MFkw"
            raise InvalidInput(FieldError("signing_key", message))
        base = own_url(self._public_url, development=self._development, port=port)
        if base is None:
            raise Conflict("set PUBLIC_URL first: a provider calls this service under it")
        secret = self._entropy.token() + self._entropy.token()
        digest = digest_of(secret)
        assert digest is not None
        now = self._clock.now()
        sealed = None
        if signing_key is not None:
            sealed = self._vault.seal(signing_key.strip(), context=sealed_for(digest))
        wanted = EventHook(
            account_id=account_id,
            kind=kind,
            digest=digest,
            sealed_key=sealed,
            topic=topic,
            created_at=now,
        )

        def work(tx: Transaction) -> EventHook:
            tx.accounts.lock(account_id)
            if len(tx.hooks.of(account_id)) >= MOST_HOOKS:
                raise Conflict(f"there are {MOST_HOOKS} event hooks already: remove one first")
            hook = tx.hooks.add(wanted)
            tx.audit.add(
                caller.did("hook_created", f"account {account_id}", at=now, hook=hook.id, kind=kind)
            )
            return hook

        hook = self._store.write(work)
        self._tell("hook_created", hook)
        return NewHook(hook=hook, url=f"{base}{path_of(kind, secret)}")

    def of(self, account_id: int, *, caller: Caller = LOCAL) -> Sequence[EventHook]:
        """Those of one account, the oldest first. Forbidden, NotFound."""
        caller.require(Scope.READ)
        caller.check_account(account_id)
        return self._store.read(lambda tx: tx.hooks.of(tx.accounts.get(account_id).id))

    def delete(self, account_id: int, hook_id: int, *, caller: Caller = LOCAL) -> None:
        """Remove one: from now on its URL is not known. Forbidden, NotFound."""
        _allow(caller, account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> EventHook:
            tx.accounts.get(account_id)
            hook = next((one for one in tx.hooks.of(account_id) if one.id == hook_id), None)
            if hook is None:
                raise no_hook(hook_id)
            tx.hooks.remove(account_id, hook_id)
            tx.audit.add(
                caller.did(
                    "hook_deleted",
                    f"account {account_id}",
                    at=now,
                    hook=hook.id,
                    kind=hook.kind,
                )
            )
            return hook

        self._tell("hook_deleted", self._store.write(work))

    def _tell(self, name: str, hook: EventHook) -> None:
        fields = {"hook": hook.id, "kind": hook.kind.value}
        self._observe(Event(name=name, account_id=hook.account_id, fields=fields))


def _allow(caller: Caller, account_id: int) -> None:
    caller.require(Scope.ADMIN)
    caller.check_account(account_id)

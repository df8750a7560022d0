"""The links by which recipients unsubscribe: made at acceptance, read when one is opened."""

from typing import Final

from application.ports.store import Store
from application.ports.system import Entropy, Observe, TokenCipher, Vault
from domain.errors import NotFound, SecretUnreadable, Unavailable
from domain.events import Event
from domain.suppression import Subscription
from domain.unsubscribe_token import plain_of, sealed_of, subscription_of, text_of

KEY_NAME: Final = "unsubscribe-links"  # of the secret that the tokens are sealed with
PATH: Final = "/u/"


def secret_context(name: str) -> str:
    """What a secret of the service's own is sealed for."""
    return f"secret:{name}"


class UnsubscribeLinks:
    """Links under *public_url*, None where the owner has named none.

    The key of their tokens is made when the first link is, stays as long as the data, and is the
    same in all processes.
    """

    def __init__(
        self,
        *,
        store: Store,
        entropy: Entropy,
        vault: Vault,
        cipher: TokenCipher,
        observe: Observe,
        public_url: str | None,
    ) -> None:
        self._store = store
        self._entropy = entropy
        self._vault = vault
        self._cipher = cipher
        self._observe = observe
        self._public_url = public_url
        self._key: bytes | None = None
        self._told = False

    @property
    def can_be_made(self) -> bool:
        """Whether it is known where they lead to."""
        return self._public_url is not None

    def url(self, subscription: Subscription) -> str:
        """The link that ends *subscription*, the same each time. Unavailable."""
        if self._public_url is None:
            raise ValueError("no link can be made: ask can_be_made first")
        sealed = self._cipher.seal(plain_of(subscription), key=self._known_key() or self._new_key())
        return f"{self._public_url}{PATH}{text_of(sealed)}"

    def subscription(self, token: str) -> Subscription:
        """What the link with this *token* ends. NotFound if none was made with it; Unavailable."""
        sealed, key = sealed_of(token), self._known_key()
        # whatever came is opened, so that each refusal costs the same
        plain = None if key is None else self._cipher.open(sealed, key=key)
        subscription = subscription_of(plain)
        if subscription is None:
            raise NotFound("there is no such link")
        return subscription

    def _known_key(self) -> bytes | None:
        """None if no link was ever made."""
        if self._key is None:
            sealed = self._store.read_latest(lambda tx: tx.secrets.find(KEY_NAME))
            if sealed is None:
                return None
            self._key = self._opened(sealed)
        return self._key

    def _new_key(self) -> bytes:
        """The key that is stored: another process may have been quicker."""
        secret = "".join(self._entropy.token() for _ in range(4))
        fresh = self._vault.seal(secret, context=secret_context(KEY_NAME))
        self._key = self._opened(self._store.write(lambda tx: tx.secrets.add(KEY_NAME, fresh)))
        return self._key

    def _opened(self, sealed: bytes) -> bytes:
        try:
            return bytes.fromhex(self._vault.open(sealed, context=secret_context(KEY_NAME)))
        except SecretUnreadable as error:
            if not self._told:
                self._told = True
                self._observe(Event(name="secret_unreadable", fields={"secret": KEY_NAME}))
            raise Unavailable(
                "links to unsubscribe cannot be made or read: their secret was sealed with another"
                " SECRET_KEY, which must be given as SECRET_KEY_PREVIOUS"
            ) from error

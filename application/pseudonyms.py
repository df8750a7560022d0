"""The names under which erased persons stay on the suppression list."""

from typing import Final

from application.ports.store import Store
from application.ports.system import Clock, Entropy, Observe, Vault
from application.unsubscribe_links import secret_context
from domain.errors import SecretUnreadable, Unavailable
from domain.events import Event

KEY_NAME: Final = "erasures"  # of the secret that the digests are made with
LOOK_S: Final = 1.0  # how often to look for the secret while nobody was erased


class Pseudonyms:
    """Their secret: made when the first person is erased, kept as long as the data, and the same in
    all processes. Not to be called inside a work.
    """

    def __init__(
        self, *, store: Store, clock: Clock, entropy: Entropy, vault: Vault, observe: Observe
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._observe = observe
        self._secret: bytes | None = None
        self._next = float("-inf")
        self._told = False

    def known(self) -> bytes | None:
        """The secret; None if nobody was erased until a moment ago. Unavailable.

        It costs nothing but one look a second until somebody is erased.
        """
        if self._secret is None and self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + LOOK_S
            sealed = self._store.read_latest(lambda tx: tx.secrets.find(KEY_NAME))
            if sealed is not None:
                self._secret = self._opened(sealed)
        return self._secret

    def secret(self) -> bytes:
        """The secret, made if there is none. Unavailable."""
        known = self.known()
        if known is None:
            text = "".join(self._entropy.token() for _ in range(4))
            fresh = self._vault.seal(text, context=secret_context(KEY_NAME))
            stored = self._store.write(lambda tx: tx.secrets.add(KEY_NAME, fresh))
            known = self._secret = self._opened(stored)
        return known

    def _opened(self, sealed: bytes) -> bytes:
        try:
            return bytes.fromhex(self._vault.open(sealed, context=secret_context(KEY_NAME)))
        except SecretUnreadable as error:
            self._next = float("-inf")  # refused each time
            if not self._told:
                self._told = True
                self._observe(Event(name="secret_unreadable", fields={"secret": KEY_NAME}))
            raise Unavailable(
                "it is not known who was erased: the secret of erasures was sealed with another"
                " SECRET_KEY, which must be given as SECRET_KEY_PREVIOUS"
            ) from error

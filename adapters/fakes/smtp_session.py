"""A connection in memory, and the dialogue of production over it: no socket, no wait.

A server that hangs is a timeout at once.
"""

from collections.abc import Callable

import attrs

from adapters.fakes.mail_server import Connection, MailServer
from application.ports.oauth import NoTokens, Tokens
from application.ports.system import Vault
from application.sending import password_of, token_of
from domain.account.account import Account, Security
from domain.dialogue.credential import Credential
from domain.dialogue.session import Session
from domain.outcome.handoff import Envelope, Handoff, Parcel


@attrs.frozen(kw_only=True)
class Accepted:
    """One message the server took, with the recipients it took it for."""

    account_id: int
    envelope: Envelope
    octets: bytes = attrs.field(repr=False)


class FakeSession(Session):
    """A session in memory. ``taken`` is what the server took of the last hand-off."""

    def __init__(
        self,
        account: Account,
        server: MailServer,
        vault: Vault | None,
        tokens: Tokens | None = None,
    ) -> None:
        self.server = server
        self.taken: Accepted | None = None
        self._vault = vault
        self._memory = Connection(
            server,
            any_password=vault is None,
            can_start_tls=account.security is Security.STARTTLS,
        )
        self._tokens = tokens or NoTokens()
        credential = Credential(account, password=self._unsealed, token=self._token)
        super().__init__(account, self._memory, credential=credential)

    def hand_off(
        self,
        parcel: Parcel,
        *,
        before_dot: Callable[[], bool],
        still: Callable[[], bool] = lambda: True,
        then: Callable[[], Parcel | None] = lambda: None,
    ) -> Handoff:
        """One transaction."""
        self.taken = None
        try:
            return super().hand_off(parcel, before_dot=before_dot, still=still, then=then)
        finally:
            taken = self._memory.pop_taken()
            self.taken = None if taken is None else self._accepted(parcel, *taken)

    def _unsealed(self) -> str:
        if self._vault is None:
            return ""
        return password_of(self.account, self._vault)

    def _token(self, refused: str) -> str:
        return token_of(self.account, self._tokens, refused=refused)

    def _accepted(self, parcel: Parcel, names: tuple[str, ...], octets: bytes) -> Accepted:
        envelope = parcel.envelope
        taken = tuple(address for address in envelope.recipients if str(address) in names)
        return Accepted(
            account_id=self.account.id,
            envelope=attrs.evolve(envelope, recipients=taken),
            octets=octets,
        )

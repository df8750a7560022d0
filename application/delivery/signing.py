"""The DKIM signatures of what an account hands off."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs

from application.ports.message import DkimSigner
from application.ports.store import Store
from application.ports.system import Vault
from domain.account.account import Account
from domain.errors import SecretUnreadable
from domain.message.dkim import SigningKey, signatures


@attrs.frozen(kw_only=True)
class Signing:
    """Signs for any account. Safe from many threads."""

    vault: Vault
    signer: DkimSigner

    def of(self, account: Account, store: Store) -> "AccountSigner":
        """What signs for one account, with the keys that are active now. One query: do not ask for
        an account that does not sign. SecretUnreadable, StoreUnavailable.
        """
        stored = store.read_latest(lambda tx: tx.dkim_keys.of(account.id))
        keys = []
        for key in stored:
            if key.active:
                try:
                    opened = self.vault.open(key.sealed_key, context=key.context)
                except SecretUnreadable:
                    raise SecretUnreadable(
                        f"the DKIM key {key.selector} cannot be opened: was SECRET_KEY changed?"
                    ) from None
                keys.append(key.opened(opened.encode("ascii")))
        return AccountSigner(keys=keys, signer=self.signer)


@attrs.frozen(kw_only=True)
class AccountSigner:
    """Signs for one account."""

    keys: Sequence[SigningKey] = attrs.field(repr=False)
    signer: DkimSigner

    def signatures(self, pieces: Iterable[bytes], *, created_at: datetime) -> bytes:
        """The headers to be put in front of a message; b"" if it is not signed.

        *pieces* are the message with its From line, see `domain.message.dkim.signatures`;
        *created_at* stands for a Date that it does not have.
        """
        return signatures(pieces, keys=self.keys, undated=created_at, sign=self.signer.sign)

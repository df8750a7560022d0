"""Which addresses may stand in From, for a client that has used another one."""

from typing import Final

import attrs

from application.ports.store import StoreReader
from domain.access import Caller

MOST_NAMED: Final = 10


@attrs.frozen
class Senders:
    """The addresses that mail may be sent as."""

    store: StoreReader

    def allowed(self, caller: Caller) -> tuple[str, ...]:
        """Those of the caller's accounts with their aliases, at most so many; by account."""
        accounts = self.store.read_latest(lambda tx: tx.accounts.all())
        named = dict.fromkeys(
            str(address)
            for account in accounts
            if caller.may_use(account.id)
            for address in (account.address, *account.aliases)
        )
        return tuple(named)[:MOST_NAMED]

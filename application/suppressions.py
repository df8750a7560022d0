"""What administrators do with the suppression list: look, add, remove.

A key that is limited to some accounts sees and makes only the entries of these accounts. Entries
are named by their ids in the audit: an address must not outlive its removal from the list.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import attrs

from application.ports.store import Store, Transaction
from application.ports.system import Clock
from application.pseudonyms import Pseudonyms
from application.suppressing import entries_of
from application.telling import suppress_all, unsuppress
from domain.access import LOCAL, Caller, Scope
from domain.address import Address
from domain.errors import Conflict, Forbidden, NotFound
from domain.suppression import (
    EVERYTHING,
    Suppression,
    SuppressionReason,
    account_of,
    account_scope,
    address_key,
    by_address,
    check_scope,
    ends_at,
    is_suppressed,
)

IMPORTED_AT_ONCE: Final = 500


@attrs.frozen(kw_only=True)
class Listing:
    """A page of the list; *next_after* is where the next one begins, None if it is the last."""

    suppressions: Sequence[Suppression]
    next_after: int | None


@attrs.frozen(kw_only=True)
class Entry:
    """What is to stand on the list. Without *expires_at* it holds as long as its reason does."""

    address: Address
    scope: str = EVERYTHING
    reason: SuppressionReason = SuppressionReason.MANUAL
    expires_at: datetime | None = None
    email_id: int | None = None

    def suppression(self, *, now: datetime) -> Suppression:
        """What stands there if it is made now."""
        return Suppression(
            address=address_key(self.address),
            scope=self.scope,
            reason=self.reason,
            email_id=self.email_id,
            created_at=now,
            expires_at=self.expires_at or ends_at(self.reason, now=now),
        )


class Suppressions:
    """The use cases about the list; all but `unwanted_among` take the scope `admin`."""

    def __init__(self, *, store: Store, clock: Clock, pseudonyms: Pseudonyms) -> None:
        self._store = store
        self._clock = clock
        self._pseudonyms = pseudonyms

    def page(
        self,
        *,
        scope: str | None = None,
        reason: SuppressionReason | None = None,
        after: int = 0,
        limit: int,
        caller: Caller = LOCAL,
    ) -> Listing:
        """In the order in which the entries were made, without those that have expired.

        A page may have fewer than *limit* and still be followed by others. Forbidden, NotFound.
        """
        scopes = _scopes(caller, scope)
        now = self._clock.now()
        found = self._store.read_latest(
            lambda tx: tx.suppressions.page(
                scopes=scopes, reason=reason, after=after, limit=limit + 1
            )
        )
        return Listing(
            suppressions=[one for one in found[:limit] if one.holds(now=now)],
            next_after=found[limit - 1].id if len(found) > limit else None,
        )

    def of(
        self, address: Address, *, scope: str | None = None, caller: Caller = LOCAL
    ) -> Sequence[Suppression]:
        """Those of one address that are in force, also if it was erased.

        Forbidden; NotFound if there is none.
        """
        scopes = _scopes(caller, scope)
        now = self._clock.now()
        secret = self._pseudonyms.known()
        found = self._store.read_latest(
            lambda tx: entries_of(
                tx.suppressions, [address_key(address)], secret=secret, wait=False
            )
        )
        return _found([one for one in found if one.holds(now=now)], scopes)

    def unwanted_among(
        self,
        addresses: Collection[Address],
        *,
        topic: str | None = None,
        account_id: int | None = None,
        caller: Caller = LOCAL,
    ) -> Collection[Address]:
        """Which of these get no mail of this topic now; as an email to them would be judged.

        Takes the scope `send`: who sends to them learns the same. Entries of an account count if it
        is certain to be the one that sends: as for an email, if it is named, or the caller's only
        one. Forbidden, NotFound (no such account).
        """
        caller.require(Scope.SEND)
        if account_id is not None:
            caller.check_account(account_id)
        elif caller.accounts is not None and len(caller.accounts) == 1:
            (account_id,) = caller.accounts
        now = self._clock.now()
        secret = self._pseudonyms.known()
        keys = {one: address_key(one) for one in addresses}

        def look(tx: Transaction) -> Sequence[Suppression]:
            if account_id is not None:
                tx.accounts.get(account_id)
            return entries_of(tx.suppressions, keys.values(), secret=secret, wait=False)

        listed = by_address(self._store.read_latest(look))
        return {
            one
            for one, key in keys.items()
            if is_suppressed(listed.get(key, ()), topic=topic, account_id=account_id, now=now)
        }

    def put(self, entry: Entry, *, caller: Caller = LOCAL) -> Suppression:
        """Store it in the place of one of the same address, scope and reason; what stands then.

        Forbidden, NotFound (no such account), InvalidInput.
        """
        _scopes(caller, entry.scope)
        now = self._clock.now()
        wanted = entry.suppression(now=now)
        wanted.check(now=now)

        def work(tx: Transaction) -> Suppression:
            _check_accounts(tx, [entry])
            (stored,) = suppress_all(tx, [wanted])
            _note(tx, caller, "suppression_set", stored, at=now)
            return stored

        return self._store.write(work)

    def import_all(self, entries: Sequence[Entry], *, caller: Caller = LOCAL) -> int:
        """Store as many as there are in works of a bounded size, as `put` does; how many.

        All accounts are looked for before anything is stored. The audit has a line for each work.
        """
        for entry in entries:
            _scopes(caller, entry.scope)
        self._store.read(lambda tx: _check_accounts(tx, entries))
        for start in range(0, len(entries), IMPORTED_AT_ONCE):
            self._import(entries[start : start + IMPORTED_AT_ONCE], caller)
        return len(entries)

    def _import(self, entries: Sequence[Entry], caller: Caller) -> None:
        now = self._clock.now()
        # of several lines with one key the last one counts
        wanted = {one.key: one for one in (entry.suppression(now=now) for entry in entries)}

        def work(tx: Transaction) -> None:
            suppress_all(tx, list(wanted.values()))
            tx.audit.add(
                caller.did("suppressions_imported", "suppressions", at=now, number=len(entries))
            )

        self._store.write(work)

    def remove(
        self,
        address: Address,
        *,
        scope: str | None = None,
        force: bool = False,
        caller: Caller = LOCAL,
    ) -> int:
        """Remove all of one address, or those of one scope; how many there were.

        Forbidden; NotFound if there is none; Conflict, and nothing is removed, if one of them is a
        complaint, unless with *force*.
        """
        scopes = _scopes(caller, scope)
        now = self._clock.now()

        secret = self._pseudonyms.known()

        def work(tx: Transaction) -> int:
            theirs = entries_of(tx.suppressions, [address_key(address)], secret=secret)
            found = _found(theirs, scopes)
            if not force and any(one.reason is SuppressionReason.COMPLAINT for one in found):
                raise Conflict(
                    "the recipient has complained: only who knows that mail is wanted again may"
                    " remove that, with force=true"
                )
            unsuppress(tx, found, at=now)
            for one in found:
                _note(tx, caller, "suppression_deleted", one, at=now)
            return len(found)

        return self._store.write(work)


def _check_accounts(tx: Transaction, entries: Sequence[Entry]) -> None:
    """NotFound for the scope of an account that is not there."""
    for account_id in sorted({account_of(entry.scope) or 0 for entry in entries} - {0}):
        tx.accounts.get(account_id)


def _scopes(caller: Caller, scope: str | None) -> Collection[str] | None:
    """Which scopes are asked for among those of this caller; None for all there are.

    Forbidden, InvalidInput; NotFound for an account that is not the caller's.
    """
    caller.require(Scope.ADMIN)
    if scope is None:
        return None if caller.accounts is None else sorted(map(account_scope, caller.accounts))
    check_scope(scope)
    account_id = account_of(scope)
    if account_id is not None:
        caller.check_account(account_id)
    elif caller.accounts is not None:
        raise Forbidden("this API key may use scopes of its own SMTP configurations only")
    return [scope]


def _found(
    suppressions: Sequence[Suppression], scopes: Collection[str] | None
) -> Sequence[Suppression]:
    found = [one for one in suppressions if scopes is None or one.scope in scopes]
    if not found:
        raise NotFound("the address is not suppressed")
    return found


def _note(
    tx: Transaction, caller: Caller, action: str, suppression: Suppression, *, at: datetime
) -> None:
    entry = caller.did(
        action,
        f"suppression {suppression.id}",
        at=at,
        scope=suppression.scope,
        reason=suppression.reason.value,
    )
    tx.audit.add(entry)

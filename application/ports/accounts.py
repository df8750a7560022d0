"""The repositories of accounts, of their keys, and of what each has used of its limits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.account.account import Account
from domain.account.dkim_key import DkimKey
from domain.account.health import Health
from domain.account.limits import Window, WindowLengths
from domain.email.lifecycle import Email


class AccountRepository(Protocol):
    """The accounts."""

    def add(self, account: Account) -> Account:
        """Store it and return it with its id (from 1, rising). NameTaken if the name is in use."""
        ...

    def get(self, account_id: int) -> Account:
        """NotFound if there is none."""
        ...

    def all(self) -> Sequence[Account]:
        """All of them, by id."""
        ...

    def health(self, account_id: int) -> Health:
        """Of one account, read for every result. That of an account that is gone is untroubled."""
        ...

    def save(self, account: Account) -> None:
        """Write all of an account that exists. NameTaken, NotFound."""
        ...

    def save_health(self, account: Account) -> None:
        """Write only health and last_sent_at, and only if the stored version is the same.

        A result that belongs to an older configuration must not pause the new one.
        """
        ...

    def lock(self, account_id: int) -> Account:
        """The account, with every other writer of its limits waiting until this work commits.

        NotFound if there is none.
        """
        ...

    def touch(self, account_id: int, *, sent_at: datetime) -> None:
        """Write last_sent_at alone. No error if the account is gone."""
        ...

    def delete(self, account_id: int) -> None:
        """Remove it. NotFound if there is none."""
        ...


class DkimKeyRepository(Protocol):
    """The keys that accounts sign with. Whether one of an account's is active stands in the account
    too (``Account.signs``), from the same moment on.
    """

    def add_all(self, keys: Sequence[DkimKey]) -> None:
        """Store them. Conflict if one of that account, selector and algorithm is there."""
        ...

    def of(self, account_id: int) -> Sequence[DkimKey]:
        """Those of one account, the oldest first; the two of a pair side by side, RSA first."""
        ...

    def all(self) -> Sequence[DkimKey]:
        """All of them, by account."""
        ...

    def save(self, key: DkimKey) -> None:
        """Write whether it is active, and its sealed key; the rest never changes. NotFound."""
        ...

    def remove(self, account_id: int, selector: str | None = None) -> int:
        """Remove those of one selector, or all of the account's; how many there were."""
        ...


class Ledger(Protocol):
    """What each account has used of its limits. Times are of the store's steady clock."""

    def reserve(self, emails: Iterable[Email], *, units: Callable[[Email], int]) -> None:
        """Reserve the units of claimed emails: they count in every window until settled."""
        ...

    def charge(self, email_id: int, attempt_no: int, *, units: int) -> None:
        """The server took it, or may have: count these units from now."""
        ...

    def free(self, email_id: int, attempt_no: int) -> None:
        """Surely not accepted: remove the reservation."""
        ...

    def used(self, account_id: int, lengths: WindowLengths) -> Mapping[Window, int]:
        """Units that count in each window now, reservations included."""
        ...

    def totals(self, account_id: int, lengths: WindowLengths) -> Mapping[Window, tuple[int, int]]:
        """For each window what `used` gives, and the emails charged (reservations not included)."""
        ...

    def totals_of(
        self, account_ids: Sequence[int], lengths: WindowLengths
    ) -> Mapping[int, Mapping[Window, tuple[int, int]]]:
        """What `totals` gives for each of these accounts."""
        ...

    def room_returns_at(
        self, account_id: int, window: Window, lengths: WindowLengths, *, units: int
    ) -> datetime | None:
        """When charged units of *window* have left it so far that *units* fewer count.

        None while only reservations stand in the way.
        """
        ...

    def fold(self, lengths: WindowLengths, *, limit: int) -> int:
        """Combine up to *limit* sums of the hours of the day that are over, so that `totals_of`
        reads less; how many there were. No answer of this port changes.
        """
        ...

    def prune(self, *, before: datetime, limit: int) -> int:
        """Remove up to *limit* charged rows older than *before*; how many went."""
        ...

"""Accounts from a file: a plan of what would be written, and the writing of it.

An account is known by its name. What a file says of it is written, with what its provider fills in;
what it does not say stays, and nothing is ever deleted.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Final, TypeVar, cast

import attrs

from application.account_writer import AccountFields, AccountWriter
from application.accounts import AccountService
from application.ports.sender import Sender
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Vault
from domain.access import LOCAL
from domain.account.account import DESTINATION_FIELDS, Account, shares_oauth_secret
from domain.account.inbox import Inbox
from domain.account.limits import Limits
from domain.account.verification import Verification
from domain.address import Address
from domain.errors import EmailServiceError, FieldError, InvalidInput, SecretUnreadable

T = TypeVar("T", Account, Limits)
GROUP: Final = 100  # accounts in one transaction
# What no file says of an account: a password is compared by what it opens to.
_NOT_SAID: Final = frozenset(
    {
        *("id", "version", "sealed_password", "signs", "limits", "health"),
        *("created_at", "updated_at", "last_sent_at"),
    }
)
_OF_INBOX: Final = ("host", "port", "username", "folder", "poll")


class Action(StrEnum):
    """What is to be done about an account."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "keep"


@attrs.frozen(kw_only=True)
class Difference:
    """A field of an account, by its name in `Account` or `Limits`, as it is and as it would be.

    Those of `Inbox` have ``inbox.`` before their name; ``inbox`` alone is one that comes or goes.
    """

    field: str
    before: object
    after: object


@attrs.frozen(kw_only=True)
class Planned:
    """One account of a file: what would be done, or why it cannot be. ``changes`` are written.

    ``new_password``: the password would be another one, which is shown nowhere; ``new_secret``: so
    would what is secret of OAuth; ``new_inbox_password``: so would that of the inbox.
    """

    name: str
    action: Action = Action.KEEP
    candidate: Account | None = None
    account_id: int | None = None
    changes: AccountFields = attrs.field(factory=AccountFields, repr=False)
    differences: tuple[Difference, ...] = ()
    new_password: bool = False
    new_secret: bool = False
    new_inbox_password: bool = False
    error: EmailServiceError | None = None


class AccountImport:
    """For the owner at this machine, who keeps accounts in a file or tries one out by hand."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        sender: Sender,
        writer: AccountWriter,
        accounts: AccountService,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._sender = sender
        self._writer = writer
        self._accounts = accounts

    def plan(self, wishes: Sequence[AccountFields]) -> Sequence[Planned]:
        """What each of *wishes* comes to, in their order; nothing is written."""
        stored = self._store.read(lambda tx: tx.accounts.all())
        by_name = {account.name: account for account in stored}
        times = Counter(wish["name"] for wish in wishes)
        return [
            self._planned(wish, by_name.get(wish["name"]), times=times[wish["name"]])
            for wish in wishes
        ]

    def write(self, plan: Sequence[Planned]) -> Sequence[Planned]:
        """Write what is to be created and changed, in groups; the plan as it came out.

        What cannot be written has an error then, and does not keep the others from being written.
        """
        written: dict[int, Planned] = {}
        work = [
            (place, planned)
            for place, planned in enumerate(plan)
            if planned.error is None and planned.action is not Action.KEEP
        ]
        for start in range(0, len(work), GROUP):
            group = work[start : start + GROUP]
            came_out = self._written([planned for _, planned in group])
            written |= {place: one for (place, _), one in zip(group, came_out, strict=True)}
        return [written.get(place, planned) for place, planned in enumerate(plan)]

    def try_out(self, fields: AccountFields, *, recipient: Address | None = None) -> Verification:
        """What verifying says of the account that *fields* would create. InvalidInput."""
        account = self._writer.candidate(fields)
        steps = self._sender.verify(account, recipient=recipient or account.address)
        return Verification(account, steps)

    def _planned(self, wish: AccountFields, before: Account | None, *, times: int) -> Planned:
        name = wish["name"]
        if times > 1:
            twice = InvalidInput(FieldError("name", "stands more than once in the file"))
            return Planned(name=name, error=twice)
        try:
            if before is None:
                account = self._writer.candidate(wish)
                self._inbox_change(account, wish)
                return Planned(name=name, action=Action.CREATE, candidate=account, changes=wish)
            return self._change(before, wish)
        except InvalidInput as error:
            return Planned(name=name, error=error)

    def _change(self, before: Account, wish: AccountFields) -> Planned:
        after = self._writer.candidate(wish, before=before)
        new_password = "password" in wish and not self._has_password(before, wish["password"])
        new_secret = self._has_new_secret(before, wish)
        changes = wish
        auth = wish.get("auth")
        if auth is not None and not new_secret and shares_oauth_secret(before, after):
            # the same secret would end the open connections
            same = attrs.evolve(auth, secret=None, service_account=None)
            changes = {**changes, "auth": same}
        if not new_password and not _differ(before, after, DESTINATION_FIELDS):
            # the same password would forgive faults and end the open connections
            rest = {name: value for name, value in changes.items() if name != "password"}
            changes = cast(AccountFields, rest)  # without one of its fields
        of_inbox, new_inbox_password = self._inbox_change(after, wish)
        if not of_inbox and not new_inbox_password:
            rest = {name: value for name, value in changes.items() if name != "inbox"}
            changes = cast(AccountFields, rest)
        differences = (
            *_differences(before, after),
            *_differences(before.limits, after.limits),
            *of_inbox,
        )
        is_new = bool(differences) or new_password or new_secret or new_inbox_password
        return Planned(
            name=before.name,
            action=Action.CHANGE if is_new else Action.KEEP,
            candidate=after,
            account_id=before.id,
            changes=changes,
            differences=differences,
            new_password=new_password,
            new_secret=new_secret,
            new_inbox_password=new_inbox_password,
        )

    def _has_password(self, account: Account, password: str | None) -> bool:
        if account.sealed_password is None:
            return not password
        try:
            opened = self._vault.open(account.sealed_password, context=f"account:{account.id}")
        except SecretUnreadable:
            return False
        return opened == password

    def _inbox_change(
        self, account: Account, fields: AccountFields
    ) -> tuple[Sequence[Difference], bool]:
        """What would be changed of the inbox, and whether its password. InvalidInput."""
        if "inbox" not in fields:
            return (), False
        inbox, wish = self._writer.inbox, fields["inbox"]
        before, after = self._store.read(lambda tx: inbox.compared(tx, account, wish))
        password = None if wish is None else wish.password
        new_password = (
            before is not None and bool(password) and not inbox.has_password(before, password or "")
        )
        return _inbox_differences(before, after), new_password

    def _has_new_secret(self, account: Account, wish: AccountFields) -> bool:
        auth = wish.get("auth")
        if auth is None or not auth.secret_given:
            return False
        stored = self._store.read(lambda tx: tx.credentials.find(account.id))
        return stored is None or not self._writer.auth.holds(stored, auth)

    def _written(self, group: Sequence[Planned]) -> Sequence[Planned]:
        now = self._clock.now()

        def write(planned: Planned, tx: Transaction) -> Account:
            if planned.account_id is None:
                return self._writer.created(tx, planned.changes, caller=LOCAL, now=now)
            updated = self._writer.updated(
                tx, planned.account_id, planned.changes, caller=LOCAL, now=now
            )
            return updated.account

        def write_all(tx: Transaction) -> Sequence[Account]:
            return [write(planned, tx) for planned in group]

        try:
            accounts = self._store.write(write_all)
        except EmailServiceError:  # one of them spoils the transaction: each by itself
            return [self._alone(planned, partial(write, planned)) for planned in group]
        return [self._done(*pair) for pair in zip(group, accounts, strict=True)]

    def _alone(self, planned: Planned, work: Callable[[Transaction], Account]) -> Planned:
        try:
            account = self._store.write(work)
        except EmailServiceError as error:
            return attrs.evolve(planned, error=error)
        return self._done(planned, account)

    def _done(self, planned: Planned, account: Account) -> Planned:
        if planned.account_id is None:
            self._accounts.announce(account, "account_created")
        else:
            self._sender.retire(account.id)
            self._accounts.announce(account, "account_updated")
        return attrs.evolve(planned, account_id=account.id)


def _differ(one: Account, two: Account, names: Sequence[str]) -> bool:
    return any(getattr(one, name) != getattr(two, name) for name in names)


def _differences(before: T, after: T) -> Sequence[Difference]:
    names = [field.name for field in attrs.fields(type(before)) if field.name not in _NOT_SAID]
    return _unequal({name: (getattr(before, name), getattr(after, name)) for name in names})


def _inbox_differences(before: Inbox | None, after: Inbox | None) -> Sequence[Difference]:
    if before is not None and after is not None:
        pairs = {name: (getattr(before, name), getattr(after, name)) for name in _OF_INBOX}
        return _unequal({f"inbox.{name}": pair for name, pair in pairs.items()})
    comes, goes = (None if one is None else f"{one.host}:{one.port}" for one in (after, before))
    return _unequal({"inbox": (goes, comes)})


def _unequal(pairs: Mapping[str, tuple[object, object]]) -> Sequence[Difference]:
    return [
        Difference(field=name, before=was, after=is_now)
        for name, (was, is_now) in pairs.items()
        if was != is_now
    ]

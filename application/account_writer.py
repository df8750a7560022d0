"""What an owner may write of an account, and how it comes to be one: judged, sealed, stored.

Each step runs in the transaction of a use case, which tells of it afterwards (`AccountService`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias, TypedDict

import attrs

from application.account_inbox import AccountInbox, InboxWish
from application.oauth.account_auth import AccountAuth, OAuthWish
from application.ports.access import AuditTrail
from application.ports.store import Transaction
from application.ports.system import Clock, Vault
from application.telling import save_account
from domain.access import Caller
from domain.account import graph
from domain.account.account import (
    Account,
    AuthMechanism,
    OnUnknown,
    Security,
    Transport,
    check,
    default_port,
    default_security,
    security_after_move,
)
from domain.account.dkim_key import leaves_unsigned, pairs
from domain.account.limits import NEW_RESERVE, Limits, LimitUnit
from domain.account.network import NetworkPolicy
from domain.address import Address, is_loopback
from domain.errors import FieldError, InvalidInput


class AccountFields(TypedDict, total=False):
    """What an owner may write; a field that is absent keeps its value (or takes its default).

    The defaults of *port* and *security* follow each other; another *transport* has its own.
    ``auth`` None: by password, or not at all. ``inbox`` None: it has none.
    """

    name: str
    address: Address
    display_name: str
    aliases: tuple[Address, ...]
    transport: Transport
    host: str
    port: int
    security: Security
    username: str
    password: str | None
    auth: OAuthWish | None
    inbox: InboxWish | None
    auth_mechanism: AuthMechanism | None
    announce_next: bool
    ses_headers: bool
    allowed_octets: int | None
    active: bool
    daily: int | None
    hourly: int | None
    minute: int | None
    unit: LimitUnit
    max_connections: int
    priority_reserve: int
    on_unknown: OnUnknown | None


# Where mail goes whose transport is Graph.
GRAPH_SERVER: Final[AccountFields] = {
    "host": graph.HOST,
    "port": graph.PORT,
    "security": Security.TLS,
}
LIMIT_FIELDS = frozenset(
    {"daily", "hourly", "minute", "unit", "max_connections", "priority_reserve"}
)

# What to change, where it depends on the account as it stands: called within the transaction,
# more than once if that is run again.
ChangesOf: TypeAlias = Callable[[Account], AccountFields]


@attrs.frozen
class Updated:
    """An account that was changed. *unsigned*: mail from its new address is not signed by the DKIM
    keys that signed mail from the old one.
    """

    account: Account
    unsigned: bool = False


class AccountWriter:
    """Makes accounts of what was written, and changes them."""

    def __init__(
        self,
        *,
        clock: Clock,
        vault: Vault,
        network: NetworkPolicy,
        auth: AccountAuth,
        inbox: AccountInbox,
    ) -> None:
        self._clock = clock
        self._vault = vault
        self._network = network
        self.auth = auth
        self.inbox = inbox

    def candidate(self, fields: AccountFields, *, before: Account | None = None) -> Account:
        """The account that *fields* would create, or make of *before*. Nothing is stored.

        InvalidInput. Its password is sealed for the id that it has, 0 if it is new.
        """
        self.auth.check(fields.get("auth"), password=fields.get("password"))
        self.inbox.check(fields.get("inbox"))
        now = self._clock.now()
        if before is None:
            fields = _with_port(fields)
            before = _blank(fields, now=now)
        account = check(self._written(before, fields, now=now))
        if {"host", "port", "transport"} & fields.keys():
            self._check_reach(account)
        return account

    def created(
        self, tx: Transaction, fields: AccountFields, *, caller: Caller, now: datetime
    ) -> Account:
        """A new account in the work of a use case, which announces it afterwards.

        Forbidden is for the use case. NameTaken, InvalidInput, NotAccepting.
        """
        fields = _with_port(fields)
        blank = _blank(fields, now=now)
        self._check_reach(blank)
        self.auth.check(fields.get("auth"), password=fields.get("password"))
        self.inbox.check(fields.get("inbox"))
        # the password is sealed for its row, whose id only the store knows
        stored = tx.accounts.add(blank)
        account = check(self._written(stored, fields, now=now))
        account = attrs.evolve(account, version=1)
        save_account(tx, account, was=stored, at=now)
        self.auth.store(tx, stored, account, fields.get("auth"))
        self._store_inbox(tx, account, fields)
        note(tx.audit, caller, "account_created", account, fields, at=now)
        return account

    def updated(
        self,
        tx: Transaction,
        account_id: int,
        changes: AccountFields | ChangesOf,
        *,
        caller: Caller,
        now: datetime,
    ) -> Updated:
        """A changed account in the work of a use case, which announces it afterwards.

        NotFound, NameTaken, InvalidInput, NotAccepting.
        """
        before = tx.accounts.lock(account_id)
        fields = changes(before) if callable(changes) else changes
        self.auth.check(fields.get("auth"), password=fields.get("password"))
        self.inbox.check(fields.get("inbox"))
        account = check(self._written(before, fields, now=now))
        if {"host", "port", "transport"} & fields.keys():
            self._check_reach(account)
        save_account(tx, account, was=before, at=now)
        forgot = []
        if account.awaits_password and not before.awaits_password:
            forgot.append("password")
        if self.auth.store(tx, before, account, fields.get("auth")):
            forgot.append("oauth")
        self._store_inbox(tx, account, fields)
        note(tx.audit, caller, "account_updated", account, fields, at=now, forgot=forgot)
        moved = account.address.domain != before.address.domain
        return Updated(account, unsigned=moved and is_unsigned(tx, account))

    def _store_inbox(self, tx: Transaction, account: Account, fields: AccountFields) -> None:
        if "inbox" in fields:
            self.inbox.store(tx, account, fields["inbox"])

    def _check_reach(self, account: Account) -> None:
        """InvalidInput for a server that this service may not connect to. It says no more."""
        errors = []
        host, port = account.host, account.port
        if not self._network.allows_host(host):
            errors.append(FieldError("host", "is not a server this service may connect to"))
        # the servers of Graph are known, and so is their port: `check` compares both
        known = account.transport is Transport.GRAPH and not is_loopback(host)
        if not known and not self._network.allows_port(host, port):
            errors.append(FieldError("port", "is not a port this service may connect to"))
        if errors:
            raise InvalidInput(*errors)

    def _written(self, account: Account, fields: AccountFields, *, now: datetime) -> Account:
        fields = _moved(account, fields)
        changes: dict[str, object] = {
            name: value
            for name, value in fields.items()
            if name not in LIMIT_FIELDS and name not in ("password", "auth", "inbox")
        }
        limits = {name: value for name, value in fields.items() if name in LIMIT_FIELDS}
        # the names are those of Limits: AccountFields has them from there
        changes["limits"] = attrs.evolve(account.limits, **limits)  # type: ignore[arg-type]
        if "security" not in fields:
            changes["security"] = security_after_move(
                account.security, old_port=account.port, new_port=fields.get("port", account.port)
            )
        if "password" in fields:
            changes["sealed_password"] = self._sealed(account.id, fields["password"])
        wish = fields.get("auth")
        if "auth" in fields:
            changes["oauth"] = None if wish is None else wish.client
        elif account.oauth is not None and fields.get("password"):
            raise InvalidInput(
                FieldError("password", "is not used by OAuth: send auth of the type password too")
            )
        secret_given = wish is not None and wish.secret_given
        return account.changed(now=now, secret_given=secret_given, **changes)

    def _sealed(self, account_id: int, password: str | None) -> bytes | None:
        if not password:
            return None
        return self._vault.seal(password, context=f"account:{account_id}")


def is_unsigned(tx: Transaction, account: Account) -> bool:
    """Whether mail from its address is not signed, though it has keys for another one."""
    return account.signs and leaves_unsigned(account, pairs(tx.dkim_keys.of(account.id)))


def note(
    audit: AuditTrail,
    caller: Caller,
    action: str,
    account: Account,
    fields: AccountFields | None = None,
    *,
    at: datetime,
    forgot: Sequence[str] = (),
) -> None:
    """The audit's entry: which fields were written, never what; *forgot* names what is gone."""
    detail = {"name": account.name}
    if fields:
        detail["fields"] = ", ".join(sorted(fields))
    for what in forgot:
        detail[what] = "forgotten"
    audit.add(caller.did(action, f"account {account.id}", at=at, **detail))


def _with_port(fields: AccountFields) -> AccountFields:
    return {**fields, "port": fields.get("port", default_port(fields.get("security")))}


def _moved(before: Account, fields: AccountFields) -> AccountFields:
    """*fields*, and the server that a change of the transport leads to where they name none.

    InvalidInput for mail that is to leave by SMTP again and has no server.
    """
    transport = fields.get("transport", before.transport)
    if transport is before.transport:
        return fields
    if transport is Transport.GRAPH:
        return {**GRAPH_SERVER, **fields}
    if "host" not in fields:
        raise InvalidInput(FieldError("host", "is required for the transport smtp"))
    fields = _with_port(fields)
    return {"security": default_security(fields["port"]), **fields}


def _blank(fields: AccountFields, *, now: datetime) -> Account:
    """A row to take an id with; it is filled before the same work ends."""
    return Account(
        name=fields["name"],
        address=fields["address"],
        transport=fields.get("transport", Transport.SMTP),
        host=fields["host"],
        port=fields["port"],
        security=fields.get("security", default_security(fields["port"])),
        limits=Limits(priority_reserve=NEW_RESERVE),
        created_at=now,
        updated_at=now,
    )

"""What the owner of the accounts does: set them up, change, pause, resume, verify, remove them."""

from collections.abc import Callable
from datetime import datetime
from typing import TypedDict

import attrs

from application.intake.expectation import waiting_for
from application.ports.access import AuditTrail
from application.ports.sender import Sender
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Observe, Vault, Wake
from domain.access import LOCAL, Caller, Scope
from domain.account.account import (
    Account,
    AuthMechanism,
    OnUnknown,
    check,
    default_port,
    initial_security,
    security_after_move,
    security_of,
)
from domain.account.limits import NEW_RESERVE, Limits, LimitUnit
from domain.account.network import NetworkPolicy
from domain.account.verification import Verification
from domain.address import Address
from domain.errors import Conflict, FieldError, Forbidden, InvalidInput
from domain.events import Event


class AccountFields(TypedDict, total=False):
    """What an owner may write; a field that is absent keeps its value (or takes its default)."""

    name: str
    address: Address
    display_name: str
    aliases: tuple[Address, ...]
    host: str
    port: int
    username: str
    password: str | None
    auth_mechanism: AuthMechanism | None
    announce_next: bool
    use_tls: bool
    use_ssl: bool
    active: bool
    daily: int | None
    hourly: int | None
    minute: int | None
    unit: LimitUnit
    max_connections: int
    priority_reserve: int
    on_unknown: OnUnknown | None


LIMIT_FIELDS = frozenset(
    {"daily", "hourly", "minute", "unit", "max_connections", "priority_reserve"}
)
SWITCHES = frozenset({"use_tls", "use_ssl", "password"})


class AccountService:
    """The owner's use cases."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        vault: Vault,
        sender: Sender,
        network: NetworkPolicy,
        wake: Wake,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._sender = sender
        self._network = network
        self._wake = wake
        self._observe = observe

    def create(self, fields: AccountFields, *, caller: Caller = LOCAL) -> int:
        """The id of the new account. Forbidden, NameTaken, InvalidInput."""
        caller.require(Scope.ADMIN)
        if caller.accounts is not None:
            raise Forbidden("this API key is limited to some SMTP configurations: it creates none")
        fields = _with_port(fields)
        self._check_reach(fields["host"], fields["port"])
        now = self._clock.now()
        blank = _blank(fields, now=now)

        def work(tx: Transaction) -> Account:
            # the password is sealed for its row, whose id only the store knows
            stored = tx.accounts.add(blank)
            account = check(self._written(stored, fields, now=now))
            account = attrs.evolve(account, version=1)
            tx.accounts.save(account)
            _note(tx.audit, caller, "account_created", account, fields, at=now)
            return account

        account = self._store.write(work)
        self._changed(account, "account_created")
        return account.id

    def update(self, account_id: int, fields: AccountFields, *, caller: Caller = LOCAL) -> Account:
        """The account with *fields* changed, in force from the next claim on.

        It may await its password then: see `Account.changed`.
        Forbidden, NotFound, NameTaken, InvalidInput.
        """
        _allow(caller, account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> Account:
            before = tx.accounts.lock(account_id)
            account = check(self._written(before, fields, now=now))
            if "host" in fields or "port" in fields:
                self._check_reach(account.host, account.port)
            tx.accounts.save(account)
            forgot = account.awaits_password and not before.awaits_password
            _note(tx.audit, caller, "account_updated", account, fields, at=now, forgot=forgot)
            return account

        account = self._store.write(work)
        self._sender.retire(account_id)
        self._changed(account, "account_updated")
        return account

    def delete(self, account_id: int, *, caller: Caller = LOCAL) -> None:
        """Remove it. Conflict while mail waits on it or is being sent by it.

        Mail that names no account waits on it too, when no other active one could take it.
        """
        _allow(caller, account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> Account:
            account = tx.accounts.lock(account_id)
            held = _held(tx, account)
            if held:
                raise Conflict(
                    f"{held} emails wait on the SMTP configuration {account.name!r}: "
                    "cancel them or let them be sent first"
                )
            tx.accounts.delete(account_id)
            tx.dkim_keys.remove(account_id)
            _note(tx.audit, caller, "account_deleted", account, at=now)
            return account

        account = self._store.write(work)
        self._sender.retire(account_id)
        self._changed(account, "account_deleted")

    def pause(self, account_id: int, *, caller: Caller = LOCAL) -> Account:
        """Hand nothing off until it is resumed."""
        return self._set_health(
            account_id,
            "account_paused",
            lambda account, now: account.paused_by_hand(now=now),
            caller=caller,
        )

    def resume(self, account_id: int, *, caller: Caller = LOCAL) -> Account:
        """Forget its faults and hand mail off again. Conflict while it awaits its password."""
        return self._set_health(
            account_id, "account_resumed", lambda account, _: account.resumed(), caller=caller
        )

    def verify(
        self, account_id: int, *, recipient: Address | None = None, caller: Caller = LOCAL
    ) -> Verification:
        """Connect, TLS, AUTH, MAIL and RCPT to *recipient* or the account itself; sends nothing."""
        _allow(caller, account_id)
        account = self._store.read(lambda tx: tx.accounts.get(account_id))
        steps = self._sender.verify(account, recipient=recipient or account.address)
        return Verification(account, steps)

    def _set_health(
        self,
        account_id: int,
        name: str,
        step: Callable[[Account, datetime], Account],
        *,
        caller: Caller,
    ) -> Account:
        _allow(caller, account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> Account:
            account = step(tx.accounts.lock(account_id), now)
            tx.accounts.save(account)
            _note(tx.audit, caller, name, account, at=now)
            return account

        account = self._store.write(work)
        self._changed(account, name)
        return account

    def _check_reach(self, host: str, port: int) -> None:
        """InvalidInput for a server that this service may not connect to. It says no more."""
        errors = []
        if not self._network.allows_host(host):
            errors.append(FieldError("host", "is not a server this service may connect to"))
        if not self._network.allows_port(host, port):
            errors.append(FieldError("port", "is not a port this service may connect to"))
        if errors:
            raise InvalidInput(*errors)

    def _written(self, account: Account, fields: AccountFields, *, now: datetime) -> Account:
        changes: dict[str, object] = {
            name: value
            for name, value in fields.items()
            if name not in LIMIT_FIELDS and name not in SWITCHES
        }
        limits = {name: value for name, value in fields.items() if name in LIMIT_FIELDS}
        # the names are those of Limits: AccountFields has them from there
        changes["limits"] = attrs.evolve(account.limits, **limits)  # type: ignore[arg-type]
        if "use_tls" in fields or "use_ssl" in fields:
            changes["security"] = security_of(
                account.security, use_tls=fields.get("use_tls"), use_ssl=fields.get("use_ssl")
            )
        else:
            changes["security"] = security_after_move(
                account.security, old_port=account.port, new_port=fields.get("port", account.port)
            )
        if "password" in fields:
            changes["sealed_password"] = self._sealed(account.id, fields["password"])
        return account.changed(now=now, **changes)

    def _sealed(self, account_id: int, password: str | None) -> bytes | None:
        if not password:
            return None
        return self._vault.seal(password, context=f"account:{account_id}")

    def _changed(self, account: Account, name: str) -> None:
        self._wake()
        self._observe(Event(name=name, account_id=account.id, fields={"account": account.name}))


def _held(tx: Transaction, account: Account) -> int:
    """How many emails would be stranded without the account."""
    waiting = waiting_for(account, accounts=tx.accounts, emails=tx.emails)
    return waiting + tx.emails.waiting(account.id).sending


def _allow(caller: Caller, account_id: int) -> None:
    caller.require(Scope.ADMIN)
    caller.check_account(account_id)


def _note(
    audit: AuditTrail,
    caller: Caller,
    action: str,
    account: Account,
    fields: AccountFields | None = None,
    *,
    at: datetime,
    forgot: bool = False,
) -> None:
    """The audit's entry: which fields were written, never what. *forgot* is of the password."""
    detail = {"name": account.name}
    if fields:
        detail["fields"] = ", ".join(sorted(fields))
    if forgot:
        detail["password"] = "forgotten"  # noqa: S105 - a word about it
    audit.add(caller.did(action, f"account {account.id}", at=at, **detail))


def _with_port(fields: AccountFields) -> AccountFields:
    port = fields.get("port", default_port(use_ssl=fields.get("use_ssl")))
    return {**fields, "port": port}


def _blank(fields: AccountFields, *, now: datetime) -> Account:
    """A row to take an id with; it is filled before the same work ends."""
    return Account(
        name=fields["name"],
        address=fields["address"],
        host=fields["host"],
        port=fields["port"],
        security=initial_security(
            fields["port"], use_tls=fields.get("use_tls"), use_ssl=fields.get("use_ssl")
        ),
        limits=Limits(priority_reserve=NEW_RESERVE),
        created_at=now,
        updated_at=now,
    )

"""What a client does: submit an email, take it back, ask for it again, settle an unknown one."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Final, ParamSpec, TypeAlias, TypeVar

import attrs

from application.admission import Admission
from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Observe, Wake
from application.quota import Quota, quota_of, use_quota
from application.throttle import VainWork
from domain.access import LOCAL, Caller, IdempotencyRecord, Scope
from domain.account import Account, AccountState
from domain.address import Address
from domain.email import Email, Kind, Recipient, Status
from domain.errors import (
    Conflict,
    EmailServiceError,
    FieldError,
    IdempotencyMismatch,
    InvalidInput,
    NotFound,
    TooMany,
)
from domain.events import Event
from domain.forecast import Forecast, Outlook, combined, forecast
from domain.limits import URGENT, WindowLengths
from domain.message import Content, compose
from domain.retry import RetryPolicy

T = TypeVar("T")
P = ParamSpec("P")

# What concerns one draft alone; anything else concerns the call.
Refusal: TypeAlias = InvalidInput | NotFound | Conflict

_NO_ACCOUNT: Final = "there is no SMTP configuration yet: create one first"
# Recipients of refused calls: two batches as large as they may be, then what takes a process a
# twentieth of its time (an international address takes a millisecond to validate).
FREE_IN_VAIN: Final = 20_000
IN_VAIN_A_SECOND: Final = 50.0
LONGEST_SCHEDULE: Final = timedelta(days=30)


@attrs.frozen(kw_only=True)
class Draft:
    """An email as a client asks for it, parsed. ``account_id`` pins it; None leaves the choice."""

    subject: str
    html: str
    text: str | None = None
    to: tuple[Address, ...]
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    priority: int = 3
    account_id: int | None = None
    send_at: datetime | None = None
    at_most_once: bool = False


@attrs.frozen(kw_only=True)
class IdempotencyKey:
    """A promise that two calls mean one thing: *scope* is the caller, *digest* that of the body."""

    key: str
    scope: str
    digest: str


@attrs.frozen(kw_only=True)
class Demand:
    """What an email asks for, counted before it is parsed: *recipients* are different texts."""

    recipients: int
    account_id: int | None = None


class Budget:
    """What there was for one call when it came: refuses emails before they cost anything.

    It only reads. The exact judgement is made again where the emails are stored.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        quota: Quota | None,
        accounts: frozenset[int],
        waiting: int,
        now: datetime,
    ) -> None:
        self._admission = admission
        self._quota = quota
        self._accounts = accounts
        self._emails = waiting
        self._recipients = 0
        self._now = now

    def check(self, *demands: Demand) -> None:
        """TooMany, NotAccepting, NotFound or Conflict if not all of *demands* can be met."""
        if self._quota is not None:
            named = sum(demand.recipients for demand in demands)
            self._quota.check(self._recipients + named, now=self._now)
        self._admission.check_room(self._emails, emails=len(demands))
        for demand in demands:
            if demand.account_id is not None and demand.account_id not in self._accounts:
                raise NotFound(f"there is no SMTP configuration {demand.account_id}")
        if not self._accounts:
            raise Conflict(_NO_ACCOUNT)

    def spend(self, demand: Demand) -> None:
        """Count an email that will be stored."""
        self._emails += 1
        self._recipients += demand.recipients


@attrs.frozen
class Prepared:
    """An email that only has to be stored, and its message."""

    email: Email
    octets: bytes = attrs.field(repr=False)


@attrs.frozen
class Accepted:
    """Emails that were stored together, and what to expect of them."""

    ids: tuple[int, ...]
    forecast: Forecast


class Submission:
    """The client's use cases."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        admission: Admission,
        retry: RetryPolicy,
        windows: WindowLengths,
        wake: Wake,
        observe: Observe,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._admission = admission
        self._retry = retry
        self._windows = windows
        self._wake = wake
        self._observe = observe
        self._in_vain = VainWork(free=FREE_IN_VAIN, rate=IN_VAIN_A_SECOND, clock=clock)

    def budget(self, *, caller: Caller) -> Budget:
        """What this caller may use now. Forbidden, NotAccepting.

        TooMany after too many recipients of calls that were `refused`.
        """
        caller.require(Scope.SEND)
        self._admission.check()
        wait = None if caller.key_id is None else self._in_vain.wait(caller.key_id)
        if wait is not None:
            raise TooMany("too many recipients in calls that were refused", retry_after=wait)
        now = self._clock.now()

        def look(tx: Transaction) -> Budget:
            accounts = (account.id for account in tx.accounts.all())
            return Budget(
                admission=self._admission,
                quota=quota_of(tx, caller, now=now),
                accounts=frozenset(filter(caller.may_use, accounts)),
                waiting=tx.emails.waiting().waiting,
                now=now,
            )

        return self._store.read_latest(look)

    def refused(self, recipients: int, *, caller: Caller) -> None:
        """Count the *recipients* of a call that was refused for what its fields hold."""
        if caller.key_id is not None:
            self._in_vain.add(caller.key_id, recipients)

    def answered(
        self, key: str, *, scope: str, digest: Callable[[], str]
    ) -> tuple[int, ...] | None:
        """The ids that a call with this Idempotency-Key got before; None if there was none.

        IdempotencyMismatch if it came with another body. *digest* is asked only if there was one.
        """
        if self._store.read_latest(lambda tx: tx.idempotency.find(key, scope=scope)) is None:
            return None
        idempotency = IdempotencyKey(key=key, scope=scope, digest=digest())
        return self._store.read_latest(lambda tx: _remembered(tx, idempotency))

    def submit(
        self,
        draft: Draft,
        *,
        idempotency: IdempotencyKey | None = None,
        caller: Caller = LOCAL,
    ) -> int:
        """The id of the accepted email; it is durable when this returns.

        What a caller of some accounts leaves unpinned is pinned to the roomiest of them.
        InvalidInput, Forbidden, NotFound (no such account), Conflict (no account at all),
        IdempotencyMismatch, TooMany, Unavailable. Nothing is stored on any of them.
        """
        [prepared] = self._prepare((draft,), caller)
        if not isinstance(prepared, Prepared):
            raise prepared
        ids, _ = self._submit((prepared,), idempotency=idempotency, caller=caller)
        return ids[0]

    def submit_all(
        self,
        drafts: Sequence[Draft],
        *,
        idempotency: IdempotencyKey | None = None,
        caller: Caller = LOCAL,
    ) -> "Accepted":
        """The accepted emails, in order: all of them, or none and an error of `submit`.

        An InvalidInput names each field under the place of its draft: ``/1/subject``.
        """
        now = self._clock.now()
        chosen = self._choose(drafts, caller, now=now)
        if any(isinstance(one, Refusal) for one in chosen):
            raise _why_none(chosen)  # before any is composed: that is what costs
        prepared = self._compose_each(drafts, chosen, caller, now=now)
        right = [one for one in prepared if isinstance(one, Prepared)]
        if len(right) < len(prepared):
            raise _why_none(prepared)
        told = self._forecast([one.email for one in right])
        ids, stored = self._submit(right, idempotency=idempotency, caller=caller)
        return Accepted(ids, told if stored else Forecast())

    def submit_each(
        self, drafts: Sequence[Draft], *, caller: Caller = LOCAL
    ) -> tuple[Sequence[int | EmailServiceError], Forecast]:
        """For each draft its id, or the error of `submit` for it alone; and when they go."""
        answers: list[EmailServiceError | Future[Sequence[Email]]] = []
        all_prepared = self._prepare(drafts, caller)
        told = self._forecast([one.email for one in all_prepared if isinstance(one, Prepared)])
        for prepared in all_prepared:
            if isinstance(prepared, Prepared):
                work = partial(self._add, prepared=(prepared,), caller=caller)
                answers.append(self._store.post(work))
            else:
                answers.append(prepared)
        done = [_outcome(answer) for answer in answers]
        self._welcome([email for email in done if isinstance(email, Email)])
        return [email.id if isinstance(email, Email) else email for email in done], told

    def _prepare(self, drafts: Sequence[Draft], caller: Caller) -> Sequence["Prepared | Refusal"]:
        """Each draft composed, outside of any write, or what is wrong with it."""
        now = self._clock.now()
        chosen = self._choose(drafts, caller, now=now)
        return self._compose_each(drafts, chosen, caller, now=now)

    def _choose(
        self, drafts: Sequence[Draft], caller: Caller, *, now: datetime
    ) -> Sequence[Account | Refusal | None]:
        """The account of each draft, or why it is refused whatever it holds."""
        caller.require(Scope.SEND)
        self._admission.check()

        def choose(tx: Transaction) -> Sequence[Account | Refusal | None]:
            choice = _Choice(tx, caller, windows=self._windows, now=now)
            return [_caught(choice.account_for, draft) for draft in drafts]

        return self._store.read_latest(choose)

    def _compose_each(
        self,
        drafts: Sequence[Draft],
        accounts: Sequence[Account | Refusal | None],
        caller: Caller,
        *,
        now: datetime,
    ) -> Sequence["Prepared | Refusal"]:
        return [
            account
            if isinstance(account, Refusal)
            else _caught(self._compose, draft, account, caller, now=now)
            for draft, account in zip(drafts, accounts, strict=True)
        ]

    def _forecast(self, emails: Sequence[Email]) -> Forecast:
        """What to expect of emails that are about to be stored: one look, whatever their number."""
        now = self._clock.now()

        def look(tx: Transaction) -> Forecast:
            by_account = _by_account(tx, emails)
            if by_account is None:
                return Forecast()
            return combined(
                [
                    forecast(some, self._outlook(tx, account), windows=self._windows, now=now)
                    for account, some in by_account
                ]
            )

        return self._store.read_latest(look) if emails else Forecast()

    def _outlook(self, tx: Transaction, account: Account) -> Outlook:
        windows = self._windows
        return Outlook(
            account=account,
            used=dict(tx.ledger.used(account.id, windows)) if account.limits.finite() else {},
            waiting=_waiting_for(tx, account),
            returns_at=lambda window, units: tx.ledger.room_returns_at(
                account.id, window, windows, units=units
            ),
        )

    def _submit(
        self,
        prepared: Sequence["Prepared"],
        *,
        idempotency: IdempotencyKey | None,
        caller: Caller,
    ) -> tuple[tuple[int, ...], bool]:
        """The ids, and whether the emails were stored by this call and not by one before."""

        def work(tx: Transaction) -> tuple[tuple[int, ...], Sequence[Email]]:
            if idempotency is not None:
                known = _remembered(tx, idempotency)
                if known is not None:
                    return known, ()
            stored = self._add(tx, prepared, caller)
            ids = tuple(email.id for email in stored)
            if idempotency is not None:
                tx.idempotency.add(_record(idempotency, ids, now=stored[0].created_at))
            return ids, stored

        ids, fresh = self._store.write(work)
        self._welcome(fresh)
        return ids, bool(fresh)

    def _add(
        self, tx: Transaction, prepared: Sequence["Prepared"], caller: Caller
    ) -> Sequence[Email]:
        """Rows of the queue, if there is still room for all of them."""
        emails = [one.email for one in prepared]
        self._admission.check_depth(tx, emails)
        for account_id in sorted({e.account_id for e in emails if e.pinned and e.account_id}):
            tx.accounts.get(account_id)
        named = sum(len(email.recipients) for email in emails)
        use_quota(tx, caller, named, now=emails[0].created_at)
        return tx.emails.add_all([(one.email, one.octets) for one in prepared])

    def _welcome(self, emails: Sequence[Email]) -> None:
        if emails:
            self._wake()
        for email in emails:
            self._tell("email_accepted", email)

    def cancel(self, email_id: int, *, caller: Caller = LOCAL) -> Email:
        """Take a waiting email back. IllegalTransition while it is being sent or has ended."""
        return self._change(
            email_id, "email_cancelled", lambda e, now: e.cancelled(now=now), caller=caller
        )

    def retry(
        self, email_id: int, *, account_id: int | None = None, caller: Caller = LOCAL
    ) -> Email:
        """Put a failed email back to the queue, with all its tries, for whoever did not get it.

        With *account_id* it goes by that account from now on. IllegalTransition, NotFound (no such
        account), InvalidInput (it never fits that account's limits), Conflict (the account that it
        stays on is gone and no other was named).
        """
        return self._try_again(
            email_id,
            "email_retried",
            lambda e, now: e.retried(now=now, policy=self._retry, account_id=account_id),
            account_id=account_id,
            caller=caller,
        )

    def resolve(
        self,
        email_id: int,
        *,
        as_sent: bool,
        account_id: int | None = None,
        caller: Caller = LOCAL,
    ) -> Email:
        """Settle an unknown outcome: somebody looked and it was sent, or it is to be sent again.

        *account_id* is for the latter, as for `retry`.
        """
        if as_sent:
            return self._change(
                email_id,
                "email_resolved",
                lambda e, now: e.resolved_as_sent(now=now),
                caller=caller,
            )
        return self._try_again(
            email_id,
            "email_resolved",
            lambda e, now: e.resent(now=now, policy=self._retry, account_id=account_id),
            account_id=account_id,
            caller=caller,
        )

    def _try_again(
        self,
        email_id: int,
        name: str,
        step: Callable[[Email, datetime], Email],
        *,
        account_id: int | None,
        caller: Caller,
    ) -> Email:
        def check(tx: Transaction, email: Email) -> None:
            if account_id is None:
                _check_account_exists(tx, email)
                return
            caller.check_account(account_id)
            _check_fits(email, tx.accounts.get(account_id))

        email = self._change(email_id, name, step, check=check, caller=caller)
        self._wake()
        return email

    def _change(
        self,
        email_id: int,
        name: str,
        step: Callable[[Email, datetime], Email],
        *,
        check: Callable[[Transaction, Email], None] = lambda tx, email: None,
        caller: Caller,
    ) -> Email:
        """The email after *step*, with the audit's entry. NotFound for one the caller sees not.

        *check* may refuse what *step* made of it.
        """
        caller.require(Scope.SEND)
        now = self._clock.now()

        def work(tx: Transaction) -> Email:
            email = seen_by(caller, tx.emails.get(email_id))
            changed = step(email, now)
            check(tx, changed)
            tx.emails.save(changed, was=email)
            status = changed.status.value
            tx.audit.add(caller.did(name, f"email {email_id}", at=now, status=status))
            return changed

        changed = self._store.write(work)
        self._tell(name, changed)
        return changed

    def _compose(
        self, draft: Draft, account: Account | None, caller: Caller, *, now: datetime
    ) -> "Prepared":
        recipients = _recipients(draft)
        domain = account.address.domain if account else "email-service.invalid"
        token = self._entropy.token()
        message_id = f"<{token}@{domain}>"
        content = Content(
            subject=draft.subject,
            html=draft.html,
            text=draft.text,
            to=tuple(r.address for r in recipients if r.kind is Kind.TO),
            cc=tuple(r.address for r in recipients if r.kind is Kind.CC),
            headers=draft.headers,
        )
        octets = compose(content, message_id=message_id, date=now, boundary=f"=_{token}")
        due = max(draft.send_at or now, now)
        email = Email(
            subject=draft.subject,
            recipients=recipients,
            priority=draft.priority,
            status=Status.SCHEDULED if due > now else Status.QUEUED,
            account_id=account.id if account else None,
            pinned=account is not None
            and (draft.account_id is not None or caller.accounts is not None),
            at_most_once=draft.at_most_once,
            smtputf8=any(recipient.address.needs_smtputf8 for recipient in recipients),
            message_id=message_id,
            size=len(octets),
            eligible_at=due,
            expires_at=due + self._retry.max_age,
            created_at=now,
            updated_at=now,
            key_id=caller.key_id,
        )
        return Prepared(email, octets)

    def _tell(self, name: str, email: Email) -> None:
        self._observe(
            Event(
                name=name,
                email_id=email.id,
                account_id=email.account_id,
                fields={"status": email.status.value, "priority": email.priority},
            )
        )


class _Choice:
    """Which account each draft of one call goes by; what they share is looked up once."""

    def __init__(
        self, tx: Transaction, caller: Caller, *, windows: WindowLengths, now: datetime
    ) -> None:
        self._tx = tx
        self._caller = caller
        self._windows = windows
        self._now = now
        self._named: dict[int, Account] = {}

    def account_for(self, draft: Draft) -> Account | None:
        """The one it names; else the roomiest, None if none is active and it stays unpinned."""
        _check_schedule(draft, now=self._now)
        if draft.account_id is not None:
            account = self._get(draft.account_id)
            _check_size(draft, account)
            return account
        if not self._usable:
            raise Conflict(_NO_ACCOUNT)
        roomiest = self._roomiest_for_urgent if draft.priority <= URGENT else self._roomiest
        if self._caller.accounts is None:
            return roomiest
        # it will be pinned: if none is active now, it waits for the first of them
        chosen = roomiest or self._usable[0]
        _check_size(draft, chosen)
        return chosen

    def _get(self, account_id: int) -> Account:
        if account_id not in self._named:
            self._caller.check_account(account_id)
            self._named[account_id] = self._tx.accounts.get(account_id)
        return self._named[account_id]

    @cached_property
    def _usable(self) -> Sequence[Account]:
        return [a for a in self._tx.accounts.all() if self._caller.may_use(a.id)]

    @cached_property
    def _roomiest(self) -> Account | None:
        return self._roomiest_of_all(urgent=False)

    @cached_property
    def _roomiest_for_urgent(self) -> Account | None:
        return self._roomiest_of_all(urgent=True)

    def _roomiest_of_all(self, *, urgent: bool) -> Account | None:
        return roomiest(self._tx, self._usable, windows=self._windows, urgent=urgent, now=self._now)


def _caught(make: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T | Refusal:
    """What *make* gives, or why this draft is refused: others may be right, or wrong too."""
    try:
        return make(*args, **kwargs)
    except (InvalidInput, NotFound, Conflict) as error:
        return error


def _by_account(
    tx: Transaction, emails: Sequence[Email]
) -> Sequence[tuple[Account, Sequence[Email]]] | None:
    """The emails by the account that each will go by; None if several might take one of them."""
    accounts = tx.accounts.all()
    active = [account for account in accounts if account.active]
    shared = active[0].id if len(active) == 1 else None
    found: dict[int, list[Email]] = {}
    for email in emails:
        account_id = email.account_id if email.pinned else shared
        if account_id is None:
            return None
        found.setdefault(account_id, []).append(email)
    return [(account, found[account.id]) for account in accounts if account.id in found]


def _waiting_for(tx: Transaction, account: Account) -> int:
    """How many emails wait that this account may have to send: its own, and those of nobody if no
    other account could take them.
    """
    own = tx.emails.waiting(account.id).waiting
    accounts = tx.accounts.all()
    if any(other.active for other in accounts if other.id != account.id):
        return own
    pinned = sum(tx.emails.waiting(each.id).waiting for each in accounts)
    return own + tx.emails.waiting().waiting - pinned


def _why_none(prepared: Sequence[Prepared | Account | Refusal | None]) -> Refusal:
    """Why nothing of a batch is accepted: all that is wrong with its fields, or the first reason.

    Each pointer begins with the place of its draft.
    """
    wrong = {place: one for place, one in enumerate(prepared) if isinstance(one, InvalidInput)}
    if not wrong:
        return next(one for one in prepared if isinstance(one, Refusal))
    errors = [
        attrs.evolve(field, pointer=f"/{place}{field.pointer}")
        for place, error in wrong.items()
        for field in error.errors
    ]
    return InvalidInput(*errors, code=next(iter(wrong.values())).code)


def _outcome(
    answer: "EmailServiceError | Future[Sequence[Email]]",
) -> "Email | EmailServiceError":
    if isinstance(answer, EmailServiceError):
        return answer
    try:
        return answer.result()[0]
    except EmailServiceError as error:
        return error


def seen_by(caller: Caller, email: Email) -> Email:
    """The email. NotFound, as if there were none, if this caller may not see it."""
    if not caller.sees(email.key_id, email.account_id):
        raise NotFound(f"there is no email {email.id}")
    return email


def roomiest(
    tx: Transaction,
    accounts: Sequence[Account],
    *,
    windows: WindowLengths,
    urgent: bool,
    now: datetime,
) -> Account | None:
    """The active account with the most room left in its limits; None if none is active.

    Only *urgent* mail may use their reserves.

    Accounts that are open now come before those that are paused or unreachable.
    """
    active = [account for account in accounts if account.active]
    usable = [a for a in active if a.state(now) is AccountState.OPEN] or active
    if len(usable) <= 1:
        return next(iter(usable), None)

    def room(account: Account) -> tuple[int, int]:
        used = tx.ledger.used(account.id, windows) if account.limits.finite() else {}
        return account.limits.room(used, urgent=urgent), -account.id

    return max(usable, key=room)


def _check_schedule(draft: Draft, *, now: datetime) -> None:
    if draft.send_at is not None and draft.send_at > now + LONGEST_SCHEDULE:
        raise InvalidInput(FieldError("/send_at", "must be at most 30 days ahead"))


def _check_size(draft: Draft, account: Account) -> None:
    most = account.limits.smallest(urgent=draft.priority <= URGENT)
    if account.limits.units(len(_recipients(draft))) > most:
        raise InvalidInput(
            FieldError(
                "/recipients",
                f"more recipients than the limits of this SMTP configuration ever allow ({most})",
            )
        )


def _check_fits(email: Email, account: Account) -> None:
    """InvalidInput if the email has more recipients than the account may ever send to at once."""
    most = account.limits.smallest(urgent=email.priority <= URGENT)
    if account.limits.units(len(email.open_recipients)) > most:
        raise InvalidInput(
            FieldError(
                "/smtp_config_id",
                f"its limits never allow so many recipients as the email has ({most} at most)",
            )
        )


def _check_account_exists(tx: Transaction, email: Email) -> None:
    """Conflict if nothing could ever take the email: its account is gone, or there is none."""
    if not email.pinned:
        if not tx.accounts.all():
            raise Conflict(_NO_ACCOUNT)
        return
    try:
        tx.accounts.get(email.account_id or 0)
    except NotFound:
        raise Conflict(
            f"email {email.id} stays on the SMTP configuration {email.account_id}, which was"
            " removed: name another one with smtp_config_id"
        ) from None


def _recipients(draft: Draft) -> tuple[Recipient, ...]:
    """Everybody once, in order, under the first field that names them."""
    if len(draft.to) == 1 and not draft.cc and not draft.bcc:
        return (Recipient(address=draft.to[0]),)
    seen: dict[Address, Recipient] = {}
    for kind, addresses in ((Kind.TO, draft.to), (Kind.CC, draft.cc), (Kind.BCC, draft.bcc)):
        for address in addresses:
            seen.setdefault(address, Recipient(address=address, kind=kind))
    return tuple(seen.values())


def _remembered(tx: Transaction, idempotency: IdempotencyKey) -> tuple[int, ...] | None:
    record = tx.idempotency.find(idempotency.key, scope=idempotency.scope)
    if record is None:
        return None
    if record.digest != idempotency.digest:
        raise IdempotencyMismatch("this Idempotency-Key came with another body before")
    return record.email_ids


def _record(
    idempotency: IdempotencyKey, email_ids: tuple[int, ...], *, now: datetime
) -> IdempotencyRecord:
    return IdempotencyRecord(
        key=idempotency.key,
        scope=idempotency.scope,
        digest=idempotency.digest,
        email_ids=email_ids,
        created_at=now,
    )

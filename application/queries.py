"""What anyone may ask: what became of an email, why it waits, how an account fares."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import attrs

from application.delivery.due import room_at
from application.delivery.whole_message import stored_messages
from application.email_changes import seen_by
from application.intake.routing import most_headroom
from application.ports.store import StoreReader, Transaction
from application.ports.system import Clock
from application.redaction import (
    attempt_elsewhere,
    email_tried_elsewhere,
    redact_account,
    redact_attempt,
    redact_email,
    redact_gate,
    shown_reason,
)
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account
from domain.account.dkim_key import DkimPair, pairs
from domain.account.limits import Window, WindowLengths, is_urgent
from domain.email.attempt import Attempt
from domain.email.detail import NOTHING, Detail
from domain.email.gates import AccountUse, Gate, gates
from domain.email.labels import Labels
from domain.email.lifecycle import Email
from domain.email.listing import ANYTHING, Page, Search
from domain.email.status import WAITING, Status
from domain.errors import NotFound
from domain.message.compose import from_line
from domain.outcome.handoff import LargeParts, pieces_with


@attrs.frozen(kw_only=True)
class EmailView:
    """An email with what a reader wants beside it; *account* is None once it was deleted."""

    email: Email
    labels: Labels
    account: Account | None
    attempts: Sequence[Attempt]
    gates: Sequence[Gate]
    now: datetime
    detail: Detail = NOTHING


@attrs.frozen(kw_only=True)
class AccountView:
    """An account with its use: *used* counts reservations too, *sent* only what was handed off.

    ``room_at`` is when there is room for one more of any priority; None while only a result can
    tell. ``dkim`` are its keys, where one account was asked for.
    """

    account: Account
    used: dict[Window, int]
    sent: dict[Window, int]
    room_at: datetime | None
    in_flight: int
    now: datetime
    dkim: Sequence[DkimPair] = ()


class Queries:
    """The reader's use cases."""

    def __init__(
        self,
        *,
        store: StoreReader,
        clock: Clock,
        windows: WindowLengths,
        hidden_reasons: Collection[str],
    ) -> None:
        """*hidden_reasons* are those that only the scope `admin` may read."""
        self._hidden = hidden_reasons
        self._store = store
        self._clock = clock
        self._windows = windows

    def email(self, email_id: int, *, caller: Caller = LOCAL) -> EmailView:
        """One email. NotFound, also for one that this caller may not see."""
        caller.require(Scope.READ)
        now = self._clock.now()
        view = self._store.read(lambda tx: self._email_view(tx, email_id, caller, now=now))
        view = _of_its_accounts(view, caller)
        return view if caller.is_admin else self._redacted(view)

    def message(self, email_id: int, *, caller: Caller = LOCAL) -> Iterator[bytes]:
        """The message of an email as it was or will be handed off, in pieces of a bounded size.

        NotFound as for `email`.

        Its From line is that of the account it was handed off through, or would be now, as this
        account is now. It has none if there is no such account, or not for this caller. Signatures
        are made at the hand-off only.
        """
        caller.require(Scope.READ)
        now = self._clock.now()

        def work(tx: Transaction) -> tuple[bytes, LargeParts | None]:
            email = seen_by(caller, tx.emails.get(email_id))
            account = self._account_of(tx, email, caller, now=now)
            sender = b"" if account is None else from_line(account.address, account.display_name)
            return stored_messages(tx, [email])[email_id].behind(sender, self._store)

        return pieces_with(*self._store.read(work))

    def emails(
        self,
        search: Search = ANYTHING,
        *,
        status: Status | None = None,
        account_id: int | None = None,
        before: int | None = None,
        limit: int,
        caller: Caller = LOCAL,
    ) -> Page:
        """One page of a list, newest first, of what this caller may see.

        With a *search* it may be shorter than *limit* though others follow; its cursor says so.
        """
        caller.require(Scope.READ)

        def work(tx: Transaction) -> Page:
            page = tx.emails.page(
                search,
                status=status,
                account_id=account_id,
                key_id=caller.owned_by,
                among=caller.accounts if caller.is_admin else None,
                before=before,
                limit=limit,
            )
            return _as_shown(tx, page, caller)

        return self._store.read(work)

    def account(self, account_id: int, *, caller: Caller = LOCAL) -> AccountView:
        """One account. NotFound, also for one that is not this caller's."""
        caller.require(Scope.READ)
        caller.check_account(account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> AccountView:
            view = self._account_view(tx, tx.accounts.get(account_id), caller, now=now)
            return attrs.evolve(view, dkim=pairs(tx.dkim_keys.of(account_id)))

        return self._store.read(work)

    def accounts(self, *, caller: Caller = LOCAL) -> Sequence[AccountView]:
        """All accounts of this caller, by id."""
        caller.require(Scope.READ)
        now = self._clock.now()
        return self._store.read(
            lambda tx: [
                self._account_view(tx, account, caller, now=now)
                for account in tx.accounts.all()
                if caller.may_use(account.id)
            ]
        )

    def ready(self) -> None:
        """StoreUnavailable if the store cannot be read."""
        self._store.ping()

    def _email_view(
        self, tx: Transaction, email_id: int, caller: Caller, *, now: datetime
    ) -> EmailView:
        email = seen_by(caller, tx.emails.get(email_id))
        account = self._account_of(tx, email, caller, now=now)
        waits = account is not None and email.status in WAITING
        urgent = is_urgent(email.priority)
        use = self._use(tx, account, urgent=urgent, now=now) if account and waits else None
        return EmailView(
            email=email,
            labels=tx.labels.of(email_id),
            account=account,
            attempts=tx.attempts.of(email_id),
            gates=gates(email, account, use, now=now),
            now=now,
            detail=tx.details.of(email_id),
        )

    def _account_of(
        self, tx: Transaction, email: Email, caller: Caller, *, now: datetime
    ) -> Account | None:
        """The account it is or was handed off through, or the one it would go to next.

        Only one that this caller may know: of the others it is as if they were not there.
        """
        if email.status in WAITING and not email.pinned:
            urgent = is_urgent(email.priority)
            known = [account for account in tx.accounts.all() if caller.may_use(account.id)]
            best = most_headroom(tx.ledger, known, windows=self._windows, urgent=urgent, now=now)
            if best is not None:
                return best
        if email.account_id is None or not caller.may_use(email.account_id):
            return None
        try:
            return tx.accounts.get(email.account_id)
        except NotFound:
            return None

    def _redacted(self, view: EmailView) -> EmailView:
        last = view.attempts[-1] if view.attempts else None
        account = view.account and redact_account(view.account, hidden=self._hidden)
        return attrs.evolve(
            view,
            email=redact_email(view.email, last),
            account=account,
            attempts=[redact_attempt(attempt) for attempt in view.attempts],
            gates=[redact_gate(gate) for gate in view.gates],
        )

    def _account_view(
        self, tx: Transaction, account: Account, caller: Caller, *, now: datetime
    ) -> AccountView:
        totals = tx.ledger.totals(account.id, self._windows)
        return AccountView(
            account=account if caller.is_admin else redact_account(account, hidden=self._hidden),
            used={window: units for window, (units, _) in totals.items()},
            sent={window: number for window, (_, number) in totals.items()},
            room_at=room_at(tx.ledger, account, self._windows, urgent=False, now=now),
            in_flight=tx.emails.waiting(account.id).sending,
            now=now,
        )

    def _use(self, tx: Transaction, account: Account, *, urgent: bool, now: datetime) -> AccountUse:
        return AccountUse(
            used=tx.ledger.used(account.id, self._windows),
            room_at=room_at(tx.ledger, account, self._windows, urgent=urgent, now=now),
        )


def _as_shown(tx: Transaction, page: Page, caller: Caller) -> Page:
    """The page with as much of each reason as this caller may see."""
    if caller.is_admin and caller.accounts is None:
        return page
    reasons = {row.id: row.reason_code for row in page.emails if row.reason_code is not None}
    attempts = tx.attempts.of_all(tuple(reasons))
    shown = {
        email_id: shown_reason(reason, attempts.get(email_id, ()), caller)
        for email_id, reason in reasons.items()
    }
    emails = tuple(attrs.evolve(row, reason_code=shown.get(row.id)) for row in page.emails)
    return attrs.evolve(page, emails=emails)


def _of_its_accounts(view: EmailView, caller: Caller) -> EmailView:
    """The view without what the accounts that are not this caller's have to do with it."""
    elsewhere = {a.attempt_no for a in view.attempts if not caller.may_use(a.account_id)}
    if not elsewhere:
        return view
    ended = [a.attempt_no for a in view.attempts if a.ended_at is not None]
    own = [a.reply for a in view.attempts if a.attempt_no not in elsewhere]
    last = bool(ended) and ended[-1] in elsewhere
    return attrs.evolve(
        view,
        email=email_tried_elsewhere(view.email, own=own, last=last),
        attempts=[attempt_elsewhere(a) if a.attempt_no in elsewhere else a for a in view.attempts],
    )

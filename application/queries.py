"""What anyone may ask about emails: what became of one, and why it waits."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import attrs

from application.delivery.due import room_at
from application.delivery.whole_message import stored_messages
from application.email_changes import seen_by
from application.forecasting import Forecasting, ForecastPolicy
from application.hold_ups import hold_ups_of
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
    shown_bounces,
    shown_reason,
)
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account
from domain.account.limits import is_urgent
from domain.bounce.bounce import Bounce, BounceType
from domain.email.attempt import Attempt
from domain.email.detail import NOTHING, Detail
from domain.email.forecast import Expected
from domain.email.gates import AccountUse, Gate, gates
from domain.email.labels import Labels
from domain.email.lifecycle import Email
from domain.email.listing import ANYTHING, EmailSummary, Page, Search, lower_ascii
from domain.email.status import TERMINAL, WAITING, Status
from domain.errors import ContentPurged, NotFound
from domain.event.alert import AlertRecord
from domain.message.client_headers import reference_of
from domain.message.compose import from_line
from domain.outcome.handoff import LargeParts, pieces_with

MOST_NAMESAKES: Final = 100  # emails with one Message-ID that are looked at


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
    content_purged_at: datetime | None = None
    bounces: Sequence[Bounce] = ()
    expected: Expected | None = None

    @property
    def provider_message_id(self) -> str | None:
        """What the server that accepted it last calls it; None if none has, or it has not said."""
        names = [attempt.provider_message_id for attempt in self.attempts]
        return next((name for name in reversed(names) if name is not None), None)


class Queries:
    """The reader's use cases about emails, and the alerts."""

    def __init__(
        self,
        *,
        store: StoreReader,
        clock: Clock,
        forecasts: ForecastPolicy,
        hidden_reasons: Collection[str],
    ) -> None:
        """*hidden_reasons* are those that only the scope `admin` may read."""
        self._hidden = hidden_reasons
        self._store = store
        self._clock = clock
        self._forecasts = forecasts
        self._windows = forecasts.windows

    def email(
        self, email_id: int, *, with_forecast: bool = False, caller: Caller = LOCAL
    ) -> EmailView:
        """One email. NotFound, also for one that this caller may not see."""
        caller.require(Scope.READ)
        now = self._clock.now()

        def work(tx: Transaction) -> EmailView:
            view = self._email_view(tx, email_id, caller, now=now)
            if not with_forecast or not view.gates or view.account is None:
                return view
            expected = Forecasting(tx, self._forecasts, now=now, caller=caller).of_email(view.email)
            return attrs.evolve(view, expected=expected)

        view = self._store.read(work)
        view = _of_its_accounts(view, caller)
        return view if caller.is_admin else self._redacted(view)

    def with_message_id(self, message_id: str, *, caller: Caller = LOCAL) -> EmailView:
        """The newest email with this Message-ID, of those that this caller may see. NotFound.

        It is in angle brackets. One that a client chose may be that of several emails.
        """
        caller.require(Scope.READ)

        def work(tx: Transaction) -> int:
            reference = reference_of(message_id)
            for email_id in tx.bounces.by_reference(reference, among=None, limit=MOST_NAMESAKES):
                with suppress(NotFound):
                    email = seen_by(caller, tx.emails.get(email_id))
                    if email.message_id == message_id:
                        return email.id
            raise NotFound("Email not found")

        return self.email(self._store.read_latest(work), caller=caller)

    def email_of(self, reference: str, *, recipients: Sequence[str]) -> int | None:
        """The newest email with this reference in its X-Email-Ref and one of these recipients."""
        among = sorted({lower_ascii(one) for one in recipients})
        if not among:
            return None
        found = self._store.read(
            lambda tx: tx.bounces.by_reference(reference, among=among, limit=1)
        )
        return next(iter(found), None)

    def message(self, email_id: int, *, caller: Caller = LOCAL) -> Iterator[bytes]:
        """The message of an email as it was or will be handed off, in pieces of a bounded size.

        NotFound as for `email`; ContentPurged if it was removed.

        Its From line is that of the account it was handed off through, or would be now, as this
        account is now. It has none if there is no such account, or not for this caller. Signatures
        are made at the hand-off only.
        """
        caller.require(Scope.READ)
        now = self._clock.now()

        def work(tx: Transaction) -> tuple[bytes, LargeParts | None]:
            email = seen_by(caller, tx.emails.get(email_id))
            if _purged_at(tx, email) is not None:
                raise ContentPurged(email_id)
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

    def reports(
        self, emails: Sequence[EmailSummary], *, caller: Caller = LOCAL
    ) -> Mapping[int, Collection[BounceType]]:
        """What kinds of reports came back of each of *emails*, a page that this caller was given,
        by the email's id.
        """
        caller.require(Scope.READ)
        ids = [email.id for email in emails]
        return self._store.read_latest(lambda tx: tx.bounces.types_of(ids)) if ids else {}

    def hold_ups(
        self, emails: Sequence[EmailSummary], *, caller: Caller = LOCAL
    ) -> Mapping[int, Gate]:
        """What each of *emails* waits for, a page that this caller was given, by the email's id."""
        caller.require(Scope.READ)
        now = self._clock.now()
        found = self._store.read_latest(
            lambda tx: hold_ups_of(tx, emails, caller, windows=self._windows, now=now)
        )
        if caller.is_admin:
            return found
        return {email_id: redact_gate(gate) for email_id, gate in found.items()}

    def alerts(self, *, limit: int, caller: Caller = LOCAL) -> Sequence[AlertRecord]:
        """The last alert of each account and reason, the newest first. Forbidden without admin, or
        for some accounts only.
        """
        caller.require(Scope.ADMIN)
        caller.require_every_account("see all alerts")
        return self._store.read_latest(lambda tx: tx.watch.alerts(limit=limit))

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
            gates=gates(email, account, use, open_count=len(email.open_recipients), now=now),
            now=now,
            detail=tx.details.of(email_id),
            content_purged_at=_purged_at(tx, email),
            bounces=shown_bounces(tx.bounces.of(email_id), email, caller),
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

    def _use(self, tx: Transaction, account: Account, *, urgent: bool, now: datetime) -> AccountUse:
        return AccountUse(
            used=tx.ledger.used(account.id, self._windows),
            room_at=room_at(tx.ledger, account, self._windows, urgent=urgent, now=now),
        )


def _purged_at(tx: Transaction, email: Email) -> datetime | None:
    """When its message was removed, if it was: not while it may be sent."""
    return tx.retention.content_purged_at(email.id) if email.status in TERMINAL else None


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

"""Accepting emails, whichever way they come in."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, ParamSpec, TypeAlias, TypeVar

import attrs

from application.forecasting import Forecasting, ForecastPolicy
from application.intake.acceptance import Acceptance, PreparedCall, Stored
from application.intake.admission import Admission
from application.intake.budget import Budget
from application.intake.composer import Composer
from application.intake.draft import Draft
from application.intake.idempotency import IdempotencyKey, remembered
from application.intake.prepared import Prepared
from application.intake.quota import quota_of
from application.intake.routing import Routing
from application.intake.storing import large_of
from application.ports.store import Store, Transaction
from application.ports.system import Clock
from application.rate_limit import VainWork
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account
from domain.email.forecast import Forecast
from domain.email.lifecycle import Email
from domain.errors import Conflict, EmailServiceError, InvalidInput, NotFound, TooMany
from domain.intake import IntakeLimits

T = TypeVar("T")
P = ParamSpec("P")

# What concerns one draft alone; anything else concerns the call.
Refusal: TypeAlias = InvalidInput | NotFound | Conflict

# Recipients of refused calls: two batches as large as they may be, then what takes a process a
# twentieth of its time (an international address takes a millisecond to validate).
FREE_IN_VAIN: Final = 20_000
IN_VAIN_A_SECOND: Final = 50.0


@attrs.frozen
class Accepted:
    """Emails that were stored together, and what to expect of them.

    *emails* are as they were stored; there are none where the same call was made before.
    """

    ids: tuple[int, ...]
    forecast: Forecast
    emails: Sequence[Email] = ()


@attrs.frozen
class Call:
    """A call of one email; *idempotency* is what makes another one the same."""

    draft: Draft
    idempotency: IdempotencyKey | None = None


@attrs.frozen
class Choice:
    """The account of each draft, or why it is refused, and the *size* that all of them take."""

    accounts: "Sequence[Account | Refusal | None]"
    size: int | None


class Submission:
    """The client's use cases."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        admission: Admission,
        acceptance: Acceptance,
        composer: Composer,
        forecasts: ForecastPolicy,
    ) -> None:
        self._store = store
        self._clock = clock
        self._admission = admission
        self._acceptance = acceptance
        self._composer = composer
        self._files = composer.files
        self._limits = composer.limits
        self._windows = composer.windows
        self._forecasts = forecasts
        self._in_vain = VainWork(free=FREE_IN_VAIN, rate=IN_VAIN_A_SECOND, clock=clock)

    @property
    def limits(self) -> IntakeLimits:
        """How large an email and a call may be."""
        return self._limits

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
                quota=quota_of(tx.key_usage, caller, now=now),
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
        """The ids that a call with this idempotency key got before; None if there was none.

        IdempotencyMismatch if it came with another body. *digest* is asked only if there was one.
        """
        if self._store.read_latest(lambda tx: tx.idempotency.find(key, scope=scope)) is None:
            return None
        idempotency = IdempotencyKey(key=key, scope=scope, digest=digest())
        return _known(self._store, idempotency)

    def prepare(self, drafts: Sequence[Draft], caller: Caller) -> Sequence[Prepared]:
        """What would be stored of *drafts*. All of them or none; errors as of `submit`."""
        now = self._clock.now()
        chosen = self._choose(drafts, caller, now=now)
        if any(isinstance(one, Refusal) for one in chosen.accounts):
            raise _batch_error(chosen.accounts)  # before any is composed: that is what costs
        prepared = self._compose_each(drafts, chosen, caller, now=now)
        right = [one for one in prepared if isinstance(one, Prepared)]
        if len(right) < len(prepared):
            raise _batch_error(prepared)
        return right

    def submit(
        self,
        drafts: Sequence[Draft],
        *,
        idempotency: IdempotencyKey | None = None,
        caller: Caller = LOCAL,
        with_forecast: bool = False,
    ) -> Accepted:
        """The accepted emails, in order; they are durable when this returns. All of them or none.

        What a caller of some accounts leaves unpinned is pinned to the one with most headroom.
        InvalidInput, which names the place of each draft that is wrong, Forbidden, NotFound (no
        such account), Conflict (no account at all), IdempotencyMismatch, TooMany, Unavailable.
        """
        if not drafts:
            return Accepted((), Forecast())
        _check_number(drafts, self._limits)
        try:
            right = self.prepare(drafts, caller)
        except (InvalidInput, NotFound, Conflict):
            # an account or a template may have changed since the call was made for the first time
            known = None if idempotency is None else _known(self._store, idempotency)
            if known is None:
                raise
            return Accepted(known, Forecast())
        self._files.store(large_of(right))
        now = right[0].email.created_at
        forecast = self.expect(right, now=now) if with_forecast else Forecast()
        stored = self._acceptance.store(PreparedCall(right, idempotency), caller)
        return Accepted(stored.ids, forecast if stored.emails else Forecast(), stored.emails)

    def submit_if(
        self,
        draft: Draft,
        *,
        wanted: Callable[[Transaction], bool],
        stored: Callable[[Transaction, int], object],
    ) -> int | None:
        """Store one email of ours if it is *wanted* by then; its id, or None.

        Both are called in the work that stores it, *stored* with its id. Errors as of `submit`.
        """
        prepared = self.prepare((draft,), LOCAL)
        added = self._acceptance.store_if(prepared, LOCAL, wanted=wanted, stored=stored)
        return added[0].id if added else None

    def submit_each(
        self, drafts: Sequence[Draft], *, caller: Caller = LOCAL
    ) -> tuple[Sequence[int | EmailServiceError], Forecast]:
        """For each draft its id, or the error of `submit` for it alone; and when they go."""
        _check_number(drafts, self._limits)
        prepared = self._prepare_each(drafts, caller)
        right = [one for one in prepared if isinstance(one, Prepared)]
        self._files.store(large_of(right))
        forecast = self.expect(right, now=self._clock.now())
        stored = iter(self._acceptance.store_each([PreparedCall((one,)) for one in right], caller))
        outcomes = [next(stored) if isinstance(one, Prepared) else one for one in prepared]
        return [one.ids[0] if isinstance(one, Stored) else one for one in outcomes], forecast

    def prepare_calls(
        self, calls: Sequence[Call], *, caller: Caller
    ) -> "Sequence[PreparedCall | Stored | Refusal]":
        """What would be stored of *calls* that came at once; what each got that came before.

        Errors that concern all of them as of `submit`.
        """
        prepared = self._prepare_each([call.draft for call in calls], caller)
        self._files.store(large_of([one for one in prepared if isinstance(one, Prepared)]))
        return [
            PreparedCall((one,), call.idempotency)
            if isinstance(one, Prepared)
            else _before(self._store, call, refusal=one)
            for call, one in zip(calls, prepared, strict=True)
        ]

    def store_calls(
        self, prepared: "Sequence[PreparedCall | Stored | Refusal]", *, caller: Caller
    ) -> Sequence[Stored | EmailServiceError]:
        """What became of the calls; those that could be prepared share a commit if they can."""
        right = [one for one in prepared if isinstance(one, PreparedCall)]
        stored = iter(self._acceptance.store_each(right, caller))
        return [next(stored) if isinstance(one, PreparedCall) else one for one in prepared]

    def _prepare_each(
        self, drafts: Sequence[Draft], caller: Caller
    ) -> "Sequence[Prepared | Refusal]":
        now = self._clock.now()
        chosen = self._choose(drafts, caller, now=now)
        return self._compose_each(drafts, chosen, caller, now=now)

    def _choose(self, drafts: Sequence[Draft], caller: Caller, *, now: datetime) -> "Choice":
        """The account of each draft, or why it is refused whatever it holds.

        And the size up to which a message is taken by whichever account it goes by.
        """
        caller.require(Scope.SEND)
        if any(draft.bypassed for draft in drafts):
            caller.require(Scope.ADMIN)
        self._admission.check()

        def choose(tx: Transaction) -> Choice:
            choice = Routing(tx, caller, windows=self._windows, now=now)
            accounts = [_caught(choice.account_for, draft) for draft in drafts]
            return Choice(accounts, choice.smallest_size)

        return self._store.read_latest(choose)

    def _compose_each(
        self,
        drafts: Sequence[Draft],
        choice: "Choice",
        caller: Caller,
        *,
        now: datetime,
    ) -> Sequence["Prepared | Refusal"]:
        composer = self._composer.of_call(drafts, caller, taken_by_all=choice.size, now=now)
        return [
            account if isinstance(account, Refusal) else _caught(composer.prepare, draft, account)
            for draft, account in zip(drafts, choice.accounts, strict=True)
        ]

    def expect(self, prepared: Sequence[Prepared], *, now: datetime) -> Forecast:
        """When they go if they are stored now, behind what waits."""
        emails = [one.email for one in prepared]
        if not emails:
            return Forecast()
        return self._store.read_latest(
            lambda tx: Forecasting(tx, self._forecasts, now=now).of_batch(emails)
        )


def _check_number(drafts: Sequence[Draft], limits: IntakeLimits) -> None:
    """InvalidInput for more emails or recipients than one call may have."""
    if len(drafts) > 1:
        errors = limits.errors_of_call([draft.number_of_recipients for draft in drafts])
        if errors:
            raise InvalidInput(*errors)


def _known(store: Store, idempotency: IdempotencyKey) -> tuple[int, ...] | None:
    """The ids that the same call got before."""
    return store.read_latest(lambda tx: remembered(tx.idempotency, idempotency))


def _before(store: Store, call: Call, *, refusal: Refusal) -> Stored | Refusal:
    """What *call* got before: an account or a template may have changed since."""
    if call.idempotency is None:
        return refusal
    try:
        known = _known(store, call.idempotency)
    except Conflict as mismatch:
        return mismatch
    return refusal if known is None else Stored(known)


def _caught(make: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T | Refusal:
    """What *make* gives, or why this draft is refused: others may be right, or wrong too."""
    try:
        return make(*args, **kwargs)
    except (InvalidInput, NotFound, Conflict) as error:
        return error


def _batch_error(prepared: Sequence[Prepared | Account | Refusal | None]) -> Refusal:
    """Why nothing of a batch is accepted: all that is wrong with its fields, or the first reason.

    Each error has the place of its draft.
    """
    wrong = {place: one for place, one in enumerate(prepared) if isinstance(one, InvalidInput)}
    if not wrong:
        return next(one for one in prepared if isinstance(one, Refusal))
    errors = [
        attrs.evolve(field, index=place) for place, error in wrong.items() for field in error.errors
    ]
    first = next(iter(wrong.values()))
    kind = type(first) if all(type(error) is type(first) for error in wrong.values()) else None
    return (kind or InvalidInput)(*errors, code=first.code)

"""What anyone may ask about accounts: how one fares, and when what waits for it goes."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import attrs

from application.delivery.due import room_at
from application.forecasting import Forecasting, ForecastPolicy, WindowUse
from application.ports.store import StoreReader, Transaction
from application.ports.system import Clock
from application.redaction import UNREAD, redact_account
from domain.access import LOCAL, Caller, Scope
from domain.account.account import Account
from domain.account.dkim_key import DkimPair, pairs
from domain.account.inbox import Inbox
from domain.account.limits import Window
from domain.account.oauth_credentials import Credentials
from domain.email.forecast import Expected


@attrs.frozen(kw_only=True)
class AccountView:
    """An account with its use: *used* counts reservations too, *sent* only what was handed off.

    ``room_at`` is when there is room for one more of any priority; None while only a result can
    tell. ``dkim`` are its keys and ``credentials`` those of OAuth, where one account was asked
    for.
    """

    account: Account
    used: dict[Window, int]
    sent: dict[Window, int]
    room_at: datetime | None
    in_flight: int
    now: datetime
    dkim: Sequence[DkimPair] = ()
    credentials: Credentials | None = None
    inbox: Inbox | None = None


@attrs.frozen(kw_only=True)
class AccountForecast:
    """When what waits for an account goes: *waiting* by its name, *shared* for any account (None
    for a caller who may not see that).
    """

    account: Account
    waiting: int
    shared: int | None
    expected: Expected
    windows: Sequence[WindowUse]


class AccountQueries:
    """The reader's use cases about accounts."""

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

    def account(self, account_id: int, *, caller: Caller = LOCAL) -> AccountView:
        """One account. NotFound, also for one that is not this caller's."""
        caller.require(Scope.READ)
        caller.check_account(account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> AccountView:
            view = self._account_view(tx, tx.accounts.get(account_id), caller, now=now)
            return attrs.evolve(
                view,
                dkim=pairs(tx.dkim_keys.of(account_id)),
                credentials=_credentials(tx, view.account, caller),
                inbox=_inbox(tx, account_id, caller),
            )

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

    def account_names(self, *, caller: Caller = LOCAL) -> Mapping[int, str]:
        """The names of all accounts of this caller by their ids, in the order of the names."""
        caller.require(Scope.READ)
        accounts = self._store.read_latest(lambda tx: tx.accounts.all())
        seen = [(one.name, one.id) for one in accounts if caller.may_use(one.id)]
        return {account_id: name for name, account_id in sorted(seen)}

    def forecast(self, account_id: int, *, caller: Caller = LOCAL) -> AccountForecast:
        """When what waits for an account goes. NotFound, also for one that is not this caller's."""
        caller.require(Scope.READ)
        caller.check_account(account_id)
        now = self._clock.now()

        def work(tx: Transaction) -> AccountForecast:
            account = tx.accounts.get(account_id)
            forecasting = Forecasting(tx, self._forecasts, now=now, caller=caller)
            return AccountForecast(
                account=account,
                waiting=tx.emails.depth(account_id),
                shared=tx.emails.depth(None) if caller.accounts is None else None,
                expected=forecasting.of_account(account),
                windows=forecasting.windows_of(account),
            )

        return self._store.read(work)

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


def _inbox(tx: Transaction, account_id: int, caller: Caller) -> Inbox | None:
    inbox = tx.inboxes.find(account_id)
    if inbox is None or caller.is_admin or not inbox.last_error:
        return inbox
    return attrs.evolve(inbox, last_error=UNREAD)  # it may tell how the network around here looks


def _credentials(tx: Transaction, account: Account, caller: Caller) -> Credentials | None:
    """What it has; what the authorization server said is for those with the scope admin."""
    if account.oauth is None:
        return None
    found = tx.credentials.find(account.id)
    if found is None or caller.is_admin:
        return found
    return attrs.evolve(found, last_error="")

"""What admins do with webhooks: add, change, try, replay, remove.

Nothing here calls a receiver: a test and a replay are deliveries that the outbox makes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from application.ports.store import Store, Transaction
from application.ports.system import Clock, Entropy, Vault
from domain.access import LOCAL, Caller, Scope
from domain.account.network import NetworkPolicy
from domain.account.web_url import web_url
from domain.errors import Conflict, FieldError, InvalidInput
from domain.event.event import EventFilter
from domain.event.types import EventType
from domain.webhook.delivery import Delivery, WebhookAttempt, message_id
from domain.webhook.signature import secret_text
from domain.webhook.webhook import (
    EVERY_TYPE,
    MOST_WEBHOOKS,
    DisabledReason,
    Webhook,
    no_webhook,
    sealed_for,
)

REPLAYED_AT_ONCE: Final = 1000  # ids that one call looks at
MOST_REPLAYED: Final = 10_000  # deliveries that may wait when a replay adds some


@attrs.frozen(kw_only=True)
class Listed:
    """A webhook, and how many deliveries wait for it.

    *untold_since* is when the oldest event happened that it was not told and that does not wait as
    a delivery either: of one that is active that is some seconds ago at most, while a process
    calls, fewer deliveries wait than may, and no transaction on the database's server holds events
    back.
    """

    webhook: Webhook
    waiting: int
    untold_since: datetime | None = None


@attrs.frozen(kw_only=True)
class WebhookWish:
    """What is asked for; None leaves it as it is."""

    url: str | None = None
    types: frozenset[str] | None = None
    active: bool | None = None


@attrs.frozen(kw_only=True)
class Replayed:
    """How many events will be told again, and the id at which to go on; None: that was all."""

    number: int
    next_id: int | None


class WebhookRegistry:
    """The use cases about webhooks; all of them take the scope `admin`."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        vault: Vault,
        network: NetworkPolicy,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._vault = vault
        self._network = network

    def add(
        self, url: str, types: frozenset[str], *, caller: Caller = LOCAL
    ) -> tuple[Webhook, str]:
        """A webhook that is told what happens from now on, and its secret, shown this once.

        InvalidInput; Conflict if there are too many.
        """
        caller.require(Scope.ADMIN)
        self._check(url, types)
        now = self._clock.now()
        secret = self._new_secret()

        def work(tx: Transaction) -> Webhook:
            if len(tx.webhooks.all()) >= MOST_WEBHOOKS:
                raise Conflict(f"there are {MOST_WEBHOOKS} webhooks already: delete one first")
            added = tx.webhooks.add(
                Webhook(
                    url=url,
                    types=types,
                    accounts=caller.accounts,
                    sealed_secret=b"",
                    position=tx.events.end(),
                    created_at=now,
                    updated_at=now,
                )
            )
            sealed = self._vault.seal(secret, context=sealed_for(added.id))
            webhook = attrs.evolve(added, sealed_secret=sealed)
            tx.webhooks.save(webhook)
            _note(tx, caller, "webhook_created", webhook, at=now)
            return webhook

        return self._store.write(work), secret

    def all(self, *, caller: Caller = LOCAL) -> Sequence[Listed]:
        """Those of this caller, by id."""
        caller.require(Scope.ADMIN)
        return self._store.read(
            lambda tx: [
                _listed(tx, webhook)
                for webhook in tx.webhooks.all()
                if webhook.may_be_seen(caller.accounts)
            ]
        )

    def get(self, webhook_id: int, *, caller: Caller = LOCAL) -> Listed:
        """One of them. NotFound."""
        caller.require(Scope.ADMIN)
        return self._store.read(
            lambda tx: _listed(tx, _visible(tx.webhooks.get(webhook_id), caller))
        )

    def change(self, webhook_id: int, wish: WebhookWish, *, caller: Caller = LOCAL) -> Listed:
        """Change it, disable it or enable it again. NotFound, InvalidInput.

        One that is enabled again is told all that it was not told, as far as events are kept.
        """
        caller.require(Scope.ADMIN)
        self._check(wish.url, wish.types)
        now = self._clock.now()

        def work(tx: Transaction) -> Listed:
            was = _visible(tx.webhooks.lock(webhook_id), caller)
            webhook = attrs.evolve(
                was,
                url=was.url if wish.url is None else wish.url,
                types=was.types if wish.types is None else wish.types,
                updated_at=now,
            )
            if wish.active is False and webhook.active:
                webhook = webhook.disable(DisabledReason.REQUEST, at=now)
            if wish.active is True and not webhook.active:
                webhook = webhook.enable()
                tx.webhooks.hasten(webhook_id, now=now)
            tx.webhooks.save(webhook)
            _note(tx, caller, "webhook_changed", webhook, at=now)
            return _listed(tx, webhook)

        return self._store.write(work)

    def rotate(self, webhook_id: int, *, caller: Caller = LOCAL) -> tuple[Listed, str]:
        """The webhook with a new secret, shown this once; the old one signs too for a day.

        NotFound.
        """
        caller.require(Scope.ADMIN)
        now = self._clock.now()
        secret = self._new_secret()

        def work(tx: Transaction) -> Listed:
            was = _visible(tx.webhooks.lock(webhook_id), caller)
            sealed = self._vault.seal(secret, context=sealed_for(webhook_id))
            webhook = was.with_secret(sealed, at=now)
            tx.webhooks.save(webhook)
            _note(tx, caller, "webhook_secret_rotated", webhook, at=now)
            return _listed(tx, webhook)

        return self._store.write(work), secret

    def remove(self, webhook_id: int, *, caller: Caller = LOCAL) -> None:
        """Remove it with all that waits for it. NotFound."""
        caller.require(Scope.ADMIN)
        now = self._clock.now()

        def work(tx: Transaction) -> None:
            webhook = _visible(tx.webhooks.lock(webhook_id), caller)
            tx.webhooks.remove(webhook_id)
            _note(tx, caller, "webhook_deleted", webhook, at=now)

        self._store.write(work)

    def test(self, webhook_id: int, *, caller: Caller = LOCAL) -> str:
        """Have it called once, for nothing; the id of that message. NotFound; Conflict."""
        caller.require(Scope.ADMIN)
        now = self._clock.now()
        number = -int(now.timestamp() * 1_000_000)

        def work(tx: Transaction) -> None:
            _active(_visible(tx.webhooks.lock(webhook_id), caller))
            _check_room(tx, webhook_id)
            tx.webhooks.put_deliveries(
                [Delivery(webhook_id=webhook_id, event_id=number, next_at=now)]
            )

        self._store.write(work)
        return message_id(number)

    def replay(self, webhook_id: int, *, first: int, last: int, caller: Caller = LOCAL) -> Replayed:
        """Tell it again the events from *first* to *last* by their ids, those that it is told.

        A call looks at a bounded number of ids. NotFound; Conflict while too much waits.
        """
        caller.require(Scope.ADMIN)
        now = self._clock.now()

        def work(tx: Transaction) -> Replayed:
            webhook = _active(_visible(tx.webhooks.lock(webhook_id), caller))
            _check_room(tx, webhook_id)
            # where several processes write, some ids are higher than that of the last event
            there = min(last, tx.events.end().id + REPLAYED_AT_ONCE)
            up_to = min(there, first + REPLAYED_AT_ONCE - 1)
            asked = EventFilter(types=webhook.event_types, accounts=webhook.accounts)
            found = tx.events.between(first, up_to, asked)
            tx.webhooks.put_deliveries(
                Delivery(webhook_id=webhook_id, event_id=event.id, next_at=now) for event in found
            )
            _note(tx, caller, "webhook_replayed", webhook, at=now, number=len(found))
            return Replayed(number=len(found), next_id=up_to + 1 if up_to < there else None)

        return self._store.write(work)

    def attempts(
        self, webhook_id: int, *, before: int | None = None, limit: int, caller: Caller = LOCAL
    ) -> Sequence[WebhookAttempt]:
        """Up to *limit* of its calls, the last first. NotFound."""
        caller.require(Scope.ADMIN)

        def work(tx: Transaction) -> Sequence[WebhookAttempt]:
            _visible(tx.webhooks.get(webhook_id), caller)
            return tx.webhooks.attempts(webhook_id, before=before, limit=limit)

        return self._store.read(work)

    def _check(self, url: str | None, types: frozenset[str] | None) -> None:
        if url is not None:
            web_url(url, network=self._network)
        if types is not None:
            check_types(types)

    def _new_secret(self) -> str:
        return secret_text(bytes.fromhex(self._entropy.token() + self._entropy.token()))


def check_types(types: frozenset[str]) -> None:
    """InvalidInput unless it names at least one type, and only known ones or all."""
    known = {EVERY_TYPE, *EventType}
    if not types or types - known:
        raise InvalidInput(
            FieldError("events", f'must name types of events, or "{EVERY_TYPE}" for the usual ones')
        )


def _visible(webhook: Webhook, caller: Caller) -> Webhook:
    if not webhook.may_be_seen(caller.accounts):
        raise no_webhook(webhook.id)
    return webhook


def _active(webhook: Webhook) -> Webhook:
    if not webhook.active:
        raise Conflict(f"the webhook {webhook.id} is disabled: enable it first")
    return webhook


def _check_room(tx: Transaction, webhook_id: int) -> None:
    if tx.webhooks.waiting(webhook_id) >= MOST_REPLAYED:
        raise Conflict(f"{MOST_REPLAYED} deliveries wait for this webhook: try again later")


def _listed(tx: Transaction, webhook: Webhook) -> Listed:
    asked = EventFilter(types=webhook.event_types, accounts=webhook.accounts)
    return Listed(
        webhook=webhook,
        waiting=tx.webhooks.waiting(webhook.id),
        untold_since=tx.events.oldest_behind(webhook.position, asked),
    )


def _note(
    tx: Transaction,
    caller: Caller,
    action: str,
    webhook: Webhook,
    *,
    at: datetime,
    **detail: int,
) -> None:
    tx.audit.add(caller.did(action, f"webhook {webhook.id}", at=at, **detail))

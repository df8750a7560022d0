"""A service with an account in each state, mail that waits, and mail that failed."""

from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from adapters.fakes.clock import FakeClock
from adapters.fakes.memory_store import MemoryStore
from application import Application
from application.ports.store import Transaction
from domain.account.account import Account
from domain.account.congestion import Breaker
from domain.account.health import BY_HAND, Health, LearnedLimit, Pause
from domain.account.inbox import Inbox
from domain.account.limits import Limits, Window
from domain.address import Address
from domain.email.status import Status
from domain.event.alert import AlertRecord
from domain.event.growth import Growth
from domain.webhook.webhook import DisabledReason
from tests.applications import an_application
from tests.builders import OCTETS, a_pinned_email, a_webhook, an_account, an_email, an_oauth_client

SCRIPT: Final = "<script>alert('x')</script>"
HANDLER: Final = '"onmouseover="alert(1)" x="'
REVERSED: Final = "\N{RIGHT-TO-LEFT MARK}\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET}com.knab"
LONG: Final = "x" * 200


@attrs.define(kw_only=True)
class Troubled:
    """The service; *ids* are the accounts by what is the matter with them."""

    application: Application
    store: MemoryStore
    clock: FakeClock
    ids: dict[str, int] = attrs.field(factory=dict)

    def add(self, matter: str, *, health: Health | None = None, **fields: Any) -> int:
        """An account, called like its trouble unless *fields* name it."""
        address = Address.parse(f"{matter.replace('_', '-')}@example.com")
        values = {"name": matter, "address": address, "health": health or Health(), **fields}
        account = an_account(**values)
        self.ids[matter] = self.store.write(lambda tx: tx.accounts.add(account)).id
        return self.ids[matter]

    def pause(self, reason: str, text: str = "", until: datetime | None = None) -> Health:
        """Paused since an hour ago."""
        since = self.clock.now() - timedelta(hours=1)
        return Health(pause=Pause(reason=reason, text=text, since=since, until=until))

    def wait(self, number: int, account_id: int | None = None, **fields: Any) -> None:
        """Emails that wait for an account, or for any."""
        now = self.clock.now()
        times = {"eligible_at": now, "expires_at": now + timedelta(days=3), "created_at": now}
        make = an_email if account_id is None else a_pinned_email
        given = () if account_id is None else (account_id,)
        email = make(*given, **{**times, "updated_at": now, **fields})
        self.store.write(lambda tx: tx.emails.add_all([(email, OCTETS)] * number))

    def fail(self, number: int, reason: str | None, account_id: int | None = None) -> None:
        """Emails that failed an hour ago."""
        at = self.clock.now() - timedelta(hours=1)

        def work(tx: Transaction) -> None:
            for _ in range(number):
                new = tx.emails.add(an_email(account_id=account_id), OCTETS)
                failed = new.changed(status=Status.FAILED, reason_code=reason, updated_at=at)
                tx.emails.save(failed, was=new)
                tx.throughput.end(failed)

        self.store.write(work)

    def account(self, matter: str) -> Account:
        """As it stands."""
        return self.store.read(lambda tx: tx.accounts.get(self.ids[matter]))


def a_quiet_service(**ports: Any) -> Troubled:
    """One without any account, on a store that a test can write to."""
    clock = ports.pop("clock", None) or FakeClock()
    store = MemoryStore(clock=clock)
    application = an_application(closed=True, store=store, clock=clock, **ports)
    return Troubled(application=application, store=store, clock=clock)


def a_troubled_service(**ports: Any) -> Troubled:
    """One of every trouble."""
    service = a_quiet_service(**ports)
    now, pause = service.clock.now(), service.pause
    service.add("open", limits=Limits(daily=500, hourly=50, minute=20))
    service.add("by_hand", health=pause(BY_HAND, "the newsletter has a wrong link"))
    service.add("auth_failed", health=pause("auth_failed", "535 5.7.8 bad credentials"))
    service.add("password_missing", health=pause("password_missing"), sealed_password=None)
    service.add(
        "needs_consent",
        health=pause("needs_consent"),
        oauth=an_oauth_client(),
        sealed_password=None,
    )
    service.add(
        "quota", health=pause("quota_exceeded", "550 5.4.5 quota", now + timedelta(hours=1))
    )
    breaker = Breaker(
        failures=3,
        until=now + timedelta(minutes=5),
        opened_at=now - timedelta(minutes=9),
        reason="unreachable",
    )
    service.add("unreachable", health=Health(breaker=breaker, last_reply="timed out"))
    service.add("inactive", active=False)
    learned = LearnedLimit(window=Window.DAY, least=480, most=490, times=3, at=now)
    service.add("learned", health=Health(learned=(learned,)))
    service.add("inbox")
    for name in (SCRIPT, HANDLER, REVERSED, LONG):
        service.add(f"n{len(service.ids)}", name=name, display_name=name)
    service.wait(3, service.ids["auth_failed"])
    service.wait(2, service.ids["inactive"])
    service.wait(70, service.ids["open"])
    later = {"status": Status.SCHEDULED, "eligible_at": now + timedelta(hours=6)}
    service.wait(5, service.ids["open"], **later)
    service.fail(4, "recipient_refused", service.ids["open"])
    service.fail(1, SCRIPT, service.ids["by_hand"])
    service.store.write(lambda tx: _others(tx, service, now))
    return service


def _others(tx: Transaction, service: Troubled, now: datetime) -> None:
    """What is not an account's."""
    tx.inboxes.save(
        Inbox(
            account_id=service.ids["inbox"],
            host="imap.example.com",
            username="inbox@example.com",
            sealed_password=b"sealed",
            failures=5,
            last_error=f"NO [AUTHENTICATIONFAILED] {SCRIPT}",
        )
    )
    tx.webhooks.add(a_webhook(disabled=DisabledReason.FAILING, disabled_at=now))
    tx.webhooks.add(a_webhook(disabled=DisabledReason.REQUEST, disabled_at=now))
    alert = AlertRecord(account_id=None, reason="queue.growing", event_id=1, at=now)
    tx.watch.put_alert(attrs.evolve(alert, problem="no other SMTP configuration can send now"))
    tx.watch.save_growth(Growth(told=True))
    tx.instances.join(host="test", pid=1, now=now)

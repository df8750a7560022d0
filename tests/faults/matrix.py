"""E18: every stage of the dialogue times every way it can go wrong.

Each cell is one email through the real sender and the real use cases against a server of its own.
The twelve stages are those at which a server speaks; at `tls` it does so where TLS is expected.
`expected` is docs/building/guarantees.md and the reply rules written down once more, by hand.
"""

import gc
import ssl
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import attrs
import trustme

from adapters.clock import SystemClock
from adapters.entropy import SystemEntropy
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.sender import QUIT, RSET, Fault, Rule, Script
from adapters.fakes.vault import FakeVault
from adapters.name_resolver import NameResolver
from adapters.no_locks import NoLocks
from adapters.observers import ListObserver
from adapters.smtp_sender import SmtpSender
from adapters.thread_dispatcher import DispatcherPolicy, Signal, ThreadDispatcher
from application import Application, ServicePolicy
from application.intake.draft import Draft
from domain.account.account import Account, Security
from domain.account.congestion import CongestionPolicy
from domain.account.health import Health
from domain.account.limits import Limits
from domain.address import Address
from domain.dialogue.timeouts import Timeouts
from domain.email.lifecycle import Email
from domain.email.retry import RetryPolicy
from domain.outcome.handoff import Stage
from tests.applications import an_application, delivery_rules
from tests.builders import an_account
from tests.faults.harness import Numbers
from tests.faults.measures import extra_copies, resident_mb
from tests.running import wait_until
from tests.smtp_server import SmtpServer

STAGES: Final = (
    *(Stage.TLS, Stage.BANNER, Stage.EHLO, Stage.STARTTLS, Stage.AUTH),
    *(Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT, RSET, QUIT),
)
FAULTS: Final = (
    *("421 4.3.2 closing", "451 4.3.0 later", "554 5.0.0 no"),
    *(Fault.CLOSE, Fault.RST, Fault.HANG, Fault.DRIP, Fault.GARBAGE, Fault.ENDLESS, Fault.EXTRA),
)
TAKEN_AT_THE_DOT: Final = (Fault.ACCEPT_HANG, Fault.ACCEPT_CLOSE)
TIMEOUT_S: Final = 0.4
BODY_TIMEOUT_S: Final = 2.0  # a body that meets something is one of LARGE octets
OF_AN_EMAIL: Final = (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT)
LARGE: Final = 5_000_000  # more than the kernel's buffers hold
SLACK_S: Final = 5.0
GOOD: Final = "good@example.org"
BAD: Final = "bad@example.org"


class ShiftedClock(SystemClock):
    """The system's clock with a wall that a test can set forward: waits end at once."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


@attrs.frozen(kw_only=True)
class Ending:
    """How an email stands after one attempt, and what its account suffers."""

    status: str
    retries: int = 0
    account: str = "open"


WAITS: Final = Ending(status="queued", account="unreachable")
ASIDE: Final = Ending(status="queued")  # the email steps aside until another one tells the same
WATCHED: Final = Ending(status="queued")  # a streak of three pauses the account, one does not
PAUSED: Final = Ending(status="queued", account="paused")
DEFERRED: Final = Ending(status="retry", retries=1)
REFUSED: Final = Ending(status="failed")
SENT: Final = Ending(status="sent")


def expected(stage: str, fault: str) -> Ending:
    """What follows in this cell: from MAIL on the email may be to blame as well as the server."""
    ending = _expected(stage, fault)
    return ASIDE if ending == WAITS and stage in OF_AN_EMAIL else ending


def _expected(stage: str, fault: str) -> Ending:
    """The ending of this cell by the table of replies."""
    if stage in (RSET, QUIT):
        return SENT
    if stage == Stage.DOT:
        return _expected_at_the_dot(fault)
    if stage == Stage.BODY:
        return _expected_in_the_body(fault)
    if stage == Stage.TLS:
        # plain text shows that the port does not use TLS from the first byte
        return WAITS if fault in (Fault.CLOSE, Fault.RST, Fault.HANG) else PAUSED
    if fault.startswith("421"):
        return PAUSED if stage == Stage.AUTH else WAITS
    if fault.startswith("451"):
        return {Stage.RCPT: DEFERRED, Stage.AUTH: PAUSED}.get(Stage(stage), WAITS)
    if fault.startswith("554"):
        return {
            Stage.BANNER: WATCHED,
            Stage.EHLO: PAUSED,
            Stage.STARTTLS: WATCHED,
            Stage.AUTH: PAUSED,
            Stage.MAIL: WATCHED,
            Stage.RCPT: REFUSED,
            Stage.DATA: REFUSED,
        }[Stage(stage)]
    strange = fault in (Fault.GARBAGE, Fault.ENDLESS, Fault.EXTRA)
    if strange and stage in (Stage.BANNER, Stage.EHLO, Stage.STARTTLS):
        return WATCHED
    if strange and stage == Stage.AUTH:
        return WATCHED
    return WAITS


def _expected_in_the_body(fault: str) -> Ending:
    """Nothing was accepted: a reply counts as one to the final dot, a lost line as a try."""
    if fault.startswith("554"):
        return REFUSED
    if fault.startswith("421") or fault in (Fault.GARBAGE, Fault.ENDLESS, Fault.EXTRA):
        return WAITS
    return DEFERRED


def _expected_at_the_dot(fault: str) -> Ending:
    if fault.startswith("421"):
        return WAITS
    if fault.startswith("554"):
        return REFUSED
    return SENT if fault == Fault.EXTRA else DEFERRED  # by the reply, or as an unknown outcome


class Bench:
    """The application on memory, with the real sender, driven by hand."""

    def __init__(self, server: SmtpServer) -> None:
        self.clock = ShiftedClock()
        self.server = server
        self.store = MemoryStore(clock=self.clock)
        self.heard = ListObserver()
        self.wake_signal = Signal()
        self.vault = FakeVault()
        self.sender = SmtpSender(
            vault=self.vault,
            clock=self.clock,
            resolver=NameResolver(allow=lambda _: True),
            ehlo_hostname="client.example",
            timeouts=Timeouts(
                **dict.fromkeys(_TIMED, TIMEOUT_S), body=BODY_TIMEOUT_S, body_rate=1e9
            ),
            ssl_context=_trusting,
        )
        self.application: Application = an_application(
            store=self.store,
            sender=self.sender,
            vault=self.vault,
            clock=self.clock,
            entropy=SystemEntropy(),
            wake=self.wake_signal,
            observe=self.heard,
            rules=ServicePolicy(
                delivery=delivery_rules(
                    retry=RetryPolicy(delays=(timedelta(seconds=0.2),), max_retries=50),
                    congestion=CongestionPolicy(breaker=(timedelta(seconds=60),)),
                )
            ),
        )

    def account(
        self, server: SmtpServer, name: str = "main", *, security: Security = Security.PLAIN
    ) -> Account:
        """One that authenticates, on this server."""
        account = an_account(
            name=name,
            host="127.0.0.1",
            port=server.port,
            security=security,
            limits=Limits(daily=None, hourly=None),
        )
        added = self.store.write(lambda tx: tx.accounts.add(account))
        sealed = self.vault.seal("secret", context=f"account:{added.id}")
        sealed_account = attrs.evolve(added, sealed_password=sealed)
        self.store.write(lambda tx: tx.accounts.save(sealed_account))
        return sealed_account

    def submit(
        self,
        subject: str,
        *,
        to: str = GOOD,
        account_id: int | None = None,
        html: str = "<p>Hi</p>",
    ) -> int:
        draft = Draft(
            subject=subject,
            html=html,
            text="Hi",
            to=(Address.parse(to),),
            account_id=account_id,
        )
        return self.application.submission.submit((draft,)).ids[0]

    def deliver_once(self) -> None:
        """Whatever is due now, one batch after the other."""
        instance = self.application.membership.beat()
        for _ in range(10):
            batches = self.application.delivery.claim(instance, places=1)
            if not batches:
                return
            for batch in batches:
                self.application.delivery.deliver(batch, stopping=lambda: False)
            if self._troubled():
                return

    def email(self, email_id: int) -> Email:
        return self.store.read(lambda tx: tx.emails.get(email_id))

    def account_state(self, account: Account) -> str:
        return self.store.read(lambda tx: tx.accounts.get(account.id)).state(self.clock.now()).value

    def forgive(self) -> None:
        """As a person would: every account is resumed, and an hour passes."""
        self.clock.ahead += timedelta(hours=1)

        def work(tx: Any) -> None:
            for account in tx.accounts.all():
                tx.accounts.save_health(attrs.evolve(account, health=Health()))

        self.store.write(work)

    def _troubled(self) -> bool:
        """One attempt is what the cell is about: a retry is not to come at once."""
        accounts = self.store.read(lambda tx: tx.accounts.all())
        return any(_is_in_trouble(account.health) for account in accounts)


def _is_in_trouble(health: Health) -> bool:
    return bool(health.streaks or health.suspicions or health.breaker.failures)


_TIMED: Final = tuple(
    "resolve connect banner ehlo starttls auth mail rcpt data pending dot rset quit".split()
)


def every_fault_at_every_stage(
    folder: Path, *, stages: Sequence[str] = STAGES, storm_s: float = 30, growth_mb: float = 50
) -> Numbers:
    """E18: the matrix, then all faults at once on ten accounts with real threads.

    In a process of its own: in one that has run other things before, memory that they have given
    back is taken again, and looks like growth.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_matrix, tuple(stages), storm_s, growth_mb).result()


def _matrix(stages: Sequence[str], storm_s: float, growth_mb: float) -> Numbers:
    _cell(stages[0], FAULTS[0])  # what the first dialogue loads stays
    before = peak = resident_mb()
    slowest: Counter[str] = Counter()
    wrong: list[str] = []
    copies: Counter[str] = Counter()
    cells = 0
    for stage in stages:
        for fault in (*FAULTS, *(TAKEN_AT_THE_DOT if stage == Stage.DOT else ())):
            problem, seconds, most = _cell(stage, fault)
            cells += 1
            slowest[stage] = max(slowest[stage], seconds)
            copies[stage] = max(copies[stage], most)
            wrong += [problem] if problem else []
            gc.collect()  # a cell's world refers to itself: when that is found is not the sender's
            peak = max(peak, resident_mb())
    assert not wrong, f"{len(wrong)} of {cells} cells: " + "; ".join(wrong)
    late = {stage: round(s, 1) for stage, s in slowest.items() if s > _deadline(stage) + SLACK_S}
    assert not late, f"cells took longer than their deadline and {SLACK_S} s: {late}"
    many = {
        stage: most for stage, most in copies.items() if most > (2 if stage == Stage.DOT else 1)
    }
    assert not many, f"copies of one email: {many}"
    storm = _storm(seconds=storm_s)
    growth = max(peak, resident_mb()) - before
    assert growth < growth_mb, f"resident memory grew by {growth:.0f} MB"
    return {
        "cells": f"{len(stages)} stages × {len(FAULTS)} faults, {cells} cells",
        "cells that end as written": cells,
        "slowest cell, s": round(max(slowest.values()), 1),
        "slowest body, s": round(slowest[Stage.BODY], 1),
        "most copies": max(copies.values()),
        "most copies but at the dot": max(copies[stage] for stage in stages if stage != Stage.DOT),
        **storm,
        "RSS growth, MB": round(growth),
    }


def _cell(stage: str, fault: str) -> tuple[str, float, int]:
    """What is wrong with the cell ("" for nothing), how long it took, the copies of its email."""
    with SmtpServer(
        _script(stage, fault), tls=_certificate(), implicit_tls=stage == Stage.TLS
    ) as server:
        bench = Bench(server)
        account = bench.account(server, security=_SECURITY.get(stage, Security.PLAIN))
        if stage == RSET:  # it is sent after a refusal, before the next message
            bench.submit("refused", to=BAD, account_id=account.id)
        html = f"<p>{'x' * 70}</p>\n" * (LARGE // 78) if stage == Stage.BODY else "<p>Hi</p>"
        email_id = bench.submit("cell", account_id=account.id, html=html)
        started = time.monotonic()
        bench.deliver_once()
        if stage == QUIT:
            bench.application.delivery.close_sessions()
        seconds = time.monotonic() - started
        email = bench.email(email_id)
        found = Ending(
            status=email.status.value,
            retries=email.retry_count,
            account=bench.account_state(account),
        )
        wanted = expected(stage, fault)
        problem = "" if found == wanted else f"{stage} × {fault}: {found}, not {wanted}"
        if later := _after_clearing(bench, server, email_id):
            problem = f"{problem or f'{stage} × {fault}:'}{later}"
        most = max(Counter(each.subject for each in server.accepted).values(), default=0)
        return problem, seconds, most


_SECURITY: Final = {Stage.TLS: Security.TLS, Stage.STARTTLS: Security.STARTTLS}


def _deadline(stage: str) -> float:
    return BODY_TIMEOUT_S if stage == Stage.BODY else TIMEOUT_S


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


@cache
def _certificate() -> ssl.SSLContext:
    """What every server shows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _authority().issue_cert("127.0.0.1").configure_cert(context)
    return context


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    _authority().configure_trust(context)
    return context


def _script(stage: str, fault: str) -> Script:
    refusal = Rule(Stage.RCPT, "550 5.1.1 unknown", recipient=BAD)
    return Script((refusal, Rule(stage, fault)))


def _after_clearing(bench: Bench, server: SmtpServer, email_id: int) -> str:
    """Once the server behaves, whatever had not ended is sent."""
    server.play(Script())
    if bench.email(email_id).status.value != "failed":
        bench.forgive()
        bench.deliver_once()
    bench.sender.close()
    email = bench.email(email_id)
    taken = [each.subject for each in server.accepted].count("cell")
    if server.bad_wire:
        return f" bad on the wire: {server.bad_wire}"
    wanted = {"sent": range(1, 3), "failed": range(1)}.get(email.status.value)
    if wanted is None or taken not in wanted:
        why = f"{email.reason_code}: {email.error_message}"
        return f" after clearing: {email.status} ({why}), {taken} copies"
    return ""


def _storm(*, seconds: float, accounts: int = 10, emails: int = 20) -> Numbers:
    """Ten accounts, each with a fault of its own that changes; then all is well again."""
    servers = [SmtpServer(Script((_fault(number, 0),))) for number in range(accounts)]
    bench = Bench(servers[0])
    subjects = []
    for number, server in enumerate(servers):
        account = bench.account(server, f"account {number}")
        for each in range(emails):
            subjects.append(f"storm {number} {each}")
            bench.submit(subjects[-1], account_id=account.id)
    dispatcher = ThreadDispatcher(
        bench.application,
        wake_signal=bench.wake_signal,
        clock=bench.clock,
        locks=NoLocks(),
        rules=DispatcherPolicy(workers=10, max_workers=30),
        observe=bench.heard,
    )
    dispatcher.start()
    rounds = 6
    for turn in range(1, rounds + 1):
        time.sleep(seconds / rounds)
        for number, server in enumerate(servers):
            server.play(Script((_fault(number, turn),)))
    for server in servers:
        server.play(Script())

    def all_sent() -> bool:
        bench.forgive()
        counts = bench.store.read(lambda tx: tx.emails.counts())
        return sum(n for status, n in counts.items() if n and status.value != "sent") == 0

    wait_until(all_sent, patience=120, every=0.5)
    alive = sum(thread.name == "delivery" for thread in threading.enumerate())
    died = [event for event in bench.heard.events if event.name in ("worker_died", "worker_failed")]
    dispatcher.drain(timeout=5)
    taken = Counter(each.subject for server in servers for each in server.accepted)
    for server in servers:
        server.close()
    assert alive >= 10, f"only {alive} workers are alive"
    assert not died, died
    assert set(taken) == set(subjects), "an email was lost in the storm"
    assert max(taken.values()) <= 2
    return {
        "storm: accepted": len(subjects),
        "storm: handed off": len(taken),
        "storm: copies beyond one": extra_copies(taken.elements()),
        "workers alive": alive,
    }


# What keeps the email waiting, and what is unknown only once: none of it may end an email.
_STORMY: Final = (
    (Stage.BANNER, Fault.HANG),
    (Stage.EHLO, Fault.DRIP),
    (Stage.AUTH, Fault.CLOSE),
    (Stage.MAIL, Fault.RST),
    (Stage.RCPT, Fault.GARBAGE),
    (Stage.DATA, Fault.ENDLESS),
    (Stage.MAIL, Fault.EXTRA),
    (Stage.BANNER, Fault.MIXED),
    (Stage.DATA, "421 4.3.2 closing"),
    (Stage.DOT, "451 4.3.0 later"),
)


def _fault(number: int, turn: int) -> Rule:
    stage, fault = _STORMY[(number + turn) % len(_STORMY)]
    return Rule(stage, fault)

"""A whole service in memory: real use cases on fake ports, driven by hand, one step at a time."""

from collections.abc import Sequence
from typing import Any

import attrs

from adapters.fakes.authorization_server import FakeAuthorizationServer
from adapters.fakes.clock import FakeClock
from adapters.fakes.dns import FakeDns
from adapters.fakes.entropy import FakeEntropy
from adapters.fakes.headroom import FakeHeadroom
from adapters.fakes.locks import FakeLocks
from adapters.fakes.mailbox import FakeMailboxReader
from adapters.fakes.memory_store import MemoryStore
from adapters.fakes.oauth_provider import PlayedProvider
from adapters.fakes.sender import FakeSender, Script
from adapters.fakes.vault import FakeVault
from adapters.fakes.web import FakeWeb
from adapters.message_reader import BoundedMessageReader
from adapters.observers import ListObserver
from adapters.signatures import CryptographySignatures
from adapters.siv_cipher import SivCipher
from adapters.template_engine import MinijinjaTemplates
from application import Application, Ports, ServicePolicy, assemble
from application.delivery import Batch, DeliveryPolicy
from application.intake.draft import Draft
from domain.account.account import Account
from domain.account.limits import Limits
from domain.address import Address
from domain.email.lifecycle import Email
from tests.builders import an_account, an_address
from tests.shipped_rules import RULES
from tests.signing import StockedSigner

SERVICE = (
    "lease", "retention", "max_queue_depth", "max_account_depth", "public_url", "alert_to",
    "growth",
)  # fmt: skip


class World:
    """One process on a store of its own, or on *store*; or one *beside* another one, on its store,
    its clock and its machine.
    """

    def __init__(
        self,
        *,
        store: Any = None,
        clock: Any = None,
        sender: Any = None,
        beside: "World | None" = None,
        pid: int = 1,
        wake: Any = None,
        vault: Any = None,
        mailboxes: Any = None,
        web: Any = None,
        **rules: Any,
    ) -> None:
        if beside is not None:
            store, clock = beside.store, beside.clock
        self.clock: Any = clock or FakeClock()
        self.store = store or MemoryStore(clock=self.clock)
        self.sender = sender or FakeSender()
        self.vault = vault or FakeVault()
        self.mailboxes: Any = mailboxes or FakeMailboxReader()
        self.locks = FakeLocks(beside=None if beside is None else beside.locks)
        self.headroom = FakeHeadroom()
        self.web: Any = web or FakeWeb()
        self.heard = ListObserver()
        self.wakes: list[None] = []
        service = {name: rules.pop(name) for name in SERVICE if name in rules}
        self.application: Application = assemble(
            Ports(
                store=self.store,
                sender=self.sender,
                vault=self.vault,
                dkim=StockedSigner(),
                token_cipher=SivCipher(),
                signatures=CryptographySignatures(),
                clock=self.clock,
                entropy=FakeEntropy(),
                engine=MinijinjaTemplates(),
                reader=BoundedMessageReader(),
                locks=self.locks,
                headroom=self.headroom,
                web=self.web,
                dns=FakeDns(),
                mailboxes=self.mailboxes,
                authorization=FakeAuthorizationServer(PlayedProvider(clock=self.clock)),
                wake=wake or (lambda: self.wakes.append(None)),
                observe=self.heard,
                scrub=getattr(self.store, "scrub", lambda seconds: True),
            ),
            ServicePolicy(delivery=DeliveryPolicy(replies=RULES, **rules), **service),
            host="here",
            pid=pid,
        )
        self.instance = self.application.membership.join()

    def play(self, *rules: Any, account_id: int | None = None) -> None:
        """What the mail server does from now on."""
        self.sender.play(Script(rules), account_id=account_id)

    def account(self, name: str = "main", **changes: Any) -> Account:
        """A new account without limits, unless *changes* set some."""
        limits = changes.pop("limits", Limits(daily=None, hourly=None))
        account = an_account(name=name, limits=limits, **changes)
        return self.store.write(lambda tx: tx.accounts.add(account))

    def submit(self, *to: str, **changes: Any) -> int:
        """The id of a new email."""
        draft = Draft(
            subject="Hello",
            html="<p>Hello</p>",
            to=tuple(Address.parse(text) for text in to) or (an_address(),),
        )
        accepted = self.application.submission.submit((attrs.evolve(draft, **changes),))
        return accepted.ids[0]

    def email(self, email_id: int) -> Email:
        return self.store.read(lambda tx: tx.emails.get(email_id))

    def account_now(self, account: Account) -> Account:
        return self.store.read(lambda tx: tx.accounts.get(account.id))

    def claim(self, places: int = 1) -> Sequence[Batch]:
        self.instance = self.application.membership.beat()
        return self.application.delivery.claim(self.instance, places=places)

    def deliver(self, *batches: Batch) -> None:
        for batch in batches:
            self.application.membership.beat()
            self.application.delivery.deliver(batch, stopping=lambda: False)

    def run(self, rounds: int = 1000) -> int:
        """Deliver until nothing can be claimed; how many batches that took."""
        for done in range(rounds):
            batches = self.claim(places=10)
            if not batches:
                return done
            self.deliver(*batches)
        raise AssertionError("it never ends")

    def sent_subjects(self) -> list[str]:
        return [
            str(recipient) for taken in self.sender.accepted
            for recipient in taken.envelope.recipients
        ]  # fmt: skip

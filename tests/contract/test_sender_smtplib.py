"""The sender over smtplib keeps the contract of every sender; it never announces."""

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.clock import SystemClock
from adapters.fakes.sender import Script
from adapters.name_resolver import NameResolver
from adapters.smtplib_sender import SmtplibSender
from tests.contract.sender_suite import TOKENS, VAULT, Played, SenderContract, an_account_at
from tests.contract.test_sender_smtp import timeouts_for
from tests.smtp_server import SmtpServer


class TestSmtplibSender(SenderContract):
    @contextmanager
    def playing(self, script: Script) -> Iterator[Played]:
        sender = SmtplibSender(
            vault=VAULT,
            tokens=TOKENS,
            clock=SystemClock(),
            resolver=NameResolver(allow=lambda _: True),
            ehlo_hostname="client.example.com",
            timeouts=timeouts_for(script),
        )
        with SmtpServer(script) as server:
            yield Played(
                sender,
                an_account_at(server.host, server.port, announce_next=self.announces),
                lambda: [(taken.recipients, taken.octets) for taken in server.accepted],
            )
            sender.close()
            assert not server.bad_wire


class TestSmtplibSenderWithoutPipelining(TestSmtplibSender):
    pipelining = False
